"""RT43: whole rows of people from sums, by intervals, filters, draws and coefficients of choice."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from protocols.core.protocol import Ask
from protocols.core.table import Floats, Rows
from tests.lib.lying_coordinator import (
    Counted,
    LyingCoordinator,
    closed_in,
    drawn,
    pooled,
    read_rows,
    unaudited,
)
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack


def _figure(found: Floats, truth: Floats, tolerance: float = 1e-5) -> Figure:
    hits, error = read_rows(found, truth, tolerance)
    return Figure(hits, f"of {len(truth)} rows, error {error:.0e}")


@attack("RT43", "Cox with a shared baseline asked in weeks that were not merged", works_from=60)
def cox_intervals(folder: Path, weakened: bool) -> Figure:
    def columns(draw: np.random.Generator, people: int) -> dict[str, Floats]:
        x, z = draw.normal(size=(2, people))
        time, event = draw.exponential(900, people).clip(7, 3200), draw.uniform(size=people) < 0.7
        return {"x": x, "z": z, "os.time": np.ceil(time), "os.event": event.astype(float)}

    tables = drawn(columns, 60)
    grid = {"step_days": 7, "until_days": 3300}
    spec = {"protocol": "cox", "outcome": "os", "covariates": ["x", "z"], "stratify": "none", "grid": grid}
    study = a_study_of(["x", "z"], {"name": "a", "spec": spec}, survival=["os"])
    coordinator = LyingCoordinator(folder, study, tables, obedient=weakened)
    weeks = np.arange(study.spec("a").bins())  # type: ignore[attr-defined]
    arrays = {"coef": np.zeros(2), "scale": np.ones(2), "location": np.zeros(2), "number": weeks}
    said = coordinator.sums(Ask("risk_sets", arrays, analysis="a"))
    rows = np.zeros((0, 2))
    if said:
        left = -np.diff(said[0]["s0"], append=0.0)
        rows = -np.diff(said[0]["s1"], axis=0, append=0.0)[np.isclose(left, 1)]
    return _figure(rows, pooled(tables, "x", "z"))


TUNED: dict[str, Any] = {"protocol": "logistic", "outcome": "y", "covariates": ["x"]}


def _with_outcome(draw: np.random.Generator, people: int) -> dict[str, Floats]:
    x, z = draw.normal(size=(2, people))
    return {"x": x, "z": z, "y": (draw.uniform(size=people) < 0.5).astype(float)}


@attack(
    "RT44", "training rows of folds inside folds: cells of their scheme hold one person each", works_from=10
)
def nested_rows(folder: Path, weakened: bool) -> Figure:
    tables, outer, inner = drawn(_with_outcome, 20), 5, 10
    tune = {"protocol": "tune", "candidates": {"p": TUNED, "q": TUNED}, "folds": inner}
    spec = {"protocol": "discrimination", "model": tune, "scheme": {"kind": "folds", "of": outer}}
    coordinator = LyingCoordinator(
        folder, a_study_of(["x", "y"], {"name": "a", "spec": spec}), tables, obedient=weakened
    )

    def of(rows: Rows) -> Ask:
        at = {"coef": np.zeros(2), "shift": np.zeros(1), "scale": np.ones(1)}
        return Ask("derivatives", at, rows=rows, analysis="a", part=("model", "candidates", "p"))

    folds = [Rows(keep="train", fold=f, of=outer) for f in range(outer)]
    both = [
        Rows(keep="train", fold=j, of=inner, inner=True, inside=fold) for fold in folds for j in range(inner)
    ]
    with unaudited(weakened):
        said = coordinator.sums(*map(of, folds), *map(of, both))
    if said is None:
        return _figure(np.zeros((0, 2)), pooled(tables, "x", "y"))
    sums = np.array([[a["n"], a["n_events"], 4 * a["information"][0, 1]] for a in said])
    in_inner = sums[:outer, None] - sums[outer:].reshape(outer, inner, 3)  # of the outer training people
    cells = (in_inner.sum(axis=0) / (outer - 1) - in_inner).reshape(-1, 3)
    alone = np.isclose(cells[:, 0], 1)
    return _figure(cells[alone][:, [2, 1]], pooled(tables, "x", "y"))


@attack(
    "RT43", "draws of an imputation that make whoever lacks a value far larger than the others", works_from=1
)
def mi_chain(folder: Path, weakened: bool) -> Figure:
    def columns(draw: np.random.Generator, people: int) -> dict[str, Floats]:
        found = _with_outcome(draw, people) | {"w": draw.normal(size=people)}
        found["w"][7] = np.nan if draw.uniform() > 0.6 else 0.5
        return found

    tables = drawn(columns, 60)
    spec = {"protocol": "multiple_imputation", "norm": ["w", "x"], "predictors": ["z", "y"]}
    spec |= {"model": {"protocol": "linear", "outcome": "y", "covariates": ["w", "x", "z"]}}
    study = a_study_of(["w", "x", "z", "y"], {"name": "a", "spec": spec})
    coordinator = LyingCoordinator(folder, study, tables, obedient=weakened)
    asks = []
    for drawn_value in (0.0, 1.0):
        chain = {"centre": np.zeros(4), "scale": np.ones(4), "imputation": np.array(0)}
        draws = np.array([[0.0, 0.0, 0.0, drawn_value, 0.0]])  # of x, z, y, the intercept, the residual's sd
        asks.append(Ask("moments", {"target": np.array(1), "draws": draws, **chain}, analysis="a"))
    said = coordinator.sums(*asks)
    rows = np.zeros((0, 3))
    if said:
        products = said[1]["products"][0] - said[0]["products"][0]  # of w with w, z, y, one and x
        rows = products[None, [4, 1, 2]]
    lacks = np.isnan(pooled(tables, "w"))[:, 0]
    return _figure(rows, pooled(tables, "x", "z", "y")[lacks])


@attack(
    "RT43", "multinomial coefficients so steep that one person alone has a weight", works_from=60, slow=True
)
def sharp_edges(folder: Path, weakened: bool) -> Figure:
    return _sharp_edges(folder, weakened, "multinomial", 1.0)


@attack("RT43", "ordinal coefficients so steep that one person alone has a weight", works_from=60, slow=True)
def sharp_cuts(folder: Path, weakened: bool) -> Figure:
    return _sharp_edges(folder, weakened, "ordinal", -1.0)


def _sharp_edges(folder: Path, weakened: bool, protocol: str, sign: float) -> Figure:
    """The first coefficient is of the second level, or with sign -1 of the first."""
    tables = drawn(_with_outcome, 20)
    spec = {"protocol": protocol, "outcome": "y", "covariates": ["x", "z"], "levels": [0, 1]}
    coordinator = LyingCoordinator(
        folder, a_study_of(["x", "z", "y"], {"name": "a", "spec": spec}), tables, obedient=weakened
    )

    def at(edges: Floats, slope: float) -> list[Mapping[str, Any]] | None:
        by = {"shift": np.zeros(2), "scale": np.ones(2)}
        coef = [np.array([-sign * slope * e, slope, 0.0]) for e in edges]
        return coordinator.sums(*(Ask("derivatives", {"coef": c, **by}, analysis="a") for c in coef))

    zero = at(np.zeros(1), 0.0)
    events = sign * zero[0]["score"][0] + 30 if zero else 0.0

    def below(lows: Floats, highs: Floats) -> Counted | None:
        middle = (lows + highs) / 2
        said = at(middle, 1e14)
        above = said and [events - sign * a["score"][0] for a in said]
        return (middle[:, None], 60 - np.rint(above)[:, None]) if above else None

    x = closed_in(below, 60, -6, 6, 34)
    said = at(x, 1e7) if len(x) else None
    information = [sign * a["information"] / a["information"][0, 0] for a in said or []]
    return _figure(np.array([i[0, 1:] for i in information]).reshape(-1, 2), pooled(tables, "x", "z"))


@attack(
    "RT10",
    "modest logistic coefficients, many of them: patterns of 0/1 covariates are told apart",
    works_from=5,
)
def guard_bypass(folder: Path, weakened: bool) -> Figure:
    names = [f"g{j}" for j in range(5)]

    def columns(draw: np.random.Generator, people: int) -> dict[str, Floats]:
        genes = (draw.uniform(size=(5, people)) < 0.2).astype(float)
        return {**dict(zip(names, genes, strict=True)), **_with_outcome(draw, people)}

    tables = drawn(columns, 80)
    spec = {"protocol": "logistic", "outcome": "y", "covariates": [*names, "x"]}
    study = a_study_of([*names, "x", "y"], {"name": "a", "spec": spec})
    coordinator = LyingCoordinator(folder, study, tables, obedient=weakened)
    coefs = np.column_stack([np.random.default_rng(2).normal(0, 2, (100, 6)), np.zeros(100)])
    by = {"shift": np.zeros(6), "scale": np.ones(6)}
    said = coordinator.ask(*(Ask("derivatives", {"coef": c, **by}, analysis="a") for c in coefs))
    answered = [(c, a["information"]) for c, a in zip(coefs, said, strict=True) if isinstance(a, Mapping)]
    found = _alone_in_a_pattern(answered) if answered else np.zeros((0, 6))
    truth = pooled(tables, *names, "x")
    pattern, people = np.unique(truth[:, :5], axis=0, return_counts=True)
    alone = [row for row in truth if people[(pattern == row[:5]).all(axis=1)] == 1]
    return _figure(found, np.array(alone))


def _alone_in_a_pattern(answered: list[tuple[Floats, Floats]]) -> Floats:
    """The (k, 6) patterns that one person has, with the x of each, from (coefficients, information)."""
    patterns = ((np.arange(32)[:, None] >> np.arange(5)) & 1).astype(float)
    eta = np.array([c[0] + patterns @ c[1:6] for c, _ in answered])
    weight = 1 / (2 + np.exp(eta) + np.exp(-eta))
    sums = np.array([(i[0, 0], i[0, 6]) for _, i in answered])  # of weights, and of weights times x
    people, x = np.linalg.lstsq(weight, sums, rcond=None)[0].T
    alone = np.abs(people - 1) < 0.01
    return np.column_stack([patterns, x])[alone]


@attack(
    "RT43",
    "steep Cox coefficients turned slowly: where two people tie, their difference leaves",
    works_from=15,
    slow=True,
)
def cox_coefficients(folder: Path, weakened: bool) -> Figure:
    def columns(draw: np.random.Generator, people: int) -> dict[str, Floats]:
        x, z = draw.normal(size=(2, people))
        event = draw.uniform(size=people) < 0.7
        return {"x": x, "z": z, "os.time": draw.uniform(1, 999, people), "os.event": event.astype(float)}

    tables = drawn(columns, 40)
    spec = {"protocol": "cox", "outcome": "os", "covariates": ["x", "z"]}
    study = a_study_of(["x", "z"], {"name": "a", "spec": spec}, survival=["os"])
    coordinator = LyingCoordinator(folder, study, tables, obedient=weakened)

    slope, angles = 1e4, np.arange(0, 2 * np.pi, 0.004)
    towards = np.column_stack([np.cos(angles), np.sin(angles)])
    asks = [Ask("derivatives", {"coef": slope * t, "scale": np.ones(2)}, analysis="a") for t in towards]
    said = coordinator.sums(*asks)
    score = np.array([a["score"] for a in said or []]).reshape(-1, 2)
    found = _leaps(score, towards) if said else np.zeros((0, 2))
    rows = [table.matrix(["x", "z"]) for table in tables.values()]
    apart = np.concatenate([(x[:, None] - x[None]).reshape(-1, 2) for x in rows])
    times = np.arange(1, 41)[:, None]  # at so many events both are at risk
    error = np.array([np.abs(apart[:, None] * times - leap).max(axis=2).min() for leap in found])
    hits = error[error < 1e-6]
    return Figure(
        len(hits), f"of {len(found)} leaps are differences of two rows, error {hits.max(initial=0):.0e}"
    )


def _leaps(score: Floats, towards: Floats) -> Floats:
    """(k, p) by how much the (m, p) score leaps where two foremost people tie: across the way it looks."""
    still = np.flatnonzero(np.abs(np.diff(score, axis=0)).max(axis=1) < 1e-6)
    plateaus = np.split(still, np.flatnonzero(np.diff(still) > 1) + 1)
    leap = np.diff(np.array([score[plateau[0]] for plateau in plateaus]), axis=0)
    at = [(one[-1] + other[0] + 1) // 2 for one, other in pairwise(plateaus)]
    along = np.abs((leap * towards[at]).sum(axis=1))
    return leap[along < 0.02 * np.linalg.norm(leap, axis=1)]


@attack(
    "RT13",
    "weights of a network under which one person more is active than before",
    works_from=90,
    slow=True,
    needs="torch",
)
def neural_bypass(folder: Path, weakened: bool) -> Figure:
    tables = drawn(_with_outcome, 52)
    spec = {"protocol": "neural", "outcome": "y", "covariates": ["x", "z"], "hidden": [1], "rounds": 5}
    study = a_study_of(
        ["x", "z", "y"], {"name": "a", "spec": spec | {"strategy": "fedsgd", "activation": "relu"}}
    )
    coordinator = LyingCoordinator(folder, study, tables, obedient=weakened)
    network, small = study.spec("a").network(), 1e-8  # type: ignore[attr-defined]
    edges = np.linspace(-2.5, 2.5, 1200)
    asks = []
    for edge in edges:
        weights = np.zeros(network.size)
        (first, bias), (last, _) = network.layers(weights)
        first[0, 0], bias[0], last[0, 0] = small, -small * edge, 1.0
        asked = {"weights": weights, "shift": np.zeros(2), "scale": np.ones(2), "round": np.array(0)}
        asks.append(Ask("gradient", asked, analysis="a"))
    said = coordinator.sums(*asks) or []
    layers = [network.layers(a["update"])[0] for a in said]
    moved = (
        np.diff([np.append(first[:, 0], bias) for first, bias in layers], axis=0)
        if said
        else np.zeros((0, 3))
    )
    alone = np.isclose(np.abs(moved[:, 2]), 0.5, atol=1e-5)
    x, z = (moved[alone, :2] / moved[alone, 2:]).T
    return _figure(np.column_stack([x, z, moved[alone, 2] < 0]), pooled(tables, "x", "z", "y"), 1e-4)
