"""RT43: cuts and grids of the coordinator's choosing, between which one person stands alone."""

from pathlib import Path
from typing import Any

import numpy as np

from protocols.core.protocol import Ask
from protocols.core.table import AnalysisTable, Floats
from tests.lib.lying_coordinator import LyingCoordinator, read_rows
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack

SITES, PER_SITE = "abc", 40
PEOPLE = len(SITES) * PER_SITE
LOW, HIGH, STEPS = 0.0, 100.0, 10_000


def _tables() -> dict[str, AnalysisTable]:
    draw = np.random.default_rng(4)
    return {
        site: AnalysisTable(site, 1000 * i + np.arange(PER_SITE), {"marker": draw.uniform(5, 95, PER_SITE)})
        for i, site in enumerate(SITES)
    }


def _values() -> Floats:
    return np.concatenate([table.column("marker") for table in _tables().values()])


def _coordinator(folder: Path, weakened: bool, spec: dict[str, Any]) -> LyingCoordinator:
    study = a_study_of(["marker"], {"name": "a", "spec": spec})
    return LyingCoordinator(folder, study, _tables(), obedient=weakened)


def _figure(found: Floats, tolerance: float) -> Figure:
    hits, error = read_rows(found[:, None], _values()[:, None], tolerance)
    return Figure(hits, f"of {PEOPLE} values, error {error:.0e}")


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate([np.zeros(0), *parts])


@attack("RT43", "quantiles asked at cuts so narrow that one person lies between two", works_from=100)
def quantiles_cuts(folder: Path, weakened: bool) -> Figure:
    scale = {"variable": "marker", "low": LOW, "high": HIGH, "resolution": (HIGH - LOW) / STEPS}
    shares = [0.05 + 0.04 * i for i in range(20)]
    coordinator = _coordinator(folder, weakened, {"protocol": "quantiles", "of": [scale], "shares": shares})
    cuts = np.arange(17 * 40 * 15).reshape(17, 1, 40, 15)  # questions, a variable, two per share, 15 cuts
    said = coordinator.ask(*(Ask("counts", {"cuts": c}, analysis="a") for c in cuts))
    below = _joined([np.ravel(answer["below"]) for answer in said if isinstance(answer, dict)])
    at = np.flatnonzero(np.diff(below) == 1) + 1
    return _figure(LOW + (at - 0.5) * (HIGH - LOW) / STEPS, (HIGH - LOW) / STEPS)


@attack("RT43", "the grid of a median laid around each single person, ever finer", works_from=PEOPLE)
def impute_cells(folder: Path, weakened: bool) -> Figure:
    coordinator = _coordinator(folder, weakened, {"protocol": "impute", "median": ["marker"]})
    edges, width = np.array([LOW]), HIGH - LOW
    for _ in range(6):
        width /= 64
        asks = [
            Ask("cells", {"low": np.array([edge]), "width": np.array([width])}, analysis="a")
            for edge in edges
        ]
        said = [answer for i in range(0, len(asks), 100) for answer in coordinator.ask(*asks[i : i + 100])]
        inside = [np.flatnonzero(answer["cells"][0]) if isinstance(answer, dict) else [] for answer in said]
        edges = _joined([edge + width * np.array(c) for edge, c in zip(edges, inside, strict=True)])
    return _figure(edges + width / 2, 1e-6)
