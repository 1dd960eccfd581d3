"""The keys of both sides: private ones in files that only their owner reads, public ones as base64 text."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from protocols.core.errors import Code, InputError
from protocols.core.secret_files import new_secret, write_secret

_MASKING = b"shadowgraph/1/masking-key\0"


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 key of a file; made at the first call."""
    _make_key(path, Ed25519PrivateKey.generate)
    return kept_signing_key(path)


def kept_signing_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 key of a file that exists: a lost identity is not replaced by another in silence.

    Raises:
        InputError: there is no such file, or it holds another kind of key.
    """
    if not path.is_file():
        raise InputError(Code.NOT_FOUND, f"the key {path.name} is missing", "restore it from a backup")
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(Code.INVALID_INPUT, f"{path.name} is not an Ed25519 key")
    return key


def masking_key(path: Path) -> X25519PrivateKey:
    """The X25519 key of a file, from which the masks of a secure sum come; made at the first call."""
    _make_key(path, X25519PrivateKey.generate)
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, X25519PrivateKey):
        raise InputError(Code.INVALID_INPUT, f"{path.name} is not an X25519 key")
    return key


def noise_secret(path: Path) -> bytes:
    """The 32 bytes of a file from which a site's noise comes; made at the first call."""
    return path.read_bytes() if path.exists() else new_secret(path)


def _make_key(path: Path, generate: Callable[[], Ed25519PrivateKey | X25519PrivateKey]) -> None:
    if not path.exists():
        key = generate()
        write_secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def public_text(key: Ed25519PublicKey | X25519PublicKey) -> str:
    """The base64 text of a public key's 32 bytes."""
    return base64.b64encode(key.public_bytes_raw()).decode()


def fingerprint(public: str) -> str:
    """128 bits of the SHA-256 of a public key's text, in eight groups of four hex digits.

    People compare it by telephone; 64 bits would be in reach of who searches for a key with the same one.
    """
    digits = hashlib.sha256(public.encode()).hexdigest()[:32]
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def verifying_key(text: str) -> Ed25519PublicKey:
    """The Ed25519 public key of a base64 text.

    Raises:
        InputError: it is not a valid public key.
    """
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except ValueError:
        raise InputError(Code.INVALID_INPUT, "not a base64 Ed25519 public key") from None


def sign_masking_key(key: Ed25519PrivateKey, masking: X25519PublicKey) -> str:
    """The base64 signature with which a site vouches for its masking key."""
    return base64.b64encode(key.sign(_MASKING + masking.public_bytes_raw())).decode()


def check_masking_key(key: Ed25519PublicKey, masking: str, signature: str) -> None:
    """Returns if the site of that signing key vouches for the masking key.

    Raises:
        InputError: code bad-signature.
    """
    try:
        key.verify(
            base64.b64decode(signature, validate=True), _MASKING + base64.b64decode(masking, validate=True)
        )
    except (InvalidSignature, ValueError):
        raise InputError(Code.BAD_SIGNATURE, "the masking key does not bear its site's signature") from None
