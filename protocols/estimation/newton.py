"""Newton's method as a coordination: one round per evaluation, half the step where the likelihood falls.

Coordinates are standardized: the covariates' location and scale over all sites are public numbers of the
question, so that information is well conditioned, a secure sum of fixed resolution keeps its digits, and
a step is measured in standard deviations. They cancel in the result, so they need not be exact.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from protocols.core.errors import Code, StudyError
from protocols.core.grid import on_grid
from protocols.core.protocol import Arrays, Ask, Coordination, Total
from protocols.core.site_step import Times
from protocols.core.table import Floats

TOLERANCE = 1e-10
"""Converged when the next step is smaller, in every coefficient, on the scale of its standard deviation.

The step is then taken: what is left is its square.
"""

MAX_EVALUATIONS = 40
CLIMB = Times(1, 1 + MAX_EVALUATIONS)  # the start, which many ask in their first round, and the climb

_FLAT = 1e3  # how many times its standard error at the start a coefficient that diverges has
_SUM_ERROR = 2.0**-38  # of a secure sum over many sites, each rounded to 2^-40
_ALIASED = 1e-9  # the share of a covariate's information that the others before it leave


@dataclass(frozen=True)
class Point:
    """A log-likelihood and its derivatives at `coef`; information is minus the second derivative.

    `arrays` is the whole joined answer, in the coordinates of its question.
    """

    coef: Floats
    loglik: float
    score: Floats
    information: Floats
    arrays: Arrays = field(default_factory=dict)

    @classmethod
    def of(cls, coef: Floats, total: Total) -> "Point":
        """The point at (p,) `coef` of a joined answer with loglik, (p,) score and (p, p) information."""
        return cls(coef, float(total["loglik"]), total["score"], total["information"], total.arrays)

    def in_basis(self, basis: Floats) -> "Point":
        """The same point in coefficients `new`, where the old ones are `basis @ new`; basis is (p, p)."""
        return replace(
            self,
            coef=np.asarray(np.linalg.solve(basis, self.coef), dtype=np.float64),
            score=basis.T @ self.score,
            information=basis.T @ self.information @ basis,
        )

    def covariance(self) -> Floats:
        """The inverse of the information, equilibrated first: (p, p)."""
        d = 1 / np.sqrt(np.diag(self.information))
        factor = cho_factor(self.information * np.outer(d, d))
        inverse: Floats = cho_solve(factor, np.diag(d)) * d[:, None]
        return (inverse + inverse.T) / 2


@dataclass(frozen=True)
class Maximum:
    """Where the likelihood is largest: the last point evaluated, and coefficients one tiny step further."""

    coef: Floats
    point: Point
    evaluations: int


def maximise(
    start: Point, evaluate: Callable[[Floats], Ask], terms: Sequence[str], effects: int | None = None
) -> Coordination[Maximum]:
    """The maximum of a log-likelihood, by Newton's method with step halving.

    Where an outcome is separated, wholly or in part of the people, the likelihood grows without end and
    flattens: a coefficient's standard error then leaves that at the start far behind. Collinear covariates
    have large ones from the start, and a maximum.

    Args:
        start: the likelihood where the search begins, already known.
        evaluate: the question whose joined answer is the likelihood at a (p,) coefficient vector.
        terms: the (p,) names, for errors.
        effects: how many of the first coefficients can diverge; all if None.

    Raises:
        StudyError: rank-deficient (names the aliased terms), separation (names the terms whose coefficients
            diverge), not-converged.
    """
    check_rank(start.information, terms)
    point, (step, error) = start, _step(start, terms)
    at_start = error[:effects]
    for evaluations in range(MAX_EVALUATIONS):
        small = np.maximum(TOLERANCE * np.maximum(1, np.abs(point.coef)), error * error.sum() * _SUM_ERROR)
        if (np.abs(step) < small).all():
            return Maximum(point.coef + step, point, evaluations)
        coef = on_grid(point.coef + step)  # the likelihood is that of the numbers that are asked
        new = Point.of(coef, (yield evaluate(coef)))
        if new.loglik < point.loglik - 1e-10 * (1 + abs(point.loglik)):
            step = step / 2
            continue
        point = new
        step, error = _step(point, terms)
        _check_information(error[:effects] / at_start, terms)
    raise StudyError(
        Code.NOT_CONVERGED, f"no maximum after {MAX_EVALUATIONS} evaluations", "use fewer covariates"
    )


def check_rank(matrix: Floats, terms: Sequence[str]) -> None:
    """Raises if a term of a (p, p) moment or information matrix follows from those before it.

    Raises:
        StudyError: rank-deficient; names the aliased terms.
    """
    out = aliased(matrix)
    if out:
        raise rank_deficient([terms[j] for j in out])


def rank_deficient(names: Sequence[str]) -> StudyError:
    """The error that names the terms that follow from those before."""
    return StudyError(
        Code.RANK_DEFICIENT,
        f"constant, or a combination of the terms before: {', '.join(names)}",
        "remove these from the analysis",
    )


def _step(point: Point, terms: Sequence[str]) -> tuple[Floats, Floats]:
    """Newton's step, and the standard errors at the point: each (p,)."""
    try:
        d = 1 / np.sqrt(np.maximum(np.diag(point.information), np.finfo(float).tiny))
        factor = cho_factor(point.information * np.outer(d, d))
    except np.linalg.LinAlgError:
        raise _separated(np.abs(point.coef), terms) from None
    step: Floats = d * cho_solve(factor, d * point.score)
    error: Floats = d * np.sqrt(np.diag(cho_solve(factor, np.eye(len(d)))))
    return step, error


def _check_information(growth: Floats, terms: Sequence[str]) -> None:
    """Raises where the standard error of a coefficient has grown so far that the likelihood is flat.

    Args:
        growth: (k,) standard errors over those at the start.

    Raises:
        StudyError: separation; names the terms.
    """
    if growth.max(initial=0.0) > _FLAT:
        raise _separated(growth, terms)


def _separated(size: Floats, terms: Sequence[str]) -> StudyError:
    """The error that names the terms of the largest sizes; the intercept only where it is alone."""
    return separated([t for t, s in zip(terms, size, strict=False) if s >= size.max(initial=0.0) / 4])


def separated(far: Sequence[str]) -> StudyError:
    """The error that names the terms in which the likelihood grows; the intercept only where it is alone."""
    names = ", ".join([t for t in far if "intercept" not in t] or far)
    return StudyError(
        Code.SEPARATION,
        f"the outcome is separated: the likelihood grows without end in {names}",
        "remove these, or use fewer covariates",
    )


def aliased(matrix: Floats) -> list[int]:
    """The positions of the rows of a (p, p) moment matrix that follow from those before.

    By a Cholesky that leaves them out, as R's `lm` and `coxph` do: earlier terms are kept.
    """
    diagonal = np.diag(matrix)
    kept: list[int] = []
    out: list[int] = []
    factor = np.zeros_like(matrix)
    for j in range(len(matrix)):
        if not diagonal[j] > 0:
            out.append(j)
            continue
        size = len(kept)
        correlation = matrix[kept, j] / np.sqrt(diagonal[kept] * diagonal[j])
        row = solve_triangular(factor[:size, :size], correlation, lower=True) if size else correlation
        left = 1 - row @ row
        if left < _ALIASED:
            out.append(j)
            continue
        factor[size, :size], factor[size, size] = row, np.sqrt(left)
        kept.append(j)
    return out
