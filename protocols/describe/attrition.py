"""How many people each rule of the cohort leaves, over all sites and at each. Exact: a sum of counts.

Where a rule takes out fewer than `min_count` people, or none, the number before it is not told: the two
numbers would tell how many have what it asks about.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from protocols.core import beside_total
from protocols.core.cells import without_hidden
from protocols.core.disclosure import SUPPRESSED, Band, Count, Thresholds
from protocols.core.errors import Code, SpecError, StudyError
from protocols.core.figure import Axis, Bar, Bars, Figure
from protocols.core.protocol import (
    Arrays,
    Coordination,
    FederatedProtocol,
    PerSite,
    Result,
    Spec,
    ask,
    site_step,
)
from protocols.core.site_step import Times
from protocols.core.table import AnalysisTable, Integers
from protocols.results.figures import whole
from protocols.results.numerals import shown_count

_FEW = {"left_out": Count("step", what="people whom the next step leaves out")}


class AttritionSpec(Spec):
    """Which steps of the cohort's definition are counted.

    Attributes:
        steps: "index event" and names of the cohort's rules, in their order.
        per_site: also each site's own counts, in the clear.
    """

    protocol: Literal["attrition"] = "attrition"
    steps: tuple[str, ...] = Field(min_length=1, max_length=51)
    per_site: bool = False

    def variables(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class AttritionResult(Result):
    """People left after each step.

    Attributes:
        steps: (s,) the steps.
        total: (s,) over all sites, -1 where the next step leaves out too few of them.
        by_site: site -> (s,) its own, -1 as well where fewer than the site's floor, or where another site
            hides its own.
        withheld: site -> the code with which it gave none.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="attrition", steps=["glioma", "MRI"])
    >>> found.summary()
            all sites
    glioma        400
    MRI           340
    """

    steps: tuple[str, ...]
    total: Integers
    by_site: Mapping[str, Integers]
    withheld: Mapping[str, Code]

    def summary(self) -> pd.DataFrame:
        """One row per step, one column per site; a suppressed count is missing."""
        frame = pd.DataFrame({"all sites": self.total, **self.by_site}, index=list(self.steps))
        return frame.mask(frame == SUPPRESSED)

    def figure(self) -> Figure:
        left = tuple(
            Bar(step, people, "withheld" if people is None else shown_count(people))
            for step, people in zip(self.steps, whole(self.total), strict=True)
        )
        return Figure(
            (Bars("", Axis("people", low=0.0), left),), "People left after each rule, over all hospitals."
        )


class Attrition(FederatedProtocol[AttritionSpec, AttritionResult]):
    """The way from the index event to the cohort, in counts of people."""

    name = "attrition"
    version = "3"
    is_query = True
    spec_type = AttritionSpec

    @site_step(
        refines=True, left_out=Band("step", what="people whom the next step leaves out, in whole floors")
    )
    def cells(spec: AttritionSpec, table: AnalysisTable) -> Arrays:
        """Which steps leave out enough people here; of the last, whether it leaves any."""
        return {"left_out": _left_out(_left(spec, table))}

    @site_step(people=Count("step", what="people left, where the next step leaves out enough of them"))
    def count(spec: AttritionSpec, table: AnalysisTable, shown: Integers) -> Arrays:
        """People left after each of the steps that are `shown`, (step,) of 1 and 0."""
        return {"people": _left(spec, table) * shown}

    @site_step(beside_total.declared(**_FEW), times=lambda spec: Times.where(spec.per_site))
    def few(spec: AttritionSpec, table: AnalysisTable) -> Arrays:
        """After which steps this site's part of a total is one that it would not show in the clear."""
        left = _left(spec, table)
        return beside_total.few({"left_out": _left_out(left)}, {"left_out": left})

    @site_step(
        clear=lambda spec: spec.per_site,
        summed=False,
        people=Count("step", what="people left, where the next step leaves out enough of them"),
    )
    def here(spec: AttritionSpec, table: AnalysisTable, left_out: Integers) -> Arrays:
        """People left after steps whose (step,) `left_out` is 1, for the clear, if the next takes many."""
        left = _left(spec, table)
        return {"people": np.where(_left_out(left) >= Thresholds().min_count, left * left_out, 0)}

    def axes(self, spec: AttritionSpec) -> dict[str, int]:
        return {"step": len(spec.steps)}

    def coordinate(self, spec: AttritionSpec) -> Coordination[AttritionResult]:
        found, *few = yield (ask("cells"), *([ask("few")] if spec.per_site else []))
        shown = (found["left_out"] >= found.floors).astype(np.int64)
        if not shown.any():
            raise StudyError(
                Code.WITHHELD,
                f"no step leaves {found.min_count} people more than the next one",
                "name fewer steps, or widen the cohort",
            )
        here = [ask("here", per_site=True, **beside_total.may_show(said, _FEW)) for said in few]
        total, *sites = yield (ask("count", shown=shown), *here)
        own = sites[0] if sites else PerSite({})
        by_site = {site: np.asarray(arrays["people"], np.int64) for site, arrays in own.answers.items()}
        return AttritionResult(spec.steps, without_hidden(total["people"], shown), by_site, own.withheld)

    def method(self, spec: AttritionSpec) -> str:
        return "People were counted after each rule of the cohort."

    def about(self, spec: AttritionSpec) -> str:
        return "How many people are left after each step of the cohort's definition."


def _left(spec: AttritionSpec, table: AnalysisTable) -> Integers:
    """The (step,) people left after each step here.

    Raises:
        SpecError: the cohort has no such step.
    """
    unknown = [step for step in spec.steps if step not in table.attrition]
    if unknown:
        raise SpecError(Code.INVALID_STUDY, f"the cohort has no rule {unknown[0]!r}")
    return np.array([table.attrition[step] for step in spec.steps], dtype=np.int64)


def _left_out(left: Integers) -> Integers:
    """The (step,) people whom the next step leaves out; after the last nobody stays."""
    return np.asarray(left - np.append(left[1:], 0))
