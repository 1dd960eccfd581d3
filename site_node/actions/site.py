"""What a person can do with the site: make it, join a consortium, start, stop, back up."""

from dataclasses import dataclass
from pathlib import Path

from protocols.core.errors import Code, InputError, ShadowgraphError
from protocols.runtime import daemons
from protocols.runtime.health import Health
from protocols.runtime.health import health as health_of
from protocols.runtime.notices import Told
from site_node.administration import backup as archives
from site_node.administration import checks, enrolment, notices, processes, setup
from site_node.administration.backup import BackedUp, Restored
from site_node.administration.processes import Reach
from site_node.governance import approvals, audit, clock, peers
from site_node.home import membership
from site_node.home.cdm import open_cdm
from site_node.home.config import SETTINGS, load


@dataclass(frozen=True)
class MadeSite:
    """A new site; its database without a password."""

    name: str
    home: Path
    database: str
    schema_version: int = 1


@dataclass(frozen=True)
class JoinedSite:
    """A site of a consortium, and the file with which it answers the invitation."""

    site: str
    consortium: str
    center: str
    coordinator_fingerprint: str
    fingerprint: str
    answer: Path
    schema_version: int = 1


@dataclass(frozen=True)
class RenewedSite:
    """A site with new keys, and the file with which the center learns them."""

    site: str
    fingerprint: str
    answer: Path
    schema_version: int = 1


@dataclass(frozen=True)
class Process:
    """One process of a running site."""

    name: str
    pid: int | None
    state: str
    restarts: int


