"""Which of several classes a tumour is of, from mixed features, some of them missing: a digital pathologist.

Within a class measured features are normal, with variances alone (naive Bayes), a covariance matrix that all
classes share (linear discriminant analysis) or one of its own (quadratic); coded ones, a sign or the levels
of a grade, have shares with Laplace's rule. A missing value is integrated out. With `conformal`, people who
did not train the model calibrate sets of classes that hold the true one with a stated probability.

Exact: counts, sums and sums of squares and products by class, of each class at the sites that have enough
people of it for a sum. Before they are asked, every measured feature must set enough people of every class
apart, and three sites at least have enough of a class. The share of a level that fewer than `min_count`
people of a class have is not asked for: half of `min_count` stand in its place, so that a rare sign speaks
less loudly than it might. Under a matrix all sums of measured features are of people who have them all.

Reference: `protocols/applications/class_model.py`; Vovk, Gammerman & Shafer, Algorithmic Learning in a Random
World (2005), ch. 2 and 4.5, and Sadinle, Lei & Wasserman, JASA 114 (2019) 223, for sets of classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from protocols.applications.class_model import ABSENT, ClassModel
from protocols.applications.typing_fit import check_classes, fitted, split, thresholds
from protocols.applications.typing_result import Sets, TypingResult
from protocols.applications.typing_spec import TypingSpec
from protocols.core.cells import shown_cells
from protocols.core.disclosure import SUPPRESSED, Array, Band, Count, Flag, Moment, Thresholds
from protocols.core.errors import Code, SiteError
from protocols.core.people_in_effect import is_dominated, set_apart
from protocols.core.protocol import (
    Arrays,
    Ask,
    Coordination,
    FederatedProtocol,
    PerSite,
    ask,
    site_step,
    within,
)
from protocols.core.roles import ProbabilityModel
from protocols.core.site_step import NEVER, Times
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.wording import listed
from protocols.estimation.standards import SCALED, fitting, fitting_sums, shift_and_unit


@dataclass(frozen=True)
class Features:
    """What a site reads: (n, p) measured, (n, q) level numbers, (n,) class numbers."""

    x: Floats
    codes: Integers
    of_class: Integers

    def members(self, classes: int) -> Mask:
        """(C, n) who is of which class."""
        return np.asarray(np.arange(classes)[:, None] == self.of_class)

    def in_levels(self, sizes: Integers) -> Floats:
        """(n, L) 1 at each person's level of every coded feature."""
        parts = [self.codes[:, q, None] == np.arange(size) for q, size in enumerate(sizes)]
        return np.hstack([np.zeros((len(self.x), 0)), *parts]).astype(np.float64)


