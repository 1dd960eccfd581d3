"""Checks a site's folder: settings, keys, database, register, policy, audit, disk, processes."""

import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from cdm.database import connect
from protocols.core.errors import ShadowgraphError
from protocols.runtime import daemons
from protocols.runtime.checks import Check
from site_node.administration.processes import REACHED, RUN, Reach, reached
from site_node.governance import audit_check, peers
from site_node.governance.policy import read_policy
from site_node.home.config import SETTINGS, SiteConfig, load
from site_node.home.membership import consortium
from site_node.home.register import register

SECRETS = ("signing.key", "masking.key", "node", "runtime.secret")
FREE_GIBIBYTES = 2.0


def checks(home: Path) -> Iterator[Check]:
    """Every check of the site that lives in `home`, the most basic first; wrong settings end them."""
    try:
        settings = load(home)
    except ShadowgraphError as error:
        yield Check("settings", error.text, False, f"mend {SETTINGS}")
        return
    yield Check("settings", f"site {settings.name}", True)
    yield _folder(settings.home)
    yield _database(settings)
    yield _sound("register", lambda: _opens(settings.home), "restore register.sqlite from a backup")
    yield _sound("policy", lambda: _reads(settings.home), "mend policy.toml, or remove it")
    yield _sound(
        "audit",
        lambda: f"{audit_check.verify(settings.home)} lines, the chain is whole",
        "find out who changed it",
    )
    yield _disk(settings.home)
    yield from _membership(settings)


def _folder(home: Path) -> Check:
    is_private = not stat.S_IMODE(home.stat().st_mode) & 0o077
    found = "its owner's alone" if is_private else "others may look into it"
    return Check("folder", found, is_private, f"chmod 700 {home}")


def _database(settings: SiteConfig) -> Check:
    fix = f"look at `database` in {SETTINGS}, and at the server behind it"
    try:
        engine = connect(settings.database_url)
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        finally:
            engine.dispose()
    except (SQLAlchemyError, ValueError, OSError, ModuleNotFoundError):  # their words may hold a password
        return Check("database", "does not answer, or does not let this user in", False, fix)
    return Check("database", "answers", True)


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


def _disk(home: Path) -> Check:
    free = shutil.disk_usage(home).free / 2**30
    return Check("disk of the site", f"{free:.0f} GiB free", free >= FREE_GIBIBYTES, "free 2 GiB")


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
    start = f"shadowgraph site start --home {settings.home}"
    if not daemons.services(settings.home / RUN):
        yield Check("processes", "not started here", False, start, is_required=False)
        return
    reach = reached(settings)
    logs = f"read the logs in {settings.home / RUN}"
    yield Check("center", REACHED[reach], reach is Reach.CONNECTED, logs)


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
