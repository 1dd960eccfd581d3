"""A coordination that asks for every cell as it is, however few people it stands on (`cells: exact`)."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from protocols.core.disclosure import Thresholds
from protocols.core.errors import ShadowgraphError
from protocols.core.lockstep import PartlyAnsweredError, answered
from protocols.core.protocol import Ask, Coordination, R, Total, protocol
from protocols.core.spec import Spec


def every_cell(
    coordination: Coordination[R], spec_at: Callable[[tuple[str, ...]], Spec], thresholds: Thresholds
) -> Coordination[R]:
    """The coordination without its questions whether cells stand on enough people: they are said to.

    Args:
        spec_at: the spec that stands at a part of the analysis.
        thresholds: the study's.
    """

    def said(ask: Ask) -> Total | None:
        spec = spec_at(ask.part)
        analysis = protocol(spec.protocol)
        step = analysis.steps[ask.step]
        if not step.refines:
            return None
        axes = analysis.sizes(spec, ask.arrays)
        shapes = {name: tuple(axes[axis] for axis in d.axes) for name, d in step.declares.items()}
        enough = thresholds.enough(thresholds.min_sites_in_sum)
        full = {name: np.full(shape, enough, np.int64) for name, shape in shapes.items()}
        return Total(full, (), thresholds.min_count, b"", enough, enough)

    try:
        asked = next(coordination)
        while True:
            asks = (asked,) if isinstance(asked, Ask) else asked
            known = [said(ask) for ask in asks]
            rest = tuple(ask for ask, total in zip(asks, known, strict=True) if total is None)
            try:
                answers = iter((yield from answered(rest)) if rest else ())
            except ShadowgraphError as error:
                asked = coordination.throw(error)
                continue
            both: list[Any] = [next(answers) if total is None else total for total in known]
            if any(isinstance(one, ShadowgraphError) for one in both):
                asked = coordination.throw(both[0] if isinstance(asked, Ask) else PartlyAnsweredError(both))
            else:
                asked = coordination.send(both[0] if isinstance(asked, Ask) else tuple(both))
    except StopIteration as done:
        return cast("R", done.value)
