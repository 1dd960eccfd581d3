"""Whether the cells of joint tables of 0/1 variables stand on enough people, asked before their sums are.

The product of two 0/1 columns counts those who have both, so a matrix of products holds every table of two
of them; a matrix that is weighted at known coefficients, round after round, holds the tables of more (RT66).
An outcome enters a model's sums beside one covariate.

In a climb in a secret basis, whose results have earned digits, no single model tells of these, but several of
the same people do where their designs can be listed (docs/digits.md). So there the covariates are judged if
all of them are 0/1, and the outcome is not: that it separates them is found by the climb, with its own code.

So after `people_in_effect` each site says in a sum, in whole floors (`Band`), how many people are in each
cell of two, or of two and three, of the variables that are 0/1 at all sites. A cell of too few is named and
refused, as it is hidden in a table of its own; nobody learns how few they are, nor whether there are any.
Cells in which nobody can be by the study's definitions are not judged (`core/exclusive.py`), no table of
variables that are one for all people of each site (a hospital's indicators: they tell its size), and none in
a study of `cells: exact`.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import combinations, product
from math import comb
from typing import Any, NamedTuple

import numpy as np

from protocols.core.disclosure import Array, Band, Flag, Moment
from protocols.core.errors import Code, StudyError
from protocols.core.site_step import NEVER, Arrays, SiteStep, Times, site_step
from protocols.core.spec import Spec
from protocols.core.table import AnalysisTable, Integers

STEP = "joint_cells"
_PAIR, _TRIPLE, _CELL_OF_PAIR, _CELL_OF_TRIPLE = "pair_judged", "triple_judged", "of_two", "of_three"
MOST_IN_PAIRS, MOST_IN_TRIPLES = 500, 40
"""0/1 variables in one analysis: 125,000 tables of two are 8 MB, 9,880 of three 1.3 MB, masked."""

Exclusive = Collection[frozenset[str]]
"""Pairs of variables of which nobody can have both, as a study defines them."""


def together(steps: Mapping[str, SiteStep], spec: Spec) -> int:
    """Of how many 0/1 variables the sums of an analysis hold the joint tables: 1, 2, or 3 for any number.

    Square moments are products of two; asked again and again at other coefficients, they tell all tables.
    In a climb's secret basis they tell none, but the results of several models together do.
    """
    most = 1
    for step in steps.values():
        times = step.times(spec).most
        if times and step.holds_products:
            most = max(most, 3 if times > 1 and "coef" in step.varies else 2)
    return most


class Places(NamedTuple):
    """The 0/1 variables to judge, by their places in `stands_on`.

    Attributes:
        binary: all of them.
        most: of how many at once.
        in_pairs: those in tables of two alone.
    """

    binary: tuple[int, ...]
    most: int
    in_pairs: tuple[int, ...]


def judged(steps: Mapping[str, SiteStep], spec: Spec, binary: Collection[int]) -> Places:
    """Which variables of an analysis are judged, of those that are 0/1 at all sites.

    A climb alone tells nothing of its outcome, nor of covariates beside one that cannot be listed.
    """
    names, most = spec.stands_on(), together(steps, spec)
    outcome = {place for place, name in enumerate(names) if name in spec.linear_in()}
    asked = [step for step in steps.values() if step.times(spec).most]
    plain = [step for step in asked if not step.climbs(spec)]
    if len(plain) < len(asked):
        if not any(map(_holds_products_with_outcome, plain)):
            binary = [place for place in binary if place not in outcome]
        if not set(range(len(names))) - outcome <= set(binary):
            most = 2 if any(step.holds_products for step in plain) else 1
    return Places(
        tuple(binary) if most > 1 else (), most, tuple(place for place in binary if place in outcome)
    )


def _holds_products_with_outcome(step: SiteStep) -> bool:
    return step.crosses or any(
        isinstance(declared, Moment) and len(declared.axes) > 1 and "outcome" in declared.axes
        for declared in step.declares.values()
    )


def beside(steps: Mapping[str, SiteStep]) -> SiteStep:
    """The step `joint_cells` of the protocol that has these steps, which is asked where they want it."""

    def times(spec: Spec) -> Times:
        return Times(0, 1) if len(spec.stands_on()) > 1 and together(steps, spec) > 1 else NEVER

    return replace(joint_cells, times=times)


def sizes(steps: Mapping[str, SiteStep], spec: Spec, arrays: Arrays) -> dict[str, int]:
    """The size of each axis; without a question's arrays, the largest that it can be."""
    variables, most = len(spec.stands_on()), together(steps, spec)
    pairs, triples = (
        len(arrays[name]) if name in arrays else comb(min(variables, limit), k) * (k <= most)
        for name, k, limit in (("two", 2, MOST_IN_PAIRS), ("three", 3, MOST_IN_TRIPLES))
    )
    return {_PAIR: pairs, _TRIPLE: triples, _CELL_OF_PAIR: 4, _CELL_OF_TRIPLE: 8}


