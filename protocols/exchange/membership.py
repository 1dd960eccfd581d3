"""Who is a site: signed statements of people at the sites, from which every site finds the members by itself.

A person at a site who has compared another site's fingerprint signs `confirm` with the site's key. The first
three sites confirm each other; after that a site belongs to the consortium when two that belong to it have
confirmed its key, and no longer when two of them have signed `remove`. A new key goes the same way. The
center carries statements and can make none; a key that was removed never comes back.
"""

import base64
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocols.core.errors import Code, InputError
from protocols.core.study import canonical_json
from protocols.exchange.documents import Document, SiteName
from protocols.exchange.keys import public_text, verifying_key

CONFIRMED_BY = 2
"""How many members have to confirm a site, or to remove it."""

Action = Literal["confirm", "remove"]
Node = tuple[str, str]
"""A site and one of its signing keys."""


@dataclass(frozen=True)
class SiteKeys:
    """The public keys of a site in base64: Ed25519, X25519, and the first one's signature of the second."""

    signing_key: str
    masking_key: str
    masking_signature: str


class Statement(Document):
    """What a person at one site says about another one's key.

    Attributes:
        consortium: the coordinator's key, so that a statement counts in one consortium only.
        site, signing_key: about whom.
        by, by_key: the site that says it, and the key with which it signed.
    """

    consortium: str
    action: Action
    site: str = SiteName
    signing_key: str
    by: str = SiteName
    by_key: str
    signature: str = ""

    def check(self) -> None:
        """Returns if the statement bears the signature of the key that it names.

        Raises:
            InputError: bad-signature.
        """
        try:
            signature = base64.b64decode(self.signature, validate=True)
            verifying_key(self.by_key).verify(signature, self._signed())
        except (InvalidSignature, ValueError):
            text = f"a statement about site {self.site} does not bear the signature of site {self.by}"
            raise InputError(Code.BAD_SIGNATURE, text) from None

    def signed(self, key: Ed25519PrivateKey) -> "Statement":
        """The statement with its signature."""
        signature = base64.b64encode(key.sign(self._signed())).decode()
        return self.model_copy(update={"signature": signature})

    def _signed(self) -> bytes:
        return b"shadowgraph/1/membership\0" + canonical_json(self.model_dump(exclude={"signature"}))


class MemberList(Document):
    """The keys of a consortium's sites and what sites said about each other; a file of public content.

    Attributes:
        consortium: the coordinator's key.
        sites: whose keys are proposed; people at the sites decide which of them are members.
    """

    consortium: str
    sites: dict[str, SiteKeys]
    statements: tuple[Statement, ...]


def statement(
    consortium: str, action: Action, site: str, signing_key: str, *, by: str, key: Ed25519PrivateKey
) -> Statement:
    """What a person at site `by` says, signed with that site's key."""
    said = Statement(
        consortium=consortium,
        action=action,
        site=site,
        signing_key=signing_key,
        by=by,
        by_key=public_text(key.public_key()),
    )
    return said.signed(key)


def members(site: str, key: str, statements: Iterable[Statement]) -> dict[str, str]:
    """Site -> signing key of the members, as the site with that key finds them; itself among them.

    Empty until two other sites and this one have all confirmed each other. Statements were checked by who
    keeps them. A site of which two keys are confirmed is no member until one of them is removed.
    """
    own, said = (site, key), list(statements)
    confirming, removing = _by_whom(said, "confirm"), _by_whom(said, "remove")
    everybody = _belonging(own, confirming)
    out = {
        about
        for about, by in removing.items()
        if own in by or len(_sites(by & everybody - {about})) >= CONFIRMED_BY
    }
    while True:
        confirming = {about: by - out for about, by in confirming.items() if about not in out}
        found = _belonging(own, confirming)
        out = {node for node in found if any(node[0] == other[0] for other in found - {node})}
        if not out:
            return dict(found)


def admitted(
    sites: Collection[str], keys: Mapping[str, str], statements: Collection[Statement]
) -> tuple[str, ...]:
    """Those of these sites who are members to each other, found by leaving out one after the other.

    Args:
        sites: those that would take part.
        keys: site -> its signing key.
    """
    left = sorted(sites)
    known = {site: members(site, keys[site], statements) for site in left}
    while left:
        strangers = {
            site: sum(known[site].get(o) != keys[o] or known[o].get(site) != keys[site] for o in left)
            for site in left
        }
        worst = max(left, key=lambda site: strangers[site])
        if not strangers[worst]:
            break
        left.remove(worst)
    return tuple(left)


def _by_whom(said: Iterable[Statement], action: Action) -> dict[Node, set[Node]]:
    """About whom something was said -> by whom; nobody speaks about the own site."""
    found: dict[Node, set[Node]] = {}
    for one in said:
        if one.action == action and one.site != one.by:
            found.setdefault((one.site, one.signing_key), set()).add((one.by, one.by_key))
    return found


def _sites(nodes: Iterable[Node]) -> set[str]:
    return {site for site, _ in nodes}


def _belonging(own: Node, confirming: Mapping[Node, set[Node]]) -> set[Node]:
    """The own site with any two, who all confirmed each other, and whoever two of these confirmed."""
    by_us = {about for about, by in confirming.items() if own in by and about in confirming.get(own, ())}
    found: set[Node] = set()
    for one, other in combinations(sorted(by_us), 2):
        if one[0] != other[0] and one in confirming[other] and other in confirming[one]:
            found |= {own, one, other}
    others = {about for about in confirming if about[0] != own[0]}
    while new := {node for node in others - found if len(_sites(found & confirming[node])) >= CONFIRMED_BY}:
        found |= new
    return found
