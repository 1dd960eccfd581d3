"""What a study writes of events that exclude each other: outcomes, groups, days."""

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field, model_validator

from protocols.core.spec import Spec, WantedKind, by_group
from protocols.core.table import AnalysisTable, Mask
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.survival.life_table import Grid


class CompetingRisksSpec(Spec):
    """Outcomes of which the first counts.

    Attributes:
        outcomes: survival variables; of events on one day the later named counts.
        by: a variable that makes the groups; people without a value are left out.
        levels: the values of `by`, one per group.
        grid: of days.
        days: days of the grid at which the incidence is printed; none: its last.
        restrict_days: a day of the grid within which mean times are taken; none: its last.
        level: of the confidence intervals.
    """

    protocol: Literal["competing_risks"] = "competing_risks"
    outcomes: tuple[Name, ...] = Field(min_length=2, max_length=6)
    by: Name | None = None
    levels: tuple[float, ...] = Field(default=(0.0, 1.0), min_length=1, max_length=20)
    grid: Grid = Grid()
    days: tuple[int, ...] = Field(default=(), max_length=20)
    restrict_days: int | None = None
    level: float = Field(default=0.95, gt=0, lt=1)

    @model_validator(mode="after")
    def _is_on_the_grid(self) -> "CompetingRisksSpec":
        if len(set(self.outcomes)) < len(self.outcomes):
            raise ValueError("an outcome is listed twice")
        named = [*self.days, *([self.restrict_days] if self.restrict_days is not None else [])]
        if off := [day for day in named if day not in self.grid.edges()[1:]]:
            raise ValueError(f"not a day of the grid, every {self.grid.step_days}: {listed(map(str, off))}")
        return self

    def wanted(self) -> Mapping[str, WantedKind]:
        return dict.fromkeys(self.outcomes, "survival")

    def variables(self) -> tuple[str, ...]:
        return (*self.outcomes, *((self.by,) if self.by else ()))

    def stands_on(self) -> tuple[str, ...]:
        return ()  # every entry has a count of its own

    def sets_of_people(self, table: AnalysisTable) -> Iterator[tuple[tuple[str, ...], Mask]]:
        yield from by_group(table, self.by, super().sets_of_people(table))

    def cells_published(self) -> int:
        return len(self.outcomes) * len(self.levels) * self.grid.bins() if self.by else 0

    def groups(self) -> tuple[str, ...]:
        """The names of the groups."""
        return tuple(f"{self.by}={level:g}" for level in self.levels) if self.by else ("all",)

    def printed(self) -> tuple[int, ...]:
        """The days at which the incidence is printed."""
        return self.days or (int(self.grid.edges()[-1]),)
