"""Who is left out: for each analysis of a study how many people, and how many lack each variable. Exact.

Sums of counts over the whole cohort, before anybody is left out for a missing value. Analyses
are about one set of people (`core/complete_cases.py`), so a variable that many lack is seen here first.
Of each variable it is counted as well whose value rests on doubt, by kind: a bound, a number without a unit,
a gene left open. These are cells: one is asked for only where enough people stand in it over all sites.

A site's counts are shown beside those of all sites where no other site's follow (`core.beside_total`).

The study says which variables its analyses need; nobody writes them a second time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from pydantic import Field

from cdm.vocabulary.doubts import DOUBTS, OfVariable
from protocols.core import beside_total
from protocols.core.cells import without_hidden
from protocols.core.complete_cases import people_of_set
from protocols.core.disclosure import SUPPRESSED, Band, Count, Thresholds
from protocols.core.errors import Code
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
from protocols.core.table import AnalysisTable, Integers, Mask
from protocols.core.variables import Name
from protocols.results.figures import MOST_ROWS, left_out
from protocols.results.numerals import shown_count

_COUNTED = {
    "people": Count(what="people of the cohort"),
    "counted": Count("analysis", what="people in the analysis"),
    "known": Count("variable", what="people with a value"),
}

KINDS: tuple[OfVariable, ...] = get_args(OfVariable)
"""The kinds of doubt, in the order of their axis."""


class LeftOutSpec(Spec):
    """Who is counted.

    Attributes:
        per_site: also each site's own counts, in the clear.
        needed: analysis -> the variables that it needs a value of; where it is left out, those of the study.
        sets: analysis -> the variables of its set of people, likewise.
    """

    protocol: Literal["left_out"] = "left_out"
    per_site: bool = False
    needed: dict[Name, tuple[Name, ...]] = Field(default_factory=dict, max_length=500)
    sets: dict[Name, tuple[Name, ...]] = Field(default_factory=dict, max_length=500)

    def variables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for names in self.needed.values() for name in names))

    def wanted(self) -> Mapping[str, Literal["any"]]:
        return dict.fromkeys(self.variables(), "any")

    def needs(self) -> tuple[str, ...]:
        return ()

    def stands_on(self) -> tuple[str, ...]:
        return ()  # counts of people alone

    def is_of_everybody(self) -> bool:
        return True

    def sets_of_people(self, table: AnalysisTable) -> Iterator[tuple[tuple[str, ...], Mask]]:
        yield from ()  # no sum of a variable's values

    def of_study(
        self, needed: Mapping[str, tuple[str, ...]], sets: Mapping[str, tuple[str, ...]]
    ) -> "LeftOutSpec":
        if self.needed:
            return self
        counted = {name: names for name, names in needed.items() if names}
        return self.model_copy(update={"needed": counted, "sets": {name: sets[name] for name in counted}})


@dataclass(frozen=True)
class LeftOutResult(Result):
    """People by analysis, and by variable; -1 where fewer than the floor.

    Attributes:
        analyses: (A,) names; variables: (V,) names.
        people: of the cohort.
        counted: (A,) people in each analysis.
        known: (V,) people with a value of each variable.
        doubtful: (V, `KINDS`) people whose value of a variable rests on doubt of a kind.
        by_site: site -> its own people, counted and known.
        withheld: site -> the code with which it gave none.

    >>> from protocols.exchange.example import example_study, example_tables
    >>> from protocols.exchange.local import run_locally
    >>> model = {"protocol": "linear", "outcome": "entropy", "covariates": ["age", "volume"]}
    >>> study = example_study(model=model, left_out={"protocol": "left_out"})
    >>> run_locally(study, example_tables())["left_out"].summary()
                  people  left out
    model          322.0      18.0
    with age       340.0       0.0
    with volume    322.0      18.0
    with entropy   340.0       0.0
    >>> run_locally(study, example_tables())["left_out"].doubts()[["people", "share"]]
                           people  share
    variable doubt
    volume   unit-missing      34    0.1
    """

    analyses: tuple[str, ...]
    variables: tuple[str, ...]
    people: int
    counted: Integers
    known: Integers
    doubtful: Integers
    by_site: Mapping[str, tuple[int, Integers, Integers]]
    withheld: Mapping[str, Code]

    def summary(self) -> pd.DataFrame:
        """One row per analysis, then one per variable: people, and who is left out or has no value."""
        return pd.DataFrame(
            {
                "people": [*self.counted, *self.known],
                "left out": [missing(self.people, n) for n in (*self.counted, *self.known)],
            },
            index=[*self.analyses, *(f"with {name}" for name in self.variables)],
            dtype=float,
        ).mask(lambda frame: frame == SUPPRESSED)

    def doubts(self) -> pd.DataFrame:
        """One row per variable and kind of doubt on which enough people stand.

        Returns:
            `people`, their `share` of the cohort, what the kind `means`, and the data steward's `way_out`.
        """
        found = [
            (name, kind, int(people), people / max(self.people, 1), *DOUBTS[kind])
            for name, counts in zip(self.variables, self.doubtful, strict=True)
            for kind, people in zip(KINDS, counts, strict=True)
            if people > 0
        ]
        columns = ["variable", "doubt", "people", "share", "means", "way_out"]
        return pd.DataFrame(found, columns=columns).set_index(["variable", "doubt"])

    def figure(self) -> Figure:
        """Bars of the people who lack each variable, the most first."""
        lacking = {v: missing(self.people, n) for v, n in zip(self.variables, self.known, strict=True)}
        order = sorted(lacking, key=lambda name: -lacking[name])
        bars = tuple(
            Bar(name, None, "withheld")
            if lacking[name] == SUPPRESSED
            else Bar(name, float(lacking[name]), shown_count(lacking[name]))
            for name in order
        )
        more = left_out("variables", len(bars))
        caption = f"People of the cohort without a value, over all hospitals. {more}".strip()
        return Figure((Bars("", Axis("people without a value", low=0.0), bars[:MOST_ROWS]),), caption)


def missing(people: int, there: int) -> int:
    """How many of the people are not there; -1 where either is withheld."""
    return SUPPRESSED if SUPPRESSED in (people, there) else int(people - there)


class LeftOut(FederatedProtocol[LeftOutSpec, LeftOutResult]):
    """Who is in no sum of an analysis, and for want of which variable."""

    name = "left_out"
    version = "6"
    is_query = True
    spec_type = LeftOutSpec

    @site_step(_COUNTED)
    def count(spec: LeftOutSpec, table: AnalysisTable) -> Arrays:
        """People of the cohort, those in each analysis, and those with each variable.

        How many people lack a value is not a secret: a count may be close to the number of people.
        """
        return _counted(spec, table)

    @site_step(beside_total.declared(**_COUNTED), times=lambda spec: Times.where(spec.per_site))
    def few(spec: LeftOutSpec, table: AnalysisTable) -> Arrays:
        """Which counts of this site are of too few people for the clear."""
        return beside_total.few(_counted(spec, table))

    @site_step(_COUNTED, clear=lambda spec: spec.per_site, summed=False)
    def here(
        spec: LeftOutSpec, table: AnalysisTable, people: Integers, counted: Integers, known: Integers
    ) -> Arrays:
        """This site's own counts, for the clear, where these are 1 and not 0."""
        asked = {"people": people, "counted": counted, "known": known}
        return {name: counts * asked[name] for name, counts in _counted(spec, table).items()}

    @site_step(
        refines=True,
        enough=Band("variable", "doubt", what="people whose value rests on doubt, in whole floors"),
    )
    def doubts(spec: LeftOutSpec, table: AnalysisTable) -> Arrays:
        """On which kinds of doubt the values of enough people rest."""
        return {"enough": _doubtful(spec, table)}

    @site_step(
        times=Times(0, 1),
        people=Count(what="people of the cohort"),
        doubtful=Count("variable", "doubt", of="people", what="people whose value rests on doubt, if enough"),
    )
    def in_doubt(spec: LeftOutSpec, table: AnalysisTable, shown: Integers) -> Arrays:
        """People whose value rests on doubt, in the cells that are `shown`, (variable, doubt) of 1 and 0."""
        return {"people": np.array(len(table)), "doubtful": _doubtful(spec, table) * shown}

    def axes(self, spec: LeftOutSpec) -> dict[str, int]:
        return {
            "analysis": len(spec.needed),
            "variable": len(spec.variables()),
            "doubt": len(KINDS),
        }

    def coordinate(self, spec: LeftOutSpec) -> Coordination[LeftOutResult]:
        asks = (ask("count"), ask("doubts"), *([ask("few")] if spec.per_site else []))
        total, doubts, *few = yield asks
        shown = (doubts["enough"] >= doubts.floors).astype(np.int64)
        in_doubt = [ask("in_doubt", shown=shown)] if shown.any() else []
        here = [ask("here", per_site=True, **beside_total.may_show(said, _COUNTED)) for said in few]
        more = list((yield (*in_doubt, *here))) if in_doubt or here else []
        doubtful = without_hidden(more[0]["doubtful"] if in_doubt else np.zeros_like(shown), shown)
        own = more[-1] if here else PerSite({})
        by_site = {site: _whole(arrays) for site, arrays in own.answers.items()}
        floor = total.min_count
        people, counted, known = _whole(total.arrays)
        return LeftOutResult(
            tuple(spec.needed),
            spec.variables(),
            people,
            np.where(counted < floor, SUPPRESSED, counted),
            np.where(known < floor, SUPPRESSED, known),
            doubtful,
            by_site,
            own.withheld,
        )

    def method(self, spec: LeftOutSpec) -> str:
        return (
            "People of the cohort without a value of a variable that an analysis needs were counted, and "
            "those whose value rests on a record that was not wholly understood."
        )

    def about(self, spec: LeftOutSpec) -> str:
        of = ", ".join(spec.variables()) or "each variable"
        return f"How many people have a value of {of}, and of how many it rests on doubt."


