"""Histograms on public edges, by group. Exact: sums of counts.

A cell of fewer than the study's `min_count` people over all sites is not asked for, nor what would give it
away.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from protocols.core.cells import shown_beside_margins, shown_cells, without_hidden
from protocols.core.disclosure import SUPPRESSED, Array, Band, Count
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Columns, Figure
from protocols.core.privacy import MayBeNoised, MayBePrivate, Rows
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, Result, ask, site_step
from protocols.core.spec import by_group, one_by_one
from protocols.core.suppression import suppressed
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.variables import Name
from protocols.estimation.noisy import counts as noisy_counts
from protocols.estimation.noisy import in_cells, level_of, noisy_sums
from protocols.results.figures import floats, whole


class HistogramSpec(MayBePrivate):
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

    def cells_published(self) -> int:
        return len(self.levels) * (len(self.edges) + 1) if self.by else 0

    def private_size(self, arrays: Mapping[str, Array]) -> int:
        return len(self.groups()) * (len(self.edges) + 1)

    def private_rows(self, table: AnalysisTable, **arrays: Array) -> Rows:
        """Each person in one bin of one group."""
        x = table.column(self.of)
        group = level_of(table.column(self.by), self.levels) if self.by else np.zeros(len(x), dtype=np.int64)
        cell = group * (len(self.edges) + 1) + _bin_of(x, self.edges)
        return in_cells(np.where(np.isnan(x) | (group < 0), -1, cell), self.private_size({}))

    def groups(self) -> tuple[str, ...]:
        """The names of the groups."""
        return tuple(f"{self.by}={level:g}" for level in self.levels) if self.by else ("all",)


@dataclass(frozen=True)
class HistogramResult(MayBeNoised, Result):
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
    version = "3"
    is_query = True
    spec_type = HistogramSpec

    @site_step(
        refines=True,
        people=Band("group", what="people with a value, in whole floors"),
        enough=Band("group", "bin", what="people with a value in the bin, in whole floors"),
    )
    def cells(spec: HistogramSpec, table: AnalysisTable) -> Arrays:
        """Which groups and bins enough people are in."""
        counts = _by_group(spec, table)
        return {"people": counts.sum(axis=1), "enough": counts}

    @site_step(
        n=Count(),
        people=Count("group", of="n", what="people, where they are enough"),
        counts=Count("group", "bin", of="n", what="people with a value in the bin, where they are enough"),
    )
    def count(spec: HistogramSpec, table: AnalysisTable, groups: Integers, shown: Integers) -> Arrays:
        """People by group and bin, in the (group,) and (group, bin) that are 1 and not 0."""
        counts = _by_group(spec, table)
        people = counts.sum(axis=1)
        return {"n": np.array(people.sum()), "people": people * groups, "counts": counts * shown}

    def axes(self, spec: HistogramSpec) -> dict[str, int]:
        return {"group": len(spec.groups()), "bin": len(spec.edges) + 1}

    def coordinate(self, spec: HistogramSpec) -> Coordination[HistogramResult]:
        if spec.privacy:
            sums, noised = yield from noisy_sums(spec)
            by_group = sums.reshape(len(spec.groups()), -1)
            cells, people = noisy_counts(by_group), noisy_counts(by_group.sum(axis=1))
            edges = np.array(spec.edges)
            return HistogramResult(spec.of, spec.groups(), edges, people, cells, noised=noised)
        found = yield ask("cells")
        groups = shown_cells(found["people"], found.floors, axes=1)
        if not groups.any():
            raise _too_few(spec, found.min_count)
        # bins of everybody may be shown too, by another analysis
        shown = shown_beside_margins(found["enough"] * groups[:, None], found.floors)
        total = yield ask("count", groups=groups, shown=shown)
        people = without_hidden(total["people"], groups)
        return result(spec, people, without_hidden(total["counts"], shown), total.min_count)

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
    return np.bincount(_bin_of(x, edges), minlength=len(edges) + 1).astype(np.int64)


def _bin_of(x: Floats, edges: Sequence[float]) -> Integers:
    """The (n,) bins, from 0 below the first edge."""
    at = np.searchsorted(edges, x, side="right")
    return np.where(x == edges[-1], len(edges) - 1, at).astype(np.int64)


def _by_group(spec: HistogramSpec, table: AnalysisTable) -> Integers:
    """The (group, bins + 2) people."""
    table = table.complete(spec.variables())
    x, by = table.column(spec.of), table.column(spec.by) if spec.by else np.zeros(len(table))
    levels = spec.levels if spec.by else (0.0,)
    return np.array([_counted(x[by == level], spec.edges) for level in levels])


def _too_few(spec: HistogramSpec, min_count: int) -> StudyError:
    return StudyError(
        Code.WITHHELD,
        f"no group of {spec.by or spec.of} has {min_count} people with a known {spec.of}",
        "use fewer groups",
    )


def result(spec: HistogramSpec, n: Integers, counts: Integers, min_count: int) -> HistogramResult:
    """The result of (group,) people and their joined counts, -1 where these were not asked for.

    Raises:
        StudyError: withheld; no group has enough people.
    """
    if (n < min_count).all():
        raise _too_few(spec, min_count)
    shown = np.array([suppressed(row, min_count) for row in counts])
    return HistogramResult(
        spec.of, spec.groups(), np.array(spec.edges), np.where(n < min_count, SUPPRESSED, n), shown
    )
