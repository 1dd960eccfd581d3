"""Dummy people for a study: tables as hospitals would have them, to try its file before one is asked.

Each hospital's people meet the study's own cohort, so far as its rules are about what the study reads: ages
lie between its bounds, who must be female is, a gene that must be mutated is, follow-up is long enough. Every
variable has cases and controls, younger people carry genes more often and live longer, each hospital has two
scanners, and some values are missing. The numbers are drawn from a seed and mean nothing: what they show
is whether a study's file, its gate and its floors fit each other.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cdm.cohorts.cohort import AgeAtIndex, CohortDefinition, FollowUp, GeneTested, Rule, SexIs
from protocols.core.block import ArrayBlock, Block
from protocols.core.block_kinds import BlockKind, GenotypeBlock
from protocols.core.roles import PredictsLevels, PredictsProbability
from protocols.core.spec import Spec, specs_in
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Episodes, Floats, Labels, Mask
from protocols.core.variables import KINDS, Scanner, Survival, VariableKind
from protocols.core.variables.clinical import (
    Age,
    Count,
    DaysSinceLast,
    Finding,
    Interval,
    Measured,
    Occurrence,
    Sex,
)
from protocols.core.variables.genomic import CopyNumber, Fusion, Gene, Methylation
from protocols.core.variables.imaging import Response
from protocols.core.variables.variable import Name

SITES = ("north", "south", "west", "east", "isles", "coast", "valley", "border")
PEOPLE = 200
MISSING = 0.04
OLDEST, YOUNGEST = 95.0, 18.0
COUNTED = ("poisson", "negative_binomial")
"""Families of models whose outcome is a count."""

_POSITIVE = {"tpm": (3.0, 1.0), "fpkm": (2.5, 1.0), "mutational_burden": (1.0, 0.8), "ctdna": (-4.0, 1.0)}
"""(mean, sd) of the logarithm of what is never negative, by unit or kind; shares are cut at 1."""


def dummy_tables(study: Study, *, sites: int = 3, people: int = PEOPLE, seed: int = 1) -> list[AnalysisTable]:
    """One table per hospital, its people drawn for this study; the same seed draws the same people.

    Args:
        sites: how many hospitals, 1 to 8; the first has a fifth more people, the last a fifth fewer.
        people: of a hospital, on average.

    >>> from protocols.exchange.example import example_study
    >>> study = example_study(ages={"protocol": "summary", "of": ["age"]})
    >>> [(table.site, len(table)) for table in dummy_tables(study)]
    [('north', 240), ('south', 200), ('west', 160)]
    """
    sizes = np.linspace(1.2, 0.8, sites) if sites > 1 else np.ones(1)
    return [
        _Hospital(study, site, max(round(people * float(size)), 1), seed).table()
        for site, size in zip(SITES[:sites], sizes, strict=True)
    ]


@dataclass(frozen=True)
class _Hospital:
    """One hospital whose people are drawn."""

    study: Study
    site: str
    n: int
    seed: int

    def table(self) -> AnalysisTable:
        """Its table."""
        frailty = self._draw("frailty").standard_normal(self.n)  # joins genes, ages and survival
        drawn = {name: self._values(name, kind, frailty) for name, kind in self.study.variables.items()}
        columns = {column: values for found in drawn.values() for column, values in found.items()}
        labels = {
            name: self._scanners(name)
            for name, kind in self.study.variables.items()
            if isinstance(kind, Scanner)
        }
        number = SITES.index(self.site) + 1
        persons = number * 1_000_000 + np.arange(self.n, dtype=np.int64)
        table = AnalysisTable(self.site, persons, columns, labels, attrition=self._attrition())
        for name, block in self.study.blocks.items():
            table = table.with_block(name, self._block(name, block))
        return _with_episodes(table, self.study)

    def _draw(self, what: str) -> np.random.Generator:
        """Chance of its own for each name, so that one variable more changes no other."""
        words = hashlib.sha256(f"{self.seed}:{self.site}:{what}".encode()).digest()
        return np.random.default_rng(np.frombuffer(words, dtype=np.uint32))

    def _values(self, name: str, kind: VariableKind, frailty: Floats) -> dict[str, Floats]:
        """Column -> (n,) numbers of a variable; none for a label."""
        if isinstance(kind, Scanner):
            return {}
        draw = self._draw(name)
        if isinstance(kind, Survival):
            return dict(zip(kind.columns(name), self._survival(draw, frailty), strict=True))
        values = self._numbers(name, kind, draw, frailty)
        if name not in _always_known(self.study):
            values = np.where(draw.uniform(size=self.n) < MISSING, np.nan, values)
        return {name: values}

    def _numbers(self, name: str, kind: VariableKind, draw: np.random.Generator, frailty: Floats) -> Floats:
        must = _must_be(self.study, kind)
        if must is not None:
            return np.full(self.n, must)
        if isinstance(kind, Age):
            low, high = _ages(self.study)
            middle, spread = (low + high) / 2, (high - low) / 6
            return np.clip(middle + spread * (frailty + draw.standard_normal(self.n)) / 1.4, low, high).round(
                1
            )
        codes = _codes(self.study, name)
        if isinstance(kind, Sex | Measured | Finding | Occurrence | Gene | Fusion):
            codes = codes or (0.0, 1.0)
        if isinstance(kind, Response) and kind.says != "best_change":
            codes = codes or (0.0, 1.0)
        if isinstance(kind, CopyNumber) and kind.unit == "call":
            codes = codes or (-2.0, -1.0, 0.0, 1.0, 2.0)
        level = draw.standard_normal(self.n) - 0.4 * frailty
        if isinstance(kind, Count | Interval | DaysSinceLast) and not codes:
            return np.asarray(np.floor(10 * np.exp(level / 2)))
        if codes:
            cuts = np.quantile(level, np.linspace(0, 1, len(codes) + 1)[1:-1])
            return np.asarray(codes, dtype=np.float64)[np.searchsorted(cuts, level)]
        return _scaled(kind, level + 0.3 * SITES.index(self.site))

    def _survival(self, draw: np.random.Generator, frailty: Floats) -> tuple[Floats, Floats]:
        """(n,) days, and 1 where they end in the event."""
        least = max(
            (rule.at_least_days for rule in _rules(self.study) if isinstance(rule, FollowUp)), default=1
        )
        death = least + np.ceil(draw.exponential(900 * np.exp(-0.3 * frailty)))
        censored = least + np.ceil(draw.uniform(100, 2500, self.n))
        return np.minimum(death, censored), (death <= censored).astype(np.float64)

    def _scanners(self, name: str) -> Labels:
        which = self._draw(name).integers(1, 3, self.n)
        return np.array([f"{self.site} scanner {one}" for one in which], dtype=object)

    def _block(self, name: str, kind: BlockKind) -> Block:
        names, draw = kind.names(), self._draw(name)
        shape = self.n, len(names)
        if isinstance(kind, GenotypeBlock):
            return ArrayBlock(names, draw.binomial(2, 0.3, shape).astype(np.float64))
        return ArrayBlock(names, draw.standard_normal(shape) + 5.0)

    def _attrition(self) -> dict[str, int]:
        """Each step of the cohort leaves some out; the last one leaves the people who are here."""
        steps = self.study.cohort.steps()
        return {step: math.ceil(self.n * 1.1 ** (len(steps) - 1 - i)) for i, step in enumerate(steps)}


def _rules(study: Study) -> tuple[Rule, ...]:
    return study.cohort.rules if isinstance(study.cohort, CohortDefinition) else ()


def _ages(study: Study) -> tuple[float, float]:
    """The ages between which the cohort's people are."""
    rules = [rule for rule in _rules(study) if isinstance(rule, AgeAtIndex)]
    low = max((float(rule.at_least) for rule in rules if rule.at_least is not None), default=YOUNGEST)
    high = min((float(rule.at_most) for rule in rules if rule.at_most is not None), default=OLDEST)
    return low, max(low, min(high, max(OLDEST, low)))


