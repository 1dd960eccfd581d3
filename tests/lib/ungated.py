"""The mathematics of a protocol without gate, wire or fixed point, for real data with very small sites."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from protocols.core.disclosure import Thresholds
from protocols.core.protocol import Arrays, Ask, Climb, PerSite, Result, Spec, Total, parse_spec, protocol
from protocols.core.secret import Search, Turn
from protocols.core.table import AnalysisTable
from protocols.exchange.every_cell import every_cell


@dataclass(frozen=True)
class _Ungated:
    """Sites whose arrays are simply added, and whose copies of climbs and searches are the center's too."""

    spec: Spec
    tables: Sequence[AnalysisTable]
    min_count: int

    def answer(self, ask: Ask) -> Total | PerSite | Arrays:
        if ask.search is not None:
            return self._to_search(ask, ask.search)
        if ask.climb is not None:
            return self._to_climb(ask, ask.climb)
        return self._total(ask, ask.arrays)

    def _to_search(self, ask: Ask, search: Search) -> Arrays:
        if search.ended:
            return search.found()
        search.hear(cast("Total", self._total(ask, {**ask.arrays, **search.asked()})))
        return {}

    def _to_climb(self, ask: Ask, climb: Climb) -> Arrays:
        if ask.secret == "close":
            return climb.agreed(ask.arrays)
        joined = cast("Total", self._total(ask, {**ask.arrays, **climb.asked()}, climb))
        reply = climb.reply(joined, None)
        climb.follow(reply, Turn.none(climb.size, climb.factors), full=True)
        return reply

    def _total(self, ask: Ask, asked: Arrays, climb: Climb | None = None) -> Total | PerSite:
        step = protocol(self.spec.protocol).steps[ask.step]
        arrays = {t.site: step(self.spec, t.select(ask.rows.mask(t)), **asked) for t in self.tables}
        if climb is not None:
            axes = {name: declared.axes for name, declared in step.declares.items()}
            turn = Turn.none(climb.size, climb.factors)
            arrays = {site: climb.turned(said, axes, turn) for site, said in arrays.items()}
        if ask.per_site:
            return PerSite(arrays)
        sites = tuple(arrays)
        sums = {n: np.asarray(sum(arrays[s][n] for s in sites)) for n in arrays[sites[0]]}
        if ask.step == "few":  # without a gate no site hides a number of its own, which others would tell
            sums = {name: np.zeros_like(array) for name, array in sums.items()}
        return Total(sums, sites, self.min_count)


def estimated(
    spec: Mapping[str, Any], tables: Sequence[AnalysisTable], *, min_count: int = Thresholds().min_count
) -> Result:
    """The result of one analysis over sites whose arrays are simply added.

    `min_count` is the floor that a coordination knows; 1 is for references whose intervals hold one person.
    """
    parsed = parse_spec(spec)
    sites = _Ungated(parsed, tables, min_count)
    floors = Thresholds.model_construct(min_count=min_count)
    coordination = every_cell(protocol(parsed.protocol).coordinate(parsed), lambda part: parsed, floors)
    try:
        asked = next(coordination)
        while True:
            asked = coordination.send(
                sites.answer(asked) if isinstance(asked, Ask) else tuple(map(sites.answer, asked))
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
