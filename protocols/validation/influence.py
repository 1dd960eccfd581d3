"""How far each group of hospitals moves a model's coefficients: the model again without it. Exact.

A hospital whose data are wrong, or that lies, changes the result of everybody, and nobody sees its part of a
sum. So the model is fitted again without each group of three hospitals or more, which a sum hides as it hides
all, and the coefficients are compared. The groups are disjoint: overlapping ones would give single hospitals
by subtraction. With `leave_out: sites` each hospital is left out by itself, as in a validation by hospital,
if it has enough people for its numbers in the clear. Three with enough people stay in any case.

An efficient estimate and one from fewer of the same people differ with the difference of their covariances
(Hausman, Econometrica 46 (1978) 1251, lemma 2.1); a group is named where the slopes differ by more than
chance would at 1 %, by Bonferroni over the groups. That hospitals treat other people is a reason too.

Reference: the same fits with all rows in one place; `scipy.stats.chi2`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import model_validator
from scipy.stats import chi2

from protocols.core.disclosure import SUPPRESSED, Count, Thresholds
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Estimate, Figure
from protocols.core.lockstep import settled
from protocols.core.protocol import (
    Arrays,
    Coordination,
    FederatedProtocol,
    PerSite,
    Result,
    Spec,
    ask,
    protocol,
    site_step,
    specs_in,
    within,
)
from protocols.core.roles import Coefficients, Estimates, Model
from protocols.core.table import EVERYBODY, AnalysisTable, Floats, Rows
from protocols.core.wording import listed
from protocols.results.figures import INTERCEPT, estimates

GROUP = 3
"""Hospitals that hide each other in a sum."""

LEVEL = 0.01
"""How often a group would be named by chance alone, over all groups together."""

_ROUNDED = 0.02  # of a covariance: what its digits may leave of a difference of two (docs/digits.md)


class InfluenceSpec(Spec):
    """A model, and who is left out of it.

    Attributes:
        model: a protocol that estimates coefficients.
        leave_out: disjoint groups of three hospitals or more; or each hospital by itself.
    """

    protocol: Literal["influence"] = "influence"
    model: Model[Estimates]
    leave_out: Literal["groups", "sites"] = "groups"

    @model_validator(mode="after")
    def _is_fitted_in_sums(self) -> "InfluenceSpec":
        specs = specs_in(self.model)
        if any(step.clear(spec) for spec in specs for step in protocol(spec.protocol).steps.values()):
            raise ValueError(
                "a model that shows single sites in the clear cannot be fitted without some of them"
            )
        return self

    def variables(self) -> tuple[str, ...]:
        return self.model.variables()

    def admits(self, rows: Rows) -> bool:
        """Everybody, or the people of all sites but a group of these."""
        size = 1 if self.leave_out == "sites" else GROUP
        right = len(rows.sites) == 1 if size == 1 else len(rows.sites) >= size
        return rows == EVERYBODY or (right and rows == Rows(keep="train", sites=tuple(sorted(rows.sites))))


@dataclass(frozen=True)
class InfluenceResult(Result):
    """A model's coefficients, and what they are without each group of hospitals.

    Attributes:
        terms, coef, se: (p,) of the model over all hospitals.
        groups: (g,) the hospitals of each group; not_judged: those that always stay, for they have too few
            people.
        without, without_se: (g, p) of the model without the group; NaN where it could not be fitted.
        shift: (g, p) `coef` less `without`, in standard errors of `coef`.
        p: (g,) that the slopes of the group and of the rest are the same, Hausman's test; NaN as above.
        stands_out: (g,) whether that is less than chance allows.

    >>> from dataclasses import replace
    >>> from protocols.exchange.example import example_study, example_tables
    >>> from protocols.exchange.local import run_locally
    >>> model = {"protocol": "linear", "outcome": "entropy", "covariates": ["age", "idh1"]}
    >>> study = example_study(moved={"protocol": "influence", "model": model})
    >>> halves = [(t, np.arange(len(t)) % 2 == half, half) for t in example_tables() for half in (0, 1)]
    >>> six = [replace(t.select(mask), site=f"{t.site} {half}") for t, mask, half in halves]
    >>> run_locally(study, six)["moved"].summary()[["moved most", "by standard errors"]].round(1)
                               moved most  by standard errors
    north 0, south 0, west 0       idh1                 1.6
    north 1, south 1, west 1       idh1                -1.7
    """

    terms: tuple[str, ...]
    coef: Floats
    se: Floats
    groups: tuple[tuple[str, ...], ...]
    not_judged: tuple[str, ...]
    without: Floats
    without_se: Floats
    shift: Floats
    p: Floats
    stands_out: tuple[bool, ...]

    def summary(self) -> pd.DataFrame:
        """One row per group, with the slope that it moves most."""
        most = [self._most(g) for g in range(len(self.groups))]
        columns = {
            "moved most": [self.terms[j] for j in most],
            "with": [float(self.coef[j]) for j in most],
            "without": [float(self.without[g, j]) for g, j in enumerate(most)],
            "by standard errors": [float(self.shift[g, j]) for g, j in enumerate(most)],
            "p": self.p,
            "more than chance": self.stands_out,
        }
        return pd.DataFrame(columns, index=[", ".join(group) for group in self.groups])

    def sentences(self) -> list[str]:
        """What the groups that are named do to the result; that none does, where none is."""
        said = []
        for g, group in enumerate(self.groups):
            if self.stands_out[g]:
                j = self._most(g)
                said.append(
                    f"Without {listed(group)} the coefficient of {self.terms[j]} is {self.without[g, j]:.3g} "
                    f"and not {self.coef[j]:.3g}, {abs(self.shift[g, j]):.1f} standard errors away, which is "
                    "more than chance would do: their people differ from those of the others, or their "
                    "data are wrong."
                )
        return said or ["No group of hospitals moves the result by more than chance would."]

    def figure(self) -> Figure:
        rows = []
        for g, group in enumerate(self.groups):
            j = self._most(g)
            value, half = float(self.without[g, j]), 1.959963984540054 * float(self.without_se[g, j])
            label = f"without {', '.join(group)}"
            rows.append(Estimate(label, value, value - half, value + half, self.terms[j]))
        caption = " ".join(["The coefficient that each group moves most, 95 % intervals.", *self.sentences()])
        return Figure((estimates(rows, "coefficient"),), caption)

    def _most(self, g: int) -> int:
        """The slope that a group moves most, of the model's terms."""
        slopes = [j for j, term in enumerate(self.terms) if term != INTERCEPT]
        return max(slopes, key=lambda j: np.nan_to_num(abs(self.shift[g, j])))


