"""The two files with which a site joins a consortium: the coordinator's invitation and the site's answer.

Both hold public keys only, and are handed over by people. They are the root of trust: each side compares
the other's fingerprint by telephone, if it cares.
"""

from pydantic import Field

from protocols.exchange.documents import Document, SiteName
from protocols.exchange.keys import fingerprint


class Invitation(Document):
    """What a site needs to reach and to believe a coordinator; the site keeps it as consortium.json."""

    consortium: str = Field(min_length=1, max_length=100)
    site: str = SiteName
    address: str = Field(pattern=r"^[A-Za-z0-9.:\[\]-]+:[0-9]{1,5}$")
    root_certificate: str = Field(pattern=r"^-----BEGIN CERTIFICATE-----")
    coordinator_key: str

    def fingerprint(self) -> str:
        """The coordinator key's, for people to compare."""
        return fingerprint(self.coordinator_key)


class Enrolment(Document):
    """A site's answer to its invitation: the public keys by which the coordinator knows it."""

    site: str = SiteName
    node_key: str = Field(pattern=r"^ecdsa-sha2-nistp384 ")
    signing_key: str
    masking_key: str
    masking_signature: str

    def fingerprint(self) -> str:
        """The signing key's, for people to compare."""
        return fingerprint(self.signing_key)
