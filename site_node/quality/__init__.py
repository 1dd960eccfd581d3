"""A site's data quality: checked, kept, and shown as one page or as data."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from cdm import linkage
from cdm.etl.loader import report
from cdm.quality import CHECK_TYPES, Finding, check, history
from protocols.core.errors import Code, InputError
from site_node.home.register import now

THRESHOLDS = "quality.toml"


@dataclass(frozen=True)
class ChecksOfKind:
    """How many checks of a category and context of Kahn's frame passed and failed."""

    category: str
    context: str
    passed: int
    failed: int


@dataclass(frozen=True)
class CheckResult:
    """One check: where it looked and for what, how many rows violate it, and what would mend them."""

    check: str
    where: str
    what: str
    rows: int
    violations: int
    share: float
    tolerated: float
    passed: bool
    fix: str

    @classmethod
    def of(cls, one: Finding) -> "CheckResult":
        """The finding as people read it: the share with four digits, the fix where it is needed."""
        return cls(
            check=one.name,
            where=f"{one.table}.{one.column}".rstrip("."),
            what=one.what,
            rows=one.rows,
            violations=one.violations,
            share=round(one.share, 4),
            tolerated=one.tolerated,
            passed=one.passed,
            fix="" if one.passed else CHECK_TYPES[one.name].fix,
        )


@dataclass(frozen=True)
class Quality:
    """What the checks found now, and how it was before.

    Attributes:
        funnel: people by what there is of them.
        runs: the newest runs of the checks, this one last.
        doubts: what was read and not wholly understood, with the way out (`report.doubts`).
        change: what fails, or no longer fails, since the run before.
    """

    site: str
    checked_at: datetime
    findings: list[Finding]
    funnel: dict[str, int]
    runs: list[history.Run]
    change: history.Change
    doubts: list[dict[str, Any]] = field(default_factory=list)

    def failing(self) -> list[Finding]:
        """The findings that did not pass, the largest share first."""
        failed = (one for one in self.findings if not one.passed)
        return sorted(failed, key=lambda one: (-one.share, one.name, one.table, one.column))

    def matrix(self) -> dict[str, dict[str, dict[str, int]]]:
        """Kahn's frame: category -> context -> how many checks passed and failed."""
        cells = {
            category: {context: {"passed": 0, "failed": 0} for context in ("verification", "validation")}
            for category in ("conformance", "completeness", "plausibility")
        }
        for one in self.findings:
            cells[one.category][one.context]["passed" if one.passed else "failed"] += 1
        return cells

    def checks_by_kind(self) -> list[ChecksOfKind]:
        """The same, line by line."""
        return [
            ChecksOfKind(category, context, **counts)
            for category, contexts in self.matrix().items()
            for context, counts in contexts.items()
        ]


def assess(
    engine: Engine, site: str, home: Path, clock: Callable[[], datetime] = now, *, keep: bool = True
) -> Quality:
    """The quality of the site's CDM now, kept for the next comparison."""
    at = clock().replace(tzinfo=None)
    findings = check(engine, at.date(), thresholds(home))
    if keep:
        history.keep(engine, findings, at)
    runs, change, doubts = history.runs(engine), history.change(engine), report.doubts(engine)
    return Quality(site, at, findings, linkage.funnel(engine), runs, change, doubts)


def thresholds(home: Path) -> dict[str, float]:
    """The shares of rows that may violate a check at this site, from `quality.toml`, if it is there.

    Raises:
        InputError: the file names no check, or a share that is not valid.
    """
    path = home / THRESHOLDS
    if not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8")).get("tolerated", {})
    except tomllib.TOMLDecodeError:
        raise InputError(Code.INVALID_INPUT, f"{THRESHOLDS} is not TOML") from None
    unknown = sorted(content.keys() - CHECK_TYPES.keys())
    if unknown:
        raise InputError(Code.INVALID_INPUT, f"{THRESHOLDS}: there is no check {unknown[0]}")
    for name, share in content.items():
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            raise InputError(Code.INVALID_INPUT, f"{THRESHOLDS}: {name} needs a share from 0 to 1")
    return {name: float(share) for name, share in content.items()}
