"""What a person can do with the network: make a center, invite and enrol sites, start and stop it."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from protocols.core.errors import Code, InputError
from protocols.exchange.documents import KeptHeads
from protocols.runtime import audit_chain, daemons
from protocols.runtime.health import Health
from protocols.runtime.health import health as health_of
from protocols.runtime.notices import Told
from server.administration import backup as archives
from server.administration import checks, enrolment, notices, processes
from server.administration.backup import BackedUp, Restored
from server.home.config import load
from server.home.identity import renew_server
from server.home.sites import Site, SiteBook
from server.home.store import Store

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
class ChangedSite:
    """A site that is asked nothing, is asked again, or is known here no longer."""

    name: str
    state: Literal["suspended", "resumed", "removed"]
    schema_version: int = 1


@dataclass(frozen=True)
class RenewedCertificate:
    """The server's new certificate."""

    ends: datetime
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
    is_suspended: bool
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


def init(home: Path, name: str, *, address: str = "", port: int = 9443, web_port: int = 0) -> MadeCenter:
    """A new center in `home`: its folder, certificates, the coordinator's key and an empty store.

    Args:
        web_port: where pages and API are served on loopback; 0 serves none.

    Raises:
        InputError: there is a center already.
    """
    settings = enrolment.make_center(home, name, address=address or None, port=port, web_port=web_port)
    audit_chain.act(settings.home, "center-made", consortium=name)
    return MadeCenter(settings.consortium, settings.home, settings.address)


def invite(
    home: Path, site: str, *, out: Path | None = None, root_certificate: Path | None = None, by: str = ""
) -> WrittenInvitation:
    """The invitation of a site, written to `out` or SITE.invitation.json.

    Args:
        by: the account that decides; the Unix user, where it is empty.

    Raises:
        InputError: there is no center in `home`.
    """
    invitation = enrolment.invite(home, site, root_certificate)
    path = out or Path(f"{site}.invitation.json")
    invitation.write(path)
    audit_chain.act(home, "site-invited", by, site=site)
    return WrittenInvitation(site, path, invitation.fingerprint())


def enrol(home: Path, file: Path, *, new_keys: bool = False, by: str = "") -> EnrolledSite:
    """The site whose answer to its invitation is in the file.

    Args:
        new_keys: whether it may come with other keys than before.
        by: the account that decides; the Unix user, where it is empty.

    Raises:
        InputError: not an enrolment, nobody invited the site, or its keys do not vouch for each other.
    """
    enrolled = enrolment.enrol(home, file, new_keys=new_keys)
    known: dict[str, str | int] = {
        "site": enrolled.site,
        "fingerprint": enrolled.fingerprint(),
        "new_keys": int(new_keys),
    }
    audit_chain.act(home, "site-enrolled", by, **known)
    return EnrolledSite(enrolled.site, enrolled.fingerprint())


def suspend(home: Path, site: str, *, by: str = "") -> ChangedSite:
    """The site, which is asked nothing from now on; a study in its rounds waits for it and then fails.

    Args:
        by: the account that decides; the Unix user, where it is empty.

    Raises:
        InputError: there is no such site, or it is suspended.
    """
    SiteBook(load(home).home).suspend(site, is_suspended=True)
    audit_chain.act(home, "site-suspended", by, site=site)
    return ChangedSite(site, "suspended")


def resume(home: Path, site: str, *, by: str = "") -> ChangedSite:
    """The site, which is asked again.

    Raises:
        InputError: there is no such site, or it is not suspended.
    """
    SiteBook(load(home).home).suspend(site, is_suspended=False)
    audit_chain.act(home, "site-resumed", by, site=site)
    return ChangedSite(site, "resumed")


def remove(home: Path, site: str, *, by: str = "") -> ChangedSite:
    """The site, whose keys are not known here any longer; its past answers stay with their studies.

    The other sites go by what people there say: two of them remove its key too (`site peers remove`).

    Raises:
        InputError: there is no such site.
    """
    SiteBook(load(home).home).remove(site)
    audit_chain.act(home, "site-removed", by, site=site)
    return ChangedSite(site, "removed")


def renew(home: Path) -> RenewedCertificate:
    """The center with a new certificate of its server, by the same authority: sites notice nothing.

    Raises:
        InputError: the authority's key or certificate is missing.
    """
    ends = renew_server(load(home))
    audit_chain.act(home, "certificate-renewed", ends=ends.date().isoformat())
    return RenewedCertificate(ends)


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
    kept = sum(enrolment.keep_statements(home, file) for file in files)
    audit_chain.act(home, "statements-kept", statements=kept)
    return KeptStatements(kept)


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
    audit_chain.act(home, "started")
    return status(home)


def serve(home: Path) -> StoppedCenter:
    """The center after SIGTERM, until when its processes run as children of this one."""
    audit_chain.act(load(home).home, "started")
    processes.supervise(home)
    audit_chain.act(home, "stopped")
    return StoppedCenter(was_running=True)


def stop(home: Path) -> StoppedCenter:
    """The center after its processes were stopped; studies that are under way go on at the next start."""
    was_running = daemons.stop(home.resolve() / processes.RUN)
    if was_running:
        audit_chain.act(home, "stopped")
    return StoppedCenter(was_running)


def backup(home: Path, place: Path, *, keep: int = 0) -> BackedUp:
    """The center's folder in one file, taken also while the center works; it holds private keys.

    Raises:
        InputError: there is no center in `home`, or a file at `place`. StudyError: it cannot be written.
    """
    return archives.back_up(home, place, keep=keep)


def restore(home: Path, archive: Path) -> Restored:
    """The center's folder again from a backup; studies that had not ended go on at the next start.

    Raises:
        InputError: something is there already, or the archive is not whole.
    """
    return archives.restore(archive, home)


def notify(home: Path, *, is_trial: bool = False) -> Told:
    """What was told just now to the people whom `notices.toml` names: what happened, and no result.

    Raises:
        InputError: there is no center in `home`, or no settings of notices. UnreachableError: it is not sent.
    """
    return notices.tell(home, is_trial=is_trial)


def health(home: Path) -> Health:
    """Whether the center can work now, and why not; quick, for images, units and monitors.

    Raises:
        InputError: there is no center in `home`.
    """
    return health_of(checks.ready(home))


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
        is_suspended=site.suspended_at is not None,
        is_online=seen_at is not None and time.time() - seen_at < ONLINE_SECONDS,
        seen_at=None if seen_at is None else datetime.fromtimestamp(seen_at, UTC),
        fingerprint="" if enrolled is None else enrolled.fingerprint(),
    )
