"""Checks a center's folder: settings, keys, certificate, store, disk, processes, sites."""

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from protocols.core.errors import ShadowgraphError
from protocols.runtime import audit_chain, daemons, folder_checks
from protocols.runtime.accounts import file as accounts
from protocols.runtime.checks import Check
from protocols.runtime.reach import certificate_check, days_left, reach
from server.administration.processes import ONLY, RUN, answers, coordinates
from server.home.config import SETTINGS, HubConfig, load
from server.home.identity import KEYS, root_certificate
from server.home.schema import FILE, STEPS
from server.home.store import Store

SECRETS = ("ca.key", "server.key", "coordinator.key", "runtime.secret")
CERTIFICATES = {"server.pem": "certificate", "ca.pem": "certificate of the authority"}
FIXES = {
    "server.pem": "shadowgraph network renew, then start the center and reload the proxy",
    "ca.pem": "make a new center in time: every site trusts this authority by its invitation",
}
UNITS = tuple(f"shadowgraph-{name}" for name in ONLY)


def checks(home: Path) -> Iterator[Check]:
    """Every check of the center that lives in `home`, the most basic first; wrong settings end them."""
    try:
        settings = load(home)
    except ShadowgraphError as error:
        yield Check("settings", error.text, False, f"mend {SETTINGS}")
        return
    yield Check("settings", f"consortium {settings.consortium}", True)
    yield _secrets(home / KEYS)
    for name in CERTIFICATES:
        yield _certificate(home / KEYS / name)
    yield _audit(home)
    yield folder_checks.disk(home, "disk of the center")
    yield folder_checks.last_backup(home)
    yield from folder_checks.ports(home / RUN, {"port": settings.port, "web_port": settings.web_port})
    yield from folder_checks.units(home / RUN, UNITS)
    yield from _running(settings)
    yield from folder_checks.stores(home, {FILE: STEPS, accounts.FILE: accounts.STEPS})
    yield from _store(home)
    yield from reach(settings.address, root_certificate(home), is_required=False)


def ready(home: Path) -> Iterator[Check]:
    """What has to be well for the center to work now: quick, and nobody else is asked."""
    settings = load(home)
    yield _secrets(settings.home / KEYS)
    yield folder_checks.disk(settings.home, "disk of the center")
    yield from _store(settings.home)
    link, led = answers(settings), coordinates(settings)
    yield Check("SuperLink", "answers" if link else "does not answer", link)
    yield Check("coordinator", "at work" if led else "no sign of life", led)


def _secrets(keys: Path) -> Check:
    absent = [name for name in SECRETS if not (keys / name).is_file()]
    if absent:
        return Check("keys", f"not there: {', '.join(absent)}", False, "restore them from a backup")
    read = [name for name in SECRETS if stat.S_IMODE((keys / name).stat().st_mode) & 0o077]
    found = f"others may read {', '.join(read)}" if read else f"{len(SECRETS)}, their owner's alone"
    return Check("keys", found, not read, f"chmod 600 {keys}/*.key {keys}/*.secret")


def _certificate(path: Path) -> Check:
    what, days = CERTIFICATES[path.name], days_left(path)
    if days is None:
        return Check(what, f"{path.name} cannot be read", False, "restore it from a backup")
    return certificate_check(what, days, FIXES[path.name])


def _audit(home: Path) -> Check:
    try:
        lines = sum(1 for _ in audit_chain.whole_lines(home))
    except ShadowgraphError as error:
        return Check(
            "audit", error.text, False, "find out who changed it; then shadowgraph network audit mend"
        )
    return Check("audit", f"{lines} lines, the chain is whole", True)


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
