"""A study with one analysis of every protocol and the sites that answer it, for figures and reports."""

from collections.abc import Mapping
from typing import Any

from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from tests.conformance.examples import EXAMPLES
from tests.lib.drawn_sites import VARIABLES, a_site, blocks_for, outcomes_for
from tests.lib.studies import REQUESTER

SLOW = frozenset({"multiple_imputation", "survival_decision_curve", "fusion", "forest"})
"""Protocols of which the first example alone is asked: the others differ in no figure."""


def examples() -> dict[str, Mapping[str, Any]]:
    """Analysis name -> spec: all examples of every protocol."""
    found = {}
    for protocol, example in EXAMPLES.items():
        specs = example.specs[:1] if protocol in SLOW else example.specs
        for i, spec in enumerate(specs):
            found[f"{protocol}_{i + 1}"] = {"protocol": protocol, **spec}
    return found


def one_of_each() -> dict[str, Mapping[str, Any]]:
    """Analysis name -> spec: the first example of every protocol."""
    return {name: {"protocol": name, **example.specs[0]} for name, example in EXAMPLES.items()}


def study_with(specs: Mapping[str, Mapping[str, Any]], **changes: Any) -> Study:
    """A study of these analyses over the variables of `drawn_sites`."""
    return Study.model_validate(
        {
            "name": "everything",
            "title": "One analysis of every protocol",
            "requester": REQUESTER,
            "purpose": "Synthetic people at three hospitals, to look at every figure of a report.",
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
            "variables": VARIABLES | outcomes_for(*specs.values()),
            "complete_cases": "analysis",  # they fill what others need
            "analyses": [{"name": name, "spec": dict(spec)} for name, spec in specs.items()],
            "min_sites": 3,
            **blocks_for(*specs.values()),
            **changes,
        }
    )


def hospitals(*names: str) -> list[AnalysisTable]:
    """Hospitals of different size, some values missing; three, if they are not named."""
    sizes = zip(names or ("a", "b", "c"), (180, 120, 70, 90, 80, 100), strict=False)
    return [a_site(site, n, i, missing=0.03) for i, (site, n) in enumerate(sizes, 30)]