class Typing(FederatedProtocol[TypingSpec, TypingResult], ProbabilityModel[TypingSpec]):
    """A class-conditional model of mixed features."""

    name = "typing"
    version = "2"
    spec_type = TypingSpec

    @site_step(
        times=SCALED,
        varies=("about",),
        known=Count("class", "feature", what="people with a value"),
        sum=Moment("class", "feature", behind="known", what="sums"),
        square=Moment("class", "feature", behind="known", what="sums of squares"),
        too_large=Moment("class", "feature", behind="known", what="sites whose sum of squares does not fit"),
    )
    def sums(spec: TypingSpec, table: AnalysisTable, **about: Array) -> Arrays:
        """Sums and sums of squares of measured features; the scale that they give cancels in the result.

        By class, as those about the mean: the sites with few people of a class add to neither.
        """
        read = summed(spec, table)
        members, known = read.members(len(spec.classes)), ~np.isnan(read.x)
        z = np.where(known, read.x, 0.0) * shift_and_unit(about, len(spec.measured))[1]
        with np.errstate(over="ignore"):
            sums = fitting(members.astype(np.float64) @ z, members.astype(np.float64) @ z**2)
        return {"known": members.astype(np.int64) @ known, **sums}

    @site_step(
        people=Band("class", what="people of the class, in whole floors"),
        complete=Band("class", what="people of the class with all measured features, in whole floors"),
        apart=Band(
            "class", "feature", what="people of the class whom the feature sets apart, in whole floors"
        ),
        dominated=Flag("class", "feature", what="sites where one or two people make up nearly all of it"),
        present=Flag("class", what="sites with enough people of the class for a sum"),
    )
    def people(spec: TypingSpec, table: AnalysisTable) -> Arrays:
        """Whether every class, and every measured feature in it, stands on enough people."""
        read = summed(spec, table)
        members, known = read.members(len(spec.classes)), ~np.isnan(read.x)
        counts = members.sum(axis=1)
        values = [[column[m & k] for column, k in zip(read.x.T, known.T, strict=True)] for m in members]
        shape = (len(members), len(spec.measured))
        return {
            "people": counts,
            "complete": (members & known.all(axis=1)).sum(axis=1),
            "apart": np.array([[min(set_apart(x)) for x in row] for row in values], np.int64).reshape(shape),
            "dominated": np.array([[is_dominated(x) for x in row] for row in values], np.int64).reshape(
                shape
            ),
            "present": (counts >= Thresholds().min_count_in_sum).astype(np.int64),
        }

    @site_step(
        times=lambda spec: Times.where(bool(spec.coded)),
        refines=True,
        enough=Band("class", "level", what="people of the class with the level, in whole floors"),
    )
    def cells(spec: TypingSpec, table: AnalysisTable) -> Arrays:
        """Which levels of coded features enough people of each class have."""
        read = features(spec, table)
        return {"enough": _by_class(read, read.in_levels(spec.sizes()), spec)}

    @site_step(
        people=Count("class", what="people of the class"),
        known=Count("class", "feature", what="people with a value"),
        rest=Moment("class", "feature", behind="known", what="sums about the mean over all"),
        square=Moment("class", "feature", behind="known", what="sums of squares about it"),
        complete=Count("class", what="people with all measured features"),
        together=Moment("class", "wide", behind="complete", what="their sums about the mean over all"),
        products=Moment("class", "wide", "wide", behind="complete", what="their sums of products about it"),
        counts=Count("class", "level", of="people", what="people with the level, if enough"),
        with_code=Count("class", "coded", of="people", what="people with a coded feature"),
    )
    def moments(
        spec: TypingSpec, table: AnalysisTable, mean: Floats, scale: Floats, shown: Integers
    ) -> Arrays:
        """By class, sums and products of (x - mean) / scale, and people in the (class, level) `shown`."""
        read = summed(spec, table)
        members = read.members(len(spec.classes)).astype(np.float64)
        known = ~np.isnan(read.x)
        z = np.where(known, (read.x - mean) / scale, 0.0)
        whole = members * known.all(axis=1)
        wide = z if spec.wide() else np.zeros((len(z), 0))
        return {
            "people": members.sum(axis=1).astype(np.int64),
            "known": (members @ known).astype(np.int64),
            "rest": members @ z,
            "square": members @ z**2,
            "complete": whole.sum(axis=1).astype(np.int64),
            "together": whole @ wide,
            "products": np.einsum("cn,ni,nj->cij", whole, wide, wide, optimize=True),
            "counts": _by_class(read, read.in_levels(spec.sizes()), spec) * shown,
            "with_code": _by_class(read, (read.codes != ABSENT).astype(np.float64), spec),
        }

    @site_step(
        times=lambda spec: Times.where(spec.conformal is not None),
        n=Count(what="people who calibrate"),
        scores=Count("class", "bin", of="n", what="people by one less the probability of their class"),
        right=Count(of="n", what="people whose class is the most probable"),
    )
    def calibrate(spec: TypingSpec, table: AnalysisTable, **fit: Array) -> Arrays:
        """How improbable the model finds the classes of people who did not train it."""
        read = features(spec, table)
        p = ClassModel.of(fit).probabilities(read.x, read.codes)
        score, size, classes = 1 - p[np.arange(len(p)), read.of_class], spec.bins(), len(spec.classes)
        # A score on an edge belongs below it, so that a set at a threshold on that edge has the class.
        bins = np.clip(np.ceil(score * size).astype(np.int64) - 1, 0, size - 1)
        scores = np.bincount(read.of_class * size + bins, minlength=classes * size)
        return {
            "n": np.array(len(p)),
            "scores": scores.reshape(classes, size).astype(np.int64),
            "right": np.array((p.argmax(axis=1) == read.of_class).sum()),
        }

    @site_step(
        times=lambda spec: Times.where(spec.conformal is not None),
        n=Count(what="people who calibrate"),
        size=Moment(at_most=20.0, what="sum of the sizes of their sets of classes"),
        few=Flag(what="sites at which too few people have a set with, or without, their own class"),
    )
    def sets(spec: TypingSpec, table: AnalysisTable, threshold: Floats, **fit: Array) -> Arrays:
        """How large the sets are at (class,) thresholds, and whether their coverage here can be shown."""
        held, holds = _held(spec, table, threshold, fit)
        few = min(int(holds.sum()), int((~holds).sum())) < spec.min_cell
        return {"n": np.array(len(held)), "size": np.array(float(held.sum())), "few": np.array(int(few))}

    @site_step(
        times=lambda spec: Times(0, 1) if spec.per_site else NEVER,
        clear=lambda spec: spec.per_site,
        summed=False,
        n=Count(what="people who calibrate"),
        covered=Count(of="n", what="people whose set of classes holds their own"),
    )
    def here(spec: TypingSpec, table: AnalysisTable, threshold: Floats, **fit: Array) -> Arrays:
        """How often the sets of this site's people who calibrate hold their own class, for the clear."""
        people = table if spec.conformal is None else table.select(spec.conformal.rows("test").mask(table))
        held, holds = _held(spec, people, threshold, fit)
        return {"n": np.array(len(held)), "covered": np.array(holds.sum())}

    def axes(self, spec: TypingSpec) -> dict[str, int]:
        return {
            "class": len(spec.classes),
            "feature": len(spec.measured),
            "wide": spec.wide(),
            "coded": len(spec.coded),
            "level": len(spec.levels()),
            "bin": spec.bins(),
        }

    def score(self, spec: TypingSpec, table: AnalysisTable, **arrays: Array) -> Floats:
        x, codes = table.matrix(spec.measured), level_numbers(spec, table)
        return ClassModel.of(arrays).probabilities(x, codes)[:, 1]

    def coordinate(self, spec: TypingSpec) -> Coordination[TypingResult]:
        conformal = spec.conformal
        if conformal is None:
            return (yield from _fit(spec))
        found = yield from within(_fit(spec), rows=conformal.rows("train"))
        arrays, rows = found.transform_arrays(), conformal.rows("test")
        scored = yield Ask("calibrate", arrays, rows)
        threshold, covered = thresholds(spec, scored["scores"], scored.min_count)
        sized = yield Ask("sets", {"threshold": threshold, **arrays}, rows)
        by_site = PerSite({})
        if spec.per_site and not sized["few"]:
            by_site = yield ask("here", per_site=True, threshold=threshold, **arrays)
        n = int(scored["n"])
        sets = Sets(
            miss=conformal.miss,
            n=n,
            people=scored["scores"].sum(axis=1),
            covered=covered,
            threshold=threshold,
            size=float(sized["size"]) / n,
            accuracy=float(scored["right"]) / n,
            by_site={site: _coverage(shown) for site, shown in by_site.answers.items()},
        )
        return replace(found, sets=sets)

    def method(self, spec: TypingSpec) -> str:
        how = {
            "diagonal": "independent normal distributions (naive Bayes)",
            "shared": "a normal distribution with one covariance matrix (linear discriminant analysis)",
            "own": "a normal distribution with its own covariance matrix (quadratic discriminant analysis)",
        }
        sets = (
            ""
            if spec.conformal is None
            else (
                " Conformal sets of classes that lack the true one with a probability of "
                f"{spec.conformal.miss:g}, calibrated on one of {spec.conformal.folds} folds of people (Vovk "
                "et al. 2005)."
            )
        )
        return (
            f"Classes of {spec.outcome} from {listed((*spec.measured, *spec.coded))}: within a class "
            f"{how[spec.covariance]} of measured features and shares of coded ones with Laplace's rule; "
            f"missing values were integrated out.{sets}"
        )

    def about(self, spec: TypingSpec) -> str:
        names = ", ".join((*spec.measured, *spec.coded))
        return f"How {names} are distributed within each class of {spec.outcome}."

    def notes(self, spec: TypingSpec) -> Sequence[str]:
        if spec.conformal is None:
            return ()
        return [
            "People of one fold calibrate sets of classes; histograms of how improbable theirs are leave."
        ]


