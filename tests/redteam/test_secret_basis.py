"""A regression over real agents: the center never has coefficients beside totals, nor the sites totals."""

from pathlib import Path

import numpy as np
import pytest

from protocols.core.errors import Code
from protocols.core.protocol import Ask
from protocols.core.table import AnalysisTable
from protocols.exchange.envelope import WireError, unpack, unseal
from protocols.exchange.local import run_locally
from protocols.exchange.wire import Apart, RoundAnswer, RoundQuestion
from site_node.governance.policy import changed
from tests.lib.agents import Agents, Message, Relayed
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import a_study_of

COVARIATES = ["x", "z"]
LOGISTIC = {"name": "odds", "spec": {"protocol": "logistic", "outcome": "y", "covariates": COVARIATES}}
COUNTS = {
    "name": "counts",
    "spec": {"protocol": "glm", "family": "poisson", "outcome": "y", "covariates": COVARIATES},
}
STUDY = a_study_of([*COVARIATES, "y"], LOGISTIC, COUNTS)


def a_site(name: str, seed: int) -> AnalysisTable:
    draw = np.random.default_rng(seed)
    x, z, u = draw.normal(size=(3, 90))
    y = (u + x - 0.5 * z > 0.3).astype(float)
    return AnalysisTable(name, np.arange(90) + 1000 * seed, {"x": x, "z": z, "y": y})


TABLES = {name: a_site(name, seed) for seed, name in enumerate("abc")}


@pytest.fixture
def agents(tmp_path: Path) -> Agents:
    return Agents(tmp_path, STUDY, TABLES)


def in_a_climb(question: RoundQuestion) -> list[int]:
    return [place for place, ask in enumerate(question.asks) if ask.secret == "climb"]


def test_over_agents_it_is_plain_newton(agents: Agents) -> None:
    outcome, local = agents.run(), run_locally(STUDY, list(TABLES.values()))
    for name in ("odds", "counts"):
        for array in ("coef", "se", "covariance"):
            ours, plain = getattr(outcome[name], array), getattr(local[name], array)
            np.testing.assert_allclose(ours, plain, rtol=1e-11)


@pytest.mark.slow
def test_agents_that_are_killed_between_rounds_find_the_same(agents: Agents) -> None:
    def killed(question: RoundQuestion, relayed: Relayed) -> Message:
        agents.restart()
        return question, relayed

    local = run_locally(STUDY, list(TABLES.values()))
    np.testing.assert_allclose(agents.run(killed)["odds"].coef, local["odds"].coef, rtol=1e-11)


def test_a_question_of_a_climb_bears_no_coefficient_and_its_relay_no_sum(agents: Agents) -> None:
    seen, climbs = [], 0

    def watched(question: RoundQuestion, relayed: Relayed) -> Message:
        nonlocal climbs
        climbs += len(in_a_climb(question))
        for place in in_a_climb(question):
            assert question.asks[place].arrays.keys() == {"shift", "scale"}
        if seen:
            for sealed in relayed.values():
                said = RoundAnswer.decode(sealed[64:]).answers
                assert all(isinstance(said[p], Apart) for p in in_a_climb(seen[-1]))
        seen.append(question)
        return question, relayed

    agents.run(watched)
    assert climbs > 8


@pytest.mark.parametrize("allowing", ["abc", "ab"])
def test_the_strictest_of_the_sites_decides_about_digits(tmp_path: Path, allowing: str) -> None:
    whole = {
        name: table.with_columns({c: np.rint(2 * table.column(c)) for c in COVARIATES})
        for name, table in TABLES.items()
    }
    wish = a_study_of([*COVARIATES, "y"], LOGISTIC, digits="full")
    agents = Agents(tmp_path, wish, whole)
    for site in allowing:
        changed(agents.homes[site], "digits", "full")
    found = agents.run()["odds"]
    full = run_locally(wish, list(whole.values()))["odds"]
    same = np.isclose(found.coef, full.coef, rtol=1e-10, atol=0)
    assert same.all() if allowing == "abc" else not same.any()
    np.testing.assert_allclose(found.coef, full.coef, rtol=0, atol=0.12 * full.se.max())


