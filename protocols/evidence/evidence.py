"""Evidence for links between image and genome: each hospital's estimate, what they come to, and a verdict.

A hospital shows in the clear the partial correlation of each pair of a feature and an outcome, without and
with each adjustment, as Fisher's z to a hundredth of its standard error: no sum, no mean, no variance. All
pairs and adjustments stand on one set of its people, so that before and after differ by the adjustment alone.
A hospital with fewer people than its floor, or fewer than three for each variable, shows nothing; neither
does one where a variable sets few people apart.

From these follow fixed and random effects with their variance between hospitals, the estimate without each
hospital, replication at hospitals that were held out, and a scorecard (`scorecard`), whose rules are no
settings. A link is stated with its sign before anything is looked at.

Reference: R `metafor::rma(measure = "ZPCOR")`; `meta_analysis` and `scorecard` have the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from protocols.core.disclosure import Count, Declaration, Statistic
from protocols.core.errors import Code, StudyError
from protocols.core.protocol import (
    Arrays,
    Coordination,
    FederatedProtocol,
    PerSite,
    Transform,
    ask,
    protocol,
    site_step,
    within,
)
from protocols.core.site_step import Times
from protocols.core.table import EVERYBODY, AnalysisTable, Floats
from protocols.core.wording import listed
from protocols.estimation.meta_analysis import Interval, Method, Synthesis, leave_one_out, synthesis
from protocols.evidence import scorecard
from protocols.evidence.evidence_result import Evidence, EvidenceResult
from protocols.evidence.evidence_spec import ALONE, SCANNERS, EvidenceSpec
from protocols.evidence.links import Link
from protocols.evidence.partial_correlations import indicators, partial_correlations
from protocols.evidence.scorecard import Companion

FEWEST_SITES = 2
"""Hospitals below which estimates come to nothing."""

_MOST_PER_PERSON = 0.33
_METHODS: Mapping[str, tuple[Method, Interval]] = {
    "common effect": ("common", "normal"),
    "random effects, DerSimonian-Laird": ("dl", "normal"),
    "random effects, REML": ("reml", "normal"),
    "random effects, REML, Hartung-Knapp": ("reml", "hartung_knapp"),
}
_SHOWN: Mapping[str, Declaration] = {
    "n": Count(),
    "estimable": Count("pair", what="people with a pair that varies"),
    "z": Statistic("pair", "model", behind="estimable", what="partial correlations as Fisher's z"),
    "weight": Statistic("model", what="their degrees of freedom"),
}


class EvidenceProtocol(FederatedProtocol[EvidenceSpec, EvidenceResult]):
    """How far links can be believed."""

    name = "evidence"
    spec_type = EvidenceSpec

    @site_step(_SHOWN, clear=True, summed=False)
    def correlations(spec: EvidenceSpec, table: AnalysisTable) -> Arrays:
        """This site's partial correlations of all pairs, under each adjustment of the columns as they are."""
        return _shown(spec, table, spec.before_harmonization())

    @site_step(
        {
            **_SHOWN,
            "z": Statistic("pair", "last", behind="estimable", what="partial correlations as Fisher's z"),
            "weight": Statistic("last", what="their degrees of freedom"),
        },
        clear=True,
        summed=False,
        times=lambda spec: Times.where(spec.harmonize is not None),
    )
    def harmonized(spec: EvidenceSpec, table: AnalysisTable) -> Arrays:
        """The same of harmonized features, given the confounders."""
        return _shown(spec, table, spec.models()[-1:])

    def axes(self, spec: EvidenceSpec) -> dict[str, int]:
        return {"pair": len(spec.pairs()), "model": len(spec.before_harmonization()), "last": 1}

    def coordinate(self, spec: EvidenceSpec) -> Coordination[EvidenceResult]:
        shown: list[PerSite] = [(yield ask("correlations", per_site=True))]
        if spec.harmonize is not None:
            part = ("harmonize",)
            fit = yield from within(protocol("combat").coordinate(spec.harmonize), part=part)
            after = Transform("", part, EVERYBODY, fit.transform_arrays())
            shown.append((yield replace(ask("harmonized", per_site=True), transforms=(after,))))
        return _joined(spec, shown)

    def method(self, spec: EvidenceSpec) -> str:
        adjusted = f", adjusted for {listed(spec.models()[1:])}" if len(spec.models()) > 1 else ""
        held = f" Hospitals held out for replication: {listed(spec.held_out)}." if spec.held_out else ""
        return (
            f"Partial correlations of {listed(f'{f} and {o}' for f, o in spec.pairs())} were estimated at "
            f"each hospital{adjusted}, and joined as Fisher's z by random effects (REML; Knapp & Hartung "
            "2003, never narrower than without), with intervals simultaneous over the links (Bonferroni). "
            f"Links and their signs were stated in advance.{held}"
        )

    def about(self, spec: EvidenceSpec) -> str:
        return (
            f"Evidence for {len(spec.links)} links that are stated in advance, by correlations of "
            f"{', '.join(spec.numbers())} at each site."
        )

    def notes(self, spec: EvidenceSpec) -> Sequence[str]:
        return [
            "This site's correlations can be read from what leaves in the clear, and no mean or variance."
        ]


