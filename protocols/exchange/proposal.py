"""What a coordinator proposes to a site: a signed study, and the sites that would share its sums.

The keys and the statements of people about each other's sites are only carried: which sites are members
each site finds by itself (`membership.py`), so that nobody can slip in another key, or another site.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from protocols.core.errors import Code
from protocols.exchange.envelope import WireError, pack, unpack
from protocols.exchange.membership import SiteKeys, Statement
from protocols.exchange.wire import SCHEMA_VERSION


@dataclass(frozen=True)
class Proposal:
    """A study as the coordinator sealed it, the keys of the sites that are asked, and what sites said.

    `run` is the name of the run for which it is proposed: a site that has approved says hello in it at once.
    `lists` are the names, one per line, of the study's blocks that no rule gives, by block.
    """

    study: bytes
    sites: Mapping[str, SiteKeys]
    run: str = ""
    statements: tuple[Statement, ...] = ()
    lists: Mapping[str, bytes] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The canonical bytes."""
        lists = {block: np.frombuffer(names, dtype=np.uint8) for block, names in self.lists.items()}
        return pack(
            {
                "schema_version": SCHEMA_VERSION,
                "run": self.run,
                "study": base64.b64encode(self.study).decode(),
                "sites": {name: vars(keys) for name, keys in self.sites.items()},
                "statements": [said.model_dump() for said in self.statements],
                **({"lists": lists} if lists else {}),
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
            statements = tuple(Statement.model_validate(said) for said in content["statements"])
            lists = {str(block): names.tobytes() for block, names in content.get("lists", {}).items()}
            proposal = cls(study, sites, str(content["run"]), statements, lists)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise WireError(Code.MALFORMED_MESSAGE, "the proposal is malformed") from None
        if proposal.encode() != data:
            raise WireError(Code.MALFORMED_MESSAGE, "the proposal is not in its canonical form")
        return proposal
