"""A folder of DICOM files as records for the loader: one per study, image series and series of regions.

Pixels stay where they are. What the site keeps is the record and, in its image index, where the files lie.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from cdm.etl import SourceRecord, Unreadable
from site_node.sources.dicom.faults import REASONS, DicomFault, Fault
from site_node.sources.dicom.headers import Header, read_header
from site_node.sources.dicom.index import IndexedRegions, IndexedSeries, files_elsewhere, write_index
from site_node.sources.dicom.meaning import IMAGES
from site_node.sources.dicom.series import (
    Series,
    check_image,
    check_regions,
    group,
    image_body,
    image_of,
    place,
    regions_body,
    study_body,
)
from site_node.sources.files import files_below

Found = SourceRecord | Unreadable


def read(source: Path, home: Path, progress: Callable[[int], None] | None = None) -> Iterator[Found]:
    """The records of the DICOM file or folder `source`, and a coded Unreadable for what cannot be loaded.

    `home` is the site's folder: its image index learns where the files are. `progress` is called with the
    number of files whose headers have been read. Kinds: DicomStudy, DicomSeries (CT, MR, PET) and
    DicomRegions (RTSTRUCT, SEG); a record_id is the hash of the UID. A position begins with a mark of the
    folder that was read, so that two folders of one source are reviewed apart; its name may be a patient's.
    """
    name = (source if source.is_dir() else source.parent).resolve().name
    root = blake2b(name.encode(errors="surrogateescape"), digest_size=4).hexdigest()
    for found in _read(source, home, progress):
        folder, _, name = found.position.partition(":")
        yield found._replace(position=f"{root}:{name}" if folder == "." else f"{root}/{folder}:{name}")


def _read(source: Path, home: Path, progress: Callable[[int], None] | None) -> Iterator[Found]:
    headers: list[Header] = []
    facts: dict[str, dict[str, str | float]] = {}
    folder = source if source.is_dir() else source.parent
    for count, path in enumerate(files_below(source), start=1):
        try:
            if header := read_header(path, folder):
                shared = facts.setdefault(header.series_uid, header.facts)  # one copy per series, not file
                headers.append(replace(header, facts=shared) if shared == header.facts else header)
        except DicomFault as error:
            yield _refused("DicomFile", place(path.relative_to(folder).as_posix()), error.fault)
        if progress:
            progress(count)
    headers += _of_the_same_series(headers, home, source)
    yield from records_of(headers, home, source, folder)


def _of_the_same_series(headers: list[Header], home: Path, source: Path) -> Iterator[Header]:
    """The rest of series that are spread over folders which are read one by one."""
    elsewhere = files_elsewhere(home, source)
    for series_uid in {header.series_uid for header in headers} & elsewhere.keys():
        for path in elsewhere[series_uid]:
            with suppress(DicomFault, OSError):
                header = read_header(path, path.parent)
                if header and header.series_uid == series_uid:
                    yield replace(header, path=str(path))


def records_of(headers: list[Header], home: Path, source: Path, folder: Path) -> Iterator[Found]:
    """The records of files that lie below `folder`, by their headers; the image index learns of `source`."""
    found = group(headers, folder)
    images = {uid: series for uid, series in found.items() if series.first.sop_class in IMAGES}
    regions = [series for uid, series in found.items() if uid not in images]
    image_records = list(_image_records(images))
    region_records, drawn = _region_records(regions, images, files_elsewhere(home, source).keys())
    write_index(home, source, folder, _indexed(images, image_records), drawn)
    yield from _study_records([*image_records, *region_records], found)
    yield from image_records
    yield from region_records


def _image_records(images: dict[str, Series]) -> Iterator[Found]:
    for uid, series in images.items():
        try:
            body = image_body(series, check_image(series))
        except DicomFault as error:
            yield _refused("DicomSeries", series.position, error.fault)
        else:
            yield SourceRecord("DicomSeries", _hashed(uid), series.position, body)


def _region_records(
    regions: list[Series], images: dict[str, Series], elsewhere: Collection[str]
) -> tuple[list[Found], list[IndexedRegions]]:
    """The records of RTSTRUCT and SEG series, and for the index the file and image of each object in them."""
    records: list[Found] = []
    drawn: list[IndexedRegions] = []
    for series in regions:
        image_uids: dict[str, str] = {}
        try:
            check_regions(series)
            for header in series.headers:
                image_uids[header.sop_uid] = image_of(header, images, elsewhere)
        except DicomFault as error:
            records.append(_refused("DicomRegions", series.position, error.fault))
            continue
        body = regions_body(series, image_uids)
        records.append(SourceRecord("DicomRegions", _hashed(series.first.series_uid), series.position, body))
        drawn += [
            IndexedRegions(
                image_series_uid=image_uids[header.sop_uid],
                sop_uid=header.sop_uid,
                file=header.path,
                day=header.drawn.isoformat() if header.drawn else "",
                names=header.regions.names,
                time=header.drawn_at,
            )
            for header in series.headers
            if header.regions
        ]
    return records, drawn


def _study_records(records: list[Found], found: dict[str, Series]) -> Iterator[SourceRecord]:
    """One record per study that has a series to load."""
    seen: set[str] = set()
    for record in records:
        if isinstance(record, SourceRecord) and record.body["study_uid"] not in seen:
            seen.add(record.body["study_uid"])
            body = study_body(found[record.body["series_uid"]])
            yield SourceRecord("DicomStudy", _hashed(record.body["study_uid"]), record.position, body)


def _indexed(images: dict[str, Series], records: list[Found]) -> dict[str, IndexedSeries]:
    loaded = [record.body["series_uid"] for record in records if isinstance(record, SourceRecord)]
    return {
        uid: IndexedSeries(tuple(h.path for h in images[uid].headers), images[uid].instances)
        for uid in loaded
    }


def _hashed(uid: str) -> str:
    return blake2b(uid.encode(), digest_size=16).hexdigest()


def _refused(kind: str, position: str, fault: Fault) -> Unreadable:
    return Unreadable(kind, position, fault.value, REASONS[fault])
