"""What of a DICOM header enters the site: an allow-list, so that what is not named here cannot get in.

Birth date, accession number, institution, physicians, comments, descriptions and all private attributes are
never read; the patient's name is read only to be struck out of the names that people gave to regions.
PatientID becomes the person_id by the site's key and is not stored in the CDM. The UIDs are kept inside the
site, whose rows are a person's anyway: they join a series with FHIR's ImagingStudy and with its files, and no
analysis can ask for them.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pydicom

from cdm.etl.fhir.imaging_study import is_uid
from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.frames import GROUPS, number, slices_of, value_of
from site_node.sources.dicom.geometry import Slice
from site_node.sources.dicom.parser import parse, reading
from site_node.sources.dicom.screening import SCREENED, screen

IMAGES = {  # SOP classes (PS3.4 B.5): single frames, enhanced multi-frames, and these made of those
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",
    "1.2.840.10008.5.1.4.1.1.128": "PT",
    "1.2.840.10008.5.1.4.1.1.130": "PT",
    "1.2.840.10008.5.1.4.1.1.128.1": "PT",
}
RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
REGIONS = {RTSTRUCT: "RTSTRUCT", **dict.fromkeys(SEGMENTATIONS, "SEG")}
DIRECTORY = "1.2.840.10008.1.3.10"
DATES = ("AcquisitionDate", "SeriesDate", "StudyDate", "ContentDate")
DRAWN = ("StructureSetDate", "ContentDate", "SeriesDate", "StudyDate")

# column of image_acquisition -> DICOM attribute
WORDS = {
    "manufacturer": "Manufacturer",
    "manufacturer_model_name": "ManufacturerModelName",
    "software_versions": "SoftwareVersions",
    "body_part_examined": "BodyPartExamined",
    "convolution_kernel": "ConvolutionKernel",
    "contrast_bolus_agent": "ContrastBolusAgent",
    "frame_of_reference_uid": "FrameOfReferenceUID",
}
LENGTHS = {"body_part_examined": 16}  # of the others 64, as in image_acquisition
NUMBERS = {
    "slice_thickness_mm": "SliceThickness",
    "kvp": "KVP",
    "magnetic_field_strength_tesla": "MagneticFieldStrength",
    "repetition_time_ms": "RepetitionTime",
    "echo_time_ms": "EchoTime",
    "flip_angle_degrees": "FlipAngle",
}
GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns")
TAGS: list[Any] = [
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "PatientName",
    "RescaleSlope", "RescaleIntercept", *DATES, *DRAWN, *WORDS.values(), *NUMBERS.values(), *GEOMETRY,
    "NumberOfFrames", *GROUPS, *SCREENED,
    # what says on which images a region is drawn, and its names
    "ReferencedFrameOfReferenceSequence", "ROIContourSequence", "StructureSetROISequence",
    "ReferencedSeriesSequence", "SegmentSequence",
]  # fmt: skip


@dataclass(frozen=True)
class Header:
    """One file: the identity of the object in it and the facts about it that the site may keep."""

    path: str  # below the folder that was read; absolute where it lies in another
    sop_class: str
    sop_uid: str
    series_uid: str
    study_uid: str
    patient_id: str
    modality: str
    day: date | None  # of the acquisition, or the nearest that the header has; of regions, of their study
    study_day: date | None
    facts: dict[str, str | float]
    slices: tuple[Slice, ...]  # one a frame; none where the geometry of one is missing
    rescaled: bool
    drawn: date | None  # when regions were: the newest drawing counts
    regions: "Regions | None" = None


@dataclass(frozen=True)
class Regions:
    """What an RTSTRUCT or SEG says of its regions: their names and the images that they are drawn on."""

    names: tuple[str, ...]
    series_uids: tuple[str, ...]
    sop_uids: tuple[str, ...]


def read_header(path: Path, below: Path) -> Header | None:
    """The header of one file; None for a DICOMDIR, which only lists others.

    Raises:
        DicomFault: it is not DICOM, cannot be read, lacks what identifies it, or its pixels may name people.
    """
    with reading(Fault.UNREADABLE):
        dataset = parse(path, TAGS, pixels=False)
        if dataset.file_meta.get("MediaStorageSOPClassUID") == DIRECTORY:
            return None
        return header_of(dataset, path.relative_to(below).as_posix())


def header_of(dataset: pydicom.Dataset, path: str) -> Header:
    """The header of an object that lies, or will lie, at `path`; to be called in `reading`.

    Raises:
        DicomFault: it lacks what identifies it, or its pixels may name people.
    """
    screen(dataset)
    sop_class = str(dataset.get("SOPClassUID", ""))
    is_image = sop_class in IMAGES
    if not is_image and sop_class not in REGIONS:
        raise DicomFault(Fault.UNSUPPORTED_OBJECT)
    return Header(
        path=path,
        sop_class=sop_class,
        sop_uid=_uid(dataset, "SOPInstanceUID"),
        series_uid=_uid(dataset, "SeriesInstanceUID"),
        study_uid=_uid(dataset, "StudyInstanceUID"),
        patient_id=_identity(dataset, "PatientID"),
        modality=IMAGES[sop_class] if is_image else REGIONS[sop_class],
        day=_day(dataset, *DATES) if is_image else _day(dataset, "StudyDate", *DRAWN),
        study_day=_day(dataset, "StudyDate"),
        facts=_facts(dataset),
        slices=slices_of(dataset) if is_image else (),
        rescaled=None
        not in (number(value_of(dataset, "RescaleSlope")), number(value_of(dataset, "RescaleIntercept"))),
        drawn=_day(dataset, *DRAWN),
        regions=None if is_image else _regions(dataset),
    )


def _identity(dataset: pydicom.Dataset, keyword: str) -> str:
    value = str(dataset.get(keyword) or "").replace("\0", "").strip()
    if not value:
        raise DicomFault(Fault.MISSING_IDENTITY)
    return value


def _uid(dataset: pydicom.Dataset, keyword: str) -> str:
    value = _identity(dataset, keyword)
    if not is_uid(value):
        raise DicomFault(Fault.MISSING_IDENTITY)
    return value


def _day(dataset: pydicom.Dataset, *keywords: str) -> date | None:
    """The first of these attributes that is a date."""
    for keyword in keywords:
        text = str(dataset.get(keyword) or "").replace(".", "")  # ACR-NEMA wrote 2004.05.19
        try:
            return datetime.strptime(text, "%Y%m%d").date()
        except ValueError:
            continue
    return None


def _facts(dataset: pydicom.Dataset) -> dict[str, str | float]:
    """The acquisition parameters by their column in image_acquisition; what is absent is left out."""
    facts: dict[str, str | float] = {}
    for column, keyword in WORDS.items():
        if text := _words(value_of(dataset, keyword)):
            facts[column] = text[: LENGTHS.get(column, 64)]
    for column, keyword in NUMBERS.items():
        if (found := number(value_of(dataset, keyword))) is not None:
            facts[column] = found
    return facts


def _words(value: object) -> str:
    """The text of a value; several are joined as DICOM writes them."""
    parts = value if isinstance(value, pydicom.multival.MultiValue | list) else [value]
    return "\\".join(str(part).replace("\0", "").strip() for part in parts if part is not None).strip()


def region_names(dataset: pydicom.Dataset) -> dict[int, str]:
    """The names of the regions with an inside, by ROI number (RTSTRUCT) or segment number (SEG).

    Each name stands once: of two with one name the second is `name (2)`. One that repeats the patient's name
    or id becomes `region-3`, after its number.
    """
    if str(dataset.SOPClassUID) == RTSTRUCT:
        closed = {
            int(roi.ReferencedROINumber) for roi in _items(dataset, "ROIContourSequence") if is_closed(roi)
        }
        rois = {int(roi.ROINumber): roi.get("ROIName") for roi in _items(dataset, "StructureSetROISequence")}
        found = {index: name for index, name in rois.items() if index in closed}
    else:
        found = {
            int(one.SegmentNumber): one.get("SegmentLabel") for one in _items(dataset, "SegmentSequence")
        }
    identity = f"{dataset.get('PatientName') or ''} {dataset.get('PatientID') or ''}".lower()
    parts = [part for part in re.split(r"[\s^=,.]+", identity) if len(part) > 2]
    names: dict[int, str] = {}
    for index, name in found.items():
        text = str(name or index).strip()
        if any(part in text.lower() for part in parts):
            text = f"region-{index}"
        repeats = sum(other.partition(" (")[0] == text for other in names.values())
        names[index] = f"{text} ({repeats + 1})" if repeats else text
    return names


def is_closed(region: pydicom.Dataset) -> bool:
    """Whether an item of an ROI Contour Sequence has an inside; points and open lines have none."""
    return any(
        str(one.ContourGeometricType).startswith("CLOSED") for one in _items(region, "ContourSequence")
    )


def _regions(dataset: pydicom.Dataset) -> Regions:
    names = tuple(region_names(dataset).values())
    if str(dataset.SOPClassUID) == RTSTRUCT:
        studies = [
            study
            for frame in _items(dataset, "ReferencedFrameOfReferenceSequence")
            for study in _items(frame, "RTReferencedStudySequence")
        ]
        series = [one for study in studies for one in _items(study, "RTReferencedSeriesSequence")]
        contours = [
            c for roi in _items(dataset, "ROIContourSequence") for c in _items(roi, "ContourSequence")
        ]
        images = [one for contour in contours for one in _items(contour, "ContourImageSequence")]
    else:
        series = _items(dataset, "ReferencedSeriesSequence")
        images = [one for item in series for one in _items(item, "ReferencedInstanceSequence")]
    return Regions(
        names,
        tuple(dict.fromkeys(str(one.SeriesInstanceUID) for one in series)),
        tuple(dict.fromkeys(str(one.ReferencedSOPInstanceUID) for one in images)),
    )


def _items(dataset: pydicom.Dataset, keyword: str) -> list[pydicom.Dataset]:
    return list(dataset.get(keyword) or [])