def level_numbers(spec: TypingSpec, table: AnalysisTable) -> Integers:
    """The (n, q) levels of the coded features from 0, `ABSENT` where missing.

    Raises:
        SiteError: invalid-input; a value is not one of the levels, and no share of people can be meant.
    """
    found = np.full((len(table), len(spec.coded)), ABSENT, dtype=np.int64)
    for q, (name, levels) in enumerate(spec.coded.items()):
        column = table.column(name)
        for number, level in enumerate(levels):
            found[column == level, q] = number
        if ((found[:, q] == ABSENT) & ~np.isnan(column)).any():
            raise SiteError(Code.INVALID_INPUT, f"{name} has a value here that is not one of its levels")
    return found


def features(spec: TypingSpec, table: AnalysisTable) -> Features:
    """The features of the people of one of the classes.

    Raises:
        SiteError: see `level_numbers`.
    """
    outcome = table.column(spec.outcome)
    table = table.select(np.isin(outcome, spec.classes))
    outcome = table.column(spec.outcome)
    of_class = np.argmax(outcome[:, None] == np.array(spec.classes), axis=1)
    return Features(table.matrix(spec.measured), level_numbers(spec, table), of_class.astype(np.int64))


def summed(spec: TypingSpec, table: AnalysisTable) -> Features:
    """The features that sums are made of: under a matrix nobody is in a sum who lacks a measured one.

    If each feature had its own people beside those of the matrix, differences would tell of whoever lacks
    another one.

    Raises:
        SiteError: see `level_numbers`.
    """
    read = features(spec, table)
    if not spec.wide():
        return read
    return replace(read, x=np.where(np.isnan(read.x).any(axis=1, keepdims=True), np.nan, read.x))


