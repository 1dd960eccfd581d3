"""Measures of predicted survival, one person and one pair after another: slow and plain."""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from protocols.core.table import Floats, Integers
from protocols.survival.life_table import FollowUp


def shares(people: Sequence[FollowUp], bins: int) -> tuple[Floats, Floats]:
    """(bins + 1,) the shares still followed and with the event, of people in intervals."""
    time, event = (np.concatenate([getattr(p, name) for p in people]) for name in ("time", "event"))
    entry = np.concatenate([np.full(len(p.time), -1.0) if p.entry is None else p.entry for p in people])
    followed, alive = [1.0], [1.0]
    for k in range(1, bins + 1):
        at_risk = int(((time >= k) & (entry < k)).sum())
        dead, censored = int(((time == k) & event).sum()), int(((time == k) & ~event).sum())
        followed.append(followed[-1] * (1 - min(censored / max(at_risk - dead, 1), 1.0)))
        alive.append(alive[-1] * (1 - dead / max(at_risk, 1)))
    return np.array(followed), 1 - np.array(alive)


def measures(
    people: FollowUp,
    on: FollowUp,
    score: Floats,
    risk: Floats,
    followed: Floats,
    days: Integers,
    bins: int,
) -> dict[str, Floats]:
    """What one fold adds to the sums of a validation.

    Args:
        people, on: (n,) follow-up in days and in intervals.
        score, risk: (n,) and (n, T).
        followed: shares not censored at each edge.
        days: (T,) intervals by whose end survival is foretold.
        bins: of the score.
    """
    n, T = len(score), len(days)
    entry = np.full(n, -1.0) if people.entry is None else people.entry
    found: dict[str, Floats] = {name: np.zeros((T, bins)) for name in ("cases", "controls")}
    found |= {"squares": np.zeros(T), "harrell": np.zeros(5), "uno": np.zeros(5)}
    found |= {"n": np.array(n), "n_events": np.array(people.event.sum()), "expected": risk.sum(axis=0)}
    bin_of = np.floor(expit(score) * bins).clip(0, bins - 1).astype(int)
    sums = {"harrell": np.zeros((2, n)), "uno": np.zeros((2, n))}
    for i in np.flatnonzero(people.event):
        before = max(followed[int(min(on.time[i] - 1, len(followed) - 1))], 1e-3)
        later = (people.time > people.time[i]) | ((people.time == people.time[i]) & ~people.event)
        later &= entry < people.time[i]
        same = people.event & (people.time == people.time[i]) & (np.arange(n) > i)
        for name, w in (("harrell", 1.0), ("uno", before**-2)):
            for k, pair in enumerate((score < score[i], score > score[i], score == score[i])):
                found[name][k] += w * (later & pair).sum()
            found[name][3] += w * (same & (score != score[i])).sum()
            found[name][4] += w * (same & (score == score[i])).sum()
            sign = np.sign(score[i] - score) * later
            sums[name] += w * np.array([sign, later.astype(float)])
            sums[name][:, i] += w * np.array([sign.sum(), later.sum()])
        for t, at in enumerate(days):
            if on.event[i] and on.time[i] <= at:
                found["cases"][t, bin_of[i]] += 1 / before
                found["squares"][t] += (1 - risk[i, t]) ** 2 / before
    for name, (a, m) in sums.items():
        found[f"{name}_squares"] = np.array([a @ a, a @ m, m @ m])
    for t, at in enumerate(days):
        for i in np.flatnonzero(on.time > at):
            found["controls"][t, bin_of[i]] += 1
            found["squares"][t] += risk[i, t] ** 2 / followed[at]
    return found