@site_step(
    pairs=Band(_PAIR, _CELL_OF_PAIR, what="people by two 0/1 variables, in whole floors"),
    triples=Band(_TRIPLE, _CELL_OF_TRIPLE, what="people by three 0/1 variables, in whole floors"),
    pairs_vary=Flag(_PAIR, what="sites where people differ in one of two 0/1 variables"),
    triples_vary=Flag(_TRIPLE, what="sites where people differ in one of three 0/1 variables"),
)
def joint_cells(spec: Spec, table: AnalysisTable, two: Integers, three: Integers) -> Arrays:
    """The people with complete data in each cell of tables of 0/1 variables.

    `two` (pairs, 2) and `three` (triples, 3) are places in `spec.stands_on()`. A cell counts from the last
    variable on: 0 for nobody's 1, then the last's, the one's before and so on.
    """
    names = spec.stands_on()
    table = table.complete(table.read_of(names))
    values = [table.columns.get(name, np.full(len(table), np.nan)) for name in names]
    is_one = [[x == 0, x == 1] for x in values]
    pairs, triples = _counts(is_one, two, 2), _counts(is_one, three, 3)
    return {
        "pairs": pairs,
        "triples": triples,
        "pairs_vary": _vary(pairs),
        "triples_vary": _vary(triples),
    }


def _vary(cells: Integers) -> Integers:
    """(tables,) 1 where people here are in several of the (tables, cells), 0 where all are in one."""
    return np.asarray((cells > 0).sum(axis=1) > 1).astype(np.int64)


def _counts(is_one: list[list[Any]], of: Integers, k: int) -> Integers:
    """(tables, 2^k) people in each cell of the tables `of` (tables, k) variables."""
    found = np.zeros((len(of), 2**k), dtype=np.int64)
    for at, places in enumerate(np.reshape(of, (-1, k))):
        for cell, pattern in enumerate(product((0, 1), repeat=k)):
            inside = is_one[places[0]][pattern[0]]
            for place, value in zip(places[1:], pattern[1:], strict=True):
                inside = inside & is_one[place][value]
            found[at, cell] = np.count_nonzero(inside)
    return found


def tables_of(binary: Collection[int], most: int, in_pairs: Collection[int] = ()) -> dict[str, Array]:
    """The question about the joint tables of the variables at these places, of two and up to `most` of them.

    Those `in_pairs` are in tables of two alone.

    Raises:
        StudyError: withheld; there are too many for a message.
    """
    if len(binary) > MOST_IN_PAIRS:
        raise StudyError(
            Code.WITHHELD,
            f"tables of two of {len(binary)} variables that are 0/1 hold cells of few people; "
            f"at most {MOST_IN_PAIRS} are judged",
            "use fewer of them, or a scan of one by one",
        )
    in_triples = [place for place in binary if place not in in_pairs]
    if most < 3 or len(in_triples) > MOST_IN_TRIPLES:
        in_triples = []
    return {
        "two": np.array(list(combinations(binary, 2)), dtype=np.int64).reshape(-1, 2),
        "three": np.array(list(combinations(in_triples, 3)), dtype=np.int64).reshape(-1, 3),
    }


def check_cells(
    spec: Spec, asked: Arrays, total: Mapping[str, Any], exclusive: Exclusive, floor: int, floors: int
) -> None:
    """Raises unless the joined answer says that each cell that can have people has `floor` of them.

    Args:
        asked: `two` and `three`, as `joint_cells` has them.
        total: the sums over sites of `joint_cells`.
        exclusive: of which variables nobody can have both.
        floors: the whole floors that make up that number.

    Raises:
        StudyError: withheld; names the variables, and says nothing of which cell it is.
    """
    names = spec.stands_on()
    few = dict.fromkeys(
        tuple(names[place] for place in places)
        for of, cells, k in (("two", "pairs", 2), ("three", "triples", 3))
        for places, row, sites in zip(asked[of], total[cells], total[f"{cells}_vary"], strict=True)
        if sites and any(row[cell] < floors for cell in _possible([names[p] for p in places], k, exclusive))
    )
    if few:
        named = "; ".join(" by ".join(one) for one in list(few)[:5])
        more = f" and {len(few) - 5} other tables" if len(few) > 5 else ""
        raise StudyError(
            Code.WITHHELD,
            f"fewer than {floor} people in cells of {named}{more}",
            "leave one out, merge it with others, or widen the cohort; of variables that a study names under "
            "`exclusive` nobody has two, and `cells: exact` asks for all, where hospitals allow it",
        )


def _possible(names: list[str], k: int, exclusive: Exclusive) -> Iterator[int]:
    """The cells of a table in which somebody can be."""
    for cell, pattern in enumerate(product((0, 1), repeat=k)):
        ones = [name for name, value in zip(names, pattern, strict=True) if value]
        if not any(frozenset(pair) in exclusive for pair in combinations(ones, 2)):
            yield cell
