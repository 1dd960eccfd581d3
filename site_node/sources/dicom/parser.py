"""pydicom as the site uses it: lenient about values, bounded in work, and silent: its warnings quote them.

A file may be made to exhaust its reader: a million elements, sequences in sequences, a megabyte that inflates
to a terabyte. What pydicom reads in one `reading` block is therefore counted, also inside sequences, and a
deflated file is inflated up to a limit before pydicom sees it.
"""

import io
import logging
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom import config, values
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from site_node.sources.dicom.faults import DicomFault, Fault

MAX_READS = 450_000  # an RTSTRUCT of 18,000 contours takes as many; on one core they take 4 s
MAX_INFLATED = 2**27  # bytes of a deflated file
HEAD = 4096  # bytes within which the file meta information names its transfer syntax
DEFLATED = b"1.2.840.10008.1.2.1.99"
INFLATED = b"1.2.840.10008.1.2.1".ljust(len(DEFLATED), b"\0")
# (0008,0000), …0005, …0008, …0016: a dataset without preamble, as files were before there was a Part 10
BARE = tuple(bytes([0x08, 0x00, element, 0x00]) for element in (0x00, 0x05, 0x08, 0x16))
ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"BZh", b"\xfd7zXZ")
TAR, TAR_AT = b"ustar", 257
META_LENGTH_AT, META_AT = 140, 144  # of the group length's value, and of what follows it (PS3.10 7.1)

config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)  # its lines hold values of the header
_block = threading.local()


@contextmanager
def reading(fault: Fault) -> Iterator[None]:
    """A block that reads a DICOM object; whatever a damaged one makes pydicom raise leaves it as `fault`.

    pydicom and its decoders have no common error: struct.error, EOFError, KeyError, NotImplementedError, ….
    """
    outermost = getattr(_block, "reads_left", None) is None
    if outermost:
        _block.reads_left = MAX_READS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DicomFault:
        raise
    except Exception:
        raise DicomFault(Fault.TOO_COMPLEX if _exhausted() else fault) from None
    finally:
        if outermost:
            _block.reads_left = None


def parse(source: Path | bytes, tags: list[Any] | None = None, pixels: bool = True) -> pydicom.FileDataset:
    """The object in a file or in bytes, all of it or the attributes `tags`; to be called in `reading`.

    Raises:
        DicomFault: it is not DICOM, or inflates beyond the limit.
    """
    with _opened(source) as file:
        head = _head(file)
        if DEFLATED in head:
            file = _Metered(_inflated(file.read(MAX_INFLATED + 1)))
        if is_bare := head.startswith(BARE):
            tags = tags and [*tags, "TransferSyntaxUID"]
        try:
            dataset = pydicom.dcmread(file, stop_before_pixels=not pixels, specific_tags=tags, force=is_bare)
        except InvalidDicomError:
            raise DicomFault(Fault.ARCHIVE if _is_archive(head) else Fault.NOT_DICOM) from None
        if is_bare and "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = _plain(*dataset.original_encoding)
        return dataset


def _is_archive(head: bytes) -> bool:
    return head.startswith(ARCHIVES) or head[TAR_AT : TAR_AT + len(TAR)] == TAR


def _plain(implicit: bool | None, little_endian: bool | None) -> str:
    """The uncompressed transfer syntax of a dataset that does not name its own."""
    if not little_endian:
        return str(ExplicitVRBigEndian)
    return str(ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian)


def _opened(source: Path | bytes) -> BinaryIO:
    return _Metered(source) if isinstance(source, bytes) else _MeteredFile(io.FileIO(source))


def _head(file: BinaryIO) -> bytes:
    head = file.read(HEAD)
    file.seek(0)
    return head


def _inflated(file: bytes) -> bytes:
    """The file with its dataset inflated, as Explicit VR Little Endian, which a deflated one is inside."""
    length = int.from_bytes(file[META_LENGTH_AT:META_AT], "little")
    meta, body = file[: META_AT + length], file[META_AT + length :]
    if len(file) > MAX_INFLATED:
        raise DicomFault(Fault.TOO_COMPLEX)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    dataset = inflater.decompress(body, MAX_INFLATED)
    if inflater.unconsumed_tail:
        raise DicomFault(Fault.TOO_COMPLEX)
    return meta.replace(DEFLATED, INFLATED) + dataset


def _spend() -> None:
    left = getattr(_block, "reads_left", None)
    if left is not None:
        _block.reads_left = left - 1
        if left <= 0:
            raise DicomFault(Fault.TOO_COMPLEX)


def _exhausted() -> bool:
    left = getattr(_block, "reads_left", None)
    return left is not None and left <= 0


class _Metered(io.BytesIO):
    """Bytes whose reads count against the block's limit."""

    def read(self, size: int | None = -1) -> bytes:
        _spend()
        return super().read(size)


class _MeteredFile(io.BufferedReader):
    """A file whose reads count against the block's limit."""

    def read(self, size: int | None = -1) -> bytes:
        _spend()
        return super().read(size)


def _sequence(
    value: bytes, implicit: bool, little_endian: bool, encoding: list[str] | None = None, offset: int = 0
) -> Any:
    """The items of a sequence of known length, which pydicom parses apart from the file, counted as well."""
    return read_sequence(
        _Metered(value), implicit, little_endian, len(value), encoding or ["iso8859"], offset
    )


values.converters["SQ"] = _sequence
