"""The climb of a Cox model with one baseline hazard: what each side sees, and that it is Newton's own."""

from typing import Any

import numpy as np
import pytest

from protocols.core.errors import SiteError
from protocols.core.protocol import Total
from protocols.core.secret import Turn
from protocols.core.table import AnalysisTable, Floats
from protocols.estimation.climb import State
from protocols.exchange.local import run_locally
from protocols.survival.cox import Cox
from protocols.survival.shared_climb import SharedClimb
from tests.lib.studies import a_study_of

BINS = 12
GRID = {"step_days": 50, "until_days": 50 * BINS}
SPEC = {"protocol": "cox", "outcome": "os", "covariates": ["x", "z"], "stratify": "none", "grid": GRID}


def a_study(**spec: Any) -> Any:
    return a_study_of(["x", "z"], {"name": "cox", "spec": {**SPEC, **spec}}, survival=["os"])


def a_site(name: str, seed: int, *, whole: bool = False) -> AnalysisTable:
    draw = np.random.default_rng(seed)
    x, z = draw.normal(size=(2, 120))
    if whole:
        x, z = (x > 0).astype(float), (z > 0.5).astype(float)
    until, censored = draw.exponential(300 / np.exp(0.6 * x - 0.4 * z)), draw.uniform(50, 650, 120)
    columns = {"os.time": np.ceil(np.minimum(until, censored)), "os.event": (until <= censored) * 1.0}
    return AnalysisTable(name, np.arange(120) + 1000 * seed, {"x": x, "z": z, **columns})


TABLES = [a_site(name, seed) for seed, name in enumerate("abc")]
WHOLE = [a_site(name, seed, whole=True) for seed, name in enumerate("abc")]
WHERE = {"scale": np.ones(2), "location": np.zeros(2), "number": np.arange(BINS)}
AXES = {name: d.axes for step in (Cox.risk_sums, Cox.expected_products) for name, d in step.declares.items()}


def a_turn(seed: int) -> Turn:
    draw = np.random.default_rng(seed)
    return Turn(draw.normal(size=(2, 2)), draw.uniform(0.3, 3, BINS))


def a_climb(ties: Any, ridge: float = 0.0) -> SharedClimb:
    return SharedClimb(np.array([0.3, -0.2]), WHERE, bins=BINS, ties=ties, columns=(), ridge=ridge)


def asked(climb: SharedClimb, step: Any, turn: Turn) -> Total:
    """The joined answer of the sites, turned."""
    spec = a_study().spec("cox")
    said = [climb.turned(step(spec, t, **WHERE, **climb.asked()), AXES, turn) for t in TABLES]
    return Total({name: np.asarray(sum(one[name] for one in said)) for name in said[0]}, ("a", "b", "c"))


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_a_turn_changes_no_step(ties: Any, ridge: float) -> None:
    steps, decrements = [], []
    for turn in (Turn.none(2, BINS), a_turn(1), a_turn(2)):
        climb = a_climb(ties, ridge)
        for step, other in ((Cox.risk_sums, turn), (Cox.expected_products, a_turn(9))):
            reply = climb.reply(asked(climb, step, other), None)
            climb.follow(reply, other, full=True)
        assert reply["state"] == State.GO
        steps.append(climb.asked()["coef"])
        decrements.append([reply["decrement"], reply["loglik"]])
    for found in (steps, decrements):
        np.testing.assert_allclose(found[1:], [found[0]] * 2, rtol=1e-9)


def test_the_center_sees_neither_risks_nor_means() -> None:
    climb, turn = a_climb("efron"), a_turn(3)
    plain, seen = (asked(climb, Cox.risk_sums, t) for t in (Turn.none(2, BINS), turn))
    for name in ("s0", "d0"):
        np.testing.assert_allclose(seen[name], plain[name] * turn.factors)
    np.testing.assert_allclose(
        seen["s1"] / seen["s0"][:, None], plain["s1"] / plain["s0"][:, None] @ turn.basis.T
    )
    reply = climb.reply(seen, None)
    assert reply.keys() == {"state", "hazard", "tied"}
    assert all(array.ndim == 1 for array in reply.values() if array.shape)


def test_a_site_hears_hazards_that_are_off_where_digits_are_not_full() -> None:
    draw = np.random.default_rng(0)
    exact, dithered = a_climb("breslow"), a_climb("breslow")
    told = [
        climb.reply(asked(climb, Cox.risk_sums, Turn.none(2, BINS)), normal)["hazard"]
        for climb, normal in ((exact, None), (dithered, draw.standard_normal))
    ]
    off = (told[1] / np.where(told[0] > 0, told[0], 1) - 1) * np.sqrt(
        asked(exact, Cox.risk_sums, Turn.none(2, BINS))["at_risk"]
    )
    assert 0.1 < off[told[0] > 0].std() < 0.6


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_digits_that_are_not_full_move_little(ties: str) -> None:
    study = a_study(ties=ties)
    full, found = (run_locally(study, WHOLE, full=digits)["cox"] for digits in (True, False))
    off = np.abs(found.coef - full.coef) / full.se
    assert (off > 0).all()
    assert off.max() < 0.06
    np.testing.assert_allclose(found.se, full.se, rtol=0.06)
    hazards: list[Floats] = [one.baseline.cumulative_hazard for one in (full, found)]
    assert not np.isclose(*hazards, rtol=1e-6).any()
    np.testing.assert_allclose(hazards[1], hazards[0], rtol=0.06)


FALSE = {
    "of another size": {"hazard": np.zeros(3), "tied": np.zeros(3)},
    "negative": {"hazard": np.full(BINS, -1.0), "tied": np.zeros(BINS)},
    "no number": {"hazard": np.full(BINS, np.nan), "tied": np.zeros(BINS)},
    "missing": {},
}


@pytest.mark.parametrize("name", FALSE)
def test_false_hazards_are_refused(name: str) -> None:
    reply = {"state": np.array(int(State.WEIGH)), **FALSE[name]}
    with pytest.raises(SiteError, match="no hazards"):
        a_climb("efron").follow(reply, a_turn(1), full=True)


def test_no_sum_of_the_search_has_an_interval_and_two_covariates() -> None:
    for step in (Cox.risk_sums, Cox.expected_products, Cox.risk_sets):
        for declared in step.declares.values():
            assert not ("interval" in declared.axes and declared.axes.count("covariate") > 1)
