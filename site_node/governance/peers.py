"""The other sites of the consortium: whose keys are proposed, what people said of them, and who is a member.

A secure sum hides a site's part only if the other sites are who they are said to be. The coordinator proposes
keys and carries statements; neither makes a member (`protocols/exchange/membership.py`). A run over a site
that is not a member here is refused, and so is one over a member for which another key is proposed.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocols.core.errors import Code, InputError, SiteError
from protocols.exchange.keys import (
    check_masking_key,
    fingerprint,
    kept_signing_key,
    public_text,
    verifying_key,
)
from protocols.exchange.membership import (
    Action,
    MemberList,
    SiteKeys,
    Statement,
    members,
    statement,
)
from protocols.runtime.database import insert
from site_node.governance import audit
from site_node.home.config import load
from site_node.home.membership import consortium
from site_node.home.register import now, register

LIST = "shadowgraph site peers list"


@dataclass(frozen=True)
class Peer:
    """Another site, as this one knows it.

    Attributes:
        fingerprint: of the key that is proposed for it.
        is_member: whether runs over it are answered.
        confirmed_by: the members, this site among them, who confirmed that key.
    """

    site: str
    fingerprint: str
    is_member: bool
    confirmed_by: tuple[str, ...]


def meet(home: Path, sites: Mapping[str, SiteKeys], said: Iterable[Statement]) -> None:
    """Keeps what a proposal or a list brings: keys of sites, which are members or not, and statements.

    Raises:
        SiteError: code tampered; a masking key is not vouched for by its site.
        InputError: bad-signature; a statement is not its site's.
    """
    _keep(home, said)
    for name, keys in sites.items():
        try:
            check_masking_key(verifying_key(keys.signing_key), keys.masking_key, keys.masking_signature)
        except InputError:
            raise SiteError(Code.TAMPERED, f"the masking key of site {name} is not its own") from None
    with register(home) as db:
        for name, keys in sites.items():
            insert(
                db,
                "peer",
                "replace",
                site=name,
                signing_key=keys.signing_key,
                masking_key=keys.masking_key,
                pinned_at=now().isoformat(),
            )


def refuse_strangers(home: Path, sites: Collection[str]) -> None:
    """Raises unless all these sites are members, and the keys that are proposed for them the confirmed ones.

    Raises:
        SiteError: unconfirmed-site.
    """
    known, own = _members(home), load(home).name
    shown = _proposed(home) | {own: known.get(own, "")}
    if strangers := sorted(site for site in set(sites) if known.get(site, "") != shown.get(site)):
        raise SiteError(
            Code.UNCONFIRMED_SITE, f"not confirmed by people at two sites: {', '.join(strangers)}", LIST
        )


def signing_keys(home: Path, sites: Collection[str]) -> dict[str, Ed25519PublicKey]:
    """The signing keys of those of these sites that are members."""
    return {site: verifying_key(key) for site, key in _members(home).items() if site in sites}


def member_names(home: Path) -> tuple[str, ...]:
    """The members by name, this site among them; empty while the first three did not confirm each other."""
    return tuple(sorted(_members(home)))


def listed(home: Path) -> list[Peer]:
    """The other sites whose keys were proposed, by name, and who confirmed them."""
    own, known, said = load(home).name, _members(home), statements(home)
    confirmed: dict[tuple[str, str], set[str]] = {}
    for one in said:
        is_known = one.by == own or known.get(one.by) == one.by_key
        if one.action == "confirm" and is_known:
            confirmed.setdefault((one.site, one.signing_key), set()).add(one.by)
    return [
        Peer(site, fingerprint(key), known.get(site) == key, tuple(sorted(confirmed.get((site, key), ()))))
        for site, key in sorted(_proposed(home).items())
        if site != own
    ]


def confirm(home: Path, site: str, compared: str, *, by: str = "") -> list[Statement]:
    """What this site says from now on: that key belongs to that site, and an earlier one no longer does.

    Args:
        compared: the fingerprint that a person at the other site read out.

    Raises:
        InputError: nobody proposed a key for that site, or it has another fingerprint.
    """
    key = _proposed(home).get(site)
    if key is None or site == load(home).name:
        raise InputError(Code.NOT_FOUND, f"no key of site {site!r} was proposed here", LIST)
    if "".join(compared.split()).lower() != "".join(fingerprint(key).split()):
        raise InputError(
            Code.TAMPERED,
            f"the key proposed for site {site} has another fingerprint",
            "ask the site again by telephone; if it reads out the same, the center shows you another key",
        )
    earlier = {
        one.signing_key
        for one in _own(home)
        if (one.action, one.site) == ("confirm", site) and one.signing_key != key
    }
    said = [_say(home, "remove", site, old) for old in sorted(earlier)] + [_say(home, "confirm", site, key)]
    audit.act(home, "peer-confirmed", by, site=site, fingerprint=fingerprint(key))
    return said


def remove(home: Path, site: str, *, by: str = "") -> Statement:
    """What this site says from now on: that key of that site no longer counts, and never will again.

    Here it holds at once; at the other sites when a second member says it too.

    Raises:
        InputError: no such site is known here.
    """
    key = _members(home).get(site) or _proposed(home).get(site)
    if key is None or site == load(home).name:
        raise InputError(Code.NOT_FOUND, f"no site {site!r} is known here", LIST)
    said = _say(home, "remove", site, key)
    audit.act(home, "peer-removed", by, site=site, fingerprint=fingerprint(key))
    return said


def say_again(home: Path, earlier: Iterable[Statement]) -> None:
    """Signs what this site said under an earlier key of its own with the present one."""
    for one in list(earlier):
        _say(home, one.action, one.site, one.signing_key)


def statements(home: Path) -> list[Statement]:
    """What people at all sites said about each other, as far as it is known here."""
    with register(home) as db:
        rows = db.execute("SELECT * FROM statement").fetchall()
    return [Statement.model_validate(dict(row)) for row in rows]


def own_statements(home: Path) -> MemberList:
    """What people at this site said, for the center to hand on."""
    return MemberList(consortium=consortium(home).coordinator_key, sites={}, statements=tuple(_own(home)))


def own_fingerprint(home: Path) -> str:
    """The fingerprint of this site's signing key, which people here read out to those at other sites."""
    return fingerprint(_own_key(home))


