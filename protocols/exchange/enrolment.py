"""The two files with which a site joins a consortium: the coordinator's invitation and the site's answer.

Both hold public keys only, and are handed over by people. They are the root of trust: each side compares
the other's fingerprint by telephone, if it cares.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from protocols.core.errors import Code, InputError, not_found
from protocols.exchange.keys import fingerprint

SiteName = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1

    def write(self, path: Path) -> None:
        """Writes the document as JSON."""
        path.write_text(self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The document of a JSON file.

        Raises:
            InputError: there is no such file, or it is another kind of document.
        """
        if not path.is_file():
            raise not_found(path)
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            fields = ", ".join(sorted({".".join(map(str, e["loc"])) or "the file" for e in error.errors()}))
            raise InputError(
                Code.INVALID_INPUT, f"{path.name} is not an {cls.__name__.lower()}: {fields}"
            ) from None


class Invitation(_Document):
    """What a site needs to reach and to believe a coordinator; the site keeps it as consortium.json."""

    consortium: str = Field(min_length=1, max_length=100)
    site: str = SiteName
    address: str = Field(pattern=r"^[A-Za-z0-9.:\[\]-]+:[0-9]{1,5}$")
    root_certificate: str = Field(pattern=r"^-----BEGIN CERTIFICATE-----")
    coordinator_key: str

    def fingerprint(self) -> str:
        """The coordinator key's, for people to compare."""
        return fingerprint(self.coordinator_key)


class Enrolment(_Document):
    """A site's answer to its invitation: the public keys by which the coordinator knows it."""

    site: str = SiteName
    node_key: str = Field(pattern=r"^ecdsa-sha2-nistp384 ")
    signing_key: str
    masking_key: str
    masking_signature: str

    def fingerprint(self) -> str:
        """The signing key's, for people to compare."""
        return fingerprint(self.signing_key)
