"""A coordination that asks nothing before it is known that its entries stand on enough people."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import cast

from protocols.core import joint_cells
from protocols.core.disclosure import Thresholds
from protocols.core.errors import ShadowgraphError
from protocols.core.joint_cells import Exclusive
from protocols.core.people_in_effect import STEP, binary_of, check_people
from protocols.core.protocol import Ask, Asks, Coordination, R, Total, protocol
from protocols.core.spec import Spec

_Whom = tuple[object, ...]
"""The variables, rows and transforms of a question: whom its sums are about, and of how many at once."""


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
    judged: set[_Whom] = set()
    try:
        asked = next(coordination)
        while True:
            try:
                new = _not_judged(asked, spec_at, judged)
                yield from _judge(new, spec_at, thresholds, exclusive)
                answer = yield asked
            except ShadowgraphError as error:
                asked = coordination.throw(error)
            else:
                asked = coordination.send(answer)
    except StopIteration as done:
        return cast("R", done.value)


def _not_judged(
    asked: Asks, spec_at: Callable[[tuple[str, ...]], Spec], judged: set[_Whom]
) -> tuple[Ask, ...]:
    """The questions about the people of those that were not judged before; they are, from now on."""
    new: dict[_Whom, Ask] = {}
    for ask in (asked,) if isinstance(asked, Ask) else asked:
        names, together = _stands_on(spec_at(ask.part))
        whom = (frozenset(names), together, ask.rows, *_transforms(ask))
        if names and not ask.per_site and ask.rows.keep != "test" and whom not in judged:
            new.setdefault(whom, Ask(STEP, rows=ask.rows, part=ask.part, transforms=ask.transforms))
    judged.update(new)
    return tuple(new.values())


def _stands_on(spec: Spec) -> tuple[tuple[str, ...], int]:
    """The variables of which people are judged, and of how many of them at once."""
    return spec.stands_on(), joint_cells.together(protocol(spec.protocol).steps, spec)


def _judge(
    asks: tuple[Ask, ...],
    spec_at: Callable[[tuple[str, ...]], Spec],
    thresholds: Thresholds,
    exclusive: Exclusive | None,
) -> Coordination[None]:
    """Asks about people all in one round, and about the joint tables of their 0/1 variables in another."""
    if not asks:
        return
    totals = yield asks
    for ask, total in zip(asks, totals, strict=True):
        check_people(spec_at(ask.part), total.arrays, thresholds.min_count, thresholds.floors())
    tables = tuple(_of_tables(zip(asks, totals, strict=True), spec_at))
    if not tables or exclusive is None:
        return
    totals = yield tables
    for ask, total in zip(tables, totals, strict=True):
        joint_cells.check_cells(
            spec_at(ask.part),
            ask.arrays,
            total.arrays,
            exclusive,
            thresholds.min_count,
            thresholds.floors(),
        )


def _of_tables(
    judged: Iterable[tuple[Ask, Total]], spec_at: Callable[[tuple[str, ...]], Spec]
) -> Iterator[Ask]:
    """The questions about joint tables that sums over the people of others hold."""
    for ask, total in judged:
        spec = spec_at(ask.part)
        places = joint_cells.judged(protocol(spec.protocol).steps, spec, binary_of(total.arrays))
        if len(places.binary) > 1:
            yield replace(ask, step=joint_cells.STEP, arrays=joint_cells.tables_of(*places))


def _transforms(ask: Ask) -> Iterator[object]:
    """The transforms of a question without their numbers, which change where people do not."""
    yield from ((t.analysis, t.part, t.rows) for t in ask.transforms)
