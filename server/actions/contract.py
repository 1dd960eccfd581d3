"""What a program can ask of the command line itself: the JSON schema of what a command prints."""

import importlib.metadata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from protocols.core.errors import Code, InputError
from protocols.runtime.schemas import error_schema, schema_of

GROUP = "shadowgraph.outputs"
"""Entry points: a module with PACKAGE and OUTPUTS, of the commands of one side."""
ERROR = "error"


@dataclass(frozen=True)
class Schemas:
    """Command -> the JSON schema (2020-12) of what it prints with `--json`; `error` is that of a failure."""

    schemas: Mapping[str, Mapping[str, Any]]
    schema_version: int = 1


def schemas(command: str = "") -> Schemas:
    """The schema of a command, or those of all commands where none is named.

    Raises:
        InputError: not-found.
    """
    known = {name: (module, actions) for module in _sides() for name, actions in module.OUTPUTS.items()}
    if command == ERROR:
        return Schemas({ERROR: error_schema()})
    if command and command not in known:
        raise InputError(Code.NOT_FOUND, f"no command is called {command!r}", "shadowgraph --help")
    wanted = {command: known[command]} if command else known
    found = {name: schema_of(side.PACKAGE, actions, name) for name, (side, actions) in sorted(wanted.items())}
    return Schemas(found if command else {**found, ERROR: error_schema()})


def _sides() -> Iterator[ModuleType]:
    for entry in importlib.metadata.entry_points(group=GROUP):
        yield entry.load()
