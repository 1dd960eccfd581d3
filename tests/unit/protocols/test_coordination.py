"""Lockstep, narrowing, and rounds: how coordinations share messages, fail alone, and are replayed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from protocols.core.errors import Code, StudyError
from protocols.core.lockstep import Failure, Lockstep, settled, together
from protocols.core.protocol import Ask, Coordination, Transform, ask, within
from protocols.core.table import Rows
from protocols.exchange.envelope import pack, unpack
from protocols.exchange.local import LocalSites
from protocols.exchange.rounds import conduct
from protocols.exchange.wire import RoundAnswer, RoundQuestion
from tests.lib.drawn_sites import SPLITS, study_of

SITES = ("a", "b", "c")


def counting(rounds: int) -> Coordination[list[int]]:
    answers = []
    for i in range(rounds):
        answers.append((yield ask(f"step{i}")))
    return answers


def failing() -> Coordination[int]:
    yield ask("first")
    raise StudyError(Code.SEPARATION, "runs away")


def driven(coordination: Coordination[Any]) -> tuple[Any, list[int]]:
    """The result when each question is answered by its step's name, and how many were asked each round."""
    sizes = []
    try:
        asked = next(coordination)
        while True:
            asks = (asked,) if isinstance(asked, Ask) else asked
            sizes.append(len(asks))
            answers = tuple(a.step for a in asks)
            asked = coordination.send(answers[0] if isinstance(asked, Ask) else answers)
    except StopIteration as done:
        return done.value, sizes


def test_many_coordinations_take_the_rounds_of_the_longest() -> None:
    results, sizes = driven(together([counting(3), counting(1), counting(2)]))
    assert sizes == [3, 2, 1]
    assert results == [["step0", "step1", "step2"], ["step0"], ["step0", "step1"]]


def test_one_that_asks_nothing_is_done_at_once() -> None:
    assert driven(together([counting(0), counting(1)])) == ([[], ["step0"]], [1])


def test_one_that_fails_lets_the_others_end() -> None:
    results, sizes = driven(settled([failing(), counting(3)]))
    assert isinstance(results[0], StudyError)
    assert results[1] == ["step0", "step1", "step2"]
    assert sizes == [2, 1, 1]


def test_together_raises_the_first_error_when_all_have_ended() -> None:
    with pytest.raises(StudyError) as caught:
        driven(together([counting(2), failing()]))
    assert caught.value.code == Code.SEPARATION


def test_an_error_reaches_the_coordination_that_asked() -> None:
    def careful() -> Coordination[str]:
        try:
            yield ask("risky"), ask("safe")
        except StudyError as error:
            return f"caught {error.code}"
        return "nothing happened"

    lockstep: Lockstep[str, Any] = Lockstep()
    lockstep.start("careful", careful())
    lockstep.start("other", counting(1))
    assert [a.step for a in lockstep.asks()] == ["risky", "safe", "step0"]
    lockstep.answer([StudyError(Code.WITHHELD, "no"), "yes", "hello"])
    assert lockstep.results == {"careful": "caught withheld", "other": ["hello"]}
    assert lockstep.asks() == ()


def test_within_narrows_every_question_and_names_the_analysis_of_a_transform() -> None:
    train = Rows(keep="train", fold=1, of=5)
    mine, theirs = (Transform(name, (), train, {}) for name in ("", "earlier"))

    def inner() -> Coordination[None]:
        yield Ask("one", part=("model",), transforms=(mine,))
        yield Ask("two", rows=Rows(keep="test", fold=2, of=3)), Ask("three", analysis="named")

    narrowed = within(inner(), analysis="outer", part=("inside",), rows=train, transforms=(theirs,))
    first = next(narrowed)
    assert isinstance(first, Ask)
    assert (first.analysis, first.part, first.rows) == ("outer", ("inside", "model"), train)
    assert [t.analysis for t in first.transforms] == ["earlier", "outer"]
    second = narrowed.send("answer")
    assert isinstance(second, tuple)
    assert second[0].rows == Rows(keep="test", fold=2, of=3, inside=train)
    assert second[1].analysis == "named"


def test_an_error_goes_through_within() -> None:
    def inner() -> Coordination[str]:
        try:
            yield ask("one")
        except StudyError:
            return (yield ask("two"))
        return ""

    narrowed = within(inner(), analysis="a")
    next(narrowed)
    assert narrowed.throw(StudyError(Code.WITHHELD, "no")).step == "two"


