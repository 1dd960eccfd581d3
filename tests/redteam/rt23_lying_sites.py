"""RT23, RT64: one site among several lies: about its people, and about its share of the noise."""

from pathlib import Path
from unittest.mock import patch

import numpy as np
from scipy.stats import rankdata

from protocols.core.lockstep import Failure
from protocols.core.protocol import Result
from protocols.core.ranges import Ranges, within_ranges
from protocols.core.table import AnalysisTable, Floats
from protocols.exchange import site_answer
from protocols.exchange.local import run_locally
from protocols.learning import site_noise
from protocols.learning.privacy import Privacy
from protocols.validation.influence import InfluenceResult
from tests.lib.lying_coordinator import drawn, pooled
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack

SPEC = {"protocol": "logistic", "outcome": "y", "covariates": ["x", "z"]}
MOVED = {"protocol": "influence", "model": SPEC, "leave_out": "sites"}
FACTORS = (20, 8, 4, 2, 1)


def _columns(draw: np.random.Generator, people: int) -> dict[str, Floats]:
    x, z = draw.normal(size=(2, people))
    return {"x": x, "z": z, "y": (draw.uniform(size=people) < 1 / (1 + np.exp(z - 1.5 * x))).astype(float)}


@attack(
    "RT23",
    "one of five sites turns the sign of a covariate and sends it up to twenty times as large, unnoticed",
    works_from=10,
    holds_to=2,
    slow=True,
)
def poisoned(folder: Path, weakened: bool) -> Figure:
    """The twin's study declares no ranges and does not ask how far each hospital moves the model.

    The site holds its own values to no range. Of all factors it takes the one that costs most, and with which
    its sums are not refused and the report does not name it.
    """
    tables = drawn(_columns, 100, sites="abcde")
    asked = [{"name": "a", "spec": SPEC}, {"name": "moved", "spec": MOVED}][: 1 if weakened else 2]
    ranges = {} if weakened else {"x": (-6, 6), "z": (-6, 6)}
    study = a_study_of(["x", "z", "y"], *asked, ranges=ranges)
    honest = run_locally(study, list(tables.values()))["a"].coef
    rows = pooled({"t": drawn(_columns, 2000, sites="zt")["t"]}, "x", "z", "y")
    unnoticed, most, refused = 0.0, 0.0, 0
    for factor in FACTORS:
        liar = tables["e"].with_columns({"x": -factor * tables["e"].column("x")})
        with patch.object(site_answer, "within_ranges", _but_of_e):
            found = run_locally(study, list({**tables, "e": liar}.values())).results
        if isinstance(found["a"], Failure):
            refused += 1
            continue
        lost = 100 * (_auc(honest, rows) - _auc(found["a"].coef, rows))
        most = max(most, lost)
        if not ("moved" in found and _is_named("e", found["moved"])):
            unnoticed = max(unnoticed, lost)
    what = (
        f"points of AUC lost unnoticed; {refused} of {len(FACTORS)} factors refused, else {most:.3g} points"
    )
    return Figure(unnoticed, what)


def _but_of_e(table: AnalysisTable, ranges: Ranges) -> AnalysisTable:
    return table if table.site == "e" else within_ranges(table, ranges)


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
    asked = [{"name": "a", "spec": SPEC}] + [{"name": "moved", "spec": MOVED}] * (not weakened)
    honest = run_locally(a_study_of(["x", "z", "y"], asked[0]), [*list(tables.values())[:4], liar])["a"].coef
    found = run_locally(a_study_of(["x", "z", "y"], *asked), list(tables.values()))
    rows = pooled({"t": drawn(_columns, 2000, sites="zt")["t"]}, "x", "z", "y")
    lost = 100 * (_auc(honest, rows) - _auc(found["a"].coef, rows))
    is_named = not weakened and _is_named("e", found["moved"])
    return Figure(0 if is_named else lost, f"points of AUC lost unnoticed, {lost:.3g} in all")


def _is_named(site: str, moved: Result | Failure) -> bool:
    """Whether the report names a group with the site as one that moves the model by more than chance."""
    assert isinstance(moved, InfluenceResult)
    return any(site in group and named for group, named in zip(moved.groups, moved.stands_out, strict=True))


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
