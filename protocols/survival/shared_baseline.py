"""One baseline hazard for all sites: sums over risk sets on a public grid of days, joined by a secure sum.

A difference of two risk sets is the sum over those who left between, so neighbouring intervals are merged
until in each of them nobody leaves or at least `min_count` people do, over all sites; with Efron's ties,
which need sums over those who have the event, the same holds of events. The merged intervals are part of the
question, and a site answers none that are finer than the study's grid.
"""

import numpy as np

from protocols.core.errors import Code, SpecError
from protocols.core.table import Floats, Integers
from protocols.survival.partial_likelihood import Stratum, Ties, weighted_gram

_FARTHEST = 40.0  # a linear predictor beyond is cut there: e^40 still fits a secure sum


def merged_intervals(left: Integers, events: Integers, beyond: int, ties: Ties, floor: int) -> Integers:
    """The (K,) number of the merged interval of each interval, from 0.

    Args:
        left: (K,) people whose follow-up ends in each interval.
        events: (K,) of them with the event.
        beyond: people who are at risk in the last interval and still after it.
        ties: as the model counts them.
        floor: of people; each merged interval has none or at least so many, together with those beyond.
    """

    def small(people: int, dead: int) -> bool:
        return 0 < people < floor or (ties == "efron" and 0 < dead < floor)

    groups: list[tuple[int, int]] = [(0, 0)]  # people and events of each merged interval
    number = np.zeros(len(left), dtype=np.int64)
    for k, (people, dead) in enumerate(zip(left.tolist(), events.tolist(), strict=True)):
        if k and not small(*groups[-1]):
            groups.append((0, 0))
        groups[-1] = (groups[-1][0] + people, groups[-1][1] + dead)
        number[k] = len(groups) - 1
    people, dead = groups[-1][0] + beyond, groups[-1][1]
    while small(people, dead) and len(groups) > 1:  # the last ones are too few: they join those before
        groups.pop()
        people, dead = people + groups[-1][0], dead + groups[-1][1]
    return np.minimum(number, len(groups) - 1)


def check_intervals(number: Integers, bins: int) -> None:
    """Raises unless these (bins,) numbers are intervals of the study's grid, or unions of neighbours.

    Raises:
        SpecError: they are not.
    """
    steps = np.diff(number, prepend=0)
    if number.shape != (bins,) or not np.isin(steps, (0, 1)).all() or number[0] != 0:
        raise SpecError(Code.INVALID_STUDY, "these intervals are not of the study's grid")


def risk_of(stratum: Stratum, coef: Floats) -> tuple[Floats, Floats]:
    """The (n,) linear predictors and risks, without the shift that only one site would know."""
    eta = np.clip(stratum.x @ coef, -_FARTHEST, _FARTHEST)
    return eta, np.exp(eta) * stratum.case_weight()


def risk_set_arrays(stratum: Stratum, risk: Floats, ties: Ties, bins: int) -> dict[str, Floats]:
    """A site's (bins, ...) sums over risk sets of (n,) risks, 0 beyond its last interval."""
    sums = stratum.sums(risk, ties)
    return {
        name: np.concatenate([value, np.zeros((bins - len(value), *value.shape[1:]))])
        for name, value in sums.arrays().items()
    }


def expected_products(stratum: Stratum, risk: Floats, hazard: Floats, tied: Floats) -> Floats:
    """The (p, p) products of covariates, times expected events by (bins,) increments of a hazard."""
    own = len(stratum.times)
    return weighted_gram(stratum.x, stratum.expected(risk, hazard[:own], tied[:own]))
