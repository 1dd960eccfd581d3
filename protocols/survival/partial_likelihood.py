"""Cox's partial likelihood from sums over risk sets: Efron or Breslow ties, (start, stop] intervals, weights.

With r = weight * exp(x'b), S0 and S1 are the sums of r and r x over those at risk at an event time, D0 and D1
over those who have the event there. Everything else is algebra on these, the same for the risk sets of one
hospital and for joined ones. Second moments of risk sets are not formed: information = X'diag(h)X - sum of
the risk sets' mean times its transpose, h the expected events of each row.

Reference: Therneau & Grambsch, Modeling Survival Data (2000), ch. 3 and 7; Efron, J Am Stat Assoc 72 (1977)
557; Lin & Wei, J Am Stat Assoc 84 (1989) 1074 for robust standard errors; Grambsch & Therneau, Biometrika 81
(1994) 515, as a score test, for proportional hazards.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Self

import numpy as np
from scipy.sparse import csr_array

from protocols.core.protocol import Arrays, Total
from protocols.core.table import Floats, Integers, Mask

Ties = Literal["efron", "breslow"]

_SUMS = ("deaths", "weight", "s0", "s1", "d0", "d1")
_BLOCK = 4096  # rows whose products stay in the cache
_LOWEST = -300.0  # the least logarithm of a risk: its exponential squared is not 0, so far steps stay finite


@dataclass(frozen=True)
class Stratum:
    """People, or their episodes, who share a baseline hazard.

    Attributes:
        x: (n, p) covariates, roughly centred.
        start: (n,) from when they are at risk; None: from the beginning.
        stop: (n,) until when.
        event: (n,) true where the event happened then.
        weight: (n,) positive case weights; None: 1.
        at: (K,) the times at which risk sets are formed, ascending; None: those of events.
    """

    x: Floats
    start: Floats | None
    stop: Floats
    event: Mask
    weight: Floats | None = None
    at: Floats | None = None

    @cached_property
    def times(self) -> Floats:
        """The (K,) times at which risk sets are formed, ascending; every event is at one of them."""
        return np.unique(self.stop[self.event]) if self.at is None else self.at

    @cached_property
    def until(self) -> Integers:
        """(n,) how many event times lie within the follow-up's end: at risk in those before."""
        return np.searchsorted(self.times, self.stop, side="right").astype(np.int64)

    @cached_property
    def since(self) -> Integers | None:
        """(n,) how many event times lie before the follow-up's start: not at risk in those."""
        if self.start is None:
            return None
        return np.searchsorted(self.times, self.start, side="right").astype(np.int64)

    @cached_property
    def _died(self) -> tuple[Integers, Integers]:
        """The rows of those with an event, and which of the K times it has."""
        rows = np.flatnonzero(self.event)
        return rows, self.until[rows] - 1

    @cached_property
    def deaths(self) -> tuple[Floats, Floats]:
        """The (K,) numbers of events at each time, and the sums of their weights."""
        rows, at = self._died
        number = np.bincount(at, minlength=len(self.times)).astype(np.float64)
        if self.weight is None:
            return number, number
        return number, _summed(at, self.weight[rows], len(self.times))

    def case_weight(self) -> Floats:
        """The (n,) case weights."""
        return np.ones(len(self.stop)) if self.weight is None else self.weight

    def risk(self, coef: Floats) -> tuple[Floats, Floats]:
        """The (n,) linear predictors, less a shift that cancels, and risks: weight times exponential."""
        eta = self.x @ coef
        eta = np.maximum(eta - eta.max(initial=-np.inf), _LOWEST)
        risk = np.exp(eta)
        return eta, risk if self.weight is None else risk * self.weight

    def sums(self, risk: Floats, ties: Ties) -> "RiskSums":
        """The sums over the risk sets at the K event times."""
        K = len(self.times)
        s0 = _suffix(_summed(self.until, risk, K + 1))
        s1 = _suffix(_by_index(self.until, risk, self.x, K + 1))
        if self.since is not None:
            s0 = s0 - _suffix(_summed(self.since, risk, K + 1))
            s1 = s1 - _suffix(_by_index(self.since, risk, self.x, K + 1))
        number, weight = self.deaths
        d0, d1 = np.zeros(K), np.zeros(s1.shape)
        # An event that is alone at this site may be tied with another's on a shared grid.
        if ties == "efron" and (self.at is not None or number.max(initial=0) > 1):
            rows, at = self._died
            d0 = _summed(at, risk[rows], K)
            d1 = _by_index(at, risk[rows], self.x[rows], K)
        return RiskSums(number, weight, s0, s1, d0, d1, ties)

    def cumulated(self, increments: Floats) -> Floats:
        """(n, ...) the sums of (K, ...) increments over the event times at which each row is at risk."""
        total = np.concatenate([np.zeros((1, *increments.shape[1:])), np.cumsum(increments, axis=0)])
        return total[self.until] if self.since is None else total[self.until] - total[self.since]

    def hazards(self, risk: Floats, sums: "RiskSums", g: Floats | None = None) -> Floats:
        """The (n,) expected events of each row, those at time k weighted by g_k."""
        weight = 1.0 if g is None else g
        return self.expected(risk, sums.hazard * weight, sums.tied * weight)

    def expected(self, risk: Floats, hazard: Floats, tied: Floats) -> Floats:
        """The same by (K,) increments of the hazard, and the part that those with an event do not see."""
        expected: Floats = risk * self.cumulated(hazard)
        rows, at = self._died
        expected[rows] -= risk[rows] * tied[at]
        return expected

    def derivatives(self, coef: Floats, ties: Ties) -> tuple[float, Floats, Floats]:
        """The log partial likelihood, its score (p,) and information (p, p) at `coef`."""
        p = self.x.shape[1]
        if not len(self.times):
            return 0.0, np.zeros(p), np.zeros((p, p))
        eta, risk = self.risk(coef)
        sums = self.sums(risk, ties)
        observed = np.where(self.event, self.case_weight(), 0.0)
        expected = self.hazards(risk, sums)
        loglik = float(observed @ eta - sums.log.sum())
        score = (observed - expected) @ self.x
        return loglik, score, weighted_gram(self.x, expected) - sums.outer()

    def trend(self, coef: Floats, ties: Ties, g: Floats) -> tuple[Floats, Floats, Floats]:
        """The score (p,) of x g(t) beside x, its information with x, and with itself, each (p, p).

        Args:
            g: (K,) the function of time at the event times.
        """
        p = self.x.shape[1]
        if not len(self.times):
            return np.zeros(p), np.zeros((p, p)), np.zeros((p, p))
        _, risk = self.risk(coef)
        sums = self.sums(risk, ties)
        rows, at = self._died
        first, second = self.hazards(risk, sums, g), self.hazards(risk, sums, g**2)
        score = (self.case_weight()[rows] * g[at]) @ self.x[rows] - first @ self.x
        mixed = weighted_gram(self.x, first) - sums.outer(g)
        return score, mixed, weighted_gram(self.x, second) - sums.outer(g**2)

    def score_residuals(self, risk: Floats, by: "Increments") -> Floats:
        """The (n, p) contributions of the rows to the score; they sum to it over all that shared `by`."""
        found = risk[:, None] * (self.cumulated(by.drift) - self.x * self.cumulated(by.hazard)[:, None])
        rows, at = self._died
        found[rows] += self.case_weight()[rows, None] * (self.x[rows] - by.mean[at])
        found[rows] += risk[rows, None] * (self.x[rows] * by.tied[at, None] - by.tied_drift[at])
        return found


