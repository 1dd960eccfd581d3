"""Histograms on public edges, by group. Exact: sums of counts in one round.

A cell of fewer than the study's `min_count` people over all sites is not shown, nor what would give it away.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from protocols.core.disclosure import SUPPRESSED, Count
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Columns, Figure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, Result, Spec, ask, site_step
from protocols.core.spec import by_group, one_by_one
from protocols.core.suppression import suppressed
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.variables import Name
from protocols.results.figures import floats, whole


class HistogramSpec(Spec):
    """A variable on public edges.

    Attributes:
        of: a numeric variable, over the people who have it.
        edges: ascending; a bin is [edge, next), the last one holds its upper edge too.
        by: a variable that makes groups; people without a value are left out.
        levels: the values of `by`, one per group.
    """

    protocol: Literal["histogram"] = "histogram"
    of: Name
    edges: tuple[float, ...] = Field(min_length=2, max_length=201)
    by: Name | None = None
    levels: tuple[float, ...] = Field(default=(0.0, 1.0), min_length=1, max_length=20)

    @field_validator("edges")
    @classmethod
    def _ascend(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not np.isfinite(value).all() or (np.diff(value) <= 0).any():
            raise ValueError("edges are finite and ascend")
        return value

    def variables(self) -> tuple[str, ...]:
        return (self.of, *((self.by,) if self.by else ()))

    def stands_on(self) -> tuple[str, ...]:
        return ()  # every entry has a count of its own

    def needs(self) -> tuple[str, ...]:
        return (self.by,) if self.by else ()

    def sets_of_people(self, table: AnalysisTable) -> Iterator[tuple[tuple[str, ...], Mask]]:
        yield from by_group(table, self.by, one_by_one(table, [self.of.split(".")[0]]))

    def groups(self) -> tuple[str, ...]:
        """The names of the groups."""
        return tuple(f"{self.by}={level:g}" for level in self.levels) if self.by else ("all",)


@dataclass(frozen=True)
class HistogramResult(Result):
    """People by bin.

    Attributes:
        of: the variable; groups: (G,) names; edges: (bins + 1,).
        n: (G,) people who have the variable.
        counts: (G, bins + 2): below the first edge, in each bin, above the last; -1 where not shown.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="histogram", of="age", edges=[40, 50, 60])
    >>> found.summary()
              all
    < 40       57
    [40, 50)   98
    [50, 60]  105
    > 60       80
    """

    of: str
    groups: tuple[str, ...]
    edges: Floats
    n: Integers
    counts: Integers

    def summary(self) -> pd.DataFrame:
        """One row per bin, one column per group; what is not shown is missing."""
        inner = [f"[{a:g}, {b:g})" for a, b in zip(self.edges[:-1], self.edges[1:], strict=True)]
        inner[-1] = inner[-1][:-1] + "]"
        index = [f"< {self.edges[0]:g}", *inner, f"> {self.edges[-1]:g}"]
        frame = pd.DataFrame(self.counts.T, index=index, columns=list(self.groups))
        return frame.mask(frame == SUPPRESSED)

    def figure(self) -> Figure:
        groups = tuple(
            (group, whole(counts[1:-1])) for group, counts in zip(self.groups, self.counts, strict=True)
        )
        beyond = ", ".join(
            f"{'not shown' if low is None else low} below and {'not shown' if high is None else high} above"
            + (f" ({group})" if len(self.groups) > 1 else "")
            for group, (low, high) in (
                (g, whole(c[[0, -1]])) for g, c in zip(self.groups, self.counts, strict=True)
            )
        )
        return Figure(
            (Columns("", Axis(self.of), Axis("people", low=0.0), floats(self.edges), groups, "withheld"),),
            f"People by {self.of}. Beyond the edges: {beyond}. A dashed column holds too few people to show.",
        )


class Histogram(FederatedProtocol[HistogramSpec, HistogramResult]):
    """How many people have which values."""

    name = "histogram"
    is_query = True
    spec_type = HistogramSpec

    @site_step(
        n=Count(),
        people=Count("group", of="n"),
        counts=Count("group", "bin", of="n", what="people with a value in the bin"),
    )
    def count(spec: HistogramSpec, table: AnalysisTable) -> Arrays:
        """People by group and bin."""
        table = table.complete(spec.variables())
        x, by = table.column(spec.of), table.column(spec.by) if spec.by else np.zeros(len(table))
        levels = spec.levels if spec.by else (0.0,)
        counts = np.array([_counted(x[by == level], spec.edges) for level in levels])
        people = counts.sum(axis=1)
        return {"n": np.array(people.sum()), "people": people, "counts": counts}

    def axes(self, spec: HistogramSpec) -> dict[str, int]:
        return {"group": len(spec.groups()), "bin": len(spec.edges) + 1}

    def coordinate(self, spec: HistogramSpec) -> Coordination[HistogramResult]:
        total = yield ask("count")
        return result(spec, total["counts"], total.min_count)

    def method(self, spec: HistogramSpec) -> str:
        return f"People by {spec.of} in {len(spec.edges) - 1} bins whose edges the study names."

    def about(self, spec: HistogramSpec) -> str:
        by = f", by {spec.by}" if spec.by else ""
        return (
            f"How many people have {spec.of} in each of {len(spec.edges) - 1} bins from {spec.edges[0]:g} to "
            f"{spec.edges[-1]:g}, below and above{by}."
        )


def _counted(x: Floats, edges: Sequence[float]) -> Integers:
    """The (bins + 2,) people below, in each bin, and above."""
    at = np.searchsorted(edges, x, side="right")
    at = np.where(x == edges[-1], len(edges) - 1, at)
    return np.bincount(at, minlength=len(edges) + 1).astype(np.int64)


def result(spec: HistogramSpec, counts: Integers, min_count: int) -> HistogramResult:
    """The result of joined counts.

    Raises:
        StudyError: withheld; no group has enough people.
    """
    n = np.asarray(counts, dtype=np.int64).sum(axis=1)
    if (n < min_count).all():
        raise StudyError(
            Code.WITHHELD,
            f"no group of {spec.by or spec.of} has {min_count} people with a known {spec.of}",
            "use fewer groups",
        )
    shown = np.array([suppressed(row, min_count) for row in counts])
    return HistogramResult(
        spec.of, spec.groups(), np.array(spec.edges), np.where(n < min_count, SUPPRESSED, n), shown
    )
