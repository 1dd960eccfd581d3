"""What was looked at on a machine or in a folder: found or not, needed or not, and how to mend it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        what: the thing, in words.
        found: what is there, in names and numbers.
        is_well: whether that will do.
        fix: what to do about it; empty where all is well.
        is_required: whether nothing works without it.
    """

    what: str
    found: str
    is_well: bool
    fix: str = ""
    is_required: bool = True

    @property
    def state(self) -> Literal["ok", "failed", "missing"]:
        """`failed` for what is required and not well; `missing` for what is optional and not there."""
        if self.is_well:
            return "ok"
        return "failed" if self.is_required else "missing"


def well(checks: Iterable[Check]) -> bool:
    """Whether everything that is required is well."""
    return all(check.is_well for check in checks if check.is_required)
