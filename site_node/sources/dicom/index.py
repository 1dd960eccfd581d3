"""Where the files of the loaded series lie: the image index, one JSON file a source, in `home/images`.

Folders of images are named after patients more often than not, so paths stay out of the database: the CDM's
local_path is a series' name in this index. A series found in several sources is taken from the one read last.
"""

import os
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import orjson

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class IndexedSeries:
    """The files of one image series (absolute paths in an index as read) and a digest of its instances."""

    files: tuple[str, ...]
    instances: str


@dataclass(frozen=True)
class IndexedRegions:
    """One RTSTRUCT or SEG object and the image series that its regions are drawn on."""

    image_series_uid: str
    sop_uid: str
    file: str
    day: str
    names: tuple[str, ...]
    time: str = ""  # of that day, as HHMMSS and fraction; nothing where it is not told


@dataclass(frozen=True)
class ImageIndex:
    """All image series of a site by their UID, and the objects with regions on each."""

    series: dict[str, IndexedSeries] = field(default_factory=dict)
    regions: dict[str, tuple[IndexedRegions, ...]] = field(default_factory=dict)


def local_path(series_uid: str) -> str:
    """The name of a series in the index, as the CDM's local_path holds it."""
    return f"images/{series_uid}"


def write_index(
    home: Path,
    source: Path,
    folder: Path,
    series: dict[str, IndexedSeries],
    regions: list[IndexedRegions],
) -> None:
    """Nothing; afterwards the index of `source` says these series and regions, whole or not at all.

    The paths in them are below `folder`, or absolute.
    """
    target = _index_of(home, source)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = orjson.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "folder": str(folder.resolve()),
            "series": series,
            "regions": regions,
        }
    )
    part = target.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_bytes(content)
    os.replace(part, target)


def files_elsewhere(home: Path, source: Path) -> dict[str, tuple[Path, ...]]:
    """The files of each series that the indexes of other sources name."""
    found: dict[str, tuple[Path, ...]] = {}
    for path in (home / "images").glob("*.json"):
        if path != _index_of(home, source):
            content = orjson.loads(path.read_bytes())
            for uid, entry in content["series"].items():
                files = tuple(Path(content["folder"], file) for file in entry["files"])
                found[uid] = found.get(uid, ()) + files
    return found


def _index_of(home: Path, source: Path) -> Path:
    name = blake2b(bytes(source.resolve()), digest_size=8).hexdigest()
    return home / "images" / f"{name}.json"


def read_index(home: Path) -> ImageIndex:
    """The index of all sources that the site has read."""
    series: dict[str, IndexedSeries] = {}
    regions: dict[str, dict[str, IndexedRegions]] = {}
    written = (home / "images").glob("*.json")
    for path in sorted(written, key=lambda path: (path.stat().st_mtime_ns, path.name)):
        content = orjson.loads(path.read_bytes())
        folder = Path(content["folder"])
        for uid, entry in content["series"].items():
            files = tuple(str(folder / file) for file in entry["files"])
            series[uid] = IndexedSeries(files, entry["instances"])
        for entry in content["regions"]:
            found = IndexedRegions(
                **{**entry, "file": str(folder / entry["file"]), "names": tuple(entry["names"])}
            )
            regions.setdefault(found.image_series_uid, {})[found.sop_uid] = found
    return ImageIndex(series, {uid: tuple(objects.values()) for uid, objects in regions.items()})