def _shown(spec: EvidenceSpec, table: AnalysisTable, models: Sequence[str]) -> Arrays:
    """What a site shows of the pairs under these adjustments, all of the same people."""
    names = spec.numbers()
    kept = spec.of_whom(table)
    x = table.matrix(names)[kept]
    at = {name: j for j, name in enumerate(names)}
    pairs = [(at[feature], at[outcome]) for feature, outcome in spec.pairs()]
    found = np.full(len(pairs), len(names) <= _MOST_PER_PERSON * len(x))
    z, weight = np.zeros((len(pairs), len(models))), np.ones(len(models))
    for m, model in enumerate(models):
        if found.any():
            z[:, m], known, weight[m] = partial_correlations(
                x, pairs, _given(spec, table, kept, x, at, model)
            )
            found &= known
    return {
        "n": np.array(len(x)),
        "estimable": np.where(found, len(x), 0),
        "z": np.where(found[:, None], z, 0.0),
        "weight": weight,
    }


def _given(
    spec: EvidenceSpec,
    table: AnalysisTable,
    kept: np.ndarray,
    x: Floats,
    at: Mapping[str, int],
    model: str,
) -> Floats:
    """The (n, q) columns that an adjustment takes out."""
    given = x[:, [at[name] for name in spec.confounders] if model != ALONE else []]
    if model == SCANNERS and spec.scanner:
        given = np.hstack([given, indicators(table.label(spec.scanner)[kept])])
    return given


def _joined(spec: EvidenceSpec, shown: Sequence[PerSite]) -> EvidenceResult:
    """The result of what sites show; those that lack an adjustment, or every pair, show nothing."""
    sites = sorted(set.intersection(*({*part.answers} for part in shown)))
    z = {s: np.concatenate([part[s]["z"] for part in shown], axis=1) for s in sites}
    weight = {s: np.concatenate([part[s]["weight"] for part in shown]) for s in sites}
    people = {s: int(shown[0][s]["n"]) for s in sites if np.isfinite(z[s]).all(axis=1).any()}
    lost = {s: Code.WITHHELD for part in shown for s in part.answers if s not in people}
    withheld = {**lost, **{s: code for part in shown for s, code in part.withheld.items()}}
    return result(spec, people, z, weight, withheld)


