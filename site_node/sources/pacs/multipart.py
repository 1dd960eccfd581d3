"""The parts of a multipart/related answer (RFC 2046), as they arrive."""

from collections.abc import Iterable, Iterator

from site_node.sources.pacs.pull import TransferError


def parts(chunks: Iterable[bytes], boundary: bytes, limit: int) -> Iterator[bytes]:
    """The body of each part; one that is cut off is left out.

    Raises:
        TransferError: a part is longer than `limit` bytes.
    """
    delimiter = b"\r\n--" + boundary
    waiting = bytearray(b"\r\n")  # the first delimiter may open the answer
    inside = False
    for chunk in chunks:
        searched = max(0, len(waiting) - len(delimiter))
        waiting += chunk
        while (at := waiting.find(delimiter, searched)) >= 0:
            if inside:
                yield _body(bytes(waiting[:at]))
            del waiting[: at + len(delimiter)]
            inside, searched = True, 0
        if len(waiting) > limit:
            raise TransferError


def _body(part: bytes) -> bytes:
    """What follows the part's own header lines; it may have none."""
    return part.partition(b"\r\n\r\n")[2]
