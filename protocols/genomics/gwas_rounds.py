"""The rounds of a genome-wide scan, and what its joined sums come to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from protocols.core.block import MOST_SITES, names_at_once, rounds_of
from protocols.core.disclosure import Array
from protocols.core.errors import Code, StudyError
from protocols.core.protocol import Ask, Coordination, Total, ask, last
from protocols.core.table import Floats, Integers, Mask
from protocols.estimation.climb import Climb, climbed
from protocols.estimation.moments import Moments
from protocols.estimation.outcome import same_outcome
from protocols.genomics import score_test
from protocols.genomics.confounding import linear_estimates, taken_out
from protocols.genomics.genotype_scan import CARRIERS
from protocols.genomics.gwas_result import GwasResult, Untested
from protocols.genomics.gwas_spec import GwasSpec, all_variants, variant_names

FEWEST_DF = 10
"""Residual degrees of freedom below which nothing is tested."""


def by_parts(
    step: str, at: Integers, numbers: int, sites: int = MOST_SITES
) -> Coordination[list[tuple[slice, Total]]]:
    """What a step says of the variants at (k,) positions, so many numbers of each: by part of them.

    The first part is as large as any number of sites may say, the others as large as those who answered may,
    unless `sites` tells it before.
    """
    parts: list[tuple[slice, Total]] = []
    begin = 0
    while begin < len(at):
        some = slice(begin, min(begin + names_at_once(numbers, sites), len(at)))
        total = yield ask(step, at=at[some])
        parts.append((some, total))
        begin, sites = some.stop, len(total.sites)
    return parts


def carried(spec: GwasSpec) -> Coordination[tuple[Mask, int]]:
    """(v,) whether enough people over all sites carry each of both alleles, and how many sites answered."""
    iscarried = np.zeros(spec.variants.size, dtype=bool)
    parts = yield from by_parts("carriers", all_variants(spec), len(CARRIERS))
    for some, total in parts:
        iscarried[some] = np.minimum(total["alternate"], total["reference"]) >= total.floors
    return iscarried, len(parts[0][1].sites)


@dataclass(frozen=True)
class Frequencies:
    """Of the (k,) variants at these positions: the mean copies, the people who have one, rarer copies."""

    at: Integers
    mean: Floats
    share: Floats
    minor: Floats


def frequencies(at: Integers, sites: int) -> Coordination[Frequencies]:
    """Of the variants at these (k,) positions, of so many sites."""
    mean, share, minor = np.zeros(len(at)), np.zeros(len(at)), np.zeros(len(at))
    parts = yield from by_parts("copies", at, 2, sites)
    for some, total in parts:
        known, copies = np.maximum(total["known"], 1), np.nan_to_num(total["copies"])
        mean[some] = copies / known
        share[some] = total["known"] / total["n"]
        minor[some] = np.minimum(copies, 2 * known - copies)
    return Frequencies(at, mean, share, minor)


def in_parts(at: Integers, numbers: int, *, last: bool = False) -> Iterator[tuple[slice, Integers]]:
    """The (k,) positions by rounds, each with where they stand, where a variant has so many numbers."""
    begin = 0
    for asked in rounds_of(at, numbers, last=last):
        yield slice(begin, begin + len(asked)), asked
        begin += len(asked)


@dataclass(frozen=True)
class _Sums:
    """Joined products of the (k,) tested variants, of covariates and outcomes in units of their own."""

    square: Floats
    with_covariates: Floats
    with_outcomes: Floats


def _products(spec: GwasSpec, moments: Moments, at: Integers, mean: Floats) -> Coordination[_Sums]:
    c = len(spec.covariates)
    shift, scale = moments.finer()
    square, sums = np.zeros(len(at)), np.zeros((len(at), len(scale)))
    parts = list(in_parts(at, 1 + len(scale), last=not spec.linkage))
    totals = yield from last(
        ask("products", at=asked, mean=mean[some], shift=shift, scale=scale) for some, asked in parts
    )
    for (some, _), total in zip(parts, totals, strict=True):
        square[some] = total["square"]
        sums[some] = np.hstack([total["with_covariates"], total["with_outcomes"]])
    sums /= scale
    return _Sums(square, sums[:, :c], sums[:, c:])


def check(spec: GwasSpec, moments: Moments) -> None:
    """Raises unless covariates and outcomes can be analysed.

    Raises:
        StudyError: one does not vary or is rare, or too few degrees of freedom are left.
    """
    moments.check()
    if _df(spec, moments, len(spec.covariates)) < FEWEST_DF:
        raise StudyError(
            Code.WITHHELD,
            f"fewer than {FEWEST_DF} residual degrees of freedom are left",
            "use fewer covariates, or include more people",
        )


def _df(spec: GwasSpec, moments: Moments, covariates: int) -> int:
    return moments.n - covariates - 1 - (1 if spec.intercepts == "common" else moments.sites)


def linear(spec: GwasSpec, moments: Moments, untested: Untested, mean: Floats) -> Coordination[GwasResult]:
    """The tests of the variants that can be, whose mean copies these are, by least squares."""
    c, tested = len(spec.covariates), untested.tested()
    sums = yield from _products(spec, moments, tested, mean)
    at_c, at_o = list(range(c)), list(range(c, c + len(spec.outcomes)))
    norm_g = np.sqrt(np.where(sums.square > 0, sums.square, np.nan))
    norm_c, norm_o = moments.norm[:c], moments.norm[c:]
    left = taken_out(
        moments.correlation("confounding", at_c, at_c),
        (sums.with_covariates / norm_c / norm_g[:, None]).T,
        moments.correlation("confounded_outcomes", at_c, at_o),
        sums.with_outcomes / norm_o / norm_g[:, None],
    )
    df = _df(spec, moments, len(left.kept))
    beta, se = linear_estimates(left, df, norm_g, norm_o)
    aliased = tuple(spec.covariates[j] for j in left.aliased)
    return _result(spec, moments, tested, untested, beta, se, df=df, aliased=aliased)


def logistic(spec: GwasSpec, moments: Moments, untested: Untested, mean: Floats) -> Coordination[GwasResult]:
    """The same by scores under the model without variants.

    Raises:
        StudyError: everybody has the outcome or nobody; the model without variants cannot be fitted.
    """
    c, tested = len(spec.covariates), untested.tested()
    if not len(tested):
        return _result(spec, moments, tested, untested, np.zeros((0, 1)), np.zeros((0, 1)))
    shift, scale = (numbers[:c] for numbers in moments.finer())
    terms = ("(Intercept)", *spec.covariates)
    climb = Climb("null", np.zeros(c + 1), {"shift": shift, "scale": scale}, columns=spec.covariates)
    start = yield climb.ask()
    if int(start["n_events"]) in (0, int(start["n"])):
        raise same_outcome(spec.outcomes[0], "everybody with complete data")
    top = yield from climbed(climb, start, terms, np.eye(c + 1))
    null = score_test.Null(top.coef, top.covariance, shift, scale)
    parts: list[Total] = []
    for some, asked in in_parts(tested, c + 3):
        parts.append((yield Ask("scores", {"at": asked, "mean": mean[some], **null.question()})))
    score, square, with_terms = (
        np.concatenate([part[name] for part in parts]) for name in ("score", "square", "with_terms")
    )
    found = score_test.Scores.of(null, score, square, with_terms, parts[0]["residual"])

    def evaluate(places: Integers, tilt: Floats) -> Coordination[Mapping[str, Array]]:
        answers: list[Total] = []
        for some, asked in in_parts(tested[places], 6):
            here = places[some]
            about: dict[str, Array] = {
                "at": asked,
                "mean": mean[here],
                "along": found.along[here],
                "tilt": tilt[some],
            }
            answers.append((yield Ask("tilted", {**about, **null.question()})))
        return {name: np.concatenate([a[name] for a in answers]) for name in answers[0].arrays if name != "n"}

    p, lost = yield from score_test.saddle_points(found, mean, evaluate)
    se = 1 / np.sqrt(np.where(found.variance > 0, found.variance, np.nan))
    return _result(
        spec,
        moments,
        tested,
        untested,
        (found.score * se**2)[:, None],
        se[:, None],
        p=p[:, None],
        no_saddle_point=int(lost.sum()),
    )


def _result(
    spec: GwasSpec,
    moments: Moments,
    tested: Integers,
    untested: Untested,
    beta: Floats,
    se: Floats,
    *,
    df: int = 0,
    aliased: tuple[str, ...] = (),
    p: Floats | None = None,
    no_saddle_point: int = 0,
) -> GwasResult:
    """The result of (k, o) numbers of the tested variants, among all of the list."""
    numbers = [beta, se] if p is None else [beta, se, p]
    everywhere = np.full((len(numbers), spec.variants.size, len(spec.outcomes)), np.nan)
    everywhere[:, tested] = numbers
    return GwasResult.of(
        variant_names(spec.variants),
        spec.outcomes,
        *everywhere,
        df=df,
        aliased=aliased,
        untested=untested.counts(),
        no_saddle_point=no_saddle_point,
        n=moments.n,
        sites=moments.sites,
    )
