"""The sum over sites without any site's part: exact fixed point, masked in pairs.

A number is an integer of 128 bits in two uint64 limbs (low, high), 40 of them behind the binary point; sums
are modulo 2^128, so nothing is rounded but each site's own number, by at most 2^-41. Each two sites share a
stream that one adds and the other subtracts: what a site sends is uniformly random to everybody who lacks
one of its streams, and in the sum of all sites the streams are gone.

A stream's key is agreed by X25519 between the sites' masking keys, which they signed with their confirmed
keys (`protocols.exchange.keys`), and derived by HKDF-SHA256 over the question's digest (study, run, round,
roster, every site's masking key and every array asked with), the position of the answer, and the pair. So
two sites that were shown different questions or rosters have different streams: their sum is noise, and a
check of zeros tells.

What it does not do: hide the sum, or a site's part from all other sites together. A coordinator who invents
sites is kept out only by keys that people at the sites have confirmed (`membership.py`).

Reference: Bonawitz et al., Practical Secure Aggregation (CCS 2017), section 4.0.1, without dropouts: a site
that is lost ends the round.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import cast

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from protocols.core.block import MOST_SITES
from protocols.core.disclosure import Array, Release
from protocols.core.errors import Code, SiteError, StudyError
from protocols.exchange.envelope import WireError, pack
from protocols.exchange.keys import public_text
from protocols.exchange.wire import Limbs, Sent

FRACTIONAL_BITS = 40
LARGEST = 2.0**80
"""No site's number is larger than this, so that the sum of 64 sites cannot wrap."""

CHECK = "$check"
_CHECK_NUMBERS = 2
_WORD = 2.0**64
_ONE_WORD = 2.0 ** (62 - FRACTIONAL_BITS)  # below it a number in fixed point fits one signed word
_SHIFT = np.uint64(FRACTIONAL_BITS)
_REST = np.uint64(64 - FRACTIONAL_BITS)
_FRACTION = np.uint64(2**FRACTIONAL_BITS - 1)


@dataclass(frozen=True)
class Member:
    """One site's part in the sums of one run.

    Attributes:
        site: its name.
        key: its own masking key.
        keys: the public masking key of every site of the roster, in base64, as the question has them.
        pinned: the masking keys that this site knows by their owners' signatures.
        secrets: what it agrees on with each other site, alone with it.
    """

    site: str
    key: X25519PrivateKey
    keys: Mapping[str, str]
    pinned: Mapping[str, str]
    secrets: dict[str, bytes] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Agrees on a secret with every other site.

        Raises:
            WireError: tampered; a key of the question is not the pinned one, or not this site's own.
        """
        if self.keys.get(self.site) != public_text(self.key.public_key()):
            raise WireError(Code.TAMPERED, "the question holds another key in this site's name")
        if len(set(self.keys.values())) != len(self.keys) or len(self.keys) > MOST_SITES:
            raise WireError(Code.TAMPERED, "two sites have one key, or there are too many sites")
        for peer in self.keys.keys() - {self.site}:
            if self.keys[peer] != self.pinned.get(peer):
                raise WireError(Code.TAMPERED, f"the key of site {peer} is not the one known here")
            try:
                public = X25519PublicKey.from_public_bytes(base64.b64decode(self.keys[peer], validate=True))
                self.secrets[peer] = self.key.exchange(public)
            except ValueError:
                raise WireError(Code.TAMPERED, f"the key of site {peer} is not a key") from None

    def protect(self, release: Release, question: str, position: int, seal: bytes = b"") -> Sent:
        """What leaves of a release: its arrays if it is for the clear, masked if it is for a sum.

        Args:
            question: the digest of the round's question.
            position: of the answer among the round's answers.
            seal: the key of the sum's seal, if it has one; the first site adds it.

        Raises:
            SiteError: site-failed; a number is too large for the sum. The text names the array.
        """
        if release.way != "sum":
            return release.arrays
        masked = self.mask(release.arrays, question, position)
        return sealed(masked, seal) if seal and self.site == min(self.keys) else masked

    def mask(self, arrays: Mapping[str, Array], question: str, position: int) -> dict[str, Limbs]:
        """The arrays (...) as masked numbers (..., 2), and the masked zeros of the check."""
        plain = {CHECK: np.zeros((_CHECK_NUMBERS, 2), dtype=np.uint64)}
        plain |= {name: encode(arrays[name], name) for name in arrays}
        names = sorted(plain)
        flat = np.concatenate([plain[name].reshape(-1, 2) for name in names])
        low, high = flat[:, 0].copy(), flat[:, 1].copy()  # each contiguous: most of the time goes here
        for peer in sorted(self.secrets):
            stream = self._stream(peer, question, position, len(flat))
            if self.site < peer:
                low += stream[:, 0]
                high += stream[:, 1]
                high += low < stream[:, 0]
            else:
                high -= low < stream[:, 0]
                low -= stream[:, 0]
                high -= stream[:, 1]
        flat[:, 0], flat[:, 1] = low, high
        ends = np.cumsum([plain[name].size // 2 for name in names])
        parts = np.split(flat, ends[:-1])
        return {name: part.reshape(plain[name].shape) for name, part in zip(names, parts, strict=True)}

    def _stream(self, peer: str, question: str, position: int, numbers: int) -> Limbs:
        info = {"question": question, "position": position, "pair": sorted((self.site, peer))}
        key = HKDF(SHA256(), 32, salt=None, info=b"shadowgraph/1/secure-sum\0" + pack(info))
        cipher = Cipher(ChaCha20(key.derive(self.secrets[peer]), bytes(16)), mode=None)
        stream = cipher.encryptor().update(bytes(16 * numbers))
        return np.frombuffer(stream, dtype="<u8").reshape(-1, 2).astype(np.uint64, copy=False)


def unmask(masked: Mapping[str, Sent], integral: Mapping[str, bool]) -> dict[str, Array]:
    """The sum over all sites of their masked arrays: int64 where `integral`, else float64.

    Args:
        masked: site -> name -> (..., 2), of every site of the roster.
        integral: name -> whether that array holds counts.

    Raises:
        StudyError: malformed-message, arrays differ in names or shapes; tampered, they are of two questions.
    """
    return opened(added(masked), integral)


def added(masked: Mapping[str, Sent]) -> dict[str, Limbs]:
    """The sum (..., 2) over all sites of their masked arrays, the check among them.

    Raises:
        StudyError: malformed-message; the arrays differ in names or shapes.
    """
    parts = [cast("Mapping[str, Limbs]", masked[site]) for site in sorted(masked)]
    for arrays in parts:
        if arrays.keys() != parts[0].keys() or any(
            a.dtype != np.uint64 or a.shape != parts[0][name].shape or a.shape[-1:] != (2,)
            for name, a in arrays.items()
        ):
            raise StudyError(Code.MALFORMED_MESSAGE, "sites answered a sum with different arrays")
    return {name: reduce(_add, (arrays[name] for arrays in parts)) for name in parts[0]}


def opened(added: Mapping[str, Limbs], integral: Mapping[str, bool], seal: bytes = b"") -> dict[str, Array]:
    """The numbers of a sum whose masks are gone, and whose seal has this key, if it has one.

    Raises:
        StudyError: malformed-message, it has other arrays; tampered, the parts are of two questions.
    """
    if added.keys() != {CHECK, *integral}:
        raise StudyError(Code.MALFORMED_MESSAGE, "sites answered a sum with different arrays")
    totals = {name: _subtract(added[name], pad) for name, pad in _pads(added, seal)} if seal else {**added}
    if totals.pop(CHECK).any():
        raise StudyError(Code.TAMPERED, "the sites' parts of a sum do not belong to one question")
    return {name: _integers(total) if integral[name] else decode(total) for name, total in totals.items()}


def sealed(masked: Mapping[str, Limbs], seal: bytes) -> dict[str, Limbs]:
    """One site's masked arrays (..., 2) with the seal of their sum, which who has this key can take off."""
    return {name: _add(masked[name], pad) for name, pad in _pads(masked, seal)}


