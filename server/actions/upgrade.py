"""What a person can do when a new release was installed: see what it would change, and change it."""

import importlib.metadata
from pathlib import Path

from protocols.core.errors import Code, InputError
from protocols.runtime import upgrades
from protocols.runtime.upgrades import Side, Upgrade

GROUP = "shadowgraph.upgrades"
"""Entry points: the settings file of a side -> a function that makes a `Side` of the folder that has it."""


def plan(home: Path) -> Upgrade:
    """What an upgrade of a site's or a center's folder would change. Nothing is changed.

    Raises:
        InputError: neither a center nor a site lives there.
    """
    return upgrades.plan(_side(home))


def upgrade(home: Path, *, backup: Path | None = None) -> Upgrade:
    """The upgrade of a folder, done, with a backup before; all of it, or nothing.

    Args:
        home: of a site or a center that is stopped.
        backup: where to write the folder as it is; beside it, where it is left out.

    Raises:
        InputError: neither lives there, or something required is not well. StudyError: it failed.
    """
    return upgrades.upgrade(_side(home), backup)


def _side(home: Path) -> Side:
    for entry in importlib.metadata.entry_points(group=GROUP):
        if (home / entry.name).is_file():
            side: Side = entry.load()(home)
            return side
    raise InputError(
        Code.NOT_INITIALISED,
        "neither a center nor a site lives in this folder",
        "give its folder with --home",
    )
