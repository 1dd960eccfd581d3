"""A protocol's algorithm on plain sums over sites: its mathematics alone, with no gate in between.

What the gate refuses (200 genes of 150 people) has reference numbers all the same. Tests of the gate and of
whole studies use `run_locally`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from protocols.core.protocol import Ask, FederatedProtocol, Spec, Total
from protocols.core.study import Study
from protocols.core.table import AnalysisTable


def on_plain_sums(
    protocol: FederatedProtocol[Any, Any], spec: Spec, tables: Sequence[AnalysisTable]
) -> tuple[Any, int]:
    """The result and how many rounds it took."""
    coordination = protocol.coordinate(spec)
    rounds = 0
    try:
        asked = next(coordination)
        while True:
            rounds += 1
            several = asked if isinstance(asked, tuple) else (asked,)
            totals = tuple(_total(protocol, spec, tables, question) for question in several)
            asked = coordination.send(totals if isinstance(asked, tuple) else totals[0])
    except StopIteration as done:
        return done.value, rounds


def _total(
    protocol: FederatedProtocol[Any, Any], spec: Spec, tables: Sequence[AnalysisTable], question: Ask
) -> Total:
    step = protocol.steps[question.step]
    answers = [step(spec, table, **question.arrays) for table in tables]
    sums = {name: np.asarray(np.sum([answer[name] for answer in answers], axis=0)) for name in answers[0]}
    return Total(sums, tuple(table.site for table in tables))


def a_study_of(columns: Sequence[str], *analyses: dict[str, Any], **changes: Any) -> Study:
    """A study of numeric columns by their names, with these analyses."""
    return Study.model_validate(
        {
            "name": "of-columns",
            "title": "Columns",
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C50%"}},
            "variables": {name: {"kind": "measurement", "concept": f"LOCAL:{name}"} for name in columns},
            "analyses": list(analyses),
            **changes,
        }
    )