@dataclass(frozen=True)
class Increments:
    """What a person at risk gathers at each of K times, for score residuals.

    Attributes:
        hazard: (K,) increments of the cumulative baseline hazard.
        drift: (K, p) the same times the means of the risk sets.
        tied, tied_drift: (K,) and (K, p) the part that Efron takes off those who have the event then.
        mean: (K, p) means of the risk sets, averaged over tied events.
    """

    hazard: Floats
    drift: Floats
    tied: Floats
    tied_drift: Floats
    mean: Floats


@dataclass(frozen=True)
class RiskSums:
    """Sums over risk sets at K times, and what follows from them.

    Attributes:
        deaths: (K,) events; weight: (K,) sum of their case weights.
        s0, s1: (K,) and (K, p) over those at risk.
        d0, d1: (K,) and (K, p) over those with the event, for Efron's ties.
        ties: how tied events are counted.
    """

    deaths: Floats
    weight: Floats
    s0: Floats
    s1: Floats
    d0: Floats
    d1: Floats
    ties: Ties
    log: Floats = field(init=False)
    """(K,) logarithms of S0, times the events' weights."""
    hazard: Floats = field(init=False)
    """(K,) increments of the cumulative baseline hazard."""
    tied: Floats = field(init=False)
    """(K,) the part of them that Efron takes off those who have the event then."""
    _q: tuple[Floats, Floats, Floats] = field(init=False)

    def __post_init__(self) -> None:
        K = len(self.deaths)
        if self.ties == "efron":
            # One row per event: the l-th of d tied ones sees the risk set less l/d of those that share it.
            number = self.deaths.astype(np.int64)
            at = np.repeat(np.arange(K), number)
            share = (np.arange(len(at)) - (np.cumsum(number) - number)[at]) / number[at]
            weight = (self.weight / np.maximum(number, 1))[at]
        else:
            at, weight = np.flatnonzero(self.deaths), self.weight[self.deaths > 0]
            share = np.zeros(len(at))
        s0 = self.s0[at] - share * self.d0[at]

        def summed(value: Floats) -> Floats:
            return _summed(at, value, K)

        object.__setattr__(self, "log", summed(weight * np.log(s0)))
        object.__setattr__(self, "hazard", summed(weight / s0))
        object.__setattr__(self, "tied", summed(weight * share / s0))
        q = tuple(summed(weight * share**power / s0**2) for power in (0, 1, 2))
        object.__setattr__(self, "_q", q)

    @classmethod
    def of(cls, total: Total | Arrays, ties: Ties) -> Self:
        """Of the joined `arrays`."""
        deaths, weight, s0, s1, d0, d1 = (np.asarray(total[name], dtype=np.float64) for name in _SUMS)
        return cls(deaths, weight, s0, s1, d0, d1, ties)

    def arrays(self) -> dict[str, Floats]:
        """The sums by name."""
        return {name: getattr(self, name) for name in _SUMS}  # names of the fields above

    @cached_property
    def total_mean(self) -> Floats:
        """(K, p) the means of the risk sets, times the events' weights."""
        total: Floats = self.hazard[:, None] * self.s1 - self.tied[:, None] * self.d1
        return total

    def loglik_and_score(self, total: Total | Arrays) -> tuple[float, Floats]:
        """The log partial likelihood and its (p,) score, by sums over those with the event beside these."""
        loglik = float(total["observed_eta"]) - float(self.log.sum())
        return loglik, np.asarray(total["observed"] - self.total_mean.sum(axis=0))

    def increments(self) -> Increments:
        """What those at risk gather at each time."""
        q0, q1, q2 = (q[:, None] for q in self._q)
        weight = np.where(self.weight > 0, self.weight, 1.0)[:, None]
        drift, tied_drift = q0 * self.s1 - q1 * self.d1, q1 * self.s1 - q2 * self.d1
        return Increments(self.hazard, drift, self.tied, tied_drift, self.total_mean / weight)

    def outer(self, g: Floats | None = None) -> Floats:
        """(p, p) the sum over events of the risk set's mean times its transpose, weighted by (K,) g."""
        weight = np.ones(len(self.s0)) if g is None else g
        q0, q1, q2 = (q * weight for q in self._q)
        outer: Floats = (self.s1 * q0[:, None]).T @ self.s1
        tied = self._q[1] > 0
        if tied.any():
            s1, d1 = self.s1[tied], self.d1[tied]
            cross = (s1 * q1[tied, None]).T @ d1
            outer += (d1 * q2[tied, None]).T @ d1 - cross - cross.T
        return outer


def weighted_gram(x: Floats, weight: Floats) -> Floats:
    """The (p, p) x' diag(weight) x of (n, p) and (n,), block by block."""
    p = x.shape[1]
    found = np.zeros((p, p))
    for begin in range(0, len(x), _BLOCK):
        block = x[begin : begin + _BLOCK]
        found += (block * weight[begin : begin + _BLOCK, None]).T @ block
    return (found + found.T) / 2


def _summed(index: Integers, values: Floats, size: int) -> Floats:
    """The (size,) sums of values by index."""
    return np.asarray(np.bincount(index, values, minlength=size), dtype=np.float64)


def _suffix(values: Floats) -> Floats:
    """The (K, ...) sums over the indices above k of (K + 1, ...) values."""
    found: Floats = np.cumsum(values[:0:-1], axis=0)[::-1]
    return found


def _by_index(index: Integers, risk: Floats, x: Floats, size: int) -> Floats:
    """The (size, p) sums of risk * x over the rows of each index."""
    n = len(index)
    if n == 0:
        return np.zeros((size, x.shape[1]))
    rows = csr_array((risk, index, np.arange(n + 1)), shape=(n, size))
    found: Floats = rows.T @ x
    return found
