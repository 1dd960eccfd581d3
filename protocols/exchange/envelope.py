"""Canonical bytes and who signed them: plain data with arrays in it. Nothing is unpickled.

Packed data is `SGW1`, the length of a JSON header, the header (keys sorted), and the arrays that it names one
after the other, little-endian. Only float64, int64, uint64 and uint8 arrays exist.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from numpy.typing import NDArray

from protocols.core.errors import Code, ShadowgraphError
from protocols.core.study import canonical_json

MAX_BYTES = 256 * 2**20
_MAGIC = b"SGW1"
_DTYPES = {"<f8": 8, "<i8": 8, "<u8": 8, "|u1": 1}
SIGNATURE_BYTES = 64


class WireError(ShadowgraphError):
    """Bytes that are not a message, or not from whom they should be."""


def pack(value: object) -> bytes:
    """The canonical bytes of plain data with arrays in it (dicts, lists, strings, numbers, None)."""
    buffers: list[bytes] = []
    header = canonical_json(_lift(value, buffers))
    return b"".join([_MAGIC, struct.pack("<I", len(header)), header, *buffers])


def unpack(data: bytes) -> Any:
    """The plain data of canonical bytes; arrays are read-only views.

    Raises:
        WireError: malformed, truncated, too large, or not in canonical form.
    """
    try:
        if len(data) > MAX_BYTES or data[:4] != _MAGIC:
            raise ValueError
        (length,) = struct.unpack_from("<I", data, 4)
        header = data[8 : 8 + length]
        content = json.loads(header)
        if canonical_json(content) != header:
            raise ValueError
        body = _Body(data, 8 + length)
        value = _lower(content, body)
        if body.position != len(data):
            raise ValueError
    except (ValueError, KeyError, TypeError, struct.error, RecursionError):
        raise WireError(Code.MALFORMED_MESSAGE, "not a message in canonical form") from None
    return value


def _lift(value: object, buffers: list[bytes]) -> object:
    if isinstance(value, np.ndarray):
        dtype = value.dtype.newbyteorder("<").str.replace("<u1", "|u1")
        if dtype not in _DTYPES:
            raise TypeError(f"an array of {value.dtype} does not cross the wire")
        if value.dtype.kind == "f":
            value = (
                np.where(np.isnan(value), np.nan, value) + 0.0
            )  # one NaN and one zero: no payload, no sign
        buffers.append(np.ascontiguousarray(value).astype(dtype, copy=False).tobytes())
        return {"$array": [dtype, list(value.shape)]}
    if isinstance(value, Mapping):
        return {str(key): _lift(value[key], buffers) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_lift(item, buffers) for item in value]
    return value


@dataclass
class _Body:
    data: bytes
    position: int

    def take(self, dtype: str, shape: list[int]) -> NDArray[Any]:
        if dtype not in _DTYPES or any(not isinstance(n, int) or n < 0 for n in shape):
            raise ValueError
        count = 1
        for n in shape:
            count *= n
        end = self.position + _DTYPES[dtype] * count
        if end > len(self.data):
            raise ValueError
        array = np.frombuffer(self.data, dtype=dtype, count=count, offset=self.position).reshape(shape)
        self.position = end
        return array


def _lower(value: object, body: _Body) -> object:
    if isinstance(value, dict):
        if value.keys() == {"$array"}:
            dtype, shape = value["$array"]
            return body.take(dtype, shape)
        return {key: _lower(value[key], body) for key in sorted(value)}
    if isinstance(value, list):
        return [_lower(item, body) for item in value]
    return value


def seal(body: bytes, key: Ed25519PrivateKey, context: str) -> bytes:
    """The body signed: 64 bytes of Ed25519 signature, then the body. `context` names the kind of message."""
    return key.sign(_signed(body, context)) + body


def unseal(sealed: bytes, key: Ed25519PublicKey, context: str) -> bytes:
    """The body of a sealed message.

    Raises:
        WireError: it does not bear that key's signature for that kind of message.
    """
    body = sealed[SIGNATURE_BYTES:]
    try:
        key.verify(sealed[:SIGNATURE_BYTES], _signed(body, context))
    except InvalidSignature:
        raise WireError(Code.BAD_SIGNATURE, "the signature is not the expected sender's") from None
    return body


def _signed(body: bytes, context: str) -> bytes:
    return b"shadowgraph/1/" + context.encode() + b"\0" + body


def digest(data: bytes) -> str:
    """The SHA-256 of the bytes, in hex."""
    return hashlib.sha256(data).hexdigest()
