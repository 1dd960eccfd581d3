"""RT66: cells of two and three 0/1 variables, from products of two and from sums at known coefficients."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.special import expit

from protocols.core.protocol import Arrays, Ask
from protocols.core.table import AnalysisTable, Floats
from protocols.exchange import people_first
from tests.lib.lying_coordinator import drawn, pooled, weaken
from tests.lib.overheard import Overheard, overheard
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack
from tests.redteam.rt47_honest_sums import genes, patterns, small_cells


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
    "the joint table of three 0/1 covariates from the totals of an honest penalized logistic regression",
    works_from=3,
)
def totals_of_penalized(folder: Path, weakened: bool) -> Figure:
    names = [f"g{j}" for j in range(3)]
    tables = drawn(genes(3, 0.2), 80)
    spec = {"protocol": "penalized_logistic", "outcome": "y", "covariates": names, "l1_ratio": 0, "number": 4}
    return small_cells(tables, names, _by_totals(_held(folder, spec, tables, weakened), names))


def _by_totals(held: Overheard, names: list[str]) -> Floats | None:
    """Counts of patterns from the information at the coefficients that stand in the questions."""
    z = np.column_stack([np.ones(2 ** len(names)), patterns(len(names))])
    rows, right = [], []
    for ask, total in _asked(held):
        shift, scale = (np.asarray(ask.arrays[name]) for name in ("shift", "scale"))
        x = np.column_stack([z[:, 0], (z[:, 1:] - shift) / scale])
        for coef, information in zip(ask.arrays["coef"], total["information"], strict=True):
            if np.isnan(coef).any():
                continue  # a penalty that is done
            weight = expit(x @ coef) * expit(-x @ coef)
            for j, k in combinations(range(x.shape[1]), 2):
                rows += [weight * x[:, j] * x[:, k], weight * x[:, j] ** 2]
                right += [information[j, k], information[j, j]]
    return np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0] if rows else None


def _asked(held: Overheard) -> Iterator[tuple[Ask, Arrays]]:
    yield from (
        (ask, joined["sum"]) for ask, joined in held.asked if ask.step == "derivatives" and "sum" in joined
    )
