"""RT43: cuts, grids, trees, fits and transforms of choice, between which one person stands.

All these are counts in secure sums over three sites: a person is read though no site's part is seen.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logit

from protocols.core.protocol import Ask, Transform
from protocols.core.table import EVERYBODY, Floats
from protocols.learning.trees import Trees
from tests.lib.lying_coordinator import Counted, LyingCoordinator, closed_in, drawn, pooled, read_rows
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack

LOW, HIGH, STEPS = 0.0, 100.0, 10_000


def _columns(draw: np.random.Generator, people: int) -> dict[str, Floats]:
    x, z = draw.uniform(5, 95, (2, people))
    return {"x": x, "z": z, "y": (draw.uniform(size=people) < 0.5).astype(float)}


TABLES = drawn(_columns, 30)
PEOPLE = 90
X = pooled(TABLES, "x")


def _coordinator(folder: Path, weakened: bool, *analyses: dict[str, Any]) -> LyingCoordinator:
    return LyingCoordinator(folder, a_study_of(["x", "z", "y"], *analyses), TABLES, obedient=weakened)


def _read(found: Floats, truth: Floats, tolerance: float, what: str) -> Figure:
    hits, error = read_rows(found, truth, tolerance)
    return Figure(hits, f"of {len(truth)} {what}, error {error:.0e}")


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate([np.zeros(0), *parts])


@attack("RT43", "quantiles asked at cuts so narrow that one person lies between two", works_from=80)
def quantiles_cuts(folder: Path, weakened: bool) -> Figure:
    scale = {"variable": "x", "low": LOW, "high": HIGH, "resolution": (HIGH - LOW) / STEPS}
    shares = [0.05 + 0.04 * i for i in range(20)]
    spec = {"protocol": "quantiles", "of": [scale], "shares": shares}
    coordinator = _coordinator(folder, weakened, {"name": "a", "spec": spec})
    cuts = np.arange(17 * 40 * 15).reshape(17, 1, 40, 15)  # questions, a variable, two per share, 15 cuts
    said = coordinator.sums(*(Ask("counts", {"cuts": c}, analysis="a") for c in cuts)) or []
    at = np.flatnonzero(np.diff(_joined([np.ravel(answer["below"]) for answer in said])) == 1) + 1
    return _read((LOW + (at - 0.5) * (HIGH - LOW) / STEPS)[:, None], X, (HIGH - LOW) / STEPS, "values")


@attack("RT43", "the grid of a median laid around each single person, ever finer", works_from=PEOPLE)
def impute_cells(folder: Path, weakened: bool) -> Figure:
    coordinator = _coordinator(
        folder, weakened, {"name": "a", "spec": {"protocol": "impute", "median": ["x"]}}
    )
    edges, width = np.array([LOW]), HIGH - LOW
    for _ in range(6):
        width /= 64
        asks = [Ask("cells", {"low": np.array([e]), "width": np.array([width])}, analysis="a") for e in edges]
        said = coordinator.sums(*asks) or []
        inside = [edge + width * np.flatnonzero(a["cells"][0]) for edge, a in zip(edges, said, strict=False)]
        edges = _joined(inside)
    return _read((edges + width / 2)[:, None], X, 1e-6, "values")


@attack(
    "RT43",
    "scores by chosen models, whose histogram is drawn around each single person",
    works_from=PEOPLE,
    slow=True,
)
def out_of_fold_scores(folder: Path, weakened: bool) -> Figure:
    model = {"protocol": "logistic", "outcome": "y", "covariates": ["x"]}
    coordinator = _coordinator(
        folder, weakened, {"name": "a", "spec": {"protocol": "discrimination", "model": model}}
    )
    inner = np.arange(10, 191)  # of 200 equal bins of the score

    def histograms(lows: Floats, highs: Floats) -> tuple[Floats, Floats] | None:
        """(people, k) edges, and (people, class, bin) people."""
        reach = logit(inner[-1] / 200)
        slope, middle = 2 * reach / (highs - lows), (lows + highs) / 2
        coef = [np.tile([-a * m, a], (5, 1)) for a, m in zip(slope, middle, strict=True)]
        asks = [Ask("scores", {"folds": np.arange(5), "model.coef": c}, analysis="a") for c in coef]
        said = coordinator.sums(*asks)
        if said is None:
            return None
        return middle[:, None] + logit(inner / 200) / slope[:, None], np.array([a["histogram"] for a in said])

    def below(lows: Floats, highs: Floats) -> Counted | None:
        found = histograms(lows, highs)
        return found and (found[0], found[1].sum(axis=1).cumsum(axis=1)[:, inner - 1])

    x = closed_in(below, PEOPLE, LOW, HIGH, 5)
    cases = histograms(x - 1e-5, x + 1e-5) if len(x) else None
    alone = cases[1][:, :, 10:190].sum(axis=2) if cases else np.zeros((0, 2))
    rows = np.column_stack([x, alone[:, 1]])[alone.sum(axis=1) == 1]
    return _read(rows, pooled(TABLES, "x", "y"), 1e-4, "rows (x, y)")


@attack(
    "RT43",
    "a transform of chosen numbers lays a histogram's public edges around each person",
    works_from=PEOPLE,
    slow=True,
)
def transform_edges(folder: Path, weakened: bool) -> Figure:
    edges = np.linspace(-1, 1, 41)
    coordinator = _coordinator(
        folder,
        weakened,
        {"name": "p", "spec": {"protocol": "pca", "features": ["x", "z"], "components": 1}},
        {
            "name": "h",
            "after": ["p"],
            "spec": {"protocol": "histogram", "of": "pc1", "edges": edges.tolist()},
        },
    )

    def below(lows: Floats, highs: Floats) -> Counted | None:
        asks = []
        for low, high in zip(lows, highs, strict=True):
            middle, half = np.array([(low + high) / 2, 0.0]), np.array([(high - low) / 2, 1.0])
            arrays = {"loadings": np.array([[1.0], [0.0]]), "mean": middle, "scale": half}
            every = {"groups": np.ones(1, np.int64), "shown": np.ones((1, len(edges) + 1), np.int64)}
            transform = Transform("p", (), EVERYBODY, arrays)
            asks.append(Ask("count", every, analysis="h", transforms=(transform,)))
        said = coordinator.sums(*asks)
        at = (lows + highs)[:, None] / 2 + (highs - lows)[:, None] / 2 * edges
        return said and (at, np.array([a["counts"][0] for a in said]).cumsum(axis=1)[:, :-1])

    x = closed_in(below, PEOPLE, LOW, HIGH, 8)
    return _read(x[:, None], X, 1e-6, "values")


@attack(
    "RT43",
    "a chosen tree whose leaf holds one person, and chosen cuts of the other covariate",
    works_from=PEOPLE,
    slow=True,
)
def tree_levels(folder: Path, weakened: bool) -> Figure:
    bins = 32
    spec = {"protocol": "boosting", "outcome": "y", "covariates": ["x", "z"], "loss": "squared", "bins": bins}
    coordinator = _coordinator(folder, weakened, {"name": "a", "spec": spec | {"trees": 1, "depth": 3}})
    part = np.arange(1, bins) / bins
    each = np.tile(np.arange(bins + 1), (4, 2, 1))  # of every node and covariate, each bin by itself

    def level(column: int, lows: Floats, highs: Floats, trees: list[Trees], first: int) -> Any:
        cuts = lows[:, None] + (highs - lows)[:, None] * part
        both = np.zeros((len(lows), 2, bins - 1)) + part
        both[:, column] = cuts
        for own, tree in zip(both, trees, strict=True):
            if tree.feature[0, 0] == 0:  # a tree splits at cuts alone
                own[0] = np.append(np.sort(tree.threshold[0, :2]), HIGH + part[2:])
        asks = [
            Ask(
                "level",
                {"cuts": c, "base": np.array(0.0), "first": np.array(first), "last": each, **t.arrays()},
                analysis="a",
            )
            for c, t in zip(both, trees, strict=True)
        ]
        return cuts, coordinator.sums(*asks)

    def below(lows: Floats, highs: Floats) -> Counted | None:
        cuts, said = level(0, lows, highs, [Trees.blank(1, 3)] * len(lows), 0)
        return said and (cuts, np.array([a["people"][0, 0, :bins] for a in said]).cumsum(axis=1)[:, :-1])

    x = closed_in(below, PEOPLE, LOW, HIGH, 8)
    alone = [_alone(value) for value in x]

    def below_alone(lows: Floats, highs: Floats) -> Counted | None:
        """The one person of each leaf, as if there were as many people as leaves below each edge."""
        cuts, said = level(1, lows, highs, alone, 3)
        if said is None:
            return None
        people = np.array([a["people"][1, 1, :bins] for a in said]).cumsum(axis=1)[:, :-1]
        return cuts, np.where(people > 0, np.inf, 0)

    if not len(x):
        return _read(np.zeros((0, 3)), pooled(TABLES, "x", "z", "y"), 1e-6, "rows (x, z, y)")
    z = closed_in(below_alone, len(x), LOW, HIGH, 8)
    _, said = level(1, np.full(len(x), LOW), np.full(len(x), HIGH), alone, 3)
    y = -np.array([a["gradient"][1, 1].sum() for a in said])
    return _read(np.column_stack([x, z, y]), pooled(TABLES, "x", "z", "y"), 1e-6, "rows (x, z, y)")


def _alone(value: float) -> Trees:
    """A tree of depth 3 whose place 4 holds who is within 1e-6 of a value of the first covariate."""
    tree = Trees.blank(1, 3)
    tree.feature[0, [0, 1]] = 0
    tree.threshold[0, [0, 1]] = value + 1e-6, value - 1e-6
    return tree
