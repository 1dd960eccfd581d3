"""What a coordinator proposes to a site: a signed study, and the sites that would share its sums.

A site checks that every masking key bears its own site's signature and pins the signing keys at the first
sight (`site_node/governance/peers.py`), so that nobody can slip in another key, or another site, later.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from protocols.core.errors import Code
from protocols.exchange.wire import SCHEMA_VERSION, WireError, pack, unpack


@dataclass(frozen=True)
class SiteKeys:
    """The public keys of a site in base64: Ed25519, X25519, and the first one's signature of the second."""

    signing_key: str
    masking_key: str
    masking_signature: str


@dataclass(frozen=True)
class Proposal:
    """A study as the coordinator sealed it, and the keys of the sites that are asked with this one.

    `run` is the name of the run for which it is proposed: a site that has approved says hello in it at once.
    """

    study: bytes
    sites: Mapping[str, SiteKeys]
    run: str = ""

    def encode(self) -> bytes:
        """The canonical bytes."""
        return pack(
            {
                "schema_version": SCHEMA_VERSION,
                "run": self.run,
                "study": base64.b64encode(self.study).decode(),
                "sites": {name: vars(keys) for name, keys in self.sites.items()},
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The proposal of canonical bytes. Raises WireError."""
        content = unpack(data)
        try:
            if content["schema_version"] != SCHEMA_VERSION:
                raise ValueError
            study = base64.b64decode(content["study"], validate=True)
            sites = {
                str(name): SiteKeys(**{field: str(key) for field, key in keys.items()})
                for name, keys in content["sites"].items()
            }
            proposal = cls(study, sites, str(content["run"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise WireError(Code.MALFORMED_MESSAGE, "the proposal is malformed") from None
        if proposal.encode() != data:
            raise WireError(Code.MALFORMED_MESSAGE, "the proposal is not in its canonical form")
        return proposal
