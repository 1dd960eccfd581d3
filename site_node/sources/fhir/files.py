"""FHIR files as records: Bulk Data folders of NDJSON, bundles and single resources, each plain or gzip.

A file that ends too early, and a line that is not a resource, is reported where it stands; all else is read.
A byte order mark is not part of the JSON behind it, and a file in UTF-16, which begins with one, is read too.
"""

import gzip
import io
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import orjson

from cdm.etl.record import Body, SourceRecord, Unreadable
from site_node.sources.fhir.bundle import bundle_records, resource_record
from site_node.sources.fhir.large_bundle import LARGE, read_large_bundle

LINES = (".ndjson", ".jsonl")
ENDINGS = (*LINES, ".json")
MAX_LINE = 32 * 1024 * 1024  # bounds the memory of a load; a resource of this size is a mistake
MAX_FILE = 64 * 1024 * 1024  # of a bundle, whose text is read as a whole; larger exports come as NDJSON
UNKNOWN = "unknown"
BROKEN = (EOFError, OSError, zlib.error)

Item = SourceRecord | Unreadable


def read(path: Path) -> Iterator[Item]:
    """The resources of a file, or of all FHIR files in a folder and below, in the order of their names."""
    for file in _files(path):
        position = file.relative_to(path).as_posix() if path.is_dir() else file.name
        try:
            yield from _lines(file, position) if _is_lines(file) else _whole(file, position)
        except BROKEN:
            yield Unreadable(_kind_of(file), position, "truncated-file", "the file cannot be read to its end")


def count_bytes(path: Path) -> int:
    """The size of the files that `read` reads, for a progress bar."""
    return sum(file.stat().st_size for file in _files(path))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if _plain_name(file).endswith(ENDINGS) and file.is_file())


def _plain_name(file: Path) -> str:
    return file.name.lower().removesuffix(".gz")


def _is_lines(file: Path) -> bool:
    return _plain_name(file).endswith(LINES)


def _open(file: Path) -> IO[bytes]:
    with file.open("rb") as start:
        packed = start.read(2) == b"\x1f\x8b"  # servers also send gzip without saying so in the name
    return gzip.open(file, "rb") if packed else file.open("rb")  # type: ignore[return-value]


def _line_reader(stream: IO[bytes]) -> Callable[[int], bytes]:
    """What reads the next line, of at most so many bytes or characters, as UTF-8."""
    buffered = io.BufferedReader(stream)  # type: ignore[type-var]
    if not _is_utf16(buffered.peek(4)):
        return buffered.readline
    text = io.TextIOWrapper(buffered, "utf-16", newline="\n", errors="replace")
    return lambda size: text.readline(size).encode()


def _is_utf16(content: bytes) -> bool:
    """Whether it begins with UTF-16's mark, and with a character of JSON, which leaves every other byte 0."""
    return content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) and b"\0" in content[2:4]


def _as_utf8(content: bytes) -> bytes:
    """The text without its byte order mark."""
    if _is_utf16(content):
        return content.decode("utf-16", "replace").encode()
    return content.removeprefix(BOM_UTF8)


def _kind_of(file: Path) -> str:
    """What Bulk Data names the file after, for a line that does not say what it is."""
    stem = file.name.split(".")[0]
    return stem if stem.isalpha() and stem[:1].isupper() else UNKNOWN


def _lines(file: Path, position: str) -> Iterator[Item]:
    kind, number = _kind_of(file), 0
    with _open(file) as stream:
        read_line = _line_reader(stream)
        while line := read_line(MAX_LINE):
            number += 1
            if len(line) >= MAX_LINE and not line.endswith(b"\n"):
                yield Unreadable(kind, f"{position}:{number}", "too-long", "a line is too long")
                while len(line) >= MAX_LINE and not line.endswith(b"\n"):
                    line = read_line(MAX_LINE)
                continue
            line = line.removeprefix(BOM_UTF8)  # joined files have one in the middle, too
            if line and not line.isspace():
                yield from _records(line, kind, f"{position}:{number}")


def _whole(file: Path, position: str) -> Iterator[Item]:
    with _open(file) as stream:
        content = stream.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        yield Unreadable(_kind_of(file), position, "too-long", "a file is too large for one bundle")
    else:
        yield from _records(_as_utf8(content), _kind_of(file), position)


def _records(content: bytes, kind: str, position: str) -> Iterator[Item]:
    """The resource, or those of the bundle, that a line or file holds."""
    try:
        large = read_large_bundle(content) if len(content) > LARGE else None
        resource: Body = large or orjson.loads(content)
    except orjson.JSONDecodeError:
        yield Unreadable(kind, position, "malformed-json", "this is not JSON; was it cut off?")
        return
    if isinstance(resource, dict) and resource.get("resourceType") == "Bundle":
        yield from bundle_records(resource, position, len(content))
    else:
        yield resource_record(resource, kind, position, len(content))
