"""Last questions over real agents: the center alone sees the sums, and no site needs them."""

from pathlib import Path

import numpy as np
import pytest

from protocols.core import block
from protocols.core.block import ArrayBlock
from protocols.core.errors import Code, StudyError
from protocols.core.lockstep import Failure
from protocols.core.protocol import Ask, Coordination, Total, ask, last, relayed, within
from protocols.core.table import AnalysisTable
from protocols.exchange.coordination import StudyCoordination, join_round
from protocols.exchange.local import run_locally
from protocols.exchange.sides import Site
from protocols.exchange.wire import Apart, RoundAnswer, RoundQuestion
from tests.lib.agents import Agents, Message, Relayed
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import a_study_of

VARIANTS = tuple(f"1:{position}:A:G" for position in range(1, 13))
SCAN = {"protocol": "gwas", "variants": {"block": "snps"}, "outcomes": ["x"], "covariates": ["z"]}
ODDS = {"protocol": "logistic", "outcome": "y", "covariates": ["x", "z"]}


def a_site(name: str, seed: int) -> AnalysisTable:
    draw = np.random.default_rng(seed)
    x, z, u = draw.normal(size=(3, 90))
    copies = draw.binomial(2, 0.4, size=(90, len(VARIANTS))).astype(float)
    columns = {"x": x + copies[:, 0], "z": z, "y": (u + x > 0).astype(float)}
    table = AnalysisTable(name, np.arange(90) + 1000 * seed, columns)
    return table.with_block("snps", ArrayBlock(VARIANTS, copies))


TABLES = {name: a_site(name, seed) for seed, name in enumerate("abc")}
AXIS = TABLES["a"].blocks["snps"].axis.model_dump()
STUDY = a_study_of(
    ["x", "z", "y"],
    {"name": "scan", "spec": SCAN},
    {"name": "odds", "spec": ODDS},
    blocks={"snps": {"kind": "genotype", "variants": "listed", "build": "GRCh38", "axis": AXIS}},
)


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block, "NUMBERS_IN_A_LAST_ROUND", 12)


@pytest.mark.usefixtures("few_at_once")
def test_sums_of_last_questions_reach_the_center_alone_in_several_rounds(tmp_path: Path) -> None:
    agents, before = Agents(tmp_path, STUDY, TABLES), list[RoundQuestion]()
    relayed_apart = 0

    def watched(question: RoundQuestion, sealed: Relayed) -> Message:
        nonlocal relayed_apart
        agents.restart()
        for place, asked in enumerate(before[-1].asks) if before else ():
            if asked.secret == "last":
                said = [RoundAnswer.decode(one[64:]).answers[place] for one in sealed.values()]
                assert all(isinstance(one, Apart) and one.arrays is None for one in said)
                relayed_apart += 1
        before.append(question)
        return question, sealed

    outcome = agents.run(watched)
    assert relayed_apart >= 2
    whole = run_locally(STUDY, list(TABLES.values()))
    for name in ("beta", "se"):
        np.testing.assert_allclose(getattr(outcome["scan"], name), getattr(whole["scan"], name), rtol=1e-9)
    np.testing.assert_allclose(outcome["odds"].coef, whole["odds"].coef, rtol=1e-9)


def test_the_copy_of_a_site_ends_without_the_result() -> None:
    from protocols.exchange.envelope import digest
    from protocols.exchange.rounds import conduct
    from tests.lib.watched import Watched

    watched = Watched(STUDY, list(TABLES.values()))
    conduct(STUDY, watched, run="r", roster=tuple("abc"))
    copy, told = StudyCoordination(STUDY), [*(q.told for q in watched.questions[1:]), {}]
    for question, answers, said in zip(watched.questions, watched.answers, told, strict=True):
        copy.advance(join_round(STUDY, question, digest(question.encode()), answers, said), Site(bytes(32)))
    assert copy.asks is None
    ended = copy.results["scan"]
    assert isinstance(ended, Failure)
    assert ended.text == "the result is the center's alone"


def test_a_step_that_is_not_a_last_one_is_not_answered_to_the_center_alone(tmp_path: Path) -> None:
    site = AttackedSite(tmp_path, lambda study: TABLES["a"], obedient=True)
    site.approve(STUDY)
    said = site.ask(STUDY, Ask("copies", {"at": np.arange(3)}, analysis="scan", secret="last"))
    assert said == (Code.INVALID_STUDY,)


def two() -> Coordination[list[Total]]:
    return (yield from last(ask("one", at=number) for number in (1, 2)))


def a_total(number: int) -> Total:
    return Total({"n": np.array(number)}, ("a",))


def test_all_are_asked_before_an_error_is_raised() -> None:
    asking = two()
    assert next(asking).secret == "last"
    assert int(asking.throw(StudyError(Code.WITHHELD, "few")).arrays["at"]) == 2
    with pytest.raises(StudyError, match="few"):
        asking.send(a_total(3))


@pytest.mark.parametrize("needed", [relayed, lambda asking: within(asking, part=("model",))])
def test_what_somebody_needs_is_answered_to_all(needed: object) -> None:
    asking = needed(two())  # type: ignore[operator]
    assert next(asking).secret == ""
    assert asking.send(a_total(1)).secret == ""
    with pytest.raises(StopIteration) as done:
        asking.send(a_total(2))
    assert [int(total["n"]) for total in done.value.value] == [1, 2]
