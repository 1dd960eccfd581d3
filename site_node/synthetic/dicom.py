"""A patient's CT series and its RTSTRUCT as DICOM files: de-identified headers, explicit VR little endian."""

import struct
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite, write_dataset
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage

from site_node.synthetic.identifiers import uid
from site_node.synthetic.patients import Patient
from site_node.synthetic.phantom import ORIGIN_MM, SPACING_MM, Contour, HeadCT

REGION = "GTV"  # ROIName of the lesion, as contoured for radiotherapy
INTERCEPT_HU = -1024
_IMPLEMENTATION_UID = uid("shadowgraph", "synthetic")


@dataclass(frozen=True)
class ImagingStudyUIDs:
    """The UIDs by which FHIR and DICOM name the same study."""

    study: str
    ct_series: str
    rtstruct_series: str
    frame_of_reference: str


def study_uids(patient_id: str) -> ImagingStudyUIDs:
    """The UIDs of a patient's one study."""
    return ImagingStudyUIDs(*(uid(patient_id, part) for part in ("study", "ct", "rtstruct", "frame")))


def scan_date(patient: Patient) -> date:
    """The day of the scan: three days before the index date, so that it lies in the baseline window."""
    return patient.index_date - timedelta(3)


def write_study(folder: Path, patient: Patient, head: HeadCT) -> int:
    """The number of files written below `folder`: the CT slices, and an RTSTRUCT if it was contoured."""
    uids = study_uids(patient.patient_id)
    sop_uids = [uid(patient.patient_id, "ct", index) for index in range(len(head.array))]
    (folder / "CT").mkdir(parents=True)
    encode = SliceEncoder(_ct_template(patient, uids, head.array.shape))
    for index, (plane, sop_uid) in enumerate(zip(head.array, sop_uids, strict=True)):
        (folder / "CT" / f"{index + 1:04d}.dcm").write_bytes(encode(index, sop_uid, plane))
    if not patient.contoured:
        return len(sop_uids)
    structure_set = _structure_set(patient, uids, sop_uids, head.contours)
    dcmwrite(folder / "RTSTRUCT.dcm", structure_set, enforce_file_format=True)
    return len(sop_uids) + 1


class SliceEncoder:
    """The files of a series that differ in five attributes only: all the others are encoded once."""

    _VARYING = ("SOPInstanceUID", "InstanceNumber", "ImagePositionPatient", "SliceLocation", "PixelData")

    def __init__(self, template: Dataset) -> None:
        edges = [None, *(Tag(keyword) for keyword in self._VARYING), None]
        self._between = [_encode(template[low:high]) for low, high in pairwise(edges)]
        self._sop_class_uid = template.SOPClassUID

    def __call__(self, index: int, sop_uid: str, plane: NDArray[np.int16]) -> bytes:
        """The bytes of the file of slice `index`."""
        z, y, x = ORIGIN_MM[0] + index * SPACING_MM[0], ORIGIN_MM[1], ORIGIN_MM[2]
        varying = (
            _element(0x0008, 0x0018, b"UI", sop_uid),
            _element(0x0020, 0x0013, b"IS", str(index + 1)),
            _element(0x0020, 0x0032, b"DS", f"{x:.2f}\\{y:.2f}\\{z:.2f}"),
            _element(0x0020, 0x1041, b"DS", f"{z:.2f}"),
            _pixel_data((plane - INTERCEPT_HU).astype("<u2").tobytes()),
            b"",
        )
        body = (part for pair in zip(self._between, varying, strict=True) for part in pair)
        return b"".join((self._file_meta(sop_uid), *body))

    def _file_meta(self, sop_uid: str) -> bytes:
        """The preamble and the File Meta Information (PS3.10 7.1)."""
        meta = (
            struct.pack("<HH2sHI", 0x0002, 0x0001, b"OB", 0, 2) + b"\0\1"
            + _element(0x0002, 0x0002, b"UI", self._sop_class_uid)
            + _element(0x0002, 0x0003, b"UI", sop_uid)
            + _element(0x0002, 0x0010, b"UI", ExplicitVRLittleEndian)
            + _element(0x0002, 0x0012, b"UI", _IMPLEMENTATION_UID)
        )  # fmt: skip
        return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 0x0002, 0x0000, b"UL", 4, len(meta)) + meta


def _encode(dataset: Dataset) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, dataset)
    return bytes(buffer.getvalue())


def _element(group: int, element: int, vr: bytes, text: str) -> bytes:
    """A data element with a short length field, padded to even length: a UID by a null, else by a space."""
    value = text.encode("ascii")
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value


def _pixel_data(value: bytes) -> bytes:
    return struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, len(value)) + value


