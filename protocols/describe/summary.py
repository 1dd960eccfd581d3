"""Counts, means, standard deviations and missing counts of variables; cross tables of 0/1 variables.

Exact: sums over sites in two rounds, the second about the mean that the first found, so that nothing
cancels. Before them the sites say in whole floors whether enough people differ from 0, from 1 and from most
in a variable; one in which they do not is not summed, and neither is one of which one or two people make up
nearly all at a site. With
`per_site`, Table 1 by site in the clear, without what few people stand behind at a site, nor what would give
that away (`summary_by_site`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from protocols.core.disclosure import SUPPRESSED, Array, Band, Count, Flag, Moment, Statistic
from protocols.core.errors import Code
from protocols.core.figure import Estimates, Figure, NoFigure
from protocols.core.people_in_effect import is_dominated, set_apart
from protocols.core.privacy import MayBeNoised, MayBePrivate, Rows
from protocols.core.protocol import (
    Arrays,
    Coordination,
    FederatedProtocol,
    PerSite,
    Result,
    ask,
    site_step,
)
from protocols.core.site_step import NEVER, Times
from protocols.core.spec import by_group, one_by_one
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.variables import Column, Name
from protocols.core.wording import listed
from protocols.describe import noisy_summary as noisy
from protocols.describe import summary_by_site as by_site
from protocols.describe.summary_numbers import Numbers, in_the_clear, total_of
from protocols.estimation.heterogeneity import heterogeneity
from protocols.estimation.noisy import noisy_sums
from protocols.estimation.standards import SCALED, fitting, fitting_sums, shift_and_unit
from protocols.results.figures import MOST_PANELS
from protocols.results.numerals import shown_p
from protocols.results.validation_figures import site_panel

BANDS = ("not_zero", "not_one", "apart")
"""Of whom there are enough if a variable is summed: see `core.people_in_effect`."""


class SummarySpec(MayBePrivate):
    """Which variables, in which groups.

    Attributes:
        of: numeric columns; each is summarized over the people who have it.
        by: a 0/1 variable that makes two groups; people without a value are in neither.
        cross: pairs of 0/1 variables whose joint counts are asked for.
        per_site: also each site's own numbers, in the clear.
    """

    protocol: Literal["summary"] = "summary"
    of: tuple[Column, ...] = Field(default=(), max_length=2000)
    by: Name | None = None
    cross: tuple[tuple[Column, Column], ...] = Field(default=(), max_length=200)
    per_site: bool = False

    @model_validator(mode="after")
    def _asks_something(self) -> "SummarySpec":
        if not self.of and not self.cross:
            raise ValueError("name variables under `of`, or pairs under `cross`")
        return self

    def variables(self) -> tuple[str, ...]:
        columns = [*self.of, *(name for pair in self.cross for name in pair), *([self.by] if self.by else [])]
        return tuple(dict.fromkeys(name.split(".")[0] for name in columns))

    def stands_on(self) -> tuple[str, ...]:
        return ()  # every entry has a count of its own

    def needs(self) -> tuple[str, ...]:
        columns = [*(name for pair in self.cross for name in pair), *([self.by] if self.by else [])]
        return tuple(dict.fromkeys(name.split(".")[0] for name in columns))

    def sets_of_people(self, table: AnalysisTable) -> Iterator[tuple[tuple[str, ...], Mask]]:
        known = one_by_one(table, [name.split(".")[0] for name in self.of])
        yield from by_group(table, self.by, known)
        for pair in self.cross:
            names = tuple(name.split(".")[0] for name in pair)
            yield names, table.present(table.read_of(names))

    def cells_published(self) -> int:
        return 4 * len(self.cross)

    def not_private(self) -> str:
        if len(self.of) > noisy.MOST_VARIABLES:
            return f"with privacy a summary has at most {noisy.MOST_VARIABLES} variables"
        return (
            "each site's own numbers have no form with noise: leave `per_site` out" if self.per_site else ""
        )

    def ranged(self) -> tuple[str, ...]:
        return self.of

    def private_size(self, arrays: Mapping[str, Array]) -> int:
        return noisy.size(self)

    def private_rows(self, table: AnalysisTable, **arrays: Array) -> Rows:
        """Each person in one group, with each variable that is known, its number and its square."""
        return noisy.rows(self, table)

    def groups(self) -> tuple[str, ...]:
        """The names of the groups."""
        return (f"{self.by}=0", f"{self.by}=1") if self.by else ("all",)


@dataclass(frozen=True)
class SummaryResult(MayBeNoised, Result):
    """A summary over all sites, and by site where it was asked for.

    Attributes:
        of: the variables; groups: the groups; pairs: the pairs of the cross tables.
        total: over all sites.
        by_site: site -> its own numbers; withheld: site -> the code with which it gave none.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="summary", of=["age", "volume"], by="idh1")
    >>> found.summary().drop(columns="site").round(1)
        group variable      n  missing  mean    sd
    0  idh1=0      age  175.0      0.0  57.4  11.0
    1  idh1=0   volume  165.0     10.0  64.7  18.8
    2  idh1=1      age  165.0      0.0  44.9  10.5
    3  idh1=1   volume  157.0      8.0  48.9  21.9
    """

    of: tuple[str, ...]
    groups: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    total: Numbers
    by_site: Mapping[str, Numbers]
    withheld: Mapping[str, Code]

    def summary(self) -> pd.DataFrame:
        """One row per site (or "all sites"), group and variable, then one per cell of a cross table.

        A suppressed number is missing.
        """
        rows = []
        for site, numbers in {"all sites": self.total, **self.by_site}.items():
            rows += [
                (site, group, variable, numbers.n[at], numbers.missing[at], numbers.mean[at], numbers.sd[at])
                for at, (group, variable) in _enumerated(self.groups, self.of)
            ]
            rows += [
                (site, f"{a}={i}", f"{b}={j}", cells[i, j], np.nan, np.nan, np.nan)
                for (a, b), cells in zip(self.pairs, numbers.cross, strict=True)
                for i in (0, 1)
                for j in (0, 1)
            ]
        frame = pd.DataFrame(rows, columns=["site", "group", "variable", "n", "missing", "mean", "sd"])
        counts = frame[["n", "missing"]].astype(float)
        return frame.assign(n=counts["n"], missing=counts["missing"]).replace(
            {"n": {SUPPRESSED: np.nan}, "missing": {SUPPRESSED: np.nan}}
        )

    def figure(self) -> Figure | NoFigure:
        """Means with 95 % intervals by site, a panel per variable; of all people only."""
        if not self.of:
            return NoFigure("a cross table is shown as it is")
        if not self.by_site or len(self.groups) > 1:
            return NoFigure("a table of means; with `per_site` and without groups, sites are compared")
        panels = tuple(panel for v in range(len(self.of)) for panel in (self._sites(v),) if panel)
        if not panels:
            return NoFigure("fewer than two sites show a mean")
        more = f" The first {MOST_PANELS} of {len(panels)} variables." if len(panels) > MOST_PANELS else ""
        return Figure(panels[:MOST_PANELS], f"Means and shares with 95% intervals by hospital.{more}")

    def _sites(self, v: int) -> Estimates | None:
        """A forest of the means of a variable at the sites that show one, with how much the sites differ."""
        found = {
            site: (float(there.mean[0, v]), float(there.sd[0, v] / np.sqrt(max(there.n[0, v], 1))))
            for site, there in self.by_site.items()
            if np.isfinite(there.mean[0, v])
        }
        differ = heterogeneity(*zip(*found.values(), strict=True)) if found else None
        if differ is None:
            return None
        what = "share" if self.total.is_zero_or_one(0, v) else "mean"
        title = f"{self.of[v]}: I² {differ.i_squared:.0%}, {shown_p(differ.p)} for equal {what}s"
        return site_panel(title, f"{what} of {self.of[v]}", found, differ.mean)


def _enumerated(
    groups: Sequence[str], variables: Sequence[str]
) -> list[tuple[tuple[int, int], tuple[str, str]]]:
    return [((g, v), (group, name)) for g, group in enumerate(groups) for v, name in enumerate(variables)]


class Summary(FederatedProtocol[SummarySpec, SummaryResult]):
    """Table 1."""

    name = "summary"
    version = "5"
    is_query = True
    spec_type = SummarySpec

    @site_step(
        people=Count("group"),
        n=Count("group", "variable", what="people with a value"),
        missing=Count("group", "variable", of="people", what="people without a value"),
        not_zero=Band("group", "variable", what="those with another value than 0, in whole floors"),
        not_one=Band("group", "variable", what="those with another value than 1, in whole floors"),
        apart=Band("group", "variable", what="those with another value than most, in whole floors"),
    )
    def counts(spec: SummarySpec, table: AnalysisTable) -> Arrays:
        """People with and without a value by group, and how many of these each variable sets apart."""
        x, known, members = _by_group(spec, table)
        apart = [[set_apart(x[m & k, v]) for v, k in enumerate(known.T)] for m in members]
        bands = np.moveaxis(np.array(apart, dtype=np.int64).reshape(len(members), len(spec.of), 3), -1, 0)
        return {
            "people": members.sum(axis=1),
            "n": members.astype(np.int64) @ known,
            "missing": members.astype(np.int64) @ ~known,
            **dict(zip(BANDS, bands.copy(), strict=True)),
        }

    @site_step(
        times=SCALED,
        varies=("about",),
        n=Count("group", "variable", what="people with a value"),
        sum=Moment("group", "variable", what="sums"),
        square=Moment("group", "variable", what="sums of squares"),
        too_large=Moment("group", "variable", what="sites whose sum of squares does not fit"),
        dominated=Flag("group", "variable", what="sites where one or two people make up nearly all of it"),
    )
    def sums(spec: SummarySpec, table: AnalysisTable, shown: Integers, **about: Array) -> Arrays:
        """Sums and sums of squares where (group, variable) `shown` is 1, times a power of two."""
        x, known, members = _by_group(spec, table)
        dominated = _dominated(spec, table)
        z = x * shift_and_unit(about, len(spec.of))[1]
        sums = np.where(
            dominated | (shown == 0), 0.0, [members.astype(float) @ z, members.astype(float) @ z**2]
        )
        n = members.astype(np.int64) @ known
        return {"n": n, **fitting(*sums), "dominated": dominated.astype(np.int64)}

    @site_step(
        times=lambda spec: Times.where(bool(spec.cross)),
        refines=True,
        enough=Band("pair", "first", "second", what="people with the combination, in whole floors"),
    )
    def cells(spec: SummarySpec, table: AnalysisTable) -> Arrays:
        """Which combinations of the cross tables enough people have."""
        return {"enough": _cross(spec, table)}

    @site_step(
        times=lambda spec: Times(0, 1) if spec.cross else NEVER,
        paired=Count("pair", what="people with both values"),
        cross=Count("pair", "first", "second", of="paired", what="people with the combination"),
    )
    def crossed(spec: SummarySpec, table: AnalysisTable, shown: Integers) -> Arrays:
        """The cross tables of which every cell stands on enough people: (pair,) 1, and 0 for the others."""
        cross = _cross(spec, table)
        return {"paired": cross.sum(axis=(1, 2)), "cross": cross * shown[:, None, None]}

    @site_step(
        n=Count("group", "variable", what="people with a value"),
        rest=Moment("group", "variable", what="sums of deviations from the mean over all sites"),
        square=Moment("group", "variable", what="sums of squares of these"),
    )
    def deviations(
        spec: SummarySpec, table: AnalysisTable, shown: Integers, mean: Floats, scale: Floats
    ) -> Arrays:
        """Sums of (x - mean) / scale and of its square, by group, about a public (group, variable) mean."""
        x, known, members = _by_group(spec, table)
        hidden = _dominated(spec, table) | (shown == 0)
        rest, square = np.zeros(mean.shape), np.zeros(mean.shape)
        for g, member in enumerate(members):
            z = np.where(known[member], (x[member] - mean[g]) / scale[g], 0.0)
            rest[g], square[g] = np.where(hidden[g], 0.0, [z.sum(axis=0), (z**2).sum(axis=0)])
        return {"n": members.astype(np.int64) @ known, "rest": rest, "square": square}

    @site_step(by_site.FEW, times=lambda spec: Times.where(spec.per_site))
    def few(spec: SummarySpec, table: AnalysisTable) -> Arrays:
        """Where this site's part of a total is one that it would not show in the clear."""
        return by_site.few(*_by_group(spec, table), _cross(spec, table))

    @site_step(
        clear=lambda spec: spec.per_site,
        summed=False,
        people=Count("group"),
        n=Count("group", "variable", what="people with a value"),
        smallest=Count("group", "variable", what="people on whom the mean is based"),
        mean=Statistic("group", "variable", behind="smallest", what="means"),
        sd=Statistic("group", "variable", behind="smallest", what="standard deviations"),
        smallest_cell=Count("pair", what="people in the smallest cell"),
        cross=Moment("pair", "first", "second", behind="smallest_cell", what="people with the combination"),
    )
    def here(
        spec: SummarySpec,
        table: AnalysisTable,
        people: Integers,
        known: Integers,
        apart: Integers,
        cells: Integers,
    ) -> Arrays:
        """This site's own numbers, for the clear, where these are 1 and not 0.

        The mean of a 0/1 variable is a count, so it stands on the rarer of its values; a cross table stands
        on its smallest cell, since the others with the margins would give that away. How many people lack a
        value is not a secret: n may be close to the number of people.
        """
        asked = {"people": people, "known": known, "apart": apart, "cells": cells}
        return by_site.of_site(*_by_group(spec, table), _cross(spec, table), asked)

    def axes(self, spec: SummarySpec) -> dict[str, int]:
        sizes = {"group": len(spec.groups()), "variable": len(spec.of), "pair": len(spec.cross)}
        return sizes | {"first": 2, "second": 2}

    def coordinate(self, spec: SummarySpec) -> Coordination[SummaryResult]:
        if spec.privacy:
            sums, noised = yield from noisy_sums(spec)
            total = noisy.numbers(spec, sums)
            return SummaryResult(spec.of, spec.groups(), spec.cross, total, {}, {}, noised=noised)
        cells = [ask("cells")] if spec.cross else []
        few = [ask("few")] if spec.per_site else []
        counts, *said = yield (ask("counts"), *cells, *few)
        shown = np.min([counts[name] >= counts.floors for name in BANDS], axis=0).astype(np.int64)
        (sums,) = yield from fitting_sums(len(spec.of), step="sums", asked={"shown": shown})
        n = np.maximum(sums["n"], 1)
        mean = np.nan_to_num(sums["sum"] / n)
        # A power of two near the standard deviation: it changes no digit, and keeps those of small numbers.
        variance = np.nan_to_num(sums["square"] / n - mean**2, nan=1.0)
        variance = np.maximum(variance, np.maximum(2.0**-80, 2.0**-52 * mean**2))
        scale = np.exp2(np.round(np.log2(variance) / 2))
        asks = [ask("deviations", shown=shown, mean=mean, scale=scale)]
        enough = said[0]["enough"] >= said[0].floors if spec.cross else np.zeros((0, 2, 2), dtype=bool)
        whole = np.asarray(enough.all(axis=(1, 2)))
        if whole.any():
            asks.append(ask("crossed", shown=whole))
        here = [ask("here", per_site=True, **by_site.may_show(said[-1]))] if spec.per_site else []
        deviations, *more = yield (*asks, *here)
        own = more[-1] if here else PerSite({})
        cross = np.full((len(spec.cross), 2, 2), SUPPRESSED)
        if whole.any():
            cross[whole] = more[0]["cross"][whole]
        return SummaryResult(
            spec.of,
            spec.groups(),
            spec.cross,
            total_of(counts, (sums, shown), (deviations, mean, scale), cross),
            {site: in_the_clear(arrays) for site, arrays in own.answers.items()},
            own.withheld,
        )

    def method(self, spec: SummarySpec) -> str:
        by = f" by {spec.by}" if spec.by else ""
        what = f"means and standard deviations of {listed(spec.of)}" if spec.of else "cross tables"
        return f"Counts, {what}{by}."

    def about(self, spec: SummarySpec) -> str:
        by = f", by {spec.by}" if spec.by else ""
        of = (
            [f"Missing values, means and standard deviations of {', '.join(spec.of)}{by}."] if spec.of else []
        )
        pairs = ", ".join(f"{a} by {b}" for a, b in spec.cross)
        return " ".join([*of, *([f"How many people have each combination of {pairs}."] if pairs else [])])

    def notes(self, spec: SummarySpec) -> Sequence[str]:
        said = (
            "Results based on few people at a hospital are suppressed, there and where the others' tell them."
        )
        return [said] if spec.per_site else []


def _by_group(spec: SummarySpec, table: AnalysisTable) -> tuple[Floats, Mask, Mask]:
    """The (n, variable) numbers (0 where missing), where they are known, and the (group, n) members."""
    x = table.matrix(spec.of)
    known = ~np.isnan(x)
    if spec.by:
        by = table.column(spec.by)
        members = np.array([by == 0, by == 1])
    else:
        members = np.ones((1, len(table)), dtype=bool)
    return np.where(known, x, 0.0), known, members


def _dominated(spec: SummarySpec, table: AnalysisTable) -> Mask:
    """(group, variable) whether one or two people make up nearly all of a variable's spread here."""
    x, known, members = _by_group(spec, table)
    found = [[is_dominated(x[m & k, v]) for v, k in enumerate(known.T)] for m in members]
    return np.array(found, dtype=bool).reshape(len(members), len(spec.of))


def _cross(spec: SummarySpec, table: AnalysisTable) -> Integers:
    cells = [
        [[np.sum((table.column(a) == i) & (table.column(b) == j)) for j in (0, 1)] for i in (0, 1)]
        for a, b in spec.cross
    ]
    return np.array(cells, dtype=np.int64).reshape(-1, 2, 2)
