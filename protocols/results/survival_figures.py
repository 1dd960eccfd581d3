"""Survival curves as a figure's panel, with the numbers at risk."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from protocols.core.figure import AtRisk, Axis, Curve, Curves
from protocols.core.table import Floats, Integers
from protocols.results.figures import floats, whole


def survival_panel(
    groups: Sequence[str],
    days: ArrayLike,
    survival: ArrayLike,
    lower: ArrayLike,
    upper: ArrayLike,
    at_risk: ArrayLike,
) -> Curves:
    """Step curves from day 0 with their bands.

    Args:
        days: (K,) ends of the grid's intervals.
        survival, lower, upper: (G, K), NaN beyond a curve's end.
        at_risk: (G, K) people at risk in each interval, -1 where not shown.
    """
    from_zero = (0.0, *floats(days))
    curves = []
    for g, group in enumerate(groups):
        middle, low, high = ((1.0, *floats(np.asarray(part)[g])) for part in (survival, lower, upper))
        curves.append(Curve(group, from_zero, middle, low, high, marks="steps"))
    time = Axis("time since the index date", "days", low=0.0)
    risk = numbers_at_risk(groups, np.asarray(days, dtype=np.float64), np.asarray(at_risk, dtype=np.int64))
    return Curves("", time, Axis("survival", low=0.0, high=1.0), tuple(curves), at_risk=risk)


def numbers_at_risk(groups: Sequence[str], days: Floats, at_risk: Integers) -> AtRisk:
    """Who is at risk in the interval that begins at each of at most eight days of the grid.

    Args:
        days: (K,) ends of the intervals; at_risk: (G, K), -1 where not shown.
    """
    begins = np.append(0.0, days[:-1])
    fewest = max(1, -(-len(begins) // 8))
    round_day = (step for step in range(fewest, 2 * fewest) if step < len(begins) and begins[step] % 100 == 0)
    at = np.arange(0, len(begins), next(round_day, fewest))
    return AtRisk(floats(begins[at]), tuple((group, whole(at_risk[g, at])) for g, group in enumerate(groups)))
