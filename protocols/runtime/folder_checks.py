"""Checks of a folder that hold for a site and a center alike."""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from protocols.core.errors import ShadowgraphError
from protocols.runtime import audit_chain
from protocols.runtime.checks import Check
from protocols.runtime.daemons import accepts, supervisor_pid
from protocols.runtime.database import Step, seen_steps

FREE_GIBIBYTES = 2.0
BACKUP_DAYS = 7
_UNITS = Path("/etc/systemd/system")


def disk(home: Path, what: str) -> Check:
    """Whether the folder's disk has space left."""
    free = shutil.disk_usage(home).free / 2**30
    return Check(what, f"{free:.0f} GiB free", free >= FREE_GIBIBYTES, "free 2 GiB")


def ports(run: Path, named: Mapping[str, int]) -> Iterator[Check]:
    """Whether the ports that a stopped side will need are free; 0 stands for no port.

    Args:
        run: the run folder.
        named: setting -> port on loopback.
    """
    if supervisor_pid(run) is not None:
        return
    for setting, port in named.items():
        if port:
            is_free = not accepts("127.0.0.1", port)
            found = (
                f"{port} is {'free' if is_free else 'taken by another program, or by a unit of this side'}"
            )
            fix = f"stop what listens there, or choose another `{setting}`"
            yield Check(setting.replace("_", " "), found, is_free, fix, is_required=False)


def units(run: Path, names: Sequence[str]) -> Iterator[Check]:
    """Whether the installed units of a side are enabled, and not beside a supervisor of the same folder.

    Args:
        run: the run folder.
        names: the units that belong to the side.
    """
    installed = [name for name in names if (_UNITS / f"{name}.service").is_file()]
    systemctl = shutil.which("systemctl")
    if not installed or systemctl is None:
        return
    off = [name for name in installed if not _says(systemctl, "is-enabled", name)]
    found = f"not enabled: {', '.join(off)}" if off else f"{len(installed)} enabled"
    yield Check("units", found, not off, f"systemctl enable --now {' '.join(off)}", is_required=False)
    twice = [name for name in installed if _says(systemctl, "is-active", name)]
    if supervisor_pid(run) is not None and twice:
        found = f"a supervisor and units run this folder at once: {', '.join(twice)}"
        yield Check("one at work", found, False, "stop the one or the other: `stop`, or systemctl stop")


def last_backup(home: Path) -> Check:
    """When the folder was last backed up, as its audit says."""
    try:
        days = [str(line["at"]) for line in audit_chain.lines(home) if line["event"] == "backed-up"]
    except (ShadowgraphError, KeyError):
        days = []  # another check says that the audit is damaged
    if not days:
        return Check(
            "last backup", "none yet", False, "back it up by a timer (deploy/README.md)", is_required=False
        )
    age = (datetime.now(UTC) - datetime.fromisoformat(days[-1])).days
    found = f"{age} days ago"
    return Check("last backup", found, age <= BACKUP_DAYS, "back it up by a timer (deploy/README.md)", False)


def stores(home: Path, known: Mapping[str, Sequence[Step]]) -> Iterator[Check]:
    """Whether every SQLite file of the folder is at the newest schema; its next use would bring it there.

    Args:
        home: the folder.
        known: file -> its steps.
    """
    for name, steps in known.items():
        if not (home / name).is_file():
            continue
        try:
            seen = seen_steps(home / name)
        except sqlite3.Error:
            continue  # another check says so
        found = f"version {seen} of {len(steps)}"
        fix = (
            "shadowgraph upgrade --dry-run"
            if seen < len(steps)
            else "install the release that wrote it, or restore a backup that was made before"
        )
        yield Check(name, found, seen == len(steps), fix, is_required=seen > len(steps))


def _says(systemctl: str, verb: str, unit: str) -> bool:
    return subprocess.run([systemctl, "--quiet", verb, f"{unit}.service"], check=False).returncode == 0
