"""RT66: cells of two and three 0/1 variables, from products of two and from sums at known coefficients."""

from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from protocols.core.errors import ShadowgraphError
from protocols.core.protocol import Arrays, Ask, Total
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Floats
from protocols.estimation.standards import original_scale
from protocols.exchange import people_first, sides
from protocols.exchange.secret_basis import OPEN
from protocols.exchange.secure_sum import opened
from protocols.exchange.sides import Center, integral
from protocols.regression.families import working
from site_node.agent import conduct
from tests.lib.lying_coordinator import drawn, pooled, weaken
from tests.lib.overheard import Overheard, overheard
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack
from tests.redteam.rt47_honest_sums import by_information, genes, no_turn, patterns, small_cells

POISSON: dict[str, Any] = {"protocol": "glm", "family": "poisson", "outcome": "y"}
PENALIZED: dict[str, Any] = {"protocol": "penalized_logistic", "outcome": "y"}


def _held(
    folder: Path, spec: dict[str, object], tables: dict[str, AnalysisTable], unasked: bool
) -> Overheard:
    """What is left of an honest run; `unasked`: of a study that does not ask first about joint cells."""
    study = a_study_of(list(tables["a"].columns), {"name": "a", "spec": spec})
    with weaken(people_first, "_of_tables", lambda *_: (), unasked):
        return overheard(folder, study, tables)


@attack(
    "RT66",
    "people with two findings, from the products of an honest linear regression on 0/1 covariates",
    works_from=5,
)
def pairs_of_products(folder: Path, weakened: bool) -> Figure:
    names = [f"g{j}" for j in range(6)]
    tables = drawn(genes(6, 0.18), 60)
    noise = np.random.default_rng(66)
    tables = {s: t.with_columns({"y": t.column("y") + noise.normal(size=len(t))}) for s, t in tables.items()}
    held = _held(folder, {"protocol": "linear", "outcome": "y", "covariates": names}, tables, weakened)
    x = pooled(tables, *names)
    pairs = list(combinations(range(6), 2))
    truth = np.array([x[:, i] @ x[:, j] for i, j in pairs])
    small = (truth > 0) & (truth < 10)
    said = [a["products"] for a in held.sums("a", "moments")[:1]]
    read = np.array([np.rint(said[0][i, j]) for i, j in pairs]) if said else np.full(len(pairs), -1.0)
    return Figure(int((read == truth)[small].sum()), f"of {small.sum()} cells of one to nine people")


@attack(
    "RT66",
    "the joint table of three 0/1 covariates from the totals of an honest lasso, carried under a seal",
    works_from=3,
    slow=True,
)
def totals_of_a_lasso(folder: Path, weakened: bool) -> Figure:
    """The center tries a key, and makes the sites' search itself; weakened sites seal by that key."""
    names = [f"g{j}" for j in range(3)]
    tables = drawn(genes(3, 0.2), 80)
    seen: list[tuple[Arrays, Floats, Floats]] = []

    def tried(secret: bytes, place: tuple[int, int]) -> bytes:
        return OPEN

    def carried(center: Center, study: Study, ask: Ask, joined: Any, place: tuple[int, int]) -> None:
        assert ask.search is not None
        with suppress(ShadowgraphError):
            sums = opened(joined["sealed"], integral(study, ask), tried(OPEN, place))
            coef = np.asarray(ask.search.asked()["coef"], dtype=np.float64)
            seen.append((ask.arrays, coef, np.asarray(sums["information"], dtype=np.float64)))
            ask.search.hear(Total(sums, tuple(joined["sites"])))

    with (
        weaken(conduct, "seal", tried, weakened),
        weaken(sides, "seal", tried, weakened),
        weaken(Center, "open", carried, True),
    ):
        _held(folder, {**PENALIZED, "covariates": names, "number": 4}, tables, True)
    return small_cells(tables, names, _by_totals(seen, names))


@attack(
    "RT66",
    "the joint table of three 0/1 covariates from the totals of an honest ridge",
    works_from=3,
    slow=True,
)
def totals_of_a_ridge(folder: Path, weakened: bool) -> Figure:
    names, penalty = [f"g{j}" for j in range(3)], 0.01
    tables = drawn(genes(3, 0.2), 80)
    spec = {**PENALIZED, "covariates": names, "l1_ratio": 0, "lambdas": [penalty]}
    with weaken(conduct, "turn", no_turn, weakened), weaken(sides, "turn", no_turn, weakened):
        held = _held(folder, spec, tables, True)
    return small_cells(tables, names, by_information(held, names, penalty))


@attack(
    "RT66",
    "people who have a finding and an event, from where an honest Poisson regression begins",
    works_from=3,
    slow=True,
)
def start_of_a_poisson_model(folder: Path, weakened: bool) -> Figure:
    """Weights and working response have one value for each outcome: two equations in two counts."""
    names = [f"g{j}" for j in range(4)]
    tables = drawn(_seldom, 80)
    with weaken(conduct, "turn", no_turn, weakened), weaken(sides, "turn", no_turn, weakened):
        held = _held(folder, {**POISSON, "covariates": names}, tables, True)
    g, y = pooled(tables, *names), pooled(tables, "y")[:, 0]
    truth, read = y @ g, np.full(len(names), -1.0)
    weight, response = working("poisson", np.array([0.0, 1.0]))
    for asked, said in ((ask.arrays, joined["sum"]) for ask, joined in held.asked if ask.step == "start"):
        plain = np.linalg.inv(original_scale(asked["shift"], asked["scale"]))
        sums = [np.diag(plain.T @ said["information"] @ plain)[1:], (plain.T @ said["score"])[1:]]
        read = np.linalg.solve([weight, weight * response], sums)[1]
    small = (truth > 0) & (truth < 10)
    # Plain sums give a cell to 0.02, by their dither; turned ones any number, which rounding may take for it.
    right = np.abs(read - truth) < 0.05
    return Figure(int(right[small].sum()), f"of {small.sum()} cells of one to nine people")


def _seldom(draw: np.random.Generator, people: int) -> dict[str, Floats]:
    """Findings that a fifth of people have, and an event that fewer have."""
    columns = {f"g{j}": (draw.uniform(size=people) < 0.2).astype(float) for j in range(4)}
    return {**columns, "y": (draw.uniform(size=people) < 0.14).astype(float)}


def _by_totals(seen: list[tuple[Arrays, Floats, Floats]], names: list[str]) -> Floats | None:
    """Counts of patterns from informations (penalty, term, term) at (penalty, term) coefficients."""
    z = np.column_stack([np.ones(2 ** len(names)), patterns(len(names))])
    rows, right = [], []
    for asked, coefs, informations in seen:
        x = np.column_stack([z[:, 0], (z[:, 1:] - asked["shift"]) / asked["scale"]])
        for coef, information in zip(coefs, informations, strict=True):
            if np.isnan(coef).any():
                continue  # a penalty that is done
            weight = expit(x @ coef) * expit(-x @ coef)
            for j, k in combinations(range(x.shape[1]), 2):
                rows += [weight * x[:, j] * x[:, k], weight * x[:, j] ** 2]
                right += [information[j, k], information[j, j]]
    return np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0] if rows else None