class Influence(FederatedProtocol[InfluenceSpec, InfluenceResult]):
    """Whether one group of hospitals makes the result."""

    name = "influence"
    spec_type = InfluenceSpec

    @site_step(clear=True, summed=False, n=Count(what="people with complete data"))
    def people(spec: InfluenceSpec, table: AnalysisTable) -> Arrays:
        """How many people are in the model here: whether this site can be left out."""
        return {"n": np.array(len(table.complete(table.read_of(spec.model.stands_on()))))}

    def axes(self, spec: InfluenceSpec) -> dict[str, int]:
        return {}

    def coordinate(self, spec: InfluenceSpec) -> Coordination[InfluenceResult]:
        shown: PerSite = yield ask("people", per_site=True)
        judged = sorted(site for site, there in shown.answers.items() if there["n"] != SUPPRESSED)
        silent = sorted({*shown.answers, *shown.withheld} - set(judged))
        groups = groups_of(spec, judged)
        rows = [EVERYBODY, *(Rows(keep="train", sites=group) for group in groups)]
        fits = yield from settled([_fitted(spec, kept) for kept in rows])
        whole, *parts = fits
        if isinstance(whole, Exception):
            raise whole
        found = [None if isinstance(part, Exception) else part for part in parts]
        return influence(groups, tuple(silent), whole, found)

    def method(self, spec: InfluenceSpec) -> str:
        model = protocol(spec.model.protocol).method(spec.model)
        whom = (
            "each hospital" if spec.leave_out == "sites" else "each of several disjoint groups of hospitals"
        )
        return (
            f"The model was fitted again without {whom}, and its slopes were compared by Hausman's test "
            f"(1978), at {LEVEL:.0%} over all groups by Bonferroni. The model: {model}"
        )

    def about(self, spec: InfluenceSpec) -> str:
        whom = "each hospital" if spec.leave_out == "sites" else "each group of three hospitals or more"
        return f"How far {whom} moves a model, which is fitted again without it; for each:"


