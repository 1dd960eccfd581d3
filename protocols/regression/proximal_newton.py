"""Penalized likelihoods for many penalties at once: proximal Newton on joined derivatives.

    minimise  -loglik / n + lam * ((1 - a)/2 |b|² + a |b|_1)        the intercept is free

Each round evaluates the likelihoods of all penalties that are not done in one message; each site then
minimises each quadratic model with its penalty exactly (`elastic_net`), halving a step where the objective
rises. So a whole path takes the rounds of its slowest penalty. It ends before the first penalty too small for
the data: where they separate, its coefficients are so large that few people carry the sums.

Reference: Lee, Sun & Saunders, SIAM J Optim 24 (2014) 1420; Friedman et al., J Stat Softw 33 (2010), sec. 3.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from typing import Self

import numpy as np

from protocols.core.errors import Code, StudyError
from protocols.core.protocol import Ask, Coordination, Total
from protocols.core.table import Floats
from protocols.estimation import elastic_net
from protocols.estimation.newton import MAX_EVALUATIONS, TOLERANCE

_ROSE = 1e-12  # what rounding may add to an objective of order 1


@dataclass(frozen=True)
class Quadratic:
    """A log-likelihood over n near `coef`, intercept first: value, gradient (t,), curvature (t, t)."""

    coef: Floats
    value: float
    gradient: Floats
    curvature: Floats

    @classmethod
    def of(cls, coef: Floats, total: Total, k: int, n: int) -> Self:
        """The k-th likelihood of a joined answer at its (t,) coefficients, over n people."""
        value, score, curvature = (total[name][k] / n for name in ("loglik", "score", "information"))
        return cls(coef, float(value), score, curvature)

    def minimum(self, lam: float, l1_ratio: float) -> Floats:
        """The (t,) coefficients at which this quadratic with the penalty is least."""
        across = self.curvature[1:, 0] / self.curvature[0, 0]
        R = self.curvature[1:, 1:] - np.outer(across, self.curvature[0, 1:])  # the intercept taken out
        r = self.gradient[1:] - across * self.gradient[0] + R @ self.coef[1:]
        slopes = elastic_net.path(R, r, [lam], l1_ratio).coef[0]
        moved = self.gradient[0] / self.curvature[0, 0] - across @ (slopes - self.coef[1:])
        return np.append(self.coef[0] + moved, slopes)


@dataclass
class _Search:
    """One penalty's way to its minimum."""

    lam: float
    l1_ratio: float
    at: Quadratic
    asked: Floats
    done: bool = False
    lost: bool = False

    @property
    def open(self) -> bool:
        """Whether its likelihood is still to be asked for."""
        return not (self.done or self.lost)

    def objective(self, point: Quadratic) -> float:
        b = point.coef[1:]
        size = (1 - self.l1_ratio) / 2 * (b @ b) + self.l1_ratio * np.abs(b).sum()
        return float(self.lam * size - point.value)

    def receive(self, point: Quadratic) -> None:
        if self.objective(point) > self.objective(self.at) + _ROSE * (1 + abs(self.at.value)):
            self.asked = (self.at.coef + self.asked) / 2
            return
        self.at = point
        self.asked = point.minimum(self.lam, self.l1_ratio)
        self.lost = not bool(np.isfinite(self.asked).all())
        self.done = bool(np.abs(self.asked - point.coef).max() < TOLERANCE)


def minimise(
    start: Quadratic, lambdas: Floats, l1_ratio: float, n: int, evaluate: Callable[[Floats], Ask]
) -> Coordination[tuple[list[Quadratic], int]]:
    """The minimum of each of the penalties up to where the path ends, the likelihood a tiny step before it,
    and the number of rounds.

    Args:
        start: the likelihood at coefficients that are known.
        lambdas: (L,) descending.
        evaluate: the question whose joined answer is loglik (L,), score (L, t), information (L, t, t) and
            few (L,), the sites where few people carry these, at (L, t) coefficients; those that are missing
            need no answer.

    Raises:
        StudyError: separation, not-converged; of the largest penalty.
    """
    searches = [_Search(lam, l1_ratio, start, start.minimum(lam, l1_ratio)) for lam in lambdas]
    rounds = 0
    while any(search.open for search in searches) and rounds < MAX_EVALUATIONS:
        missing = np.full(len(start.coef), np.nan)
        total = yield evaluate(np.array([s.asked if s.open else missing for s in searches]))
        rounds += 1
        for k, search in enumerate(searches):
            if search.open and total["few"][k] > 0:
                search.lost = True
            elif search.open:
                search.receive(Quadratic.of(search.asked, total, k, n))
        for larger, smaller in pairwise(searches):
            smaller.lost = smaller.lost or larger.lost
    found = [replace(s.at, coef=s.asked) for s in takewhile(lambda s: s.done and not s.lost, searches)]
    if not found:
        code = Code.SEPARATION if searches[0].lost else Code.NOT_CONVERGED
        raise StudyError(code, "no minimum even by the largest penalty", "choose larger penalties")
    return found, rounds
