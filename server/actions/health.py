"""What a person can ask about health: of this machine, and of the center or site in a folder."""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from protocols.core.errors import Code, InputError
from protocols.runtime.checks import Check, well
from server.administration.machine import machine

GROUP = "shadowgraph.checks"
"""Entry points: the settings file of a side -> a function that checks the folder in which it lies."""


@dataclass(frozen=True)
class Checkup:
    """Everything that was looked at, the most basic first.

    Attributes:
        is_well: whether all that is required is well.
    """

    checks: tuple[Check, ...]
    is_well: bool
    schema_version: int = 1


def check(home: Path | None = None) -> Checkup:
    """The checkup of this machine, and of the center or site that lives in `home`.

    Raises:
        InputError: neither a center nor a site lives there.
    """
    checks = tuple(machine()) + (_of(home) if home is not None else ())
    return Checkup(checks, well(checks))


def _of(home: Path) -> tuple[Check, ...]:
    for side in importlib.metadata.entry_points(group=GROUP):
        if (home / side.name).is_file():
            return tuple(side.load()(home))
    raise InputError(
        Code.NOT_INITIALISED,
        "neither a center nor a site lives in this folder",
        "give its folder with --home, or leave --home out to check the machine alone",
    )