def _must_be(study: Study, kind: VariableKind) -> float | None:
    """The one value that the cohort's rules leave a variable; None where they leave it free."""
    for rule in _rules(study):
        if isinstance(rule, SexIs) and isinstance(kind, Sex):
            return float(rule.is_ == kind.is_)
        is_gene = isinstance(rule, GeneTested) and isinstance(kind, Gene) and rule.gene == kind.gene
        if is_gene and isinstance(rule, GeneTested) and rule.mutated is not None:
            return float(rule.mutated)
    return None


def _always_known(study: Study) -> set[Name]:
    """The variables without missing values: age and sex, and a gene that the cohort says was tested."""
    tested = {rule.gene for rule in _rules(study) if isinstance(rule, GeneTested)}
    return {
        name
        for name, kind in study.variables.items()
        if isinstance(kind, Age | Sex) or (isinstance(kind, Gene) and kind.gene in tested)
    }


def _codes(study: Study, name: str) -> tuple[float, ...]:
    """The values that an analysis takes of a variable, where it takes some values alone."""
    for analysis in study.analyses:
        for spec in specs_in(analysis.spec):
            for variable, codes in _coded(spec):
                if variable == name:
                    return codes
    return ()


def _coded(spec: Spec) -> Iterator[tuple[str, tuple[float, ...]]]:
    """The variables of which an analysis takes some values alone, with these."""
    fields: dict[str, Any] = dict(spec)
    if isinstance(spec, PredictsLevels):
        yield str(fields.get("outcome")), spec.codes()
    elif isinstance(spec, PredictsProbability) and not spec.shortfall(PredictsProbability):
        yield spec.outcome_name(), (0.0, 1.0)
    elif fields.get("family") in COUNTED:
        yield str(fields["outcome"]), tuple(map(float, range(6)))
    for name, levels in (("by", "levels"), ("rows", "row_levels"), ("columns", "column_levels")):
        if isinstance(fields.get(name), str):
            yield fields[name], tuple(fields.get(levels, (0.0, 1.0)))
    for name in ("strata", "cross", "outcomes"):
        for one in np.array(fields.get(name) or (), dtype=object).ravel():
            yield str(one), (0.0, 1.0)


