"""RT23, RT64: one site among several lies: about its people, and about its share of the noise."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from protocols.core.table import AnalysisTable, Floats
from protocols.exchange.local import run_locally
from protocols.learning import site_noise
from protocols.learning.privacy import Privacy
from protocols.validation.influence import InfluenceResult
from tests.lib.lying_coordinator import drawn, pooled
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack

SPEC = {"protocol": "logistic", "outcome": "y", "covariates": ["x", "z"]}


def _columns(draw: np.random.Generator, people: int) -> dict[str, Floats]:
    x, z = draw.normal(size=(2, people))
    return {"x": x, "z": z, "y": (draw.uniform(size=people) < 1 / (1 + np.exp(z - 1.5 * x))).astype(float)}


@attack(
    "RT23",
    "one of five sites sends its people with the sign of a covariate turned and twenty times as large",
    works_from=10,
    holds_to=2,
    undefended="a study declares no range of a variable, and a site's part of a sum is not seen",
)
def poisoned(folder: Path, weakened: bool) -> Figure:
    tables = drawn(_columns, 100, sites="abcde")
    study = a_study_of(["x", "z", "y"], {"name": "a", "spec": SPEC})
    liar = tables["e"].with_columns({"x": -20 * tables["e"].column("x")})
    honest = run_locally(study, list(tables.values()))["a"].coef
    poisoned_coef = run_locally(study, list({**tables, "e": liar}.values()))["a"].coef
    rows = pooled({"t": drawn(_columns, 2000, sites="zt")["t"]}, "x", "z", "y")
    return Figure(100 * (_auc(honest, rows) - _auc(poisoned_coef, rows)), "points of AUC lost")


@attack(
    "RT23",
    "one of five sites sends values that people may have, chosen against the others', and no report names it",
    works_from=10,
    holds_to=2,
    slow=True,
)
def unnoticed(folder: Path, weakened: bool) -> Figure:
    """The twin's study does not ask how far each hospital moves the model; what is lost is the same."""
    tables = drawn(_columns, 100, sites="abcde")
    liar = tables["e"]
    tables["e"] = liar.with_columns({"x": -3 * np.sign(liar.column("x"))})
    moved = {"protocol": "influence", "model": SPEC, "leave_out": "sites"}
    asked = [{"name": "a", "spec": SPEC}] + [{"name": "moved", "spec": moved}] * (not weakened)
    honest = run_locally(a_study_of(["x", "z", "y"], asked[0]), [*list(tables.values())[:4], liar])["a"].coef
    found = run_locally(a_study_of(["x", "z", "y"], *asked), list(tables.values()))
    rows = pooled({"t": drawn(_columns, 2000, sites="zt")["t"]}, "x", "z", "y")
    lost = 100 * (_auc(honest, rows) - _auc(found["a"].coef, rows))
    is_named = not weakened and any("e" in group and named for group, named in _groups(found["moved"]))
    return Figure(0 if is_named else lost, f"points of AUC lost unnoticed, {lost:.3g} in all")


def _groups(moved: InfluenceResult) -> Iterator[tuple[tuple[str, ...], bool]]:
    return zip(moved.groups, moved.stands_out, strict=True)


def _auc(coef: Floats, rows: Floats) -> float:
    score, y = rows[:, :2] @ coef[1:], rows[:, 2] == 1
    return float((rankdata(score)[y].sum() - y.sum() * (y.sum() + 1) / 2) / (y.sum() * (~y).sum()))


@attack(
    "RT64",
    "a site subtracts its own share from the noise of three sites: how much of it is missing then",
    works_from=15,
    holds_to=1,
)
def own_share(folder: Path, weakened: bool) -> Figure:
    shares_needed = {"honest_sites": 3} if weakened else {}
    privacy = Privacy(epsilon=8, delta=1e-4, noise=2.0, **shares_needed)
    table = AnalysisTable("a", np.arange(9), {"x": np.ones(9)})
    shares = [site_noise.normal(site_noise.key_for(table, ["noise", k]), 40_000) for k in range(3)]
    kept = privacy.deviation_at_a_site() * np.sum(shares[1:], axis=0)
    return Figure(100 * (1 - float(kept.std()) / (privacy.noise * privacy.clip)), "% of the noise is missing")
