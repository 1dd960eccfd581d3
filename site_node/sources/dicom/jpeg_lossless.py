"""Lossless JPEG (ITU-T T.81, process 14), as most archives compress CT and MR: one component, 2 to 16 bits.

Of the decoders in wheels one is under the GPL and one is C++, which a damaged frame might end: this one
touches no memory but its own, whatever the file holds.
"""

import numpy as np
from numpy.typing import NDArray

from site_node.features.genomics.segmentation_kernels import kernel

Bytes = NDArray[np.uint8]
Samples = NDArray[np.uint16]
Int = np.int64

START_OF_FRAME, HUFFMAN, START_OF_SCAN, RESTART_INTERVAL = 0xC3, 0xC4, 0xDA, 0xDD
CODE_BITS = 16
CATEGORIES = 17  # of differences: 0 to 16 (table H.2)


def decode(frame: bytes, rows: int, columns: int) -> Samples:
    """The samples (row, column) of one frame, without their sign.

    Raises:
        ValueError: the frame is damaged, of another size, or no lossless JPEG of one component.
    """
    precision, interval, at = 0, 0, 2
    tables: dict[int, tuple[Bytes, Bytes]] = {}
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # fill bytes may stand before any marker (B.1.1.2)
            at += 1
            continue
        segment = frame[at + 4 : at + 2 + int.from_bytes(frame[at + 2 : at + 4], "big")]
        at += 4 + len(segment)
        if marker == START_OF_FRAME:
            precision = segment[0]
            size = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
            if size != (rows, columns) or segment[5] != 1 or not 2 <= precision <= 16:
                raise ValueError("another size, or several components")
        elif marker == HUFFMAN:
            tables |= _tables(segment)
        elif marker == RESTART_INTERVAL:
            interval = int.from_bytes(segment[:2], "big")
        elif marker == START_OF_SCAN:
            return _scan(
                np.frombuffer(frame, np.uint8)[at:], segment, tables, precision, interval, rows, columns
            )
    raise ValueError("no scan")


def _scan(
    data: Bytes,
    header: bytes,
    tables: dict[int, tuple[Bytes, Bytes]],
    precision: int,
    interval: int,
    rows: int,
    columns: int,
) -> Samples:
    """The samples of the one scan, whose header is B.2.3's."""
    count, _, table, predictor, _, shift = header[:6]
    shift &= 15
    if count != 1 or not precision or not 1 <= predictor <= 7 or shift >= precision or interval % columns:
        raise ValueError("no scan of one component")
    lengths, categories = tables[table >> 4]
    found = np.zeros((rows, columns), np.uint16)
    middle, restart_rows = Int(1 << (precision - shift - 1)), Int(interval // columns)
    if not _fill(data, lengths, categories, Int(predictor), middle, restart_rows, found):
        raise ValueError("the scan is damaged")
    return np.asarray(found << shift, np.uint16)


def _tables(segment: bytes) -> dict[int, tuple[Bytes, Bytes]]:
    """Table number -> (length, category) of the code that sixteen bits begin with; length 0 for none."""
    found = {}
    while segment:
        counts = segment[1 : 1 + CODE_BITS]
        symbols = segment[1 + CODE_BITS : 1 + CODE_BITS + sum(counts)]
        lengths, categories = np.zeros(1 << CODE_BITS, np.uint8), np.zeros(1 << CODE_BITS, np.uint8)
        code, used = 0, 0
        for length, of_length in enumerate(counts, start=1):
            for symbol in symbols[used : used + of_length]:
                first, step = code << (CODE_BITS - length), 1 << (CODE_BITS - length)
                if first + step > 1 << CODE_BITS or symbol >= CATEGORIES:
                    raise ValueError("no Huffman table of a lossless JPEG")
                lengths[first : first + step], categories[first : first + step] = length, symbol
                code += 1
            used += of_length
            code <<= 1
        found[segment[0] & 15] = lengths, categories
        segment = segment[1 + CODE_BITS + sum(counts) :]
    return found


@kernel
def _predicted(found: Samples, y: int, x: int, fresh: bool, predictor: Int, middle: Int) -> Int:
    """What a sample is expected to be from its neighbours (table H.1; H.1.2.1 at the edges)."""
    if x == 0:
        return middle if fresh else Int(found[y - 1, 0])
    left = Int(found[y, x - 1])
    if fresh or predictor == 1:
        return left
    above, corner = Int(found[y - 1, x]), Int(found[y - 1, x - 1])
    if predictor <= 3:
        return above if predictor == 2 else corner
    if predictor == 4:
        return left + above - corner
    if predictor == 5:
        return left + ((above - corner) >> 1)
    return above + ((left - corner) >> 1) if predictor == 6 else (left + above) >> 1


@kernel
def _after_restart(data: Bytes, at: Int) -> Int:
    """Where the data go on behind the next restart marker."""
    while at + 1 < len(data) and not (data[at] == 0xFF and 0xD0 <= data[at + 1] <= 0xD7):
        at += 1
    return at + 2


@kernel
def _fill(
    data: Bytes,
    lengths: Bytes,
    categories: Bytes,
    predictor: Int,
    middle: Int,
    restart_rows: Int,
    found: Samples,
) -> bool:
    """Whether the entropy-coded data were enough to fill `found`; a restart every so many rows."""
    zero, one = Int(0), Int(1)
    at, bits, real, window = zero, zero, zero, zero  # bits in the window, and how many of them are the file's
    for y in range(found.shape[0]):
        fresh = y == 0 or bool(restart_rows > 0 and y % restart_rows == 0)
        if fresh and y > 0:
            at, bits, real, window = _after_restart(data, at), zero, zero, zero
        for x in range(found.shape[1]):
            while bits < 32:  # a code and what follows it have at most 32
                byte = zero
                if at < len(data) and (data[at] != 0xFF or (at + 1 < len(data) and data[at + 1] == 0)):
                    byte = Int(data[at])
                    at += Int(2) if byte == 0xFF else one  # a zero is stuffed behind (B.1.1.5)
                    real += 8
                window = ((window << 8) | byte) & 0xFFFFFFFFFF
                bits += 8
            code = (window >> (bits - 16)) & 0xFFFF
            length, category = Int(lengths[code]), Int(categories[code])
            extra = category if category < 16 else zero  # of 32768 no bits follow
            bits -= length + extra
            real -= length + extra
            if length == 0 or real < 0:
                return False
            difference = (window >> bits) & ((one << extra) - one)
            if category == 16:
                difference = Int(32768)
            elif category > 0 and difference >> (category - 1) == 0:
                difference -= (one << category) - one
            expected = _predicted(found, y, x, fresh, predictor, middle)
            found[y, x] = (expected + difference) & 0xFFFF
    return True
