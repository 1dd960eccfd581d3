"""How many people have each variable, in bands: what an analyst asks before a study is signed.

A site says in the clear the lower end of the band in which its number lies (10, 20, 50, 100, ...), so that a
preflight tells where a study can be done and hardly more. Below 10 people none and nine look the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from protocols.core.disclosure import SUPPRESSED, Count
from protocols.core.errors import Code
from protocols.core.figure import Figure, NoFigure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, Result, Spec, ask, site_step
from protocols.core.spec import one_by_one
from protocols.core.table import AnalysisTable, Integers, Mask
from protocols.core.variables import Name
from protocols.core.wording import listed

BANDS = np.array([10**power * step for power in range(1, 8) for step in (1, 2, 5)], dtype=np.int64)
"""The lower ends of the bands; the last is open."""


class AvailabilitySpec(Spec):
    """Which variables.

    Attributes:
        of: variables of any kind, labels and survival among them; each by itself.
    """

    protocol: Literal["availability"] = "availability"
    of: tuple[Name, ...] = Field(min_length=1, max_length=500)

    def variables(self) -> tuple[str, ...]:
        return self.of

    def needs(self) -> tuple[str, ...]:
        return ()  # each by itself

    def wanted(self) -> Mapping[str, Literal["any"]]:
        return dict.fromkeys(self.of, "any")

    def stands_on(self) -> tuple[str, ...]:
        return ()  # every entry has a count of its own

    def sets_of_people(self, table: AnalysisTable) -> Iterator[tuple[tuple[str, ...], Mask]]:
        yield from one_by_one(table, self.of)


@dataclass(frozen=True)
class AvailabilityResult(Result):
    """The bands of people who have each variable.

    Attributes:
        of: the (v,) variables.
        total: (v,) the lower end of the band over all sites.
        by_site: site -> (v,) the lower ends of its own, -1 where fewer than the site's floor have it.
        withheld: site -> the code with which it gave none.

    >>> from protocols.exchange.example import run_example
    >>> run_example(protocol="availability", of=["age", "volume", "scanner"]).summary()
             all sites  north  south  west
    age            200    100    100    50
    volume         200    100    100    50
    scanner        200    100    100    50
    """

    of: tuple[str, ...]
    total: Integers
    by_site: Mapping[str, Integers]
    withheld: Mapping[str, Code]

    def summary(self) -> pd.DataFrame:
        """One row per variable, one column per site; a suppressed band is missing."""
        frame = pd.DataFrame({"all sites": self.total, **self.by_site}, index=list(self.of))
        return frame.mask(frame == SUPPRESSED)

    def figure(self) -> Figure | NoFigure:
        return NoFigure("bands of people are shown as a table")


class Availability(FederatedProtocol[AvailabilitySpec, AvailabilityResult]):
    """Who has what, before a study is signed."""

    name = "availability"
    is_query = True
    spec_type = AvailabilitySpec

    @site_step(people=Count(), have=Count("variable", what="people with a value"))
    def count(spec: AvailabilitySpec, table: AnalysisTable) -> Arrays:
        """People here, and those of them with a value of each variable."""
        return {"people": np.array(len(table)), "have": _have(spec, table)}

    @site_step(
        clear=True,
        summed=False,
        people=Count(what="people, in bands"),
        have=Count("variable", what="people with a value, in bands"),
    )
    def here(spec: AvailabilitySpec, table: AnalysisTable) -> Arrays:
        """The lower ends of this site's own bands, for the clear."""
        return {"people": banded(np.array(len(table))), "have": banded(_have(spec, table))}

    def axes(self, spec: AvailabilitySpec) -> dict[str, int]:
        return {"variable": len(spec.of)}

    def coordinate(self, spec: AvailabilitySpec) -> Coordination[AvailabilityResult]:
        total, here = yield ask("count"), ask("here", per_site=True)
        bands = banded(np.asarray(total["have"], dtype=np.int64))
        by_site = {site: np.asarray(arrays["have"], np.int64) for site, arrays in here.answers.items()}
        return AvailabilityResult(spec.of, np.where(bands == 0, SUPPRESSED, bands), by_site, here.withheld)

    def method(self, spec: AvailabilitySpec) -> str:
        return f"People with a value of each of {listed(spec.of)} were counted, in bands."

    def about(self, spec: AvailabilitySpec) -> str:
        return f"About how many people have a value of {listed(spec.of)}, each by itself."


def banded(people: Integers) -> Integers:
    """The lower end of the band of each (...) number of people; 0 below the first.

    >>> banded(np.array([0, 9, 10, 47, 50, 1999]))
    array([   0,    0,   10,   20,   50, 1000])
    """
    ends = np.concatenate([[0], BANDS])
    found: Integers = ends[np.searchsorted(BANDS, people, side="right")]
    return found


def _have(spec: AvailabilitySpec, table: AnalysisTable) -> Integers:
    known = [table.present(table.read_of([name])).sum() for name in spec.of]
    return np.array(known, dtype=np.int64)
