"""The pixels of an object, frame by frame: decoded within bounds, so that no small file fills the memory."""

import math
from collections.abc import Iterator

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder, iter_pixels, pixel_array
from pydicom.uid import UID

from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.frames import frame_count
from site_node.sources.dicom.parser import reading

MAX_FRAME = 2**26  # pixels: 8192 by 8192
MAX_VOXELS = 2**29  # of one volume: 2,000 slices of 512 by 512, 4 GiB as float64
OVERHEAD = 2  # a compressed frame is not longer than twice its pixels, which bounds what it expands to
JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_START, JPEG_2000_START = b"\xff\xd8", b"\xff\x4f\xff\x51"
FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # SOFn of JPEG, SOF55 of JPEG-LS


def frames(dataset: pydicom.FileDataset) -> Iterator[NDArray[np.generic]]:
    """The stored values (row, column) of every frame, in the order of the file.

    Raises:
        DicomFault: no decoder, damaged, or of another size than the header says.
    """
    count = check_size(dataset)
    with reading(Fault.UNDECODABLE_PIXELS):
        transfer_syntax = UID(dataset.file_meta.TransferSyntaxUID)
        if transfer_syntax.is_encapsulated:
            _check_frames(dataset, count)
        decoded = 0
        for frame in _decoded(dataset, transfer_syntax, count):
            if decoded == count or frame.shape != (dataset.Rows, dataset.Columns):
                raise DicomFault(Fault.UNDECODABLE_PIXELS)
            yield frame
            decoded += 1
        if decoded != count:
            raise DicomFault(Fault.UNDECODABLE_PIXELS)


def _decoded(dataset: pydicom.FileDataset, transfer_syntax: UID, count: int) -> Iterator[NDArray[np.generic]]:
    if transfer_syntax in JPEG_LOSSLESS:
        yield from _lossless(dataset, count)
    elif transfer_syntax.is_compressed and not _is_decoded(transfer_syntax, int(dataset.BitsStored)):
        raise DicomFault(Fault.NO_DECODER)
    elif transfer_syntax.is_encapsulated:  # one by one: pydicom 3.0 cannot mend the sign of iterated frames
        for index in range(count):
            yield pixel_array(dataset, raw=True, index=index)
    elif int(dataset.BitsAllocated) == 1 and transfer_syntax.is_little_endian:
        yield from _bits(dataset, count)
    else:
        yield from iter_pixels(dataset, raw=True)


def _bits(dataset: pydicom.FileDataset, count: int) -> Iterator[NDArray[np.generic]]:
    """Frames of one bit per pixel, which follow each other without gaps, also within a byte (PS3.5 8.1.1)."""
    size = int(dataset.Rows) * int(dataset.Columns)
    packed = np.frombuffer(dataset.PixelData, dtype=np.uint8)
    if len(packed) < math.ceil(count * size / 8):
        raise DicomFault(Fault.UNDECODABLE_PIXELS)
    for start in range(0, count * size, size):
        some = np.unpackbits(packed[start // 8 : (start + size + 7) // 8], bitorder="little")
        yield some[start % 8 : start % 8 + size].reshape(int(dataset.Rows), int(dataset.Columns))


def _is_decoded(transfer_syntax: UID, bits: int) -> bool:
    """Whether a decoder of this compression is installed; Pillow's of JPEG reads no more than 8 bits."""
    if transfer_syntax == JPEG_EXTENDED and bits > 8:
        return False
    try:
        return bool(get_decoder(transfer_syntax).is_available)
    except NotImplementedError:  # videos, and what has only just been standardized
        return False


def _lossless(dataset: pydicom.FileDataset, count: int) -> Iterator[NDArray[np.generic]]:
    from site_node.sources.dicom.jpeg_lossless import decode  # compiles at its first use

    unused = 16 - int(dataset.BitsStored)
    is_signed = int(dataset.PixelRepresentation) == 1
    for frame in generate_frames(dataset.PixelData, number_of_frames=count):
        samples = decode(frame, int(dataset.Rows), int(dataset.Columns))
        yield np.asarray(samples << unused).view(np.int16) >> unused if is_signed else samples


def check_size(dataset: pydicom.Dataset) -> int:
    """The number of frames.

    Raises:
        DicomFault: more pixels than one frame or one volume may have.
    """
    with reading(Fault.UNDECODABLE_PIXELS):
        pixels = int(dataset.Rows) * int(dataset.Columns)
        count = frame_count(dataset)
    if not 0 < pixels <= MAX_FRAME or not 0 < pixels * count <= MAX_VOXELS:
        raise DicomFault(Fault.TOO_LARGE)
    return count


def _check_frames(dataset: pydicom.FileDataset, count: int) -> None:
    """What a decoder would allocate for each frame is what the header says, and no more."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    longest = OVERHEAD * rows * columns * math.ceil(int(dataset.BitsAllocated) / 8) + 4096
    found = 0
    for frame in generate_frames(dataset.PixelData, number_of_frames=count):
        found += 1
        size = coded_size(frame)
        if len(frame) > longest or (size is not None and size != (rows, columns)):
            raise DicomFault(Fault.TOO_LARGE)
    if found != count:
        raise DicomFault(Fault.UNDECODABLE_PIXELS)


def coded_size(frame: bytes) -> tuple[int, int] | None:
    """The rows and columns that a JPEG, JPEG-LS or JPEG 2000 frame says it has; None of another."""
    if frame.startswith(JPEG_2000_START):  # ISO 15444-1 A.5.1: SIZ, of the reference grid less its offset
        x, y, x_offset, y_offset = (int.from_bytes(frame[at : at + 4], "big") for at in (8, 12, 16, 20))
        return y - y_offset, x - x_offset
    if not frame.startswith(JPEG_START):
        return None
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        if frame[at + 1] in FRAME_MARKERS:
            return int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(
                frame[at + 7 : at + 9], "big"
            )
        at += 1 if frame[at + 1] == 0xFF else 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None
