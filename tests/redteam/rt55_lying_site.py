"""RT55: one site lies about its part of a sum, to steer what is asked next and what is found."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from protocols.core.disclosure import Array, Count, Declaration, Flag, Release, Thresholds, turned
from protocols.core.lockstep import Failure
from protocols.core.protocol import Ask
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange import sides
from protocols.exchange.rounds import Outcome
from protocols.exchange.site_answer import Shared, answer
from protocols.regression.linear import LinearResult
from site_node.agent import agent
from tests.lib.agents import Agents
from tests.lib.lying_coordinator import weaken
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack

LIAR = "c"
Lie = Callable[[Mapping[str, Array]], Mapping[str, Array]]


def _tables() -> dict[str, AnalysisTable]:
    """240 people, of whom the liar has 30."""
    draw, found = np.random.default_rng(55), {}
    for i, (site, people) in enumerate({"a": 110, "b": 100, LIAR: 30}.items()):
        x, u = draw.normal(size=(2, people))
        columns = {"x": x, "y": x + u, "g": (x > 0).astype(float), "h": (u > 0).astype(float)}
        found[site] = AnalysisTable(site, 1000 * i + np.arange(people), columns)
    return found


def _run(folder: Path, spec: dict[str, Any], lie: Lie, trusting: bool, **changes: Any) -> Outcome:
    """What a study finds of which one site answers what it likes."""

    def lying(study: Study, table: AnalysisTable, ask: Ask, floors: Thresholds, shared: Shared) -> Release:
        honest = answer(study, table, ask, floors, shared)
        return turned(honest, lie(honest.arrays)) if table.site == LIAR else honest

    agents = Agents(
        folder, a_study_of(["x", "y", "g", "h"], {"name": "a", "spec": spec}, **changes), _tables()
    )
    with ExitStack() as stack:
        stack.enter_context(patch.object(agent, "answer", lying))
        for kind in (Declaration, Count, Flag):
            stack.enter_context(weaken(kind, "is_possible", lambda *_: True, trusting))
        return agents.run()


@attack("RT55", "a site says that it has fewer than no people in a cell, to take others' out", works_from=1)
def negative_people(folder: Path, weakened: bool) -> Figure:
    spec = {"protocol": "crosstab", "rows": "g", "columns": "h"}

    def lie(arrays: Mapping[str, Array]) -> Mapping[str, Array]:
        return {
            **arrays,
            **({"counts": arrays["counts"] - np.array([[0, 0], [0, 90]])} if "counts" in arrays else {}),
        }

    found = _run(folder, spec, lie, weakened).results["a"]
    return Figure(not isinstance(found, Failure), "of 1 table found of impossible sums")


@attack(
    "RT55",
    "a site of 30 of 240 people sends huge products, and chooses the coefficients that are found",
    works_from=1,
)
def chosen_coefficients(folder: Path, weakened: bool) -> Figure:
    """By ranges nothing huge is taken; the largest products within them are tried as well."""
    chosen, found = 7.0, []
    for size in (1e12, 200.0):

        def lie(arrays: Mapping[str, Array], size: float = size) -> Mapping[str, Array]:
            if "products" not in arrays:
                return arrays
            crafted = np.eye(len(arrays["products"]))
            crafted[0, -1] = crafted[-1, 0] = chosen
            crafted[-1, -1] = 2 * chosen**2
            return {**arrays, "products": arrays["products"] + size * crafted}

        spec = {"protocol": "linear", "outcome": "y", "covariates": ["x"]}
        with weaken(sides, "_at_most", lambda *_: {}, weakened):
            result = _run(
                folder / f"{size:g}", spec, lie, weakened, ranges={"x": (-6, 6), "y": (-10, 10)}
            ).results["a"]
        if isinstance(result, LinearResult):
            found.append(float(result.coef[1]))
    off = min(abs(coef - chosen) for coef in found)
    moved = max(abs(coef - 1) for coef in found)
    hit = int(off < 0.01 * chosen)
    return Figure(hit, f"of 1 coefficient chosen; moved from 1 by {moved:.1f}; no row is read")