def _pads(arrays: Mapping[str, Limbs], seal: bytes) -> Iterator[tuple[str, Limbs]]:
    """The numbers that a seal adds to each array."""
    names = sorted(arrays)
    cipher = Cipher(ChaCha20(seal, bytes(16)), mode=None)
    stream = cipher.encryptor().update(bytes(8 * sum(arrays[name].size for name in names)))
    words, begin = np.frombuffer(stream, dtype="<u8").astype(np.uint64, copy=False), 0
    for name in names:
        size = arrays[name].size
        yield name, words[begin : begin + size].reshape(arrays[name].shape)
        begin += size


def encode(array: Array, name: str = "array") -> Limbs:
    """The numbers (...) in fixed point (..., 2), rounded to the nearest 2^-40; integers exactly.

    Raises:
        SiteError: site-failed; a number is not finite or larger than `LARGEST`.
    """
    out = np.empty((*array.shape, 2), dtype=np.uint64)
    if array.dtype.kind == "i":
        signed = array.astype(np.int64)
        out[..., 0] = signed.view(np.uint64) << _SHIFT
        out[..., 1] = (signed >> np.int64(64 - FRACTIONAL_BITS)).view(np.uint64)
        return out
    largest = np.abs(array).max(initial=0.0)
    if not largest <= LARGEST:
        raise SiteError(Code.SITE_FAILED, f"array {name!r} holds a number too large for the sum")
    if largest < _ONE_WORD:
        whole = np.rint(array * 2.0**FRACTIONAL_BITS).astype(np.int64)
        out[..., 0] = whole.view(np.uint64)
        out[..., 1] = (whole >> np.int64(63)).view(np.uint64)
        return out
    # The size first: 2^64 less a little, the low limb of a small negative number, is not a double.
    units = np.rint(np.abs(array) * 2.0**FRACTIONAL_BITS)
    high = np.floor(units / _WORD)
    out[..., 0] = (units - high * _WORD).astype(np.uint64)
    out[..., 1] = high.astype(np.uint64)
    return np.where((array < 0)[..., None], _subtract(np.zeros_like(out), out), out)


def decode(limbs: Limbs) -> NDArray[np.float64]:
    """The nearest double (...) to the fixed-point numbers (..., 2)."""
    negative = limbs[..., 1] >> np.uint64(63) == 1
    size = np.where(negative[..., None], _subtract(np.zeros_like(limbs), limbs), limbs)
    high = size[..., 1].astype(np.float64) * 2.0 ** (64 - FRACTIONAL_BITS)
    value = high + size[..., 0].astype(np.float64) * 2.0**-FRACTIONAL_BITS
    return np.where(negative, -value, value)


def _integers(limbs: Limbs) -> NDArray[np.int64]:
    if (limbs[..., 0] & _FRACTION).any():
        raise StudyError(Code.TAMPERED, "a sum of counts is not a whole number")
    whole = (limbs[..., 1] << _REST) | (limbs[..., 0] >> _SHIFT)
    return np.asarray(whole).view(np.int64)


def _add(a: Limbs, b: Limbs) -> Limbs:
    out = a + b
    out[..., 1] += out[..., 0] < a[..., 0]
    return out


def _subtract(a: Limbs, b: Limbs) -> Limbs:
    out = a - b
    out[..., 1] -= a[..., 0] < b[..., 0]
    return out