def _own_key(home: Path) -> str:
    return public_text(kept_signing_key(home / "keys" / "signing.key").public_key())


def _own(home: Path) -> list[Statement]:
    own = load(home).name
    return [one for one in statements(home) if one.by == own]


def _say(home: Path, action: Action, site: str, signing_key: str) -> Statement:
    key = kept_signing_key(home / "keys" / "signing.key")
    center = consortium(home).coordinator_key
    said = statement(center, action, site, signing_key, by=load(home).name, key=key)
    _keep(home, [said])
    return said


def _keep(home: Path, said: Iterable[Statement]) -> None:
    """Keeps statements of this consortium that are new here.

    Raises:
        InputError: bad-signature.
    """
    center, known = consortium(home).coordinator_key, set(statements(home))
    new = [one for one in said if one.consortium == center and one not in known]
    for one in new:
        one.check()
    with register(home) as db:
        for one in new:
            insert(db, "statement", "ignore", **one.model_dump(exclude={"schema_version"}))
    if new:
        audit.record(home, "sites-said", said=[_in_words(one) for one in new])


def _in_words(said: Statement) -> str:
    verb = {"confirm": "confirms", "remove": "removes"}[said.action]
    return f"{said.by} {verb} {said.site} with the key {fingerprint(said.signing_key)}"


def _members(home: Path) -> dict[str, str]:
    """Site -> signing key of the members, as this site finds them."""
    with register(home) as db:
        count = int(db.execute("SELECT count(*) FROM statement").fetchone()[0])
    return dict(_found(home, load(home).name, _own_key(home), count))


@lru_cache(maxsize=64)
def _found(home: Path, site: str, key: str, count: int) -> tuple[tuple[str, str], ...]:
    """The same, found once for so many statements: they only grow in number (0.1 s for those of 50 sites)."""
    return tuple(members(site, key, statements(home)).items())


def _proposed(home: Path) -> dict[str, str]:
    with register(home) as db:
        return {row["site"]: row["signing_key"] for row in db.execute("SELECT site, signing_key FROM peer")}
