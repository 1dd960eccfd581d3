"""RT43, RT57, RT59: a coordinator chooses numbers, rows or answers inside an approved study.

The attacks run over real agents. Against sites that follow whatever they are asked they succeed; sites that
conduct the study themselves refuse the first question that does not follow.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protocols.core.errors import Code
from protocols.core.grid import on_grid
from protocols.core.protocol import Ask
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Rows
from protocols.exchange.envelope import WireError, unpack, unseal
from protocols.exchange.local import run_locally
from protocols.exchange.secure_sum import CHECK, unmask
from protocols.exchange.wire import RoundAnswer, RoundQuestion
from tests.lib.agents import Agents, Message, Relayed
from tests.lib.attacked_site import AttackedSite, Obedient
from tests.lib.studies import a_study_of

SPEC: dict[str, Any] = {
    "protocol": "associate",  # its questions bear coefficients; those of climbs and sealed searches bear none
    "model": "logistic",
    "features": ["x"],
    "outcomes": ["y"],
    "confounders": ["z"],
}
STUDY = a_study_of(["x", "z", "y"], {"name": "model", "spec": SPEC})


def a_site(name: str, seed: int) -> AnalysisTable:
    draw = np.random.default_rng(seed)
    x, z, u = draw.normal(size=(3, 90))
    y = (u + x - 0.5 * z > 0.3).astype(float)
    return AnalysisTable(name, np.arange(90) + 1000 * seed, {"x": x, "z": z, "y": y})


COUNTS = {"n"}
TABLES = {name: a_site(name, seed) for seed, name in enumerate("abc")}


@pytest.fixture
def agents(tmp_path: Path) -> Agents:
    return Agents(tmp_path, STUDY, TABLES)


def refusal(agents: Agents, site: str = "a") -> Code:
    key = agents.agents[site].conductor.key
    return Code(unpack(unseal(agents.replies[site], key, "status"))["code"])


def in_round(number: int, change: Callable[[Ask], Ask]) -> Any:
    """A coordinator that changes the one question of a round."""

    def changed(question: RoundQuestion, relayed: Relayed) -> Message:
        if question.round != number:
            return question, relayed
        return replace(question, asks=tuple(change(ask) for ask in question.asks)), relayed

    return changed


def with_coef(ask: Ask, coef: np.ndarray) -> Ask:
    return replace(ask, arrays={**ask.arrays, "coef": coef})


CHOSEN = {
    "coefficients at an edge": lambda ask: with_coef(ask, np.array([[[-1e5, 0.0, 1e5]]])),
    "one number a billionth off": lambda ask: with_coef(ask, ask.arrays["coef"] * [1, 1 + 1e-9, 1]),
    "one number off the grid": lambda ask: with_coef(ask, ask.arrays["coef"] * [1, 1 + 1e-15, 1]),
    "more than a step of the grid": lambda ask: with_coef(ask, on_grid(ask.arrays["coef"] * (1 + 3e-11))),
    "another step": lambda ask: replace(ask, step="moments", arrays={}),
    "a fold": lambda ask: replace(ask, rows=Rows(keep="test", fold=0, of=5)),
    "in the clear": lambda ask: replace(ask, per_site=True),
    "another center": lambda ask: replace(ask, arrays={**ask.arrays, "shift": np.array([1.0, 1.0])}),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_a_chosen_question_is_refused_by_every_site(agents: Agents, name: str) -> None:
    with pytest.raises(WireError):
        agents.run(in_round(2, CHOSEN[name]))
    assert {refusal(agents, site) for site in "abc"} == {Code.TAMPERED}


def test_sites_that_only_obey_sum_up_whatever_is_asked(agents: Agents) -> None:
    for site, agent in agents.agents.items():
        agent.conductor = Obedient(agents.homes[site], site, agent.conductor.key)
    slope, sums = 0.7, {}
    arrays = {"coef": np.array([[[0.0, 0.0, slope]]]), "shift": np.zeros(2), "scale": np.ones(2)}

    def chosen(question: RoundQuestion, relayed: Relayed) -> Message:
        if question.round == 3:
            sent = {site: RoundAnswer.decode(said[64:]).answers[0] for site, said in agents.replies.items()}
            sums.update(unmask(sent, {name: name in COUNTS for name in sent["a"] if name != CHECK}))
        return in_round(2, lambda ask: replace(ask, arrays=arrays))(question, relayed)

    agents.run(chosen)
    x, y = (np.concatenate([table.column(name) for table in TABLES.values()]) for name in "xy")
    read = sums["score"][0, 0, 0]  # the sum over people of y - p at the coordinator's own slope
    assert read == pytest.approx(np.sum(y - 1 / (1 + np.exp(-slope * x))), abs=1e-9)


def test_an_honest_run_over_agents_equals_the_one_in_this_process(agents: Agents) -> None:
    outcome, local = agents.run(), run_locally(STUDY, list(TABLES.values()))
    np.testing.assert_array_equal(outcome["model"].beta, local["model"].beta)
    assert outcome.rounds >= 4


def test_agents_that_are_killed_between_rounds_go_on(agents: Agents) -> None:
    def killed(question: RoundQuestion, relayed: Relayed) -> Message:
        agents.restart()
        return question, relayed

    local = run_locally(STUDY, list(TABLES.values()))
    np.testing.assert_array_equal(agents.run(killed)["model"].beta, local["model"].beta)


def test_answers_that_are_not_those_of_their_sites_are_refused(agents: Agents) -> None:
    def swapped(question: RoundQuestion, relayed: Relayed) -> Message:
        return question, relayed | {"b": relayed["c"]} if question.round == 1 else relayed

    with pytest.raises(WireError):
        agents.run(swapped)
    assert refusal(agents) in (Code.BAD_SIGNATURE, Code.TAMPERED)


def test_a_second_attempt_at_a_round_proves_its_answers_anew(agents: Agents) -> None:
    honest: list[Message] = []

    def chosen(question: RoundQuestion, relayed: Relayed) -> Message:
        if question.round == 2:
            honest.append((question, dict(relayed)))
        return in_round(2, CHOSEN["another center"])(question, relayed)

    with pytest.raises(WireError):
        agents.run(chosen)
    question, relayed = honest[0]
    for swapped in ({**relayed, "b": relayed["c"]}, {}):
        agents.replies = {
            "a": agents.agents["a"].handle("round", agents.center.plain_question(question, swapped))
        }
        assert refusal(agents) in (Code.BAD_SIGNATURE, Code.TAMPERED)


def test_answers_of_another_run_are_refused(agents: Agents) -> None:
    earlier: dict[str, bytes] = {}

    def noted(question: RoundQuestion, relayed: Relayed) -> Message:
        if question.run == "r1" and question.round == 1:
            earlier.update(relayed)
        if question.run == "r2" and question.round == 1:
            return question, earlier
        return question, relayed

    agents.run(noted)
    with pytest.raises(WireError):
        agents.run(noted, run="r2")
    assert refusal(agents) == Code.TAMPERED


def test_a_question_without_the_answers_before_it_is_refused(agents: Agents) -> None:
    with pytest.raises(WireError):
        agents.run(lambda question, relayed: (question, {}))
    assert refusal(agents) == Code.TAMPERED


def test_the_first_question_follows_from_the_study_alone(tmp_path: Path) -> None:
    arrays = {"coef": np.array([[[0.0, 0.0, 3.0]]]), "shift": np.zeros(2), "scale": np.ones(2)}
    asks = Ask("moments", analysis="model"), Ask("derivatives", arrays, analysis="model")

    def table(study: Study) -> AnalysisTable:
        return TABLES["a"]

    site, obedient = AttackedSite(tmp_path / "1", table), AttackedSite(tmp_path / "2", table, obedient=True)
    for one in (site, obedient):
        one.approve(STUDY)
    assert site.ask(STUDY, *asks) == Code.TAMPERED
    assert not isinstance(obedient.ask(STUDY, *asks), Code)
