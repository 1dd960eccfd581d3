"""Ridge fits of a logistic model at many penalties, each a climb in a basis that only the sites know.

    maximise  loglik / n - lam / 2 |b|²        the intercept is free

Many climbs share a message, so that a path takes the rounds of its slowest. It ends before the first penalty
too small for the data: where they separate, its coefficients are so large that few people carry the sums.

Reference: Friedman, Hastie & Tibshirani, J Stat Softw 33 (2010), sec. 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from protocols.core.disclosure import Array
from protocols.core.errors import Code, ShadowgraphError
from protocols.core.lockstep import settled
from protocols.core.protocol import Arrays, Ask, Coordination
from protocols.core.table import Floats
from protocols.estimation.climb import Climb, climbed
from protocols.estimation.outcome import same_outcome
from protocols.estimation.sealed import searched

_TOGETHER = 50
"""Climbs in one message, of which a site's policy admits 100 that are alike."""

_ENDS = {Code.SEPARATION, Code.NOT_CONVERGED}


@dataclass(frozen=True)
class Ridge:
    """What is fitted: the likelihood, and what the penalties fall on.

    Attributes:
        step: that evaluates it; common: the arrays of its question beside the coefficients.
        outcome: a 0/1 variable; covariates: (p,).
        per: (p,) of a coefficient that the penalty falls on, per one of the step.
    """

    step: str
    common: Mapping[str, Array]
    outcome: str
    covariates: Sequence[str]
    per: Floats

    def steepest(self, step: str) -> Coordination[Floats]:
        """(1,) the largest derivative, over n, by a coefficient where all are 0: the sites alone see them.

        Args:
            step: whose answer has n, n_events and score.

        Raises:
            StudyError: separation; the outcome is the same for all.
        """

        def search() -> Coordination[Arrays]:
            zero = yield Ask(step, self.common)
            slopes = np.abs(zero["score"][1:] / self.per) / int(zero["n"])
            return {"n": zero["n"], "n_events": zero["n_events"], "steepest": slopes.max(keepdims=True)}

        said = yield from searched(search(), (step,), self.common)
        check_varies(self.outcome, said)
        return np.asarray(said["steepest"], dtype=np.float64)

    def path(self, lambdas: Floats) -> Coordination[dict[str, Array]]:
        """The fits of the (L,) penalties, descending, up to where the path ends.

        Returns n, n_events and evaluations; coef (K, p + 1), intercept first, of those that the penalty falls
        on; loglik and df, the effective degrees of freedom, (K,) each.

        Raises:
            StudyError: separation, not-converged; of the largest penalty.
        """
        fits: list[_Fit | ShadowgraphError] = []
        for begin in range(0, len(lambdas), _TOGETHER):
            fits += yield from settled([self._fitted(lam) for lam in lambdas[begin : begin + _TOGETHER]])
            if errors := [fit for fit in fits if isinstance(fit, ShadowgraphError)]:
                if errors[0] is fits[0] or errors[0].code not in _ENDS:
                    raise errors[0]
                break
        found = [fit for fit in takewhile(lambda fit: isinstance(fit, _Fit), fits) if isinstance(fit, _Fit)]
        return found[0].people | {
            "coef": np.array([fit.coef for fit in found]),
            "loglik": np.array([fit.loglik for fit in found]),
            "df": np.array([fit.df for fit in found]),
            "evaluations": np.array(max(fit.evaluations for fit in found)),
        }

    def _fitted(self, lam: float) -> Coordination["_Fit"]:
        per, terms = np.append(0.0, self.per), ("(Intercept)", *self.covariates)
        climb = Climb(
            self.step, np.zeros(len(terms)), self.common, columns=self.covariates, ridge=lam * per**2
        )
        start = yield climb.ask()
        people = {name: start[name] for name in ("n", "n_events")}
        check_varies(self.outcome, people)
        top = yield from climbed(climb, start, terms, np.diag(np.append(1.0, self.per)))
        slopes, ridge = top.coef[1:], int(people["n"]) * lam
        return _Fit(
            people,
            top.coef,
            loglik=top.loglik + ridge / 2 * float(slopes @ slopes),
            df=len(slopes) - ridge * _trace_without_intercept(top.covariance),
            evaluations=top.evaluations,
        )


@dataclass(frozen=True)
class _Fit:
    """A fit at one penalty; `people` are n and n_events."""

    people: dict[str, Any]
    coef: Floats
    loglik: float
    df: float
    evaluations: int


def check_varies(outcome: str, people: Arrays) -> None:
    """Raises where nobody of the n has the outcome, or all n_events do.

    Raises:
        StudyError: separation.
    """
    if int(people["n_events"]) in (0, int(people["n"])):
        raise same_outcome(outcome, "everybody with complete data")


def _trace_without_intercept(covariance: Floats) -> float:
    """The trace of the inverse of the slopes' block of the matrix whose inverse this is.

    With the curvature R and the penalty l of that block, R (R + l)^-1 has the trace p - l tr (R + l)^-1.
    """
    across = covariance[1:, 0]
    return float(np.trace(covariance[1:, 1:]) - across @ across / covariance[0, 0])
