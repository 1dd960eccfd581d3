"""The lines of a text file, plain or gzip, read so that no file can fill the memory."""

import gzip
import io
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

GZIP_MAGIC = b"\x1f\x8b"
BOMB = 256 << 20
MAX_LINES = 20_000_000  # a germline genome has five million
FREE_LINES = 200_000
"""Lines that any file may have; beyond these a line takes two bytes on the disk at least, or it is a bomb."""
LINE_LIMIT = 16 << 20  # a VCF line of ten thousand samples has about one MiB


class TooLong(str):
    """Stands in for a line above the limit, of which nothing was kept."""


class CutShort(Exception):  # noqa: N818 - what the reader then reports, not a fault of ours
    """The file ends in the middle (a download that broke, a full disk), or is longer than is waited for."""


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes; gzip and bgzip are told by their first bytes, not by the name."""
    with path.open("rb") as file:
        compressed = file.read(2) == GZIP_MAGIC
    return gzip.open(path) if compressed else path.open("rb")  # type: ignore[return-value]


def numbered_lines(path: Path, limit: int = LINE_LIMIT) -> Iterator[tuple[int, str]]:
    """(line number from 1, text without the line end) of every line; `TooLong` for one above `limit` bytes.

    Raises:
        CutShort: after the last line that could be read.
    """
    number, most = 0, min(MAX_LINES, FREE_LINES + path.stat().st_size // 2)
    with _lines_of(path) as file:
        while line := _read(file, limit):
            number += 1
            if number > most:
                raise CutShort
            if len(line) > limit:
                _skip(file, line, limit)
                yield number, TooLong()
            else:
                yield number, _text(line.removeprefix(BOM_UTF8) if number == 1 else line).rstrip("\r\n")


def _text(line: bytes) -> str:
    """The line's text; of another encoding letter by letter, so that two names never become one."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


class _CarriageReturns(io.RawIOBase):
    """The bytes of a file whose lines end in a carriage return alone, each ending in a line feed instead."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = self._file.read(len(buffer)).replace(b"\r", b"\n")
        buffer[: len(read)] = read
        return len(read)

    def close(self) -> None:
        self._file.close()
        super().close()


def _lines_of(path: Path) -> IO[bytes]:
    """The file's bytes with lines that end in a line feed, whichever of the three ends most of them have."""
    with open_bytes(path) as file:
        try:
            start = file.read(1 << 16)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            start = b""
    inside = start.rstrip(b"\r\n")
    if inside.count(b"\r") - inside.count(b"\r\n") > inside.count(b"\n"):
        return io.BufferedReader(_CarriageReturns(open_bytes(path)))
    return open_bytes(path)


def _skip(file: IO[bytes], line: bytes, limit: int) -> None:
    """Skips to the end of the line; a line longer than BOMB is treated as an attack and ends the file."""
    skipped = len(line)
    while not line.endswith(b"\n") and (line := _read(file, limit)):
        skipped += len(line)
        if skipped > BOMB:
            raise CutShort


def _read(file: IO[bytes], limit: int) -> bytes:
    try:
        return file.readline(limit + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise CutShort from None