def _fitted(spec: InfluenceSpec, rows: Rows) -> Coordination[Coefficients]:
    coordination = protocol(spec.model.protocol).coordinate(spec.model)
    found: Coefficients = yield from within(coordination, part=("model",), rows=rows)
    return found


def groups_of(spec: InfluenceSpec, judged: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The groups of sites that are left out in turn, each site in one of them at most.

    Who is with whom follows from the names of all, which nobody chooses for it. At least three sites stay.

    Raises:
        StudyError: too-few-sites.
    """
    fewest = Thresholds().min_sites_in_sum
    if spec.leave_out == "sites":
        if len(judged) > fewest:
            return tuple((site,) for site in judged)
    elif len(judged) >= GROUP + fewest:
        drawn = sorted(judged, key=lambda site: _drawn(judged, site))
        number = len(judged) // GROUP
        return tuple(sorted(tuple(sorted(drawn[g::number])) for g in range(number)))
    raise StudyError(
        Code.TOO_FEW_SITES,
        f"{len(judged)} sites have enough people to be left out: too few, for {fewest} others have to stay",
        "ask more sites, at least six; or leave each out by itself, with at least four: `leave_out: sites`",
    )


def _drawn(sites: Sequence[str], site: str) -> bytes:
    return hashlib.sha256("\0".join((*sites, site)).encode()).digest()


def influence(
    groups: Sequence[tuple[str, ...]],
    not_judged: tuple[str, ...],
    whole: Coefficients,
    parts: Sequence[Coefficients | None],
) -> InfluenceResult:
    """The result of a model over all sites, and of the same without each group; None where that failed."""
    p = len(whole.terms)
    se = np.sqrt(np.diag(whole.covariance))
    without, without_se, tests = np.full((len(groups), p), np.nan), np.full((len(groups), p), np.nan), []
    for g, part in enumerate(parts):
        if part is not None:
            without[g], without_se[g] = part.coef, np.sqrt(np.diag(part.covariance))
        tests.append(np.nan if part is None else hausman(whole, part))
    return InfluenceResult(
        terms=tuple(whole.terms),
        coef=np.asarray(whole.coef),
        se=se,
        groups=tuple(groups),
        not_judged=not_judged,
        without=without,
        without_se=without_se,
        shift=(whole.coef - without) / se,
        p=np.array(tests),
        stands_out=tuple(bool(test < LEVEL / len(groups)) for test in tests),
    )


def hausman(whole: Coefficients, part: Coefficients) -> float:
    """The p-value that two estimates of the same slopes agree, `part` from some of the people of `whole`.

    Covariances have two digits unless all are earned, so their difference is taken as a little larger.
    """
    slopes = [j for j, term in enumerate(whole.terms) if term != INTERCEPT]
    at = np.ix_(slopes, slopes)
    apart = (part.coef - whole.coef)[slopes]
    spread = part.covariance[at] - whole.covariance[at] + _ROUNDED * whole.covariance[at]
    scale = 1 / np.sqrt(np.diag(whole.covariance)[slopes])
    values, vectors = np.linalg.eigh(spread * np.outer(scale, scale))
    along = vectors.T @ (apart * scale)
    return float(chi2.sf(np.sum(along**2 / np.maximum(values, _ROUNDED)), len(slopes)))
