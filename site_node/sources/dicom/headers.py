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
from itertools import count
from pathlib import Path
from typing import Any

import pydicom

from cdm.etl.fhir.imaging_study import is_uid
from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.frames import GROUPS, number, slices_of, value_of
from site_node.sources.dicom.geometry import Slice
from site_node.sources.dicom.meaning import IMAGES, MOSAIC_TAGS, image_fault
from site_node.sources.dicom.parser import parse, reading
from site_node.sources.dicom.screening import SCREENED, screen_class, screen_pixels

RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
REGIONS = {RTSTRUCT: "RTSTRUCT", **dict.fromkeys(SEGMENTATIONS, "SEG")}
BACKGROUND = "125040"  # DCM
DIRECTORY = "1.2.840.10008.1.3.10"
DATES = ("AcquisitionDate", "SeriesDate", "StudyDate", "ContentDate", "AcquisitionDateTime")
DRAWN = ("StructureSetDate", "ContentDate", "SeriesDate", "StudyDate")
DRAWN_AT = ("StructureSetTime", "ContentTime", "SeriesTime")  # of the first three

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
    "RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence", *MOSAIC_TAGS,
    *DATES, *DRAWN, *DRAWN_AT, *WORDS.values(), *NUMBERS.values(), *GEOMETRY,
    "NumberOfFrames", *GROUPS, *SCREENED,
    # what says on which images a region is drawn, and its names
    "ReferencedFrameOfReferenceSequence", "ROIContourSequence", "StructureSetROISequence",
    "ReferencedSeriesSequence", "SegmentSequence", "SegmentationType", "PixelPaddingValue",
    "PixelRepresentation", "BitsStored", "HighBit", "PhotometricInterpretation",
    "SourceImageSequence",
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
    slices: tuple[Slice, ...]  # one per frame; empty where the geometry of one is missing
    fault: Fault | None  # of its intensities or its geometry, which keeps it from being an image with units
    drawn: date | None  # when regions were: the newest drawing counts
    regions: "Regions | None" = None
    drawn_at: str = ""  # the time of that day as HHMMSS and fraction, or nothing


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
    screen_class(dataset)
    sop_class = str(dataset.get("SOPClassUID", ""))
    is_image = sop_class in IMAGES
    if not is_image and sop_class not in REGIONS:
        raise DicomFault(Fault.UNSUPPORTED_OBJECT)
    screen_pixels(dataset)
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
        fault=image_fault(dataset) if is_image else None,
        drawn=_day(dataset, *DRAWN),
        regions=None if is_image else _regions(dataset),
        drawn_at=_time_drawn(dataset),
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
    """The first of these attributes that is a date, or begins with one where it has a time too."""
    for keyword in keywords:
        text = str(dataset.get(keyword) or "").replace(".", "")  # ACR-NEMA wrote 2004.05.19
        text = text[:8] if keyword.endswith("DateTime") else text
        try:
            return datetime.strptime(text, "%Y%m%d").date()
        except ValueError:
            continue
    return None


def _time_drawn(dataset: pydicom.Dataset) -> str:
    """The time that belongs to the date on which regions were drawn, as far as it is told."""
    for day, time in zip(DRAWN, DRAWN_AT, strict=False):
        if _day(dataset, day):
            text = str(dataset.get(time) or "").replace(":", "").strip()
            return text if re.fullmatch(r"\d\d(\d\d(\d\d(\.\d{1,6})?)?)?", text) else ""
    return ""


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
    or id becomes `region-3`, after its number. The background of a label map is not a region.

    Raises:
        DicomFault: two regions have one number.
    """
    if str(dataset.SOPClassUID) == RTSTRUCT:
        closed = {
            int(roi.ReferencedROINumber) for roi in _items(dataset, "ROIContourSequence") if is_closed(roi)
        }
        rois = [
            (int(roi.ROINumber), roi.get("ROIName")) for roi in _items(dataset, "StructureSetROISequence")
        ]
        told = [(number, name) for number, name in rois if number in closed]
    else:
        told = [
            (int(one.SegmentNumber), one.get("SegmentLabel"))
            for one in _items(dataset, "SegmentSequence")
            if not _is_background(dataset, one)
        ]
    found = dict(told)
    if len(found) < len(set(told)):
        raise DicomFault(Fault.REPEATED_NUMBER)
    identity = f"{dataset.get('PatientName') or ''} {dataset.get('PatientID') or ''}".lower()
    parts = [part for part in re.split(r"[\s^=,.]+", identity) if len(part) > 2]
    texts = {index: str(name or index).strip() for index, name in found.items()}
    for index, text in texts.items():
        if any(part in text.lower() for part in parts):
            texts[index] = f"region-{index}"
    return _distinct(texts)


def _distinct(texts: dict[int, str]) -> dict[int, str]:
    """The texts with a number behind each repeat; a text that stands once stays as it is."""
    names: dict[int, str] = {}
    used = set(texts.values())
    for index, text in texts.items():
        names[index] = text
        if text in [names[other] for other in names if other != index]:
            names[index] = next(name for repeat in count(2) if (name := f"{text} ({repeat})") not in used)
            used.add(names[index])
    return names


def _is_background(dataset: pydicom.Dataset, segment: pydicom.Dataset) -> bool:
    """Whether a segment of a label map is what no other segment holds (PS3.3 C.8.20.2, PixelPaddingValue)."""
    if str(dataset.get("SegmentationType") or "").strip() != "LABELMAP":
        return False
    codes = [str(code.get("CodeValue")) for code in _items(segment, "SegmentedPropertyTypeCodeSequence")]
    return int(segment.SegmentNumber) == int(dataset.get("PixelPaddingValue") or 0) or BACKGROUND in codes


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
        images = [one for item in (*contours, *series) for one in _items(item, "ContourImageSequence")]
    else:
        series = _items(dataset, "ReferencedSeriesSequence")
        images = [one for item in series for one in _items(item, "ReferencedInstanceSequence")]
        if len(series) != 1 or not images:
            images = _sources(dataset) or images
    return Regions(
        names,
        tuple(dict.fromkeys(str(one.SeriesInstanceUID) for one in series)),
        tuple(dict.fromkeys(str(one.ReferencedSOPInstanceUID) for one in images)),
    )


def _sources(dataset: pydicom.Dataset) -> list[pydicom.Dataset]:
    """The images that the frames of a SEG were derived from, else the whole of it (PS3.3 C.7.6.16.2.6)."""
    derived = [
        one
        for groups in GROUPS
        for frame in _items(dataset, groups)
        for derivation in _items(frame, "DerivationImageSequence")
        for one in _items(derivation, "SourceImageSequence")
    ]
    return derived or _items(dataset, "SourceImageSequence")


def _items(dataset: pydicom.Dataset, keyword: str) -> list[pydicom.Dataset]:
    return list(dataset.get(keyword) or [])
