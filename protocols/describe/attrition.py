"""How many people each rule of the cohort leaves, over all sites and at each. Exact: a sum of counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from protocols.core.disclosure import SUPPRESSED, Count
from protocols.core.errors import Code, SpecError
from protocols.core.figure import Axis, Bar, Bars, Figure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, Result, Spec, ask, site_step
from protocols.core.table import AnalysisTable, Integers
from protocols.results.figures import whole
from protocols.results.numerals import shown_count


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
        total: (s,) over all sites.
        by_site: site -> (s,) its own, -1 where fewer than the site's floor.
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
    is_query = True
    spec_type = AttritionSpec

    @site_step(clear=lambda spec: spec.per_site, people=Count("step", what="people left"))
    def count(spec: AttritionSpec, table: AnalysisTable) -> Arrays:
        """People left after each step here.

        Raises:
            SpecError: the cohort has no such step.
        """
        unknown = [step for step in spec.steps if step not in table.attrition]
        if unknown:
            raise SpecError(Code.INVALID_STUDY, f"the cohort has no rule {unknown[0]!r}")
        return {"people": np.array([table.attrition[step] for step in spec.steps])}

    def axes(self, spec: AttritionSpec) -> dict[str, int]:
        return {"step": len(spec.steps)}

    def coordinate(self, spec: AttritionSpec) -> Coordination[AttritionResult]:
        if not spec.per_site:
            total = yield ask("count")
            return AttritionResult(spec.steps, total["people"], {}, {})
        total, here = yield ask("count"), ask("count", per_site=True)
        by_site = {site: np.asarray(arrays["people"], np.int64) for site, arrays in here.answers.items()}
        return AttritionResult(spec.steps, total["people"], by_site, here.withheld)

    def method(self, spec: AttritionSpec) -> str:
        return "People were counted after each rule of the cohort."

    def about(self, spec: AttritionSpec) -> str:
        return "How many people are left after each step of the cohort's definition."
