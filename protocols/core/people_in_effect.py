"""Whether an analysis stands on enough people in every entry of its sums, asked before anything else is.

The row of a 0/1 covariate in a matrix of products is a sum over its carriers alone, so one carrier over all
sites is one person's row (RT47); and one huge value is nearly all of a sum (RT05). Each site therefore says
first, in a sum over sites and in whole floors (`Band`), how many people it has and how many of them differ
from the rest in each variable; and whether one or two people make up nearly all of a variable's spread. What
is not enough is named and refused, and nothing about it leaves.

References: Willenborg & de Waal, Elements of Statistical Disclosure Control (2001), ch. 4, for the dominance
rules; Green, Ritchie & Smith, ACRO (2021), for n, k and p as they are here.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from protocols.core.disclosure import Band, Flag
from protocols.core.errors import Code, StudyError
from protocols.core.site_step import Arrays, Times, site_step
from protocols.core.spec import Spec
from protocols.core.table import AnalysisTable, Floats

STEP = "people_in_effect"
AXIS = "judged"
"""The axis of the variables that `Spec.stands_on` names."""

_LARGEST_TWO = 0.9
_REST_OF_LARGEST = 0.1
_FEW_HERE = 20
_REST_OF_FEW = 0.001  # of few people two are easily far out; over all sites they are two among many


@site_step(
    times=lambda spec: Times(0, 1) if spec.stands_on() else Times(0, 0),
    people=Band(what="people with complete data, in whole floors"),
    not_zero=Band(AXIS, what="those with another value than 0, in whole floors"),
    not_one=Band(AXIS, what="those with another value than 1, in whole floors"),
    apart=Band(AXIS, what="those with another value than most, in whole floors"),
    others=Band(AXIS, what="those with another value than 0 and 1, in whole floors"),
    dominated=Flag(AXIS, what="sites where one or two people make up nearly all of its spread"),
)
def people_in_effect(spec: Spec, table: AnalysisTable) -> Arrays:
    """How many people with complete data are here, and how many of them each variable sets apart."""
    names = spec.stands_on()
    table = table.complete(table.read_of(names))
    n = len(table)
    counts = np.full((3, len(names)), n, dtype=np.int64)
    dominated, others = np.zeros((2, len(names)), dtype=np.int64)
    for j, variable in enumerate(names):
        if variable not in table.columns:
            others[j] = n  # a label, or time and event
        else:
            x = table.columns[variable]
            others[j] = np.count_nonzero((x != 0) & (x != 1))
        for name in table.read_of([variable]):
            if name in table.columns:
                x = table.columns[name]
                counts[:, j] = np.minimum(counts[:, j], set_apart(x))
                dominated[j] |= is_dominated(x)
    not_zero, not_one, apart = counts
    return {
        "people": np.array(n),
        "not_zero": not_zero,
        "not_one": not_one,
        "apart": apart,
        "others": others,
        "dominated": dominated,
    }


def set_apart(x: Floats) -> tuple[int, int, int]:
    """How many of (n,) values are not 0, not 1, and not the one in the middle.

    Whoever differs from most differs from the middle one, and the other way round. The rarer of 0 and 1 is
    seen over all sites by the first two; another value may be everybody's here and of few elsewhere.
    """
    n = len(x)
    if not n:
        return 0, 0, 0
    zeros, ones = int((x == 0).sum()), int((x == 1).sum())
    middle = np.partition(x, n // 2)[n // 2]
    apart = int((x != middle).sum())
    nobody_rare = zeros + ones == n or apart == 0 or apart == n - 1  # 0/1, one value, or each its own
    return n - zeros, n - ones, n if nobody_rare else apart


def is_dominated(x: Floats) -> bool:
    """Whether the two values of (n,) farthest from the middle are nearly all of the distances from it.

    By the (n, k) rule: two people are at least 0.9 of the sum. By the p% rule: the second can tell the first
    to within 10%, because the rest is less than that; where fewer than 20 people are here, to within 0.1%.
    Few people apart from the rest are another matter.
    """
    distance = np.abs(x - np.median(x)) if len(x) else x
    if np.count_nonzero(distance) <= 2 or not np.isfinite(distance).all():
        return False
    distance = np.partition(distance / distance.max(), -2)
    rest = float(distance[:-2].sum())
    if len(x) < _FEW_HERE:
        return rest < _REST_OF_FEW
    first_two = float(distance[-2:].sum())
    return first_two >= _LARGEST_TWO * (rest + first_two) or rest < _REST_OF_LARGEST


def has_rare_entries(spec: Spec, table: AnalysisTable, floor: int) -> bool:
    """Whether a variable sets apart fewer than `floor` people of one table, but any, or is two people's."""
    found = people_in_effect(spec, table)
    apart = np.minimum.reduce([found["not_zero"], found["not_one"], found["apart"]])
    return bool(((apart > 0) & (apart < floor)).any() or np.any(found["dominated"]))


def binary_of(total: Mapping[str, Any]) -> tuple[int, ...]:
    """The places of the variables that are 0/1, but for too few people to say so, by the joined answer."""
    return tuple(int(place) for place in np.flatnonzero(np.asarray(total["others"]) == 0))


def check_people(spec: Spec, total: Mapping[str, Any], floor: int, floors: int) -> None:
    """Raises unless the joined answer says that every entry stands on `floor` people.

    Args:
        total: the sums over sites of `people_in_effect`.
        floors: the whole floors that make up that number.

    Raises:
        StudyError: withheld; names the variables and the rule, and says nothing of how few people they are.
    """
    if total["people"] < floors:
        raise StudyError(
            Code.WITHHELD,
            f"over all sites fewer than {floor} people have complete data",
            "use fewer variables, impute those that many people lack, or widen the cohort",
        )
    names = np.array(spec.stands_on(), dtype=object)
    few = (total["not_zero"] < floors) | (total["not_one"] < floors) | (total["apart"] < floors)
    if few.any():
        raise StudyError(
            Code.WITHHELD,
            f"fewer than {floor} people differ from the rest in {', '.join(names[few])}",
            "remove these variables, merge them with others, or widen the cohort",
        )
    dominated = np.asarray(total["dominated"]) > 0
    if dominated.any():
        raise StudyError(
            Code.WITHHELD,
            f"one or two people make up nearly all of {', '.join(names[dominated])}",
            "use its logarithm or rank, or declare its range in the study",
        )
