"""The other sites of the consortium, as this one knows them: by signing keys pinned on first use.

A secure sum hides a site's part only if the others are who they are said to be. So a peer's masking key is
taken only with its own signature, and a peer whose signing key changed is refused until a person
here, who asked there, forgets the old one.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocols.core.errors import Code, InputError, SiteError
from protocols.exchange.keys import check_masking_key, fingerprint, verifying_key
from protocols.exchange.proposal import SiteKeys
from site_node.governance import audit
from site_node.home.register import now, register


@dataclass(frozen=True)
class Peer:
    """Another site, with the fingerprint of its signing key and when that was pinned."""

    site: str
    fingerprint: str
    pinned_at: datetime


def meet(home: Path, sites: Mapping[str, SiteKeys], own: str) -> None:
    """Pins the signing keys of sites seen for the first time, and keeps everybody's masking key.

    Raises:
        SiteError: code tampered; a known site shows another signing key, or a masking key is not vouched for.
    """
    known = _pinned(home)
    for name, keys in sites.items():
        if name in known and known[name] != keys.signing_key:
            raise SiteError(Code.TAMPERED, f"site {name} shows another signing key than before")
        try:
            check_masking_key(verifying_key(keys.signing_key), keys.masking_key, keys.masking_signature)
        except InputError:
            raise SiteError(Code.TAMPERED, f"the masking key of site {name} is not its own") from None
    with register(home) as db:
        for name, keys in sites.items():
            db.execute(
                "INSERT INTO peer (site, signing_key, masking_key, pinned_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (site) DO UPDATE SET masking_key = excluded.masking_key",
                (name, keys.signing_key, keys.masking_key, now().isoformat()),
            )
    for name in sorted(sites.keys() - known.keys() - {own}):
        audit.record(home, "peer-pinned", site=name, fingerprint=fingerprint(sites[name].signing_key))


def signing_keys(home: Path, sites: Collection[str]) -> dict[str, Ed25519PublicKey]:
    """The pinned signing keys of those of these sites that are known here."""
    return {site: verifying_key(key) for site, key in _pinned(home).items() if site in sites}


def listed(home: Path) -> list[Peer]:
    """The sites known here, by name."""
    with register(home) as db:
        rows = db.execute("SELECT * FROM peer ORDER BY site").fetchall()
    return [
        Peer(row["site"], fingerprint(row["signing_key"]), datetime.fromisoformat(row["pinned_at"]))
        for row in rows
    ]


def forget(home: Path, site: str) -> None:
    """Forgets a site's signing key, so that the next proposal may show another one.

    Raises:
        InputError: no such site is known here.
    """
    with register(home) as db:
        if db.execute("DELETE FROM peer WHERE site = ?", (site,)).rowcount == 0:
            raise InputError(Code.NOT_FOUND, f"no site {site!r} is known here")
    audit.act(home, "peer-forgotten", site=site)


def _pinned(home: Path) -> dict[str, str]:
    with register(home) as db:
        return {row["site"]: row["signing_key"] for row in db.execute("SELECT * FROM peer")}
