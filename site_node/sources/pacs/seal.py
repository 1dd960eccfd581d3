"""The header of an object as it came, sealed with the site's key: it names the patient."""

import secrets
from datetime import date
from typing import Any

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from site_node.sources.dicom.faults import Fault
from site_node.sources.dicom.geometry import Slice
from site_node.sources.dicom.headers import Header, Regions
from site_node.sources.dicom.meaning import UNITS_FROM_RESCALE

NONCE_BYTES = 12
DAYS = ("day", "study_day", "drawn")


class Seal:
    """AES-256-GCM under a key derived from the site's."""

    def __init__(self, key: bytes) -> None:
        derived = HKDF(hashes.SHA256(), 32, salt=None, info=b"shadowgraph dicom header").derive(key)
        self._cipher = AESGCM(derived)

    def close(self, header: Header) -> bytes:
        """The sealed header."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, orjson.dumps(header), None)

    def open(self, sealed: bytes) -> Header:
        """The header that was sealed."""
        plain = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
        content: dict[str, Any] = orjson.loads(plain)
        for name in DAYS:
            content[name] = date.fromisoformat(content[name]) if content[name] else None
        content["slices"] = tuple(_slice(one) for one in content["slices"])
        if content["regions"]:
            content["regions"] = Regions(**{name: tuple(of) for name, of in content["regions"].items()})
        has_unit = content.pop("rescaled", True)  # of seals made by versions before `fault`
        is_lost = not has_unit and content["modality"] in UNITS_FROM_RESCALE
        told = content.get("fault") or (Fault.MISSING_RESCALE if is_lost else None)
        content["fault"] = Fault(told) if told else None
        return Header(**content)


def _slice(content: dict[str, Any]) -> Slice:
    values: Any = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    return Slice(**values)