LOGISTIC = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age"]}
STUDY = study_of(LOGISTIC, {"protocol": "summary", "of": ["age"]}, min_sites=3)
TABLES = {table.site: table for table in SPLITS["unequal sites"]}


def run(exchange: Any, memory: dict[int, bytes] | None = None, roster: tuple[str, ...] = SITES) -> Any:
    return conduct(STUDY, exchange, run="r", roster=roster, memory=memory)


def test_a_study_with_fewer_sites_than_it_wants_asks_nobody() -> None:
    def nobody(question: RoundQuestion) -> Mapping[str, RoundAnswer]:
        raise AssertionError

    with pytest.raises(StudyError) as caught:
        run(nobody, roster=("a", "b"))
    assert caught.value.code == Code.TOO_FEW_SITES


def test_an_analysis_that_a_site_withholds_fails_alone_and_names_the_site() -> None:
    sites = LocalSites(STUDY, TABLES)

    def b_withholds(question: RoundQuestion) -> Mapping[str, RoundAnswer]:
        answers = dict(sites(question))
        kept = tuple(
            Code.WITHHELD if a.analysis == "a0" else given
            for a, given in zip(question.asks, answers["b"].answers, strict=True)
        )
        b = answers["b"]
        return {**answers, "b": RoundAnswer(b.study, b.run, b.round, b.site, b.question, kept)}

    outcome = run(b_withholds)
    failure = outcome.results["a0"]
    assert isinstance(failure, Failure)
    assert failure.code == Code.WITHHELD
    assert "site b" in failure.text
    assert outcome["a1"].total.n.sum() > 0


@pytest.mark.parametrize("fault", ["another question", "too few answers", "other arrays"])
def test_an_answer_that_does_not_fit_its_question_ends_the_run(fault: str) -> None:
    sites = LocalSites(STUDY, TABLES)

    def faulty(question: RoundQuestion) -> Mapping[str, RoundAnswer]:
        answers = dict(sites(question))
        b = answers["b"]
        asked = "0" * 64 if fault == "another question" else b.question
        given = b.answers[:-1] if fault == "too few answers" else b.answers
        if fault == "other arrays":
            given = tuple({"n": np.array(1)} for _ in given)
        return {**answers, "b": RoundAnswer(b.study, b.run, b.round, b.site, asked, given)}

    with pytest.raises(StudyError) as caught:
        run(faulty)
    assert caught.value.code == Code.MALFORMED_MESSAGE


def test_a_memory_of_another_question_is_found_out() -> None:
    memory: dict[int, bytes] = {}
    run(LocalSites(STUDY, TABLES), memory)
    with pytest.raises(StudyError) as caught:
        conduct(STUDY, LocalSites(STUDY, TABLES), run="another", roster=SITES, memory=memory)
    assert caught.value.code == Code.TAMPERED


def test_a_joined_answer_that_was_altered_changes_the_next_question_and_is_found_out() -> None:
    memory: dict[int, bytes] = {}
    run(LocalSites(STUDY, TABLES), memory)
    kept = unpack(memory[1])
    arrays = kept["joined"][0]["sum"]
    kept["joined"][0]["sum"] = {**arrays, "sum": arrays["sum"] + 1}
    memory[1] = pack(kept)
    with pytest.raises(StudyError) as caught:
        run(LocalSites(STUDY, TABLES), memory)
    assert caught.value.code == Code.TAMPERED


def test_the_order_of_the_roster_does_not_matter() -> None:
    one = run(LocalSites(STUDY, TABLES), roster=("c", "a", "b"))
    other = run(LocalSites(STUDY, TABLES), roster=SITES)
    assert one["a0"].as_dict() == other["a0"].as_dict()


def test_an_exception_ends_its_own_coordination_alone() -> None:
    def broken() -> Coordination[None]:
        yield ask("one")
        raise ValueError("canary 1961-02-03")

    lockstep: Lockstep[str, Any] = Lockstep()
    lockstep.start("broken", broken())
    lockstep.start("other", counting(1))
    lockstep.answer(["answer", "hello"])
    assert lockstep.results["other"] == ["hello"]
    failed = lockstep.results["broken"]
    assert isinstance(failed, StudyError)
    assert (failed.code, "canary" in failed.text) == (Code.CENTER_FAILED, False)
