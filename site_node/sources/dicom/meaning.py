"""What the numbers and planes of an image object mean, or why that is not what a CT, MR or PET would mean.

A CT is in Hounsfield units only where its header says so (PS3.3 C.8.2.1): the unit of rescaled values is
RescaleType, which may be left out for HU alone; without rescaling, stored values have no unit.
"""

from collections.abc import Iterator
from typing import Any

import pydicom

from site_node.sources.dicom.faults import Fault
from site_node.sources.dicom.frames import frame_count, is_enhanced, mappings_of, number, value_of

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
UNITS_FROM_RESCALE = ("CT", "PT")  # without slope and intercept their numbers are neither HU nor SUV
HOUNSFIELD = ("", "HU")
MOSAIC_WORDS = {"MOSAIC", "VFRAME"}  # Siemens, United Imaging
SIEMENS_TILES = (0x0019, "SIEMENS MR HEADER", 0x0A)  # NumberOfImagesInMosaic
MOSAIC_TAGS: list[Any] = [(0x0019, 0x0010), (0x0019, 0x100A)]


def image_fault(dataset: pydicom.Dataset) -> Fault | None:
    """Why the object cannot be used as an image of its kind; None if it can."""
    modality = IMAGES[str(dataset.SOPClassUID)]
    if is_mosaic(dataset):
        return Fault.MOSAIC
    if not _is_plain(dataset):
        return Fault.PIXEL_FORM
    if "ModalityLUTSequence" in dataset:
        return Fault.MODALITY_LUT
    for frame in range(frame_count(dataset) if is_enhanced(dataset) else 1):
        rescale = [number(value_of(dataset, f"Rescale{what}", frame)) for what in ("Slope", "Intercept")]
        is_scaled = None not in rescale and rescale[0] != 0
        if modality in UNITS_FROM_RESCALE and not is_scaled and not mappings_of(dataset, frame):
            return Fault.MISSING_RESCALE
        unit = str(value_of(dataset, "RescaleType", frame) or "").strip().upper()
        if modality == "CT" and unit not in HOUNSFIELD:
            return Fault.OTHER_UNIT
    return None


def _is_plain(dataset: pydicom.Dataset) -> bool:
    """Whether a pixel's number is in its lowest bits: one below BitsStored is the HighBit of every image of
    today (PS3.5 8.1.1), and a palette's entries measure nothing."""
    high, stored = number(dataset.get("HighBit")), number(dataset.get("BitsStored"))
    shown = str(dataset.get("PhotometricInterpretation") or "MONOCHROME2").strip()
    return shown in ("MONOCHROME1", "MONOCHROME2") and (None in (high, stored) or high + 1 == stored)  # type: ignore[operator]


def is_mosaic(dataset: pydicom.Dataset) -> bool:
    """Whether the slices of a volume lie beside each other as tiles of one picture."""
    tiles = number(private(dataset, *SIEMENS_TILES))
    words = {str(word).strip().upper() for words in _image_types(dataset) for word in words}
    return bool(words & MOSAIC_WORDS) or (tiles is not None and tiles > 1)


def _image_types(dataset: pydicom.Dataset) -> Iterator[list[str]]:
    """The words of ImageType, of an enhanced object's first frame too."""
    for value in (dataset.get("ImageType"), value_of(dataset, "ImageType")):
        yield [value] if isinstance(value, str) else list(value or [])


def private(dataset: pydicom.Dataset, group: int, creator: str, element: int) -> Any:
    """The value of a private attribute; None where the object does not have it."""
    try:
        return dataset.private_block(group, creator)[element].value
    except KeyError:
        return None
