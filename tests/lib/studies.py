"""Builders of studies and tables for tests of everything that is not a protocol."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from protocols.core.study import Study
from protocols.core.table import AnalysisTable

REQUESTER = {
    "name": "Dr. Ingrid Dahl",
    "institution": "Test University",
    "ethics": "Regional committee, 2026/17",
}


def a_study(**changes: Any) -> Study:
    """A small valid study: the mean age of people with glioma."""
    content: dict[str, Any] = {
        "name": "mean-age",
        "title": "Mean age",
        "requester": REQUESTER,
        "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
        "variables": {"age": {"kind": "age"}},
        "analyses": [{"name": "ages", "spec": {"protocol": "summary", "of": ["age"]}}],
    }
    return Study.model_validate({**content, **changes})


def a_table(site: str = "a", n: int = 40, seed: int = 0) -> AnalysisTable:
    """A table with the one variable of that study."""
    rng = np.random.default_rng(seed)
    return AnalysisTable(site, np.arange(n, dtype=np.int64), {"age": rng.normal(50, 10, n)})


def a_study_of(
    columns: Sequence[str], *analyses: dict[str, Any], survival: Sequence[str] = (), **changes: Any
) -> Study:
    """A study of numeric columns, and of survival outcomes, by their names, with these analyses."""
    return Study.model_validate(
        {
            "name": "of-columns",
            "title": "Columns",
            "requester": REQUESTER,
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C50%"}},
            "variables": {name: {"kind": "measurement", "concept": f"LOCAL:{name}"} for name in columns}
            | {name: {"kind": "survival", "endpoint": "overall"} for name in survival},
            "analyses": list(analyses),
            **changes,
        }
    )
