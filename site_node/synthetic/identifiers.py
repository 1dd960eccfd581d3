"""Identifiers drawn from a seed: valid DICOM UIDs and patient ids that look de-identified."""

import hashlib
import uuid


def uid(*parts: str | int) -> str:
    """A DICOM UID made from a UUID (PS3.5 B.2: `2.25.` and a decimal number), the same for the same parts."""
    return f"2.25.{uuid.UUID(bytes=_digest(16, parts), version=5).int}"


def patient_id(*parts: str | int) -> str:
    """A `P` and twelve hexadecimal digits, as a de-identification engine hands out; fixed by the parts."""
    return "P" + _digest(6, parts).hex().upper()


def _digest(size: int, parts: tuple[str | int, ...]) -> bytes:
    return hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=size).digest()
