"""Checks a site's folder: settings, keys, database, register, policy, audit, disk, processes."""

import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from cdm.database import connect, revisions
from protocols.core.errors import ShadowgraphError
from protocols.runtime import daemons, folder_checks
from protocols.runtime.accounts import file as accounts
from protocols.runtime.checks import Check
from protocols.runtime.reach import reach
from site_node.administration.enrolment import AGENT_READY
from site_node.administration.processes import PEOPLE, REACHED, RUN, Reach, reached
from site_node.governance import audit_check, peers
from site_node.governance.policy import read_policy
from site_node.home import job_file
from site_node.home.config import SETTINGS, SiteConfig, load
from site_node.home.membership import consortium
from site_node.home.register import FILE, STEPS, register

SECRETS = ("signing.key", "masking.key", "node", "runtime.secret")
UNITS = (
    *("shadowgraph-supernode", "shadowgraph-agent"),
    *(f"shadowgraph-site-{name}" for name in PEOPLE),
)

STORES = {FILE: STEPS, accounts.FILE: accounts.STEPS, job_file.FILE: job_file.STEPS}


def checks(home: Path) -> Iterator[Check]:
    """Every check of the site that lives in `home`, the most basic first; wrong settings end them."""
    try:
        settings = load(home)
    except ShadowgraphError as error:
        yield Check("settings", error.text, False, f"mend {SETTINGS}")
        return
    yield Check("settings", f"site {settings.name}", True)
    yield _folder(settings.home)
    yield from _database(settings)
    yield _sound("register", lambda: _opens(settings.home), "restore register.sqlite from a backup")
    yield _sound("policy", lambda: _reads(settings.home), "mend policy.toml, or remove it")
    yield _sound(
        "audit",
        lambda: f"{audit_check.verify(settings.home)} lines, the chain is whole",
        "find out who changed it",
    )
    yield from folder_checks.stores(settings.home, STORES)
    yield folder_checks.disk(settings.home, "disk of the site")
    yield folder_checks.last_backup(settings.home)
    named = {"runtime_port": settings.runtime_port, "web_port": settings.web_port}
    yield from folder_checks.ports(settings.home / RUN, named)
    yield from folder_checks.units(settings.home / RUN, UNITS)
    yield from _membership(settings)


def ready(home: Path) -> Iterator[Check]:
    """What has to be well for the site to answer now: quick, and nobody else is asked."""
    settings = load(home)
    yield _keys(settings.home / "keys")
    yield folder_checks.disk(settings.home, "disk of the site")
    yield from _database(settings)
    yield _sound("register", lambda: _opens(settings.home), "")
    is_up = (settings.home / AGENT_READY).exists()
    yield Check("agent", "serves" if is_up else "does not serve", is_up)
    if daemons.services(settings.home / RUN):  # under systemd the SuperNode's words are in the journal
        far = reached(settings)
        yield Check("center", REACHED[far], far is Reach.CONNECTED)


def _folder(home: Path) -> Check:
    is_private = not stat.S_IMODE(home.stat().st_mode) & 0o077
    found = "its owner's alone" if is_private else "others may look into it"
    return Check("folder", found, is_private, f"chmod 700 {home}")


def _database(settings: SiteConfig) -> Iterator[Check]:
    """Whether the database answers, is migrated, and knows concepts."""
    fix = f"look at `database` in {SETTINGS}, and at the server behind it"
    try:
        engine = connect(settings.database_url)
        try:
            seen, newest = revisions(engine)
            concepts, has_hierarchies = _vocabulary(engine) if seen else (0, False)
        finally:
            engine.dispose()
    except (SQLAlchemyError, ValueError, OSError, ModuleNotFoundError):  # their words may hold a password
        yield Check("database", "does not answer, or does not let this user in", False, fix)
        return
    yield Check("database", "answers", True)
    found, fix = f"revision {seen or 0} of {newest}", "shadowgraph upgrade --dry-run"
    yield Check("tables of the CDM", found, seen == newest, fix, is_required=False)
    fix = "export the standard ones from Athena; then shadowgraph data vocabulary load FILE"
    found = f"{concepts:,} concepts, {'with' if has_hierarchies else 'without'} hierarchies"
    yield Check("vocabulary", found, has_hierarchies, fix, is_required=False)


def _vocabulary(engine: Engine) -> tuple[int, bool]:
    """How many concepts there are, and whether any lies below another, as those of Athena do."""
    with engine.connect() as connection:
        concepts = connection.execute(text("SELECT count(*) FROM concept")).scalar_one()
        below = connection.execute(text("SELECT 1 FROM concept_ancestor LIMIT 1")).first()
    return int(concepts), below is not None


def _sound(what: str, look: Callable[[], str], fix: str) -> Check:
    """What a look found, or that it failed, in a coded error's words or in none."""
    try:
        return Check(what, look(), True)
    except ShadowgraphError as error:
        return Check(what, error.text, False, error.fix or fix)
    except (sqlite3.Error, OSError):
        return Check(what, "cannot be read", False, fix)


def _opens(home: Path) -> str:
    with register(home) as db:
        studies = db.execute("SELECT count(*) AS n FROM study").fetchone()["n"]
    return f"can be read, {studies} studies"


def _reads(home: Path) -> str:
    return f"{len(read_policy(home).protocols)} protocols"


def _membership(settings: SiteConfig) -> Iterator[Check]:
    """What a site needs from the day it joins a consortium; before, none of it is wrong."""
    try:
        invited = consortium(settings.home)
    except ShadowgraphError as error:
        yield Check("consortium", error.text, False, error.fix, is_required=False)
        return
    yield Check("consortium", invited.consortium, True)
    yield _keys(settings.home / "keys")
    yield _members(settings.home)
    is_running = bool(daemons.services(settings.home / RUN))
    yield from reach(invited.address, invited.root_certificate, is_required=is_running)
    start = f"shadowgraph site start --home {settings.home}"
    if not is_running:
        yield Check("processes", "not started here", False, start, is_required=False)
        return
    reached_so_far = reached(settings)
    logs = f"read the logs in {settings.home / RUN}"
    yield Check("center", REACHED[reached_so_far], reached_so_far is Reach.CONNECTED, logs)


def _members(home: Path) -> Check:
    """Whether people confirmed the sites over which this one would answer."""
    try:
        count = len(peers.member_names(home))
    except (ShadowgraphError, sqlite3.Error, OSError):
        return Check("members", "cannot be read", False, "restore the keys and register.sqlite from a backup")
    found = f"{count} sites, this one among them" if count else "no sites that confirmed each other yet"
    return Check("members", found, count > 0, peers.LIST, is_required=False)


def _keys(keys: Path) -> Check:
    absent = [name for name in SECRETS if not (keys / name).is_file()]
    if absent:
        return Check("keys", f"not there: {', '.join(absent)}", False, "restore them from a backup")
    read = [path.name for path in sorted(keys.iterdir()) if stat.S_IMODE(path.stat().st_mode) & 0o077]
    found = f"others may read {', '.join(read)}" if read else "their owner's alone"
    return Check("keys", found, not read, f"chmod 600 {keys}/*")
