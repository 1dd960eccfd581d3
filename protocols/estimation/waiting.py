"""Whether to act on a probability, to leave it, or to wait for another test, by what each mistake costs.

With probability p of the event, acting costs (1 - p) false_alarm on average, leaving p missed, and waiting
the same for everybody. It costs least to leave below wait / missed, to act above 1 - wait / false_alarm, and
to wait between. Where waiting is too dear there is no such zone, and one acts from
false_alarm / (false_alarm + missed) on.

Reference: Pauker & Kassirer, N Engl J Med 302 (1980) 1109.
"""

import numpy as np

from protocols.core.table import Floats, Integers

LEAVE, WAIT, ACT = 0, 1, 2


def waiting_zone(false_alarm: float, missed: float, wait: float) -> tuple[float, float]:
    """The probabilities from which, and up to which, one waits; the same twice where one never does.

    Raises:
        ValueError: a cost is not positive.
    """
    if not min(false_alarm, missed, wait) > 0:
        raise ValueError("costs are positive")
    low, high = wait / missed, 1 - wait / false_alarm
    if low < high:
        return low, high
    same = false_alarm / (false_alarm + missed)
    return same, same


def decisions(probability: Floats, zone: tuple[float, float]) -> Integers:
    """(n,) `LEAVE`, `WAIT` or `ACT` of (n,) probabilities; on the zone's borders one waits."""
    low, high = zone
    found = np.where(probability < low, LEAVE, np.where(probability > high, ACT, WAIT))
    return np.asarray(found, dtype=np.int64)
