"""The mathematics of a protocol without gate, wire or fixed point, for real data with very small sites."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from protocols.core.disclosure import Thresholds
from protocols.core.protocol import Arrays, Ask, PerSite, Result, Total, parse_spec, protocol
from protocols.core.table import AnalysisTable
from protocols.exchange.every_cell import every_cell


def estimated(
    spec: Mapping[str, Any], tables: Sequence[AnalysisTable], *, min_count: int = Thresholds().min_count
) -> Result:
    """The result of one analysis over sites whose arrays are simply added.

    `min_count` is the floor that a coordination knows; 1 is for references whose intervals hold one person.
    """
    parsed = parse_spec(spec)
    analysis = protocol(parsed.protocol)
    sites = tuple(table.site for table in tables)

    def answer(ask: Ask) -> Total | PerSite | Arrays:
        climb = ask.climb
        if climb is None:
            return total(ask, ask.arrays)
        if ask.secret == "close":
            return climb.agreed(ask.arrays)
        joined = total(ask, {**ask.arrays, **climb.asked()})
        assert isinstance(joined, Total)
        reply = climb.reply(joined, None)
        climb.follow(reply, np.eye(climb.size), full=True)
        return reply

    def total(ask: Ask, asked: Arrays) -> Total | PerSite:
        step = analysis.steps[ask.step]
        arrays = {t.site: step(parsed, t.select(ask.rows.mask(t)), **asked) for t in tables}
        if ask.per_site:
            return PerSite(arrays)
        first = arrays[sites[0]]
        sums = {name: np.asarray(sum(arrays[s][name] for s in sites)) for name in first}
        return Total(sums, sites, min_count)

    floors = Thresholds.model_construct(min_count=min_count)
    coordination = every_cell(analysis.coordinate(parsed), lambda part: parsed, floors)
    try:
        asked = next(coordination)
        while True:
            asked = coordination.send(
                answer(asked) if isinstance(asked, Ask) else tuple(answer(a) for a in asked)
            )
    except StopIteration as done:
        result: Result = done.value
        return result


def tables_of(frame: Any, site: Any) -> list[AnalysisTable]:
    """One table a value of `site`, (n,) labels beside the numeric columns of the frame."""
    labels = np.asarray(site).astype(str)
    columns = {str(name): frame[name].to_numpy(dtype=float) for name in frame.columns}
    return [
        AnalysisTable(
            name,
            np.flatnonzero(labels == name).astype(np.int64),
            {column: values[labels == name] for column, values in columns.items()},
        )
        for name in sorted(set(labels))
    ]
