"""Checks a center's folder: settings, keys, certificate, store, disk, processes, sites."""

import shutil
import sqlite3
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from protocols.core.errors import ShadowgraphError
from protocols.runtime import daemons
from protocols.runtime.checks import Check
from server.administration.processes import RUN, answers, coordinates
from server.home.config import SETTINGS, HubConfig, load
from server.home.identity import KEYS
from server.home.store import Store

SECRETS = ("ca.key", "server.key", "coordinator.key", "runtime.secret")
DAYS_LEFT = 60
FREE_GIBIBYTES = 2.0


def checks(home: Path) -> Iterator[Check]:
    """Every check of the center that lives in `home`, the most basic first; wrong settings end them."""
    try:
        settings = load(home)
    except ShadowgraphError as error:
        yield Check("settings", error.text, False, f"mend {SETTINGS}")
        return
    yield Check("settings", f"consortium {settings.consortium}", True)
    yield _secrets(home / KEYS)
    yield _certificate(home / KEYS / "server.pem")
    yield _disk(home)
    yield from _running(settings)
    yield from _store(home)


def _secrets(keys: Path) -> Check:
    absent = [name for name in SECRETS if not (keys / name).is_file()]
    if absent:
        return Check("keys", f"not there: {', '.join(absent)}", False, "restore them from a backup")
    read = [name for name in SECRETS if stat.S_IMODE((keys / name).stat().st_mode) & 0o077]
    found = f"others may read {', '.join(read)}" if read else f"{len(SECRETS)}, their owner's alone"
    return Check("keys", found, not read, f"chmod 600 {keys}/*.key {keys}/*.secret")


def _certificate(path: Path) -> Check:
    try:
        ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return Check("certificate", f"{path.name} cannot be read", False, "restore it from a backup")
    days = (ends - datetime.now(UTC)).days
    return Check(
        "certificate", f"ends in {days} days", days >= DAYS_LEFT, "renew it, or the proxy's, in time"
    )


def _disk(home: Path) -> Check:
    free = shutil.disk_usage(home).free / 2**30
    return Check("disk of the center", f"{free:.0f} GiB free", free >= FREE_GIBIBYTES, "free 2 GiB")


def _running(settings: HubConfig) -> Iterator[Check]:
    start = f"shadowgraph network start --home {settings.home}"
    if daemons.supervisor_pid(settings.home / RUN) is None and not answers(settings):
        yield Check("processes", "not started", False, start, is_required=False)
        return
    logs = f"read the logs in {settings.home / RUN}"
    link, led = answers(settings), coordinates(settings)
    yield Check("SuperLink", "answers" if link else "does not answer", link, logs)
    yield Check("coordinator", "at work" if led else "no sign of life", led, logs)


def _store(home: Path) -> Iterator[Check]:
    try:
        sites = Store(home).sites()
    except (sqlite3.Error, ShadowgraphError) as error:
        said = error.text if isinstance(error, ShadowgraphError) else "cannot be read"
        yield Check("store", said, False, "restore store.sqlite from a backup")
        return
    yield Check("store", "can be read", True)
    enrolled = sum(site.enrolment is not None for site in sites)
    fix = "invite sites: a sum needs three"
    yield Check("sites", f"{enrolled} enrolled", enrolled >= 3, fix, is_required=False)
