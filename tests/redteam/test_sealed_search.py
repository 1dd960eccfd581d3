"""A penalized fit over real agents: the center cannot open the sums, and questions bear no coefficient."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from protocols.core.errors import Code, StudyError
from protocols.core.protocol import Ask, Coordination, Total, ask
from protocols.core.secret import ENDED
from protocols.core.table import AnalysisTable
from protocols.estimation.sealed import Sealed, searched
from protocols.exchange.local import run_locally
from protocols.exchange.secure_sum import unmask
from protocols.exchange.wire import RoundAnswer, RoundQuestion
from tests.lib.agents import Agents, Message, Relayed
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import a_study_of

COVARIATES = ["x", "z"]
GRID = {"step_days": 60, "until_days": 1200}
COX = {"protocol": "cox", "outcome": "os", "covariates": COVARIATES, "penalty": 0.02, "l1_ratio": 0.5}
ODDS = {"protocol": "penalized_logistic", "outcome": "y", "covariates": COVARIATES, "number": 3}
SPECS: dict[str, dict[str, Any]] = {
    "hazards": COX,
    "lasso": ODDS,
    "ridge": {**ODDS, "l1_ratio": 0},
    "one_baseline": {**COX, "stratify": "none", "grid": GRID},
}
COUNTS = {"n", "n_events", "effective", "at_risk", "few"}
STUDY = a_study_of(
    [*COVARIATES, "y"], *({"name": name, "spec": spec} for name, spec in SPECS.items()), survival=["os"]
)


def a_site(name: str, seed: int) -> AnalysisTable:
    draw = np.random.default_rng(seed)
    x, z, u = draw.normal(size=(3, 90))
    y = (u + x - 0.5 * z > 0.3).astype(float)
    time = np.ceil(draw.exponential(300 / np.exp(0.5 * x)) + 1)
    columns = {"x": x, "z": z, "y": y, "os.time": time, "os.event": (draw.random(90) < 0.7) * 1.0}
    return AnalysisTable(name, np.arange(90) + 1000 * seed, columns)


TABLES = {name: a_site(name, seed) for seed, name in enumerate("abc")}


@pytest.fixture
def agents(tmp_path: Path) -> Agents:
    return Agents(tmp_path, STUDY, TABLES)


def of_searches(question: RoundQuestion) -> list[int]:
    return [place for place, ask in enumerate(question.asks) if ask.secret == "sealed"]


@pytest.mark.slow
def test_over_agents_that_are_killed_it_is_the_plain_fit(agents: Agents) -> None:
    def killed(question: RoundQuestion, relayed: Relayed) -> Message:
        agents.restart()
        return question, relayed

    outcome, local = agents.run(killed), run_locally(STUDY, list(TABLES.values()))
    for name in SPECS:
        np.testing.assert_allclose(outcome[name].coef, local[name].coef, rtol=1e-9)
        np.testing.assert_allclose(outcome[name].loglik, local[name].loglik, rtol=1e-12)
    hazards = [found["one_baseline"].baseline.cumulative_hazard for found in (outcome, local)]
    np.testing.assert_allclose(*hazards, rtol=1e-9)


@pytest.mark.slow
def test_the_center_cannot_open_a_sum_and_no_question_bears_a_coefficient(agents: Agents) -> None:
    before: list[RoundQuestion] = []
    sums = ends = 0
    of_odds: set[str] = set()

    def watched(question: RoundQuestion, relayed: Relayed) -> Message:
        nonlocal sums, ends
        for place in of_searches(before[-1]) if before else ():
            said = [RoundAnswer.decode(sealed[64:]).answers[place] for sealed in relayed.values()]
            assert all(isinstance(one, dict) for one in said)
            if ENDED in said[0]:
                ends += 1
                continue
            integral = {name: name in COUNTS for name in said[0]}
            integral.pop("$check")
            with pytest.raises(StudyError) as caught:
                unmask(dict(zip("abc", said, strict=True)), integral)
            assert caught.value.code == Code.TAMPERED
            sums += 1
        for one in question.asks:
            if one.secret in ("sealed", "climb"):
                assert one.arrays.keys() <= {"shift", "scale", "location", "number"}
        of_odds.update(one.step for one in question.asks if one.analysis in ("lasso", "ridge"))
        before.append(question)
        return question, relayed

    agents.run(watched)
    assert sums > 5
    assert ends >= 1
    assert of_odds == {"people_in_effect", "moments", "gradient", "derivatives", "path"}


def test_a_search_that_the_study_does_not_make_is_not_answered(tmp_path: Path) -> None:
    site = AttackedSite(tmp_path, lambda study: TABLES["a"], obedient=True)
    site.approve(STUDY)
    asked = Ask("derivatives", {"scale": np.ones(2)}, analysis="hazards", secret="sealed")
    said = site.ask(STUDY, asked)
    assert said == (Code.INVALID_STUDY,)


def counting(until: int) -> Coordination[dict[str, Any]]:
    total = 0
    for _ in range(until):
        total += (yield ask("one", hidden=total, known=1.0))["n"]
    if total > 100:
        raise StudyError(Code.NOT_CONVERGED, "too many")
    return {"total": np.array(total)}


def test_only_what_the_center_does_not_know_is_added_by_a_site() -> None:
    site, center = (Sealed(counting(2), ["one"], {"known": np.array(1.0)}) for _ in range(2))
    for number in (3, 4):
        assert site.ask() == center.ask()
        assert site.asked().keys() == {"hidden"}
        assert not site.ended
        site.hear(Total({"n": np.array(number)}, ("a",)))
    assert site.ended
    assert int(site.found()["total"]) == 7
    assert not center.ended


def test_a_search_that_fails_ends_with_its_code() -> None:
    site = Sealed(counting(1), ["one"], {})
    site.hear(Total({"n": np.array(101)}, ("a",)))
    assert site.ended
    with pytest.raises(StudyError, match="too many"):
        site.found()


def test_steps_are_asked_in_their_turn() -> None:
    asking = searched(counting(9), ["one", "two"], {})
    steps = [next(asking).step, *(asking.send({}).step for _ in range(3))]
    assert steps == ["one", "two", "one", "two"]


@pytest.mark.slow
def test_who_ends_before_the_others_stops_the_run(agents: Agents) -> None:
    honest, asked = Sealed.ended.fget, 0
    assert honest is not None

    def impatient(search: Sealed) -> bool:
        nonlocal asked
        asked += 1
        return True if asked == 5 else honest(search)

    with (
        patch.object(Sealed, "ended", property(impatient)),
        pytest.raises(StudyError, match="different ends"),
    ):
        agents.run()
