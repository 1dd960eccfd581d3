"""What people read of a checkup."""

from typing import Any

from protocols.core.errors import ExitCode
from protocols.runtime.output import Output
from server.actions.health import Checkup

Row = dict[str, Any]


def checkup(found: Checkup) -> list[Row]:
    """One row per check; the fix where one is needed."""
    return [
        {"check": one.what, "state": one.state, "found": one.found, "fix": "" if one.is_well else one.fix}
        for one in found.checks
    ]


def examined(found: Checkup) -> Output[Checkup]:
    """A checkup, and the exit code that says whether all that is required is well."""
    return Output(found, checkup, ExitCode.DONE if found.is_well else ExitCode.FAILED)
