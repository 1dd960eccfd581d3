"""An upgrade of one side's folder: what it would change, a backup, and all changes or none."""

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from protocols.core.errors import Code, InputError, StudyError
from protocols.runtime import audit_chain
from protocols.runtime.checks import Check, well
from protocols.runtime.daemons import supervisor_pid
from protocols.runtime.database import Step, open_database, seen_steps

_COPIES = ".upgrade"


@dataclass(frozen=True)
class StoreVersion:
    """A store: the version in which it is, and the newest that this release knows."""

    name: str
    seen: str
    newest: str


@dataclass(frozen=True)
class More:
    """A store beside the SQLite files with numbered steps.

    Attributes:
        version: in which it is; it changes nothing.
        migrate: brings it to the newest.
        file: where it is, if it is a file of the folder, to be put back after a failure.
    """

    version: Callable[[], StoreVersion]
    migrate: Callable[[], None]
    file: Path | None = None


@dataclass(frozen=True)
class Side:
    """What an upgrade has to know of a site or a center.

    Attributes:
        home: its folder.
        kind: "site" or "center".
        run: its run folder.
        stores: SQLite file -> its steps.
        back_up: writes the folder into a file.
        checks: what has to be well before, beside what holds for both sides.
        more: other stores.
    """

    home: Path
    kind: str
    run: Path
    stores: Mapping[str, Sequence[Step]]
    back_up: Callable[[Path], object]
    checks: Callable[[], Iterable[Check]]
    more: tuple[More, ...] = ()


@dataclass(frozen=True)
class Upgrade:
    """An upgrade that could be done, or was.

    Attributes:
        release: the one that is installed.
        stores: each as it was before.
        checks: what was looked at before.
        is_ready: whether all that is required is well.
        is_done: whether all stores are at their newest now.
        backup: the folder as it was before; None where nothing had to be changed, or nothing was.
    """

    kind: str
    release: str
    stores: tuple[StoreVersion, ...]
    checks: tuple[Check, ...]
    is_ready: bool
    is_done: bool
    backup: Path | None
    schema_version: int = 1


def plan(side: Side) -> Upgrade:
    """What an upgrade would change, and whether it can be done. Nothing is changed."""
    stores, checks = tuple(_versions(side)), tuple(_checks(side))
    release = version("shadowgraph")
    return Upgrade(side.kind, release, stores, checks, well(checks), not _pending(stores), None)


def upgrade(side: Side, backup: Path | None = None) -> Upgrade:
    """The upgrade, done: a backup first, then every store; after a failure all stores are as they were.

    Args:
        side: the site or the center, stopped.
        backup: where to write the folder as it is; beside it, with the day in its name, where None.

    Raises:
        InputError: a check that is required is not well.
        StudyError: a store could not be changed.
    """
    planned = plan(side)
    if not planned.is_ready:
        bad = next(one for one in planned.checks if one.state == "failed")
        raise InputError(Code.INVALID_INPUT, f"{bad.what}: {bad.found}", bad.fix)
    if planned.is_done:
        return planned
    day = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    path = backup or side.home.parent / f"{side.home.name}.before-upgrade-{day}.tar"
    side.back_up(path)
    with _all_or_nothing(side):
        for name, steps in _existing(side).items():
            open_database(side.home / name, steps).close()
        for one in side.more:
            one.migrate()
    changed = [f"{one.name} {one.seen} to {one.newest}" for one in planned.stores if one.seen != one.newest]
    audit_chain.act(side.home, "upgraded", release=planned.release, changed=changed)
    return Upgrade(side.kind, planned.release, planned.stores, planned.checks, True, True, path)


def _pending(stores: Iterable[StoreVersion]) -> bool:
    return any(one.seen != one.newest for one in stores)


def _existing(side: Side) -> dict[str, Sequence[Step]]:
    """The stores that are there: one that is made later is made at the newest."""
    return {name: steps for name, steps in side.stores.items() if (side.home / name).is_file()}


def _versions(side: Side) -> Iterator[StoreVersion]:
    for name, steps in _existing(side).items():
        try:
            seen = str(seen_steps(side.home / name))
        except sqlite3.Error:
            seen = "not a database"
        yield StoreVersion(name, seen, str(len(steps)))
    yield from (one.version() for one in side.more)


def _checks(side: Side) -> Iterator[Check]:
    pid = supervisor_pid(side.run)
    stop = f"shadowgraph {'site' if side.kind == 'site' else 'network'} stop, or systemctl stop its units"
    yield Check("processes", "stopped" if pid is None else "running", pid is None, stop)
    for name, steps in _existing(side).items():
        yield _readable(side.home / name, len(steps))
    files = [path for path in side.home.rglob("*") if path.is_file() and not path.is_symlink()]
    needed = 2 * sum(path.stat().st_size for path in files)
    free = shutil.disk_usage(side.home).free
    found = f"{free / 2**30:.1f} GiB free, {needed / 2**30:.1f} GiB needed for a backup and copies"
    yield Check("disk", found, free >= needed, "free some, or name another disk with --backup")
    yield from side.checks()


def _readable(path: Path, newest: int) -> Check:
    try:
        seen = seen_steps(path)
    except sqlite3.Error:
        return Check(path.name, "is not a database", False, "restore a backup")
    newer = "install the release that wrote it, or restore a backup that was made before"
    return Check(path.name, f"version {seen}, this release knows {newest}", seen <= newest, newer)


@contextlib.contextmanager
def _all_or_nothing(side: Side) -> Iterator[None]:
    """Puts every store back as it was if one of them cannot be changed."""
    files = [side.home / name for name in side.stores] + [one.file for one in side.more if one.file]
    kept = side.home / _COPIES
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(mode=0o700)
    copies = {path: _copied(path, kept / path.name) for path in files if path.is_file()}
    try:
        yield
    except Exception as error:
        for path, copy in copies.items():
            for tail in ("-wal", "-shm"):
                path.with_name(path.name + tail).unlink(missing_ok=True)
            copy.replace(path)
        if isinstance(error, InputError):
            raise
        raise StudyError(
            Code.SITE_FAILED,
            f"the upgrade failed ({type(error).__name__}); every store is as it was before",
            "install the earlier release again, and report what failed",
        ) from None
    finally:
        shutil.rmtree(kept)


def _copied(path: Path, copy: Path) -> Path:
    with (
        contextlib.closing(sqlite3.connect(path)) as source,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    copy.chmod(0o600)
    return copy
