"""What a person can do about the other sites: see who is a member, confirm a site, remove one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from protocols.core.errors import Code, InputError
from protocols.exchange.membership import MemberList
from site_node.governance import peers
from site_node.governance.peers import Peer
from site_node.home.config import load
from site_node.home.membership import consortium


@dataclass(frozen=True)
class Peers:
    """The other sites whose keys were proposed here, by name.

    Attributes:
        fingerprint: this site's own, which people at the other sites compare.
        file: where what this site said was written.
    """

    fingerprint: str
    sites: tuple[Peer, ...]
    file: Path | None = None
    schema_version: int = 1


def listed(home: Path, file: Path | None = None) -> Peers:
    """The other sites: members, and those whose keys somebody proposed.

    Args:
        file: a list from the center, whose keys and statements are known here from now on.

    Raises:
        InputError: not a list of this consortium's sites, or a statement in it is not its site's.
        SiteError: a member shows another key in it.
    """
    if file is not None:
        _learn(home, file)
    return _peers(home)


def confirm(
    home: Path,
    fingerprints: Mapping[str, str],
    *,
    file: Path | None = None,
    out: Path | None = None,
    by: str = "",
) -> Peers:
    """The other sites, after this one said whose fingerprints its people compared.

    Args:
        fingerprints: site -> the fingerprint that a person there read out.
        file: a list from the center with their keys.
        out: where to write what this site said, for the center; it also goes with its next reply.

    Raises:
        InputError: no key was proposed for a site, or it has another fingerprint.
    """
    if file is not None:
        _learn(home, file)
    for site, fingerprint in fingerprints.items():
        peers.confirm(home, site, fingerprint, by=by)
    return _told(home, out)


def remove(home: Path, site: str, *, out: Path | None = None, by: str = "") -> Peers:
    """The other sites, after this one said that the key of one no longer counts.

    Raises:
        InputError: no such site is known here.
    """
    peers.remove(home, site, by=by)
    return _told(home, out)


def _learn(home: Path, file: Path) -> None:
    found = MemberList.read(file)
    if found.consortium != consortium(home).coordinator_key:
        raise InputError(Code.INVALID_INPUT, f"{file.name} is of another consortium")
    peers.meet(home, found.sites, found.statements)


def _told(home: Path, out: Path | None) -> Peers:
    out = out or Path(f"{load(home).name}.statements.json")
    peers.own_statements(home).write(out)
    return _peers(home, out)


def _peers(home: Path, file: Path | None = None) -> Peers:
    return Peers(peers.own_fingerprint(home), tuple(peers.listed(home)), file)
