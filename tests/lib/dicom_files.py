"""Small DICOM files written for a test: a CT, MR or PET stack, an RTSTRUCT and a SEG on it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGLossless, JPEGLosslessSV1

from tests.lib.lossless_jpegs import JPEGS, PICTURE

ROOT = "1.2.826.0.1.3680043.8.498."
STUDY, SERIES, FRAME = ROOT + "1", ROOT + "1.1", ROOT + "1.9"
CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
    "SEG": "1.2.840.10008.5.1.4.1.1.66.4",
}
ENHANCED = {
    "CT": "1.2.840.10008.5.1.4.1.1.2.1",
    "MR": "1.2.840.10008.5.1.4.1.1.4.1",
    "PT": "1.2.840.10008.5.1.4.1.1.130",
}
SPACING_MM = (3.0, 2.0, 1.5)  # z, y, x: all different, so that a swapped axis shows
ORIGIN = (-10.0, -20.0, 30.0)
SHAPE = (4, 8, 10)
Change = Callable[[int, Dataset], None]


def new_object(kind: str, sop_uid: str, series_uid: str = SERIES) -> FileDataset:
    """An object of this kind with an identity, full of what must not be kept."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UID(CLASSES[kind])
    meta.MediaStorageSOPInstanceUID = UID(sop_uid)
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CLASSES[kind], sop_uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = (
        STUDY,
        series_uid,
        FRAME,
    )
    dataset.Modality = kind
    dataset.PatientID = "P-0042"
    dataset.PatientName = "Canary^Name"
    dataset.PatientBirthDate = "19510307"
    dataset.AccessionNumber = "CANARY-ACC"
    dataset.InstitutionName = "Canary General"
    dataset.PatientComments = "canary comment"
    dataset.SeriesDescription = "canary description"
    dataset.ReferringPhysicianName = "Canary^Doctor"
    dataset.add_new((0x0009, 0x0010), "LO", "CANARY PRIVATE")
    dataset.add_new((0x0009, 0x1001), "LO", "canary private")
    dataset.StudyDate = dataset.SeriesDate = "20240305"
    dataset.Manufacturer = "ACME"
    dataset.ManufacturerModelName = "Scan 9"
    return dataset


