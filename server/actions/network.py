"""What a person can do with the network: make a center, invite and enrol sites, start and stop it."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from protocols.core.errors import Code, InputError
from protocols.exchange.documents import KeptHeads
from protocols.runtime import daemons
from server.administration import enrolment, processes
from server.home.config import load
from server.home.store import Site, Store

ONLINE_SECONDS = 60.0


@dataclass(frozen=True)
class MadeCenter:
    """A new center."""

    consortium: str
    home: Path
    address: str
    schema_version: int = 1


@dataclass(frozen=True)
class WrittenInvitation:
    """A site's invitation, in a file of public keys."""

    site: str
    path: Path
    coordinator_fingerprint: str
    schema_version: int = 1


@dataclass(frozen=True)
class EnrolledSite:
    """A site whose keys are known here from now on."""

    name: str
    fingerprint: str
    schema_version: int = 1


@dataclass(frozen=True)
class WrittenMembers:
    """The keys of all sites and what they said about each other, in a file for the sites."""

    sites: tuple[str, ...]
    statements: int
    path: Path
    schema_version: int = 1


@dataclass(frozen=True)
class KeptStatements:
    """How many statements of sites were read."""

    statements: int
    schema_version: int = 1


@dataclass(frozen=True)
class WrittenHeads:
    """What the center keeps of a site's audit, in a file with which the site compares it."""

    site: str
    heads: int
    path: Path
    schema_version: int = 1


@dataclass(frozen=True)
class SiteEntry:
    """One site: only invited, where it has no fingerprint; `seen_at` is when it was last online."""

    name: str
    is_enrolled: bool
    is_online: bool
    seen_at: datetime | None
    fingerprint: str


@dataclass(frozen=True)
class SiteList:
    """All sites, invited and enrolled, by name."""

    sites: tuple[SiteEntry, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class Process:
    """One process of a running center."""

    name: str
    pid: int
    state: str
    restarts: int


@dataclass(frozen=True)
class CenterStatus:
    """A center's processes and sites."""

    consortium: str
    address: str
    superlink_answers: bool
    is_coordinated: bool
    processes: tuple[Process, ...]
    sites: tuple[SiteEntry, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class StoppedCenter:
    """A center without processes."""

    was_running: bool
    schema_version: int = 1


def init(home: Path, name: str, *, address: str = "", port: int = 9443) -> MadeCenter:
    """A new center in `home`: its folder, certificates, the coordinator's key and an empty store.

    Raises:
        InputError: there is a center already.
    """
    settings = enrolment.make_center(home, name, address=address or None, port=port)
    return MadeCenter(settings.consortium, settings.home, settings.address)


def invite(
    home: Path, site: str, *, out: Path | None = None, root_certificate: Path | None = None
) -> WrittenInvitation:
    """The invitation of a site, written to `out` or SITE.invitation.json.

    Raises:
        InputError: there is no center in `home`.
    """
    invitation = enrolment.invite(home, site, root_certificate)
    path = out or Path(f"{site}.invitation.json")
    invitation.write(path)
    return WrittenInvitation(site, path, invitation.fingerprint())


def enrol(home: Path, file: Path, *, new_keys: bool = False) -> EnrolledSite:
    """The site whose answer to its invitation is in the file.

    Args:
        new_keys: whether it may come with other keys than before.

    Raises:
        InputError: not an enrolment, nobody invited the site, or its keys do not vouch for each other.
    """
    enrolled = enrolment.enrol(home, file, new_keys=new_keys)
    return EnrolledSite(enrolled.site, enrolled.fingerprint())


def members(home: Path, *, out: Path | None = None) -> WrittenMembers:
    """The keys of all sites and what they said about each other, written to `out` or members.json."""
    found, path = enrolment.member_list(home), out or Path("members.json")
    found.write(path)
    return WrittenMembers(tuple(sorted(found.sites)), len(found.statements), path)


def confirm(home: Path, *files: Path) -> KeptStatements:
    """What sites said about each other, kept here to be handed on.

    Raises:
        InputError: not a file of statements, of another consortium, or a signature is not its site's.
    """
    return KeptStatements(sum(enrolment.keep_statements(home, file) for file in files))


def sites(home: Path) -> SiteList:
    """The sites: invited or enrolled, online or not, and the fingerprint of each one's key."""
    load(home)
    return SiteList(tuple(_entry(site) for site in Store(home).sites()))


def heads(home: Path, site: str, *, out: Path | None = None) -> WrittenHeads:
    """The heads of a site's audit that came with its answers, written to `out` or SITE.heads.json.

    Raises:
        InputError: none is kept here.
    """
    settings = load(home)
    kept = tuple(Store(home).audit_heads(site))
    if not kept:
        raise InputError(Code.NOT_FOUND, f"no head of the audit of site {site!r} is kept here")
    path = out or Path(f"{site}.heads.json")
    KeptHeads(site=site, kept_by=settings.consortium, heads=kept).write(path)
    return WrittenHeads(site, len(kept), path)


def start(home: Path) -> CenterStatus:
    """The center's status, once its processes have started and the coordinator is at work.

    Raises:
        InputError: it is running already. UnreachableError: a process did not come up.
    """
    daemons.start(home.resolve() / processes.RUN, processes.supervisor(home))
    return status(home)


def serve(home: Path) -> StoppedCenter:
    """The center after SIGTERM, until when its processes run as children of this one."""
    processes.supervise(home)
    return StoppedCenter(was_running=True)


def stop(home: Path) -> StoppedCenter:
    """The center after its processes were stopped; studies that are under way go on at the next start."""
    return StoppedCenter(daemons.stop(home.resolve() / processes.RUN))


def status(home: Path) -> CenterStatus:
    """The center's processes and sites now."""
    settings = load(home)
    running = daemons.services(settings.home / processes.RUN)
    return CenterStatus(
        consortium=settings.consortium,
        address=settings.address,
        superlink_answers=processes.answers(settings),
        is_coordinated=processes.coordinates(settings),
        processes=tuple(
            Process(name, one["pid"], str(one["state"]), one["restarts"]) for name, one in running.items()
        ),
        sites=sites(home).sites,
    )


def _entry(site: Site) -> SiteEntry:
    enrolled, seen_at = site.enrolment, site.seen_at
    return SiteEntry(
        name=site.name,
        is_enrolled=enrolled is not None,
        is_online=seen_at is not None and time.time() - seen_at < ONLINE_SECONDS,
        seen_at=None if seen_at is None else datetime.fromtimestamp(seen_at, UTC),
        fingerprint="" if enrolled is None else enrolled.fingerprint(),
    )
