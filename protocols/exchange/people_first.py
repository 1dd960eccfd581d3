"""A coordination that asks nothing before it is known that its entries stand on enough people."""

from collections.abc import Callable, Iterator
from typing import cast

from protocols.core.disclosure import Thresholds
from protocols.core.errors import ShadowgraphError
from protocols.core.people_in_effect import STEP, check_people
from protocols.core.protocol import Ask, Asks, Coordination, R
from protocols.core.spec import Spec

_Whom = tuple[object, ...]
"""The variables, rows and transforms of a question: whom its sums are about."""


def people_first(
    coordination: Coordination[R], spec_at: Callable[[tuple[str, ...]], Spec], thresholds: Thresholds
) -> Coordination[R]:
    """The coordination with a round of `people_in_effect` before the first question about other people.

    Args:
        spec_at: the spec that stands at a part of the analysis.
        thresholds: the study's.

    Raises:
        StudyError: withheld; an entry stands on too few people, and nothing about it was asked.
    """
    judged: set[_Whom] = set()
    try:
        asked = next(coordination)
        while True:
            try:
                yield from _judge(asked, spec_at, thresholds, judged)
                answer = yield asked
            except ShadowgraphError as error:
                asked = coordination.throw(error)
            else:
                asked = coordination.send(answer)
    except StopIteration as done:
        return cast("R", done.value)


def _judge(
    asked: Asks, spec_at: Callable[[tuple[str, ...]], Spec], thresholds: Thresholds, judged: set[_Whom]
) -> Coordination[None]:
    """Asks about the people of questions that were not judged before, all in one round."""
    new: dict[_Whom, Ask] = {}
    for ask in (asked,) if isinstance(asked, Ask) else asked:
        names = spec_at(ask.part).stands_on()
        whom = (frozenset(names), ask.rows, *_transforms(ask))
        if names and not ask.per_site and ask.rows.keep != "test" and whom not in judged:
            new.setdefault(whom, Ask(STEP, rows=ask.rows, part=ask.part, transforms=ask.transforms))
    if not new:
        return
    judged.update(new)
    totals = yield tuple(new.values())
    for ask, total in zip(new.values(), totals, strict=True):
        check_people(spec_at(ask.part), total.arrays, thresholds.min_count, thresholds.floors())


def _transforms(ask: Ask) -> Iterator[object]:
    """The transforms of a question without their numbers, which change where people do not."""
    yield from ((t.analysis, t.part, t.rows) for t in ask.transforms)
