"""Random numbers of a key, by ChaCha20 as a counter: the same wherever the key is, and nowhere else."""

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocols.core.table import Floats
from protocols.exchange.envelope import pack


def derived(secret: bytes, purpose: object) -> bytes:
    """The 32 bytes of a secret for one purpose, which is plain data."""
    return HKDF(SHA256(), 32, salt=None, info=b"shadowgraph/1/draws\0" + pack(purpose)).derive(secret)


def uniform(key: bytes, n: int) -> Floats:
    """(n,) uniform numbers in (0, 1)."""
    cipher = Cipher(ChaCha20(key, bytes(16)), mode=None)
    words = np.frombuffer(cipher.encryptor().update(bytes(8 * n)), dtype="<u8")
    found: Floats = ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return found


def normal(key: bytes, n: int) -> Floats:
    """(n,) standard normal numbers."""
    from scipy.special import ndtri  # who only lists studies does not wait for scipy

    found: Floats = ndtri(uniform(key, n))
    return found