def result(
    spec: EvidenceSpec,
    people: Mapping[str, int],
    z: Mapping[str, Floats],
    weight: Mapping[str, Floats],
    withheld: Mapping[str, Code],
) -> EvidenceResult:
    """The evidence of sites' estimates.

    Args:
        people: site -> how many.
        z: site -> (P, M) Fisher's z, missing where not known; weight: site -> (M,) 1 / se^2.

    Raises:
        StudyError: too-few-sites.
    """
    sites = sorted(people)
    if len(sites) < FEWEST_SITES:
        raise StudyError(
            Code.TOO_FEW_SITES,
            f"{len(sites)} sites show an estimate; {FEWEST_SITES} are needed",
            "use fewer links and confounders, or include more people",
        )
    values = np.stack([z[s] for s in sites])
    values[~np.isfinite(values).all(axis=2)] = np.nan
    errors = np.broadcast_to(np.stack([1 / np.sqrt(weight[s]) for s in sites])[:, None], values.shape)
    errors = np.where(np.isnan(values), np.nan, errors)
    kept = np.array([s not in spec.held_out for s in sites])
    joined = _Joined(spec, tuple(sites), values, errors, kept)
    return EvidenceResult(
        links={name: joined.evidence(link) for name, link in spec.links.items()},
        sites=tuple(sites),
        held_out=tuple(s for s in sites if s in spec.held_out),
        models=spec.models(),
        pairs=tuple(in_words(pair) for pair in spec.pairs()),
        n=tuple(people[s] for s in sites),
        z=values,
        se=errors,
        withheld=withheld,
    )


def in_words(pair: tuple[str, str]) -> str:
    """A feature and an outcome."""
    return " and ".join(pair)


class _Joined:
    """The (S, P, M) estimates of sites, and which of the (S,) sites are not held out."""

    def __init__(
        self, spec: EvidenceSpec, sites: tuple[str, ...], z: Floats, se: Floats, kept: np.ndarray
    ) -> None:
        self._spec, self._sites, self._z, self._se, self._kept = spec, sites, z, se, kept
        self._level = 1 - 0.05 / len(spec.links)

    def evidence(self, link: Link) -> Evidence:
        """What is known of a link, and the verdict."""
        pair, sign = link.pairs()[0], link.expected()
        by_model = {model: self._effect(pair, m) for m, model in enumerate(self._spec.models())}
        effect = list(by_model.values())[-1]
        y, se = self._of(pair, -1, self._kept)
        by_method = {name: _of_enough(synthesis(y, se, *how)) for name, how in _METHODS.items()}
        there = [s for s, is_there in zip(self._sites, self._there(pair), strict=True) if is_there]
        left_out = dict(zip(there, leave_one_out(y, se, "reml", "normal", self._level), strict=True))
        replication = synthesis(*self._of(pair, -1, ~self._kept), "common", "normal", self._level)
        companions = tuple(self._companions(link, sign, effect))
        parts = (
            scorecard.robust(sign, by_model),
            scorecard.consistent(
                sign, effect, list(left_out.values()), replication, held_out=bool(self._spec.held_out)
            ),
            scorecard.coherent(sign, effect, companions),
        )
        return Evidence(
            in_words(pair),
            sign,
            by_model,
            by_method,
            left_out,
            replication,
            companions,
            *parts,
            scorecard.verdict(parts),
        )

    def _companions(self, link: Link, sign: int, own: Synthesis | None) -> list[Companion]:
        found = []
        for feature, outcome in link.pairs()[1:]:
            effect, words = self._effect((feature, outcome), -1), in_words((feature, outcome))
            if feature == link.control:
                holds = scorecard.is_of_tissue(own, effect)
                found.append(Companion(words, "control", effect, holds))
            else:
                found.append(Companion(words, "pathway", effect, scorecard.is_of_pathway(sign, effect)))
        return found

    def _effect(self, pair: tuple[str, str], model: int) -> Synthesis | None:
        y, se = self._of(pair, model, self._kept)
        return _of_enough(synthesis(y, se, "reml", "never_narrower", self._level))

    def _there(self, pair: tuple[str, str]) -> np.ndarray:
        """(S,) the sites that were not held out and have an estimate of the pair."""
        z = self._z[:, self._spec.pairs().index(pair), -1]
        there: np.ndarray = self._kept & np.isfinite(z)
        return there

    def _of(self, pair: tuple[str, str], model: int, of: np.ndarray) -> tuple[Floats, Floats]:
        """The estimates of a pair under an adjustment at some of the sites, without missing ones."""
        at = self._spec.pairs().index(pair)
        z, se = self._z[of, at, model], self._se[of, at, model]
        known = np.isfinite(z)
        return z[known], se[known]


def _of_enough(effect: Synthesis | None) -> Synthesis | None:
    return None if effect is None or effect.k < FEWEST_SITES else effect