def write_series(
    folder: Path,
    kind: str = "CT",
    *,
    series_uid: str = SERIES,
    values: NDArray[np.int16] | None = None,
    change: Change | None = None,
) -> list[Path]:
    """The files of a stack that stores `values` (z, y, x); `change` spoils slice z before it is written."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = stored() if values is None else values
    paths = []
    for z, plane in enumerate(pixels):
        dataset = new_object(kind, f"{series_uid}.{z + 1}", series_uid)
        _image_plane(dataset, z, plane)
        if kind == "CT":
            dataset.KVP, dataset.ConvolutionKernel = "120", "B30f"
        if kind == "PT":
            dataset.Units = "GML"
        if kind != "MR":
            dataset.RescaleSlope, dataset.RescaleIntercept = ("0.5", "0") if kind == "PT" else ("1", "-1000")
        if change:
            change(z, dataset)
        paths.append(
            folder / f"{len(pixels) - z:03d}.dcm"
        )  # the order of the names is not that of the slices
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def write_volumes(
    folder: Path,
    values: NDArray[np.number],
    *,
    change: Callable[[int, int, Dataset], None],
    series_uid: str = SERIES,
) -> Path:
    """A folder with an MR series of several volumes (volume, z, y, x), each with its own slope to keep four
    digits; `change` tells slice z of volume v what it was taken with."""
    for v, volume in enumerate(values):
        slope = max(float(np.abs(volume).max()), 1e-9) / 32_000

        def told(z: int, dataset: Dataset, v: int = v, slope: float = slope) -> None:
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{series_uid}.{v}.{z}"
            dataset.RescaleSlope, dataset.RescaleIntercept = f"{slope:.9e}", "0"
            change(v, z, dataset)

        pixels = np.rint(volume / slope).astype(np.int16)
        paths = write_series(folder / "part", "MR", series_uid=series_uid, values=pixels, change=told)
        for path in paths:
            path.rename(folder / f"{v}_{path.name}")
    (folder / "part").rmdir()
    return folder


def stored() -> NDArray[np.int16]:
    """Stored values that tell every voxel from every other."""
    return np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)


def _image_plane(dataset: Dataset, z: int, plane: NDArray[np.int16]) -> None:
    dataset.ImagePositionPatient = [ORIGIN[0], ORIGIN[1], ORIGIN[2] + z * SPACING_MM[0]]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [SPACING_MM[1], SPACING_MM[2]]
    dataset.SliceThickness = str(SPACING_MM[0])
    dataset.Rows, dataset.Columns = plane.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.PixelData = np.ascontiguousarray(plane, dtype="<i2").tobytes()


Contour = Sequence[tuple[float, float, float]]  # corners as voxel indices x, y, z


def write_rtstruct(
    path: Path,
    regions: dict[str, Sequence[Contour]],
    *,
    series_uid: str = SERIES,
    object_uid: str = ROOT + "2",
    kind: str = "CLOSED_PLANAR",
) -> Path:
    """An RTSTRUCT on the stack; an empty `series_uid` leaves the reference to it out."""
    dataset = new_object("RTSTRUCT", object_uid + ".1", object_uid)
    if series_uid:
        referenced = Dataset()
        referenced.SeriesInstanceUID = series_uid
        study = Dataset()
        study.RTReferencedSeriesSequence = [referenced]
        frame = Dataset()
        frame.RTReferencedStudySequence = [study]
        dataset.ReferencedFrameOfReferenceSequence = [frame]
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(regions.items(), start=1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, drawn.ReferencedROINumber = number, name, number
        drawn.ContourSequence = [_contour(contour, kind) for contour in contours]
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(drawn)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _contour(corners: Contour, kind: str) -> Dataset:
    contour = Dataset()
    contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(corners)
    steps = np.array(SPACING_MM[::-1])
    contour.ContourData = [f"{v:.4f}" for v in (np.array(corners) * steps + np.array(ORIGIN)).ravel()]
    return contour


def write_seg(
    path: Path,
    frames: Sequence[tuple[int, int, NDArray[np.uint8]]],
    *,
    kind: str = "FRACTIONAL",
    shift_mm: float = 0.0,
) -> Path:
    """A SEG on the stack; a frame is (segment number, slice z, values y, x), one byte a pixel."""
    dataset = new_object("SEG", ROOT + "3.1", ROOT + "3")
    dataset.SegmentationType = kind
    if kind == "FRACTIONAL":
        dataset.MaximumFractionalValue = 200
    dataset.SegmentSequence = []
    numbers = {n for n, _, _ in frames} | ({1, 2} if kind == "LABELMAP" else set())
    for number in sorted(numbers):
        segment = Dataset()
        segment.SegmentNumber, segment.SegmentLabel = number, f"segment {number}"
        dataset.SegmentSequence.append(segment)
    dataset.SharedFunctionalGroupsSequence = [_shared((SPACING_MM[1], SPACING_MM[2]))]
    dataset.PerFrameFunctionalGroupsSequence = [_frame(number, z, shift_mm) for number, z, _ in frames]
    dataset.NumberOfFrames = len(frames)
    dataset.Rows, dataset.Columns = SHAPE[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = np.stack([values for _, _, values in frames]).astype(np.uint8).tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def _frame(number: int, z: int, shift_mm: float) -> Dataset:
    identification, position, frame = Dataset(), Dataset(), Dataset()
    identification.ReferencedSegmentNumber = number
    position.ImagePositionPatient = [ORIGIN[0] + shift_mm, ORIGIN[1], ORIGIN[2] + z * SPACING_MM[0]]
    frame.SegmentIdentificationSequence, frame.PlanePositionSequence = [identification], [position]
    return frame


def _shared(pixel_spacing: tuple[float, float]) -> Dataset:
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = list(pixel_spacing)
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    return shared


def write_ball(
    path: Path, *, spacing_mm: float, origin: tuple[float, float, float], shape: tuple[int, int, int]
) -> tuple[Path, NDArray[np.bool_]]:
    """A SEG of a ball on cubic voxels of its own, without its empty planes; and the ball (z, y, x)."""
    index = np.indices(shape)
    middle = (np.array(shape) - 1) / 2
    ball = ((index - middle[:, None, None, None]) ** 2).sum(axis=0) < (min(shape) / 2 - 1) ** 2
    planes = [z for z in range(shape[0]) if ball[z].any()]
    dataset = pydicom.dcmread(write_seg(path, [(1, z, ball[z].astype(np.uint8) * 200) for z in planes]))
    dataset.Rows, dataset.Columns = shape[1:]
    dataset.SharedFunctionalGroupsSequence = [_shared((spacing_mm, spacing_mm))]
    for frame, z in zip(dataset.PerFrameFunctionalGroupsSequence, planes, strict=True):
        position = [origin[0], origin[1], origin[2] + z * spacing_mm]
        frame.PlanePositionSequence[0].ImagePositionPatient = position
    dataset.save_as(path)
    return path, ball


def write_enhanced(
    path: Path,
    kind: str = "CT",
    *,
    values: NDArray[np.int16] | None = None,
    heights_mm: Sequence[float] = (),
    change: Callable[[Dataset], None] | None = None,
) -> Path:
    """The stack as one enhanced multi-frame object, its frames from the last slice to the first."""
    pixels = stored() if values is None else values
    dataset = new_object(kind, SERIES + ".1")
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID(ENHANCED[kind])
    _image_plane(dataset, 0, pixels[0])
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(dataset, keyword)
    shared = _shared((SPACING_MM[1], SPACING_MM[2]))
    shared.PixelMeasuresSequence[0].SliceThickness = str(SPACING_MM[0])
    rescale = Dataset()
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = "1", "-1000", "HU"
    shared.PixelValueTransformationSequence = [rescale]
    dataset.SharedFunctionalGroupsSequence = [shared]
    heights = heights_mm or [ORIGIN[2] + z * SPACING_MM[0] for z in range(len(pixels))]
    dataset.PerFrameFunctionalGroupsSequence = []
    for height in reversed(heights):
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = [ORIGIN[0], ORIGIN[1], height]
        frame.PlanePositionSequence = [position]
        dataset.PerFrameFunctionalGroupsSequence.append(frame)
    dataset.NumberOfFrames = len(pixels)
    dataset.PixelData = np.ascontiguousarray(pixels[::-1], dtype="<i2").tobytes()
    if change:
        change(dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def lossless_jpeg(predictor: int) -> Change:
    """The picture of lib/lossless_jpegs.py in each slice."""

    def change(_: int, dataset: Dataset) -> None:
        dataset.Rows, dataset.Columns = PICTURE.shape
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 1
        dataset.PixelData = encapsulate([JPEGS[predictor - 1]])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1 if predictor == 1 else JPEGLossless

    return change


def canaries(_: int, dataset: Dataset) -> None:
    """The patient's name in standard, nested, private, overlay and file attributes."""
    nested = Dataset()
    nested.PatientName, nested.OperatorsName = "Canary^Name", "Canary"
    nested.add_new(0x00091010, "LT", "canary")
    dataset.RequestAttributesSequence = dataset.DerivationCodeSequence = [nested]
    dataset.ImageComments, dataset.DerivationDescription = "canary", "canary"
    dataset.add_new(0x60003000, "OW", b"canary")
    dataset.add_new(0x60000022, "LO", "canary")
    dataset.StationName = dataset.ContentLabel = "CANARY"
    dataset.file_meta.SourceApplicationEntityTitle = "CANARY"