FALSE_REPLIES = {
    "a step beyond all": {"step": np.full(3, 1e9)},
    "a step of another size": {"step": np.zeros(2)},
    "no number": {"step": np.full(3, np.nan)},
    "another state": {"state": np.array(17)},
    "an end without a covariance": {"state": np.array(2)},
}


@pytest.mark.parametrize("name", FALSE_REPLIES)
def test_a_false_reply_of_the_center_is_refused(agents: Agents, name: str) -> None:
    def false(question: RoundQuestion, relayed: Relayed) -> Message:
        told = {
            place: said if isinstance(said, Code) else {**said, **FALSE_REPLIES[name]}
            for place, said in question.told.items()
        }
        return RoundQuestion(**{**vars(question), "told": told}), relayed

    with pytest.raises(WireError):
        agents.run(false)
    key = agents.agents["a"].conductor.key
    assert unpack(unseal(agents.replies["a"], key, "status"))["code"] == Code.TAMPERED


def test_a_climb_that_the_study_does_not_ask_is_not_answered(tmp_path: Path) -> None:
    site = AttackedSite(tmp_path, lambda study: TABLES["a"], obedient=True)
    site.approve(STUDY)
    arrays = {"shift": np.zeros(2), "scale": np.ones(2)}
    for secret in ("climb", "close"):
        said = site.ask(STUDY, Ask("derivatives", arrays, analysis="odds", secret=secret), run=secret)
        assert said == (Code.INVALID_STUDY,)


def test_between_start_and_end_the_center_tells_the_sites_a_step_and_nothing_else(agents: Agents) -> None:
    told: list[set[str]] = []

    def heard(question: RoundQuestion, relayed: Relayed) -> Message:
        said = question.told.get(0)  # of the first model
        if said is not None and not isinstance(said, Code):
            told.append(set(said))
        return question, relayed

    agents.run(heard)
    assert all(names == {"state", "step"} for names in told[1:-1])
    assert told[0] >= {"loglik", "decrement", "n", "n_events"}
    assert told[-1] >= {"loglik", "covariance"}
    assert len(told) > 4


def a_followed_site(name: str, seed: int) -> AnalysisTable:
    table, draw = a_site(name, seed), np.random.default_rng(seed + 10)
    time = np.ceil(draw.exponential(300, 90) + 1)
    return table.with_columns({"os.time": time, "os.event": (draw.random(90) < 0.7) * 1.0})


def test_a_shared_baseline_climbs_over_agents_without_showing_risks_or_hazards(tmp_path: Path) -> None:
    spec = {"protocol": "cox", "outcome": "os", "covariates": COVARIATES, "stratify": "none"}
    spec |= {"grid": {"step_days": 60, "until_days": 1200}}
    study = a_study_of(COVARIATES, {"name": "hazards", "spec": spec}, survival=["os"])
    tables = {name: a_followed_site(name, seed) for seed, name in enumerate("abc")}
    agents, asked = Agents(tmp_path, study, tables), []

    def watched(question: RoundQuestion, relayed: Relayed) -> Message:
        agents.restart()
        asked.extend(question.asks[place] for place in in_a_climb(question))
        return question, relayed

    found, local = agents.run(watched)["hazards"], run_locally(study, list(tables.values()))["hazards"]
    for array in ("coef", "se", "covariance"):
        np.testing.assert_allclose(getattr(found, array), getattr(local, array), rtol=1e-10)
    np.testing.assert_allclose(found.baseline.cumulative_hazard, local.baseline.cumulative_hazard, rtol=1e-10)
    assert {ask.step for ask in asked} == {"risk_sums", "expected_products"}
    assert all(ask.arrays.keys() == {"scale", "location", "number"} for ask in asked)