def _study_header(patient: Patient, uids: ImagingStudyUIDs, modality: str) -> Dataset:
    """The attributes of the Patient, General Study, General Series and Equipment modules."""
    scanner, day = patient.scanner, scan_date(patient).strftime("%Y%m%d")
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = day
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = "120000"
    dataset.AccessionNumber = ""
    dataset.Modality = modality
    dataset.Manufacturer = scanner.manufacturer
    dataset.ManufacturerModelName = scanner.model
    dataset.StationName = scanner.station
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "CT HEAD W CONTRAST"
    dataset.PatientName = patient.patient_id
    dataset.PatientID = patient.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = patient.sex[0].upper()
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Synthetic: there was nobody to identify"
    dataset.StudyInstanceUID = uids.study
    dataset.StudyID = "1"
    dataset.FrameOfReferenceUID = uids.frame_of_reference
    dataset.PositionReferenceIndicator = ""
    return dataset


def _ct_template(patient: Patient, uids: ImagingStudyUIDs, shape: tuple[int, ...]) -> Dataset:
    """What the slices of one series share."""
    dataset = _study_header(patient, uids, "CT")
    dataset.SOPClassUID = CTImageStorage
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SeriesInstanceUID = uids.ct_series
    dataset.SeriesNumber = 2
    dataset.SeriesDescription = "HEAD AXIAL"
    dataset.BodyPartExamined = "HEAD"
    dataset.PatientPosition = "HFS"
    dataset.SliceThickness = SPACING_MM[0]
    dataset.KVP = 120
    dataset.ConvolutionKernel = patient.scanner.kernel
    dataset.AcquisitionNumber = 1
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [SPACING_MM[1], SPACING_MM[2]]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = shape[1:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = 40, 120
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = INTERCEPT_HU, 1, "HU"
    return dataset


def _structure_set(
    patient: Patient, uids: ImagingStudyUIDs, sop_uids: list[str], contours: tuple[Contour, ...]
) -> Dataset:
    """The RTSTRUCT with one region, the lesion, contoured on the slices of the CT."""
    dataset = _study_header(patient, uids, "RTSTRUCT")
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = _IMPLEMENTATION_UID
    dataset.SOPClassUID = RTStructureSetStorage
    dataset.SOPInstanceUID = uid(patient.patient_id, "rtstruct", 0)
    dataset.SeriesInstanceUID = uids.rtstruct_series
    dataset.SeriesNumber = 3
    dataset.SeriesDescription = "CONTOURS"
    dataset.OperatorsName = ""
    dataset.InstanceNumber = 1
    dataset.StructureSetLabel = "LESION"
    dataset.StructureSetDate, dataset.StructureSetTime = dataset.StudyDate, dataset.StudyTime
    dataset.ApprovalStatus = "UNAPPROVED"

    series = _item(
        SeriesInstanceUID=uids.ct_series, ContourImageSequence=[_reference(sop_uid) for sop_uid in sop_uids]
    )
    study = _item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",  # Detached Study Management: retired, yet all use it
        ReferencedSOPInstanceUID=uids.study,
        RTReferencedSeriesSequence=[series],
    )
    frame = _item(FrameOfReferenceUID=uids.frame_of_reference, RTReferencedStudySequence=[study])
    dataset.ReferencedFrameOfReferenceSequence = [frame]
    region = _item(ROINumber=1, ReferencedFrameOfReferenceUID=uids.frame_of_reference, ROIName=REGION)
    region.ROIGenerationAlgorithm = "MANUAL"
    dataset.StructureSetROISequence = [region]
    planes = [_contour(contour, sop_uids[contour.index]) for contour in contours]
    dataset.ROIContourSequence = [
        _item(ROIDisplayColor=[255, 0, 0], ContourSequence=planes, ReferencedROINumber=1)
    ]
    observation = _item(
        ObservationNumber=1, ReferencedROINumber=1, RTROIInterpretedType="GTV", ROIInterpreter=""
    )
    dataset.RTROIObservationsSequence = [observation]
    return dataset


def _contour(contour: Contour, sop_uid: str) -> Dataset:
    z = ORIGIN_MM[0] + contour.index * SPACING_MM[0]
    data = [f"{value:.2f}" for x, y in contour.points_mm for value in (x, y, z)]
    return _item(
        ContourImageSequence=[_reference(sop_uid)],
        ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=len(contour.points_mm),
        ContourData=data,
    )


def _reference(sop_uid: str) -> Dataset:
    return _item(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=sop_uid)


def _item(**attributes: object) -> Dataset:
    """A sequence item with these attributes, by DICOM keyword."""
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item
