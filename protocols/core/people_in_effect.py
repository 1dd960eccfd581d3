"""Whether an analysis stands on enough people in every entry of its sums, asked before anything else is.

The row of a 0/1 covariate in a matrix of products is a sum over its carriers alone, so one carrier over all
sites is one person's row (RT47); and one huge value is nearly all of a sum (RT05). Each site therefore says
first, in a sum over sites and in whole floors (`Band`), how many people it has and how many of them differ
from the rest in each variable; and whether one or two people make up nearly all of a variable's spread. What
is not enough is named and refused, and nothing about it leaves. Enough are those who are still that many when
any one site takes its own part away (`Thresholds.enough`), or all at one site: then a second question says
whether another one has some of whom it does not speak.

References: Willenborg & de Waal, Elements of Statistical Disclosure Control (2001), ch. 4, for the dominance
rules; Green, Ritchie & Smith, ACRO (2021), for n, k and p as they are here.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from protocols.core.disclosure import Band, Below, Flag, Thresholds
from protocols.core.errors import Code, StudyError
from protocols.core.site_step import NEVER, Arrays, SiteStep, Times, site_step
from protocols.core.spec import Spec
from protocols.core.table import AnalysisTable, Floats, Integers

STEP = "people_in_effect"
ELSEWHERE = "few_elsewhere"
AXIS = "judged"
"""The axis of the variables that `Spec.stands_on` names."""
_OF_ONE = "at_one_site"
_COUNTS = ("not_zero", "not_one", "apart")

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


@site_step(few=Below(_OF_ONE, what="sites of few people with another value than 0, than 1, or than most"))
def few_elsewhere(spec: Spec, table: AnalysisTable, of: Integers) -> Arrays:
    """Whether few people here differ where those of one site alone are seen to, by `at_one_site`'s places.

    A site of few people gives nothing to any sum.
    """
    found = people_in_effect(spec, table)
    adds = found["people"] >= Thresholds().min_count_in_sum
    return {"few": np.array([found[name] for name in _COUNTS]).ravel()[of] * adds}


def beside(steps: Mapping[str, SiteStep]) -> dict[str, SiteStep]:
    """The steps by which people are judged in the protocol that has these steps."""

    def times(spec: Spec) -> Times:
        return Times(0, 1) if spec.stands_on() and sites_see(steps, spec) else NEVER

    return {STEP: people_in_effect, ELSEWHERE: replace(few_elsewhere, times=times)}


def sites_see(steps: Mapping[str, SiteStep], spec: Spec) -> bool:
    """Whether the sites of an analysis see totals that hold rows, each of which may take its part away.

    No site sees the products of a climb in a secret basis.
    """
    return any(step.holds_rows and step.times(spec).most and not step.climbs(spec) for step in steps.values())


def sizes(spec: Spec, arrays: Arrays) -> dict[str, int]:
    """The size of each axis; without a question's arrays, the largest that it can be."""
    variables = len(spec.stands_on())
    return {AXIS: variables, _OF_ONE: len(arrays["of"]) if "of" in arrays else len(_COUNTS) * variables}


def at_one_site(total: Mapping[str, Any], thresholds: Thresholds, sites: int) -> Integers:
    """(places,) where people of one of so many sites alone differ, as far as joined bands say.

    A place is one of (3, variables) in their order: other values than 0, than 1, and than most.
    """
    alone, bands = thresholds.enough(1), np.array([total[name] for name in _COUNTS])
    return np.flatnonzero((bands == alone) & (alone < thresholds.enough(sites)))


def check_elsewhere(spec: Spec, of: Integers, few: Integers, thresholds: Thresholds) -> None:
    """Raises where another site than the one that is seen has a few people in an entry.

    Args:
        of: (places,) by `at_one_site`; few: (places,) at how many sites few people differ there.

    Raises:
        StudyError: withheld.
    """
    _refuse_few(spec, np.unique(of[few > 0] % len(spec.stands_on())), thresholds)


def _refuse_few(spec: Spec, places: Integers, thresholds: Thresholds) -> None:
    if len(places):
        names = ", ".join(spec.stands_on()[place] for place in places)
        raise StudyError(
            Code.WITHHELD,
            f"fewer than {thresholds.min_count} people differ from the rest in {names}, "
            "over all sites or over all but one",
            "remove these variables, merge them with others, or widen the cohort",
        )


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


def check_people(spec: Spec, total: Mapping[str, Any], thresholds: Thresholds, sites: int) -> None:
    """Raises unless the joined answer says that every entry stands on enough people, whoever knows a part.

    Where sites are left out, two may be left of which one has fewer than `min_count` people in all; there an
    entry stands on no fewer floors than these. Those who are all at one site are left to `check_elsewhere`.

    Args:
        total: the sums of `people_in_effect` over so many sites.

    Raises:
        StudyError: withheld; names the variables and the rule, and says nothing of how few people they are.
    """
    floor, people = thresholds.min_count, total["people"]
    if people < thresholds.enough(1):
        raise StudyError(
            Code.WITHHELD,
            f"over all sites fewer than {floor} people have complete data",
            "use fewer variables, impute those that many people lack, or widen the cohort",
        )
    names = np.array(spec.stands_on(), dtype=object)
    bands = np.array([total[name] for name in _COUNTS])
    few = (bands < min(thresholds.enough(sites), people)) & (bands != thresholds.enough(1))
    _refuse_few(spec, np.flatnonzero(few.any(axis=0)), thresholds)
    dominated = np.asarray(total["dominated"]) > 0
    if dominated.any():
        raise StudyError(
            Code.WITHHELD,
            f"one or two people make up nearly all of {', '.join(names[dominated])}",
            "use its logarithm or rank, or declare its range in the study",
        )