def _scaled(kind: VariableKind, level: Floats) -> Floats:
    """(n,) numbers on the scale of a kind, from standard ones."""
    unit = dict(kind).get("unit")  # some kinds have one
    word = next(word for word, one in KINDS.items() if isinstance(kind, one))
    if (isinstance(kind, Methylation) and kind.unit == "beta") or word in ("purity", "cancer_cell_fraction"):
        return 1 / (1 + np.exp(-level))
    mean_sd = _POSITIVE.get(str(unit)) or _POSITIVE.get(word)
    if mean_sd is not None:
        positive = np.exp(mean_sd[0] + mean_sd[1] * level)
        return np.minimum(positive, 1.0) if word == "ctdna" else positive
    return 50 + 10 * level if word in ("measurement", "radiomic", "image_feature") else 5 + level


def _with_episodes(table: AnalysisTable, study: Study) -> AnalysisTable:
    """The table with what changes over time: each follow-up is cut once, where all of it changes."""
    episodes = {
        outcome: _cut(table, outcome, kind.changing)
        for outcome, kind in study.variables.items()
        if isinstance(kind, Survival) and kind.changing
    }
    return replace(table, episodes=episodes)


def _cut(table: AnalysisTable, outcome: str, changing: Sequence[str]) -> Episodes:
    days, event = table.columns[f"{outcome}.time"], table.columns[f"{outcome}.event"]
    middle = np.maximum(np.floor(days / 2), 1.0)
    cut: Mask = middle < days
    owner = np.concatenate([np.arange(len(days)), np.flatnonzero(cut)])
    start = np.concatenate([np.zeros(len(days)), middle[cut]])
    stop = np.concatenate([np.where(cut, middle, days), days[cut]])
    ends = np.concatenate([np.where(cut, 0.0, event), event[cut]])
    order = np.lexsort((start, owner))
    later = start[order] > 0
    columns = {name: np.where(later, table.columns[name][owner[order]], 0.0) for name in changing}
    return Episodes(owner[order].astype(np.int64), start[order], stop[order], ends[order], columns)
