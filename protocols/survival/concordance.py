"""Concordance of a risk score with survival, by counting pairs: Harrell's C, and Uno's by weighted pairs.

A pair counts where one has the event and the other is then still at risk; the score is right (concordant)
where it is higher for the one with the event. Pairs are of one hospital, as R counts pairs of one stratum.

Reference: Harrell et al., JAMA 247 (1982) 2543; Uno et al., Stat Med 30 (2011) 1105; R `concordance` (with
`timewt = "n/G2"` for Uno), whose standard error is the infinitesimal jackknife too.
"""

from dataclasses import dataclass

import numpy as np

from protocols.core.table import Floats, Integers
from protocols.survival.life_table import FollowUp

_BLOCK = 512


@dataclass(frozen=True)
class Pairs:
    """Numbers of pairs, each with the weight of its event; sums of these over hospitals are those of a study.

    Attributes:
        concordant, discordant: by the score; tied_score: of the same score.
        tied_time: both have the event at one time, scores differ; tied_both: neither does.
        squares: (3,) sums over people of a², a m and m², with a how many more of a person's pairs are
            concordant than discordant, m how many pairs it is in.
    """

    concordant: float
    discordant: float
    tied_score: float
    tied_time: float
    tied_both: float
    squares: Floats

    def index(self) -> float:
        """The share of concordant pairs, those of the same score half; NaN without pairs."""
        all_pairs = self.concordant + self.discordant + self.tied_score
        return (self.concordant + self.tied_score / 2) / all_pairs if all_pairs else float("nan")

    def standard_error(self) -> float:
        """Of the index, by the infinitesimal jackknife."""
        all_pairs = self.concordant + self.discordant + self.tied_score
        if not all_pairs:
            return float("nan")
        d = (self.concordant - self.discordant) / all_pairs
        return float(np.sqrt(self.squares @ np.array([1.0, -2 * d, d**2])) / (2 * all_pairs))


def pairs(people: FollowUp, score: Floats, weight: Floats | None = None) -> Pairs:
    """The pairs of one stratum.

    Args:
        people: (n,) follow-up.
        score: (n,) higher where the event is expected earlier.
        weight: (n,) of a pair, by the one with the event; None: 1.
    """
    n = len(score)
    w = np.ones(n) if weight is None else weight
    # Half a rank later when censored: then still at risk at an event of that time.
    _, order = np.unique(people.time, return_inverse=True)
    end = order.astype(np.float64) + np.where(people.event, 0.0, 0.5)
    events = np.flatnonzero(people.event)
    less, equal, total = _after(end, score, end[events], score[events])
    if people.entry is not None:
        # Those who entered at the event or later were not at risk at it.
        before = np.nextafter(people.time[events], -np.inf)
        late = _after(people.entry, score, before, score[events])
        less, equal, total = less - late[0], equal - late[1], total - late[2]
    more = total - less - equal
    we = w[events]
    a, m = np.zeros(n), np.zeros(n)
    a[events] += we * (less - more)
    m[events] += we * total
    _add_partners(people, end, score, events, we, a, m)
    same_time, same_both = _tied_times(end[events], score[events], we)
    return Pairs(
        float(we @ less),
        float(we @ more),
        float(we @ equal),
        same_time,
        same_both,
        np.array([a @ a, a @ m, m @ m]),
    )


def _after(at: Floats, score: Floats, when: Floats, than: Floats) -> tuple[Integers, Integers, Integers]:
    """For each query, the points with `at` above `when`: of a score below `than`, equal to it, and all."""
    order = np.argsort(-at, kind="stable")
    at, score = at[order], score[order]
    reach = np.searchsorted(-at, -when, side="left")
    less, equal = np.zeros((2, len(when)), dtype=np.int64)
    for begin in range(0, len(at) + 1, _BLOCK):
        asked = np.flatnonzero((reach >= begin) & (reach < begin + _BLOCK))
        if not asked.size:
            continue
        before, s = np.sort(score[:begin]), than[asked]
        low, high = np.searchsorted(before, s, side="left"), np.searchsorted(before, s, side="right")
        near = score[begin : begin + _BLOCK]
        within = np.arange(len(near)) < (reach[asked] - begin)[:, None]
        less[asked] = low + (within & (near < s[:, None])).sum(axis=1)
        equal[asked] = high - low + (within & (near == s[:, None])).sum(axis=1)
    return less, equal, reach.astype(np.int64)


def _add_partners(
    people: FollowUp,
    end: Floats,
    score: Floats,
    events: Integers,
    weight: Floats,
    a: Floats,
    m: Floats,
) -> None:
    """Adds to each person the pairs in which somebody else has the event."""
    for begin in range(0, len(events), _BLOCK):
        some = events[begin : begin + _BLOCK]
        w = weight[begin : begin + _BLOCK]
        at_risk = end[None, :] > end[some, None]
        if people.entry is not None:
            at_risk &= people.entry[None, :] < people.time[some, None]
        sign = np.sign(score[some, None] - score[None, :])
        a += w @ (at_risk * sign)
        m += w @ at_risk


def _tied_times(end: Floats, score: Floats, weight: Floats) -> tuple[float, float]:
    """Pairs of events at one time: of different, and of the same score."""
    _, time, times = np.unique(end, return_inverse=True, return_counts=True)
    mean = np.bincount(time, weight) / times if len(times) else np.zeros(0)
    both, which, number = np.unique(
        np.column_stack([end, score]), axis=0, return_index=True, return_counts=True
    )
    same = float((mean[time[which]] * number * (number - 1) / 2).sum()) if len(both) else 0.0
    return float((mean * times * (times - 1) / 2).sum()) - same, same