@dataclass(frozen=True)
class SiteStatus:
    """A site's consortium (None before it has joined one), processes, and reach of the center."""

    site: str
    consortium: str | None
    is_running: bool
    center: Reach
    processes: tuple[Process, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class AcceptedClock:
    """A site that goes by the present time again."""

    approvals_taken_back: int
    schema_version: int = 1


@dataclass(frozen=True)
class StoppedSite:
    """A site without processes."""

    was_running: bool
    schema_version: int = 1


def init(
    home: Path, name: str, *, database: str = "sqlite:///cdm.sqlite", port: int = 9094, web_port: int = 0
) -> MadeSite:
    """A new site in `home`: its folder and settings, and the tables of its CDM.

    Args:
        database: URL of its CDM.
        port: where its two processes meet on loopback; 0 picks a free one.
        web_port: where its pages are served on loopback; 0 serves none.

    Raises:
        InputError: there is a site already, or the name is not valid. UnreachableError: the database is not.
    """
    settings = setup.make_site(home, name, database=database, runtime_port=port, web_port=web_port)
    try:
        open_cdm(settings).dispose()
    except ShadowgraphError:
        (settings.home / SETTINGS).unlink()  # so that the next call can name another database
        raise
    audit.act(settings.home, "site-made", site=name)
    return MadeSite(settings.name, settings.home, settings.database.split("@")[-1])


def join(home: Path, invitation: Path, *, out: Path | None = None) -> JoinedSite:
    """The site as a member of a consortium, with its keys made and its answer written to `out`.

    Raises:
        InputError: the invitation is for another site, or the site belongs to another consortium.
    """
    answer = enrolment.join(home, invitation)
    path = out or Path(f"{answer.site}.enrolment.json")
    answer.write(path)
    invited = membership.consortium(home)
    audit.act(home, "joined", consortium=invited.consortium, coordinator=invited.fingerprint())
    return JoinedSite(
        site=answer.site,
        consortium=invited.consortium,
        center=invited.address,
        coordinator_fingerprint=invited.fingerprint(),
        fingerprint=answer.fingerprint(),
        answer=path,
    )


def renew(home: Path, *, out: Path | None = None) -> RenewedSite:
    """The site with new keys, because the earlier ones may be in other hands.

    The answer for the center is in `out`. People at other sites confirm the new key as they confirmed the
    first one, and thereby remove the earlier one.

    Raises:
        InputError: it has not joined a consortium, or it runs: its agent would go on with the earlier key.
    """
    if daemons.services(load(home).home / processes.RUN):
        raise InputError(Code.INVALID_INPUT, "the site runs", "shadowgraph site stop")
    said = peers.own_statements(home).statements
    answer = enrolment.renew(home)
    peers.say_again(home, said)
    path = out or Path(f"{answer.site}.enrolment.json")
    answer.write(path)
    audit.act(home, "keys-renewed", fingerprint=answer.fingerprint())
    return RenewedSite(answer.site, answer.fingerprint(), path)


def start(home: Path, *, stock: bool = False) -> SiteStatus:
    """The site's status once its processes serve: the SuperNode, which meets the network, and the agent.

    Args:
        stock: Flower's own task runner in front of the agent; slower.

    Raises:
        InputError: the site has not joined a consortium, runs already, or its port is taken.
        UnreachableError: a process did not come up.
    """
    membership.consortium(home)
    processes.start(home, stock=stock)
    audit.act(home, "started")
    return status(home)


def serve(home: Path, *, stock: bool = False) -> StoppedSite:
    """The site after SIGTERM, until when its processes run as children of this one.

    Raises:
        InputError: the site has not joined a consortium.
    """
    membership.consortium(home)
    audit.act(home, "started")
    processes.supervise(home, stock=stock)
    audit.act(home, "stopped")
    return StoppedSite(was_running=True)


def stop(home: Path) -> StoppedSite:
    """The site after its processes were stopped.

    Raises:
        InputError: there is no site in `home`.
    """
    settings = load(home)
    was_running = daemons.stop(settings.home / processes.RUN)
    if was_running:
        audit.act(home, "stopped")
    return StoppedSite(was_running)


def status(home: Path) -> SiteStatus:
    """The site's consortium, its processes, and whether the center is reached.

    Raises:
        InputError: there is no site in `home`.
    """
    settings = load(home)
    running = daemons.services(settings.home / processes.RUN)
    joined = (settings.home / membership.CONSORTIUM).is_file()
    return SiteStatus(
        site=settings.name,
        consortium=membership.consortium(home).consortium if joined else None,
        is_running=bool(running),
        center=processes.reached(settings) if running else Reach.NOT_CONNECTED,
        processes=tuple(
            Process(name, one["pid"], str(one["state"]), one["restarts"]) for name, one in running.items()
        ),
    )


def notify(home: Path, *, is_trial: bool = False) -> Told:
    """What was told just now to the people whom `notices.toml` names: what happened, and no result.

    Raises:
        InputError: there is no site in `home`, or no settings of notices. UnreachableError: it is not sent.
    """
    return notices.tell(home, is_trial=is_trial)


def health(home: Path) -> Health:
    """Whether the site can answer now, and why not; quick, for images, units and monitors.

    Raises:
        InputError: there is no site in `home`.
    """
    return health_of(checks.ready(home))


def accept_clock(home: Path) -> AcceptedClock:
    """The site whose clock is right although a later time was seen here; every approval is taken back.

    Raises:
        InputError: there is no site in `home`.
    """
    settings = load(home)
    taken_back = approvals.withdraw_all(settings.home)
    clock.accept(settings.home)
    audit.act(settings.home, "clock-accepted", approvals_taken_back=taken_back)
    return AcceptedClock(taken_back)


def backup(home: Path, place: Path, *, keep: int = 0) -> BackedUp:
    """The site's folder in one file, taken also while the site works; it holds patients' rows and keys.

    Raises:
        InputError: there is no site in `home`, or a file at `place`. StudyError: it cannot be written.
    """
    return archives.back_up(home, place, keep=keep)


def restore(home: Path, archive: Path) -> Restored:
    """The site's folder again from a backup. Every approval is taken back, for a person to renew.

    Raises:
        InputError: something is there already, or the archive is not whole.
    """
    return archives.restore(archive, home)
