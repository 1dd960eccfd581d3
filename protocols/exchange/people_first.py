"""A coordination that asks nothing before it is known that its entries stand on enough people."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import cast

import numpy as np

from protocols.core import joint_cells
from protocols.core.disclosure import Thresholds
from protocols.core.errors import ShadowgraphError
from protocols.core.joint_cells import Exclusive
from protocols.core.lockstep import PartlyAnsweredError, answered
from protocols.core.people_in_effect import (
    ELSEWHERE,
    STEP,
    at_one_site,
    binary_of,
    check_elsewhere,
    check_people,
    sites_see,
)
from protocols.core.protocol import Ask, Asks, Coordination, R, Total, protocol
from protocols.core.spec import Spec

_Whom = tuple[object, ...]
"""The variables, rows and transforms of a question: whom its sums are about, how many at once, who sees."""


def people_first(
    coordination: Coordination[R],
    spec_at: Callable[[tuple[str, ...]], Spec],
    thresholds: Thresholds,
    exclusive: Exclusive | None = (),
) -> Coordination[R]:
    """The coordination with a round of `people_in_effect` before the first question about other people.

    Where its sums hold tables of 0/1 variables and two or more are asked about, one of `joint_cells` follows.

    Args:
        spec_at: the spec that stands at a part of the analysis.
        thresholds: the study's.
        exclusive: pairs of variables of which nobody can have both; None where no joint cell is judged.

    Raises:
        StudyError: withheld; an entry stands on too few people, and nothing about it was asked.
    """
    judged: dict[_Whom, ShadowgraphError | None] = {}
    try:
        asked = next(coordination)
        while True:
            try:
                new = _not_judged(asked, spec_at, judged)
                judged.update((yield from _judge(new, spec_at, thresholds, exclusive)))
                _refuse(asked, spec_at, judged)
                answer = yield asked
            except ShadowgraphError as error:
                asked = coordination.throw(error)
            else:
                asked = coordination.send(answer)
    except StopIteration as done:
        return cast("R", done.value)


def _refuse(
    asked: Asks,
    spec_at: Callable[[tuple[str, ...]], Spec],
    judged: Mapping[_Whom, ShadowgraphError | None],
) -> None:
    """Raises where a question is about too few people; of several questions the others may be asked anew."""
    if isinstance(asked, Ask):
        if error := judged.get(_whom(asked, spec_at)):
            raise error
        return
    errors = [judged.get(_whom(ask, spec_at)) for ask in asked]
    if any(errors):
        raise PartlyAnsweredError(errors)


def _not_judged(
    asked: Asks, spec_at: Callable[[tuple[str, ...]], Spec], judged: Mapping[_Whom, object]
) -> dict[_Whom, Ask]:
    """The questions about the people of those that were not judged before."""
    new: dict[_Whom, Ask] = {}
    for ask in (asked,) if isinstance(asked, Ask) else asked:
        whom = _whom(ask, spec_at)
        if whom and whom not in judged:
            new.setdefault(whom, Ask(STEP, rows=ask.rows, part=ask.part, transforms=ask.transforms))
    return new


def _whom(ask: Ask, spec_at: Callable[[tuple[str, ...]], Spec]) -> _Whom:
    """Whom a question is about; empty where its people need not be judged."""
    spec = spec_at(ask.part)
    names, steps = spec.stands_on(), protocol(spec.protocol).steps
    if not names or ask.per_site or ask.rows.keep == "test":
        return ()
    held = joint_cells.together(steps, spec), sites_see(steps, spec)
    return (frozenset(names), *held, ask.rows, *_transforms(ask))


def _judge(
    new: Mapping[_Whom, Ask],
    spec_at: Callable[[tuple[str, ...]], Spec],
    thresholds: Thresholds,
    exclusive: Exclusive | None,
) -> Coordination[dict[_Whom, ShadowgraphError | None]]:
    """Asks about people all in one round, and about the joint tables of their 0/1 variables in another.

    Returns:
        The error of those who are too few, None for the others.
    """
    found: dict[_Whom, ShadowgraphError | None] = dict.fromkeys(new)
    if not new:
        return found

    def sites(ask: Ask, total: Total) -> int:
        """Of how many sites each may take its part away: one, as it were, if none sees a total."""
        spec = spec_at(ask.part)
        return len(total.sites) if sites_see(protocol(spec.protocol).steps, spec) else 1

    def people(ask: Ask, total: Total) -> None:
        check_people(spec_at(ask.part), total.arrays, thresholds, sites(ask, total))

    def elsewhere(ask: Ask, total: Total) -> None:
        of = np.asarray(ask.arrays["of"], dtype=np.int64)
        check_elsewhere(spec_at(ask.part), of, total["few"], thresholds)

    def cells(ask: Ask, total: Total) -> None:
        few = thresholds.min_count, thresholds.enough(sites(ask, total))
        joint_cells.check_cells(spec_at(ask.part), ask.arrays, total.arrays, exclusive or (), *few)

    totals = yield from _checked(new, people, found)
    few = {
        whom: replace(new[whom], step=ELSEWHERE, arrays={"of": of})
        for whom, total in totals.items()
        if len(of := at_one_site(total.arrays, thresholds, sites(new[whom], total)))
    }
    if few:
        yield from _checked(few, elsewhere, found)
    totals = {whom: total for whom, total in totals.items() if found[whom] is None}
    tables = _of_tables(new, totals, spec_at)
    if tables and exclusive is not None:
        yield from _checked(tables, cells, found)
    return found


def _checked(
    asks: Mapping[_Whom, Ask],
    check: Callable[[Ask, Total], None],
    found: dict[_Whom, ShadowgraphError | None],
) -> Coordination[dict[_Whom, Total]]:
    """The answers that pass the check; the errors of the others go into `found`."""
    totals: dict[_Whom, Total] = {}
    for (whom, ask), total in zip(asks.items(), (yield from answered(tuple(asks.values()))), strict=True):
        try:
            if isinstance(total, ShadowgraphError):
                raise total
            check(ask, total)
            totals[whom] = total
        except ShadowgraphError as error:
            found[whom] = error
    return totals


def _of_tables(
    judged: Mapping[_Whom, Ask],
    totals: Mapping[_Whom, Total],
    spec_at: Callable[[tuple[str, ...]], Spec],
) -> dict[_Whom, Ask]:
    """The questions about joint tables that sums over the people of others hold."""
    tables: dict[_Whom, Ask] = {}
    for whom, total in totals.items():
        ask = judged[whom]
        spec = spec_at(ask.part)
        places = joint_cells.judged(protocol(spec.protocol).steps, spec, binary_of(total.arrays))
        if len(places.binary) > 1:
            tables[whom] = replace(ask, step=joint_cells.STEP, arrays=joint_cells.tables_of(*places))
    return tables


def _transforms(ask: Ask) -> Iterator[object]:
    """The transforms of a question without their numbers, which change where people do not."""
    yield from ((t.analysis, t.part, t.rows) for t in ask.transforms)
