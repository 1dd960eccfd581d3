"""What an upgrade of a center has to know."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from protocols.runtime.accounts import file as accounts
from protocols.runtime.checks import Check
from protocols.runtime.upgrades import Side
from server.administration.backup import back_up
from server.administration.processes import RUN
from server.home import schema
from server.home.config import load


def side(home: Path) -> Side:
    """The center in `home`.

    Raises:
        InputError: there is none, or its settings are not valid.
    """
    home = load(home).home
    return Side(
        home=home,
        kind="center",
        run=home / RUN,
        stores={schema.FILE: schema.STEPS, accounts.FILE: accounts.STEPS},
        back_up=lambda archive: back_up(home, archive),
        checks=lambda: _open_studies(home / schema.FILE),
    )


def _open_studies(store: Path) -> Iterator[Check]:
    """A study that is under way goes on afterwards, if the next release speaks to the sites as this one."""
    try:
        with contextlib.closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as db:
            (count,) = db.execute("SELECT count(*) FROM submission WHERE ended_at IS NULL").fetchone()
    except sqlite3.Error:
        return  # another check says why
    fix = "let them end first, or withdraw them: docs/contract.md says what goes on over an upgrade"
    yield Check("studies under way", str(count), count == 0, fix, is_required=False)