def _by_class(read: Features, columns: Floats, spec: TypingSpec) -> Integers:
    """The (class, columns) people with a 1 in (n, columns)."""
    members = read.members(len(spec.classes)).astype(np.float64)
    return np.asarray(np.rint(members @ columns), dtype=np.int64)


def _held(spec: TypingSpec, table: AnalysisTable, threshold: Floats, fit: Arrays) -> tuple[Mask, Mask]:
    """The (n, class) sets of classes at (class,) thresholds, and (n,) whether they hold the true one."""
    read = features(spec, table)
    held = 1 - ClassModel.of(fit).probabilities(read.x, read.codes) <= threshold
    return held, held[np.arange(len(held)), read.of_class]


def _coverage(shown: Arrays) -> tuple[int, float]:
    """People and coverage of a site; NaN where its gate withheld it."""
    n, covered = int(shown["n"]), int(shown["covered"])
    return n, covered / n if covered != SUPPRESSED and n > 0 else float("nan")


def _fit(spec: TypingSpec) -> Coordination[TypingResult]:
    """The model of the people who are asked about."""
    asks = [ask("people"), *([ask("cells")] if spec.coded else [])]
    if spec.measured:
        sums, people, *cells = yield from fitting_sums(len(spec.measured), *asks, step="sums")
        n = np.maximum(sums["known"].sum(axis=0), 1)
        mean = np.nan_to_num(sums["sum"].sum(axis=0) / n)
        variance = np.nan_to_num(sums["square"].sum(axis=0) / n - mean**2, nan=1.0)
        variance = np.maximum(variance, np.maximum(2.0**-80, 2.0**-52 * mean**2))
        scale = np.exp2(np.round(np.log2(variance) / 2))  # a power of two loses no digit
    else:
        people, *cells = yield tuple(asks)
        mean, scale = np.zeros(0), np.ones(0)
    check_classes(spec, people)
    enough = cells[0]["enough"] if cells else np.zeros((len(spec.classes), 0), np.int64)
    shown = np.hstack([enough[:, :0], *(shown_cells(part, people.floors, 1) for part in split(spec, enough))])
    total = yield ask("moments", mean=mean, scale=scale, shown=shown)
    return fitted(spec, total.arrays, mean, scale, shown, enough >= people.floors, total.min_count)