def _counted(spec: LeftOutSpec, table: AnalysisTable) -> dict[str, Integers]:
    """People of the cohort, (analysis,) in each analysis and (variable,) with a value of each variable."""
    fewest = Thresholds().min_count_in_sum
    counted = [
        len(of.complete(of.read_of(names)))
        for analysis, names in spec.needed.items()
        for of in [people_of_set(table, spec.sets.get(analysis, ()), fewest)]
    ]
    known = [int(table.present(table.read_of([name])).sum()) for name in spec.variables()]
    return {
        "people": np.array(len(table)),
        "counted": np.array(counted, dtype=np.int64),
        "known": np.array(known, dtype=np.int64),
    }


def _doubtful(spec: LeftOutSpec, table: AnalysisTable) -> Integers:
    """The (variable, doubt) people whose value of a variable rests on doubt of a kind."""
    each = [table.doubtful.get(name, {}) for name in spec.variables()]
    return np.array([[of.get(kind, 0) for kind in KINDS] for of in each], dtype=np.int64).reshape(
        -1, len(KINDS)
    )


def _whole(arrays: Arrays) -> tuple[int, Integers, Integers]:
    counted, known = (np.asarray(arrays[name], dtype=np.int64) for name in ("counted", "known"))
    return int(arrays["people"]), counted, known
