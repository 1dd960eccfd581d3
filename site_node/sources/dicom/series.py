"""Series put together from the headers of their files, checked, and told as records for the loader."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date
from filecmp import cmp
from hashlib import blake2b
from pathlib import Path
from typing import Any

from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.geometry import Grid, grid_of
from site_node.sources.dicom.headers import Header
from site_node.sources.dicom.index import local_path
from site_node.sources.dicom.meaning import IMAGES
from site_node.sources.dicom.parser import parse, reading
from site_node.sources.dicom.volumes import stack_of

CONTENT = ("PixelData", "ROIContourSequence", "StructureSetROISequence", "RescaleSlope", "RescaleIntercept")


@dataclass(frozen=True)
class Series:
    """The files of one SeriesInstanceUID, each SOP instance once, in the order of their SOPInstanceUID."""

    headers: tuple[Header, ...]
    is_unique: bool = True  # no SOPInstanceUID stands for two objects

    @property
    def first(self) -> Header:
        return self.headers[0]

    @property
    def position(self) -> str:
        """Where people find it: the file whose path sorts first, of those in the folder that was read."""
        return place(min((header.path.startswith("/"), header.path) for header in self.headers)[1])

    @property
    def instances(self) -> str:
        """A digest of the SOP instances: another set of images is a newer version of the series."""
        uids = "".join(header.sop_uid for header in self.headers)
        return blake2b(uids.encode(), digest_size=16).hexdigest()


def place(path: str) -> str:
    """`folder:file`, so that the quarantine of a folder is reviewed when something in it is read again."""
    folder, _, name = path.rpartition("/")
    return f"{folder or '.'}:{name}"


def group(headers: Iterable[Header], folder: Path) -> dict[str, Series]:
    """The series by their UID; a second copy of a SOP instance is the same image and is passed over.

    Another object under a UID that is taken (PS3.3 C.12.1: it identifies one) spoils the series; files lie
    below `folder`.
    """
    found: dict[str, dict[str, Header]] = defaultdict(dict)
    spoilt: set[str] = set()
    for header in headers:
        known = found[header.series_uid].setdefault(header.sop_uid, header)
        if known is not header and not _is_copy(known, header, folder):
            spoilt.add(header.series_uid)
    return {
        uid: Series(
            tuple(sorted(instances.values(), key=lambda header: header.sop_uid)), is_unique=uid not in spoilt
        )
        for uid, instances in found.items()
    }


def _is_copy(one: Header, other: Header, folder: Path) -> bool:
    """Whether two files hold one object: the same header, and the same file or the same content."""
    if replace(one, path=other.path) != other:
        return False
    paths = folder / one.path, folder / other.path
    if not all(path.is_file() for path in paths) or cmp(*paths, shallow=False):
        return True
    try:
        with reading(Fault.UNREADABLE):
            first, second = (parse(path) for path in paths)
            return all(first.get(keyword) == second.get(keyword) for keyword in CONTENT)
    except DicomFault:  # a damaged one is not the other
        return False


def check_image(series: Series) -> Grid:
    """The grid of an image series; several volumes of one place, as maps are made of, may be MR alone.

    Raises:
        DicomFault: it is not one regular stack of one patient's images with a date and a unit.
    """
    first = series.first
    _one_owner(series)
    for fault in (header.fault for header in series.headers if header.fault):
        raise DicomFault(fault)
    if not all(header.slices for header in series.headers):
        raise DicomFault(Fault.MALFORMED_GEOMETRY)
    slices = [slice_ for header in series.headers for slice_ in header.slices]
    try:
        return grid_of(slices)
    except DicomFault as error:
        if error.fault is Fault.SEVERAL_VOLUMES and first.modality == "MR":
            return stack_of(slices)[0]
        raise


def check_regions(series: Series) -> None:
    """Nothing if the series can be loaded.

    Raises:
        DicomFault: it has no owner, no date or no region.
    """
    _one_owner(series)
    if not any(header.regions and header.regions.names for header in series.headers):
        raise DicomFault(Fault.NO_REGION)


def _one_owner(series: Series) -> None:
    if len({(h.patient_id, h.study_uid, h.modality) for h in series.headers}) > 1:
        raise DicomFault(Fault.MIXED_PATIENT)
    if series.first.day is None:
        raise DicomFault(Fault.NO_DATE)
    if not series.is_unique:
        raise DicomFault(Fault.REPEATED_UID)


def image_of(header: Header, series: dict[str, Series], elsewhere: Collection[str] = ()) -> str:
    """The UID of the image series that an object's regions are drawn on.

    It is the series the object names, if it is here or `elsewhere` at the site; else the one that the images
    of its contours or frames belong to; else the only one in its study and frame of reference.

    Raises:
        DicomFault: none or several fit, or it is another patient's.
    """
    assert header.regions is not None
    named = {uid for uid in header.regions.series_uids if uid in series or uid in elsewhere}
    drawn_on = set(header.regions.sop_uids)
    candidates = (
        (named if len(header.regions.series_uids) == 1 else set())
        or {uid for uid, s in series.items() if any(h.sop_uid in drawn_on for h in s.headers)}
        or {uid for uid, s in series.items() if _same_frame(header, s.first)}
    )
    if len(candidates) != 1:
        raise DicomFault(Fault.REGION_WITHOUT_IMAGE)
    (found,) = candidates
    if found in series and series[found].first.patient_id != header.patient_id:
        raise DicomFault(Fault.OTHER_PATIENT)
    return found


def _same_frame(region: Header, image: Header) -> bool:
    frame = "frame_of_reference_uid"
    return (
        image.sop_class in IMAGES
        and image.study_uid == region.study_uid
        and frame in image.facts
        and image.facts[frame] == region.facts.get(frame)
    )


def study_body(series: Series) -> dict[str, Any]:
    """The record of a study: the same whichever of its series came first, if it names its StudyDate."""
    first = series.first
    return {
        "study_uid": first.study_uid,
        "patient_id": first.patient_id,
        "date": _text(first.study_day) or _earliest(series),
    }


def image_body(series: Series, grid: Grid) -> dict[str, Any]:
    """The record of an image series: identity, date, and the columns of image_acquisition."""
    _, rows, columns = grid.shape
    return {
        **_identity(series),
        "facts": {
            **series.first.facts,
            "number_of_instances": len(series.headers),
            "rows": rows,
            "columns": columns,
            "pixel_spacing_row_mm": grid.spacing_mm[1],
            "pixel_spacing_column_mm": grid.spacing_mm[2],
            "slice_spacing_mm": round(grid.spacing_mm[0], 6),
        },
    }


def regions_body(series: Series, image_uids: dict[str, str]) -> dict[str, Any]:
    """The record of an RTSTRUCT or SEG series: its regions, each with the image series it is drawn on."""
    return {
        **_identity(series),
        "facts": {**series.first.facts, "number_of_instances": len(series.headers)},
        "regions": [
            {"name": name, "image_series_uid": image_uids[header.sop_uid]}
            for header in series.headers
            if header.regions and header.sop_uid in image_uids
            for name in header.regions.names
        ],
    }


def _identity(series: Series) -> dict[str, Any]:
    first = series.first
    return {
        "series_uid": first.series_uid,
        "study_uid": first.study_uid,
        "patient_id": first.patient_id,
        "modality": first.modality,
        "date": _earliest(series),
        "local_path": local_path(first.series_uid),
        "instances": series.instances,
    }


def _earliest(series: Series) -> str:
    return min(header.day for header in series.headers if header.day is not None).isoformat()


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None
