"""All rows in one place, without a gate."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from protocols.core.disclosure import Thresholds
from protocols.core.protocol import Ask, Coordination, FederatedProtocol, Spec, Total
from protocols.core.table import AnalysisTable
from protocols.exchange.every_cell import every_cell

T = TypeVar("T")


FLOOR, FEW = 5, 10


def are_enough(carriers: Sequence[np.ndarray]) -> np.ndarray:
    """(...) whether the (...) carriers of each of several sites are ten, also without those of any one site.

    Only whole fives count, and no more than ten of a site. Of fewer than three sites none hides another one.
    """
    fives = np.minimum(np.array(carriers) // FLOOR, FEW // FLOOR)
    beside = fives.max(axis=0) if len(fives) >= 3 else 0
    return np.asarray(fives.sum(axis=0) - beside >= FEW // FLOOR)


def joined(tables: Sequence[AnalysisTable]) -> AnalysisTable:
    """One table of the rows of all; people are numbered anew and keep their hashes."""
    return AnalysisTable(
        "pooled",
        np.arange(sum(len(table) for table in tables)),
        {name: np.concatenate([t.columns[name] for t in tables]) for name in tables[0].columns},
        {name: np.concatenate([t.labels[name] for t in tables]) for name in tables[0].labels},
        np.concatenate([table.fold_hashes for table in tables]),
    )


def on_one_table(
    protocol: FederatedProtocol[Any, Any], spec: Spec, table: AnalysisTable, coordination: Coordination[T]
) -> T:
    """What a coordination finds when one table answers, without a gate: every cell as it is."""
    coordination = every_cell(coordination, lambda part: spec, Thresholds())

    def answer(ask: Ask) -> Total:
        rows = table.select(ask.rows.mask(table))
        return Total(protocol.steps[ask.step](spec, rows, **ask.arrays), (table.site,))

    try:
        asked = next(coordination)
        while True:
            several = isinstance(asked, tuple)
            answers = tuple(answer(one) for one in (asked if isinstance(asked, tuple) else (asked,)))
            asked = coordination.send(answers if several else answers[0])
    except StopIteration as done:
        found: T = done.value
        return found
