"""Several studies at once: they take turns, queries go first, none is held by another one's lost site."""

from pathlib import Path
from typing import Any

import pytest

from protocols.core.errors import Code
from protocols.core.study import Study
from protocols.describe.query import query_study
from server.coordination.coordinator import MAX_DEATHS
from server.coordination.submission import submit_query
from server.home.submissions import State
from site_node.governance import approvals
from site_node.governance.policy import changed
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study

STUDY, OTHER = logistic_study("one"), logistic_study("other")
QUERY = query_study("condition:ICD10CM:C71%", ["age"])


@pytest.fixture
def consortium(tmp_path: Path) -> Consortium:
    """Three sites that approved two studies, and queries in advance."""
    made = Consortium(tmp_path)
    for study in (STUDY, OTHER):
        made.decide(study, "approved")
    for name in made.names:
        options: dict[str, Any] = {"max_studies": 5, "max_variables": 5, "days": 30}
        approvals.approve_standing(made.folder / name, "summary", by="test", **options)
    return made


def _happened(consortium: Consortium, *runs: str) -> list[tuple[str, str]]:
    """(run, what happened) in the order in which it did."""
    events = [(event["id"], run, event["what"]) for run in runs for event in consortium.store.events(run)]
    return [(run, what) for _, run, what in sorted(events)]


def _when(consortium: Consortium, site: str, number: int, act: Any) -> None:
    """Does something when a site has answered its n-th round message."""
    answered: list[bytes] = []

    def count(name: str, kind: str, reply: bytes) -> bytes:
        if (name, kind) == (site, "round"):
            answered.append(reply)
            if len(answered) == number:
                act()
        return reply

    consortium.tamper = count


def test_no_message_leaves_after_a_study_was_withdrawn(consortium: Consortium) -> None:
    run = consortium.propose(STUDY).run
    _when(consortium, "c", 2, lambda: consortium.store.withdraw(run))
    assert consortium.coordinator().step() == 1
    ended = consortium.store.submission(run)
    assert (ended.state, ended.outcome) == (State.WITHDRAWN, None)
    assert consortium.asked.count(("round", "a")) == 2
    assert "done" not in [what for _, what in _happened(consortium, run)]


def test_a_study_that_is_withdrawn_while_sites_decide_is_not_begun(consortium: Consortium) -> None:
    run = consortium.propose(STUDY).run
    consortium.tamper = lambda site, kind, reply: (consortium.store.withdraw(run), reply)[1]
    assert consortium.coordinator().step() == 1
    assert consortium.store.submission(run).state == State.WITHDRAWN
    assert ("round", "a") not in consortium.asked


def test_a_query_is_answered_while_a_study_is_in_its_rounds(consortium: Consortium) -> None:
    run = consortium.propose(STUDY).run
    asked: list[str] = []
    _when(consortium, "a", 1, lambda: asked.append(submit_query(consortium.home, QUERY).run))
    assert consortium.coordinator(studies_at_once=1).step() == 2
    happened = _happened(consortium, run, *asked)
    assert happened[-1] == (run, "done")
    rounds_meanwhile = happened[: happened.index((asked[0], "done"))].count((run, "answered"))
    assert rounds_meanwhile <= 5  # proposal, start, and its own rounds: counts first, then sums


def test_studies_take_turns(consortium: Consortium) -> None:
    runs = [consortium.propose(study).run for study in (STUDY, OTHER)]
    assert consortium.coordinator().step() == 2
    asked = [run for run, what in _happened(consortium, *runs) if what == "asked"]
    assert asked == runs * (len(asked) // 2)


@pytest.mark.slow
def test_no_more_studies_are_in_their_rounds_than_the_settings_let(consortium: Consortium) -> None:
    first, second = (consortium.propose(study).run for study in (STUDY, OTHER))
    coordinator = consortium.coordinator(studies_at_once=1)
    assert coordinator.step() == 1
    assert consortium.store.submission(first).state == State.DONE
    assert consortium.store.memory(second).keys() == set()
    for _ in range(2):
        consortium.store.wait(second, 0)
        coordinator.step()
    assert consortium.store.submission(second).state == State.DONE
    assert [what for _, what in _happened(consortium, second)].count("queued") == 1
    assert consortium.asked.count(("propose", "a")) == 2


@pytest.mark.slow
def test_a_lost_site_holds_its_own_study_and_no_other(tmp_path: Path) -> None:
    consortium = Consortium(tmp_path, ("a", "b", "c", "d"))
    for study in (STUDY, OTHER):
        consortium.decide(study, "approved")
    for name in consortium.names:  # else a site sees that the two studies differ by the people of one site
        changed(consortium.folder / name, "combinations", "allow")
    consortium.tamper = lambda site, kind, reply: Code.DEADLINE if (site, kind) == ("d", "round") else reply
    held = consortium.propose(STUDY, sites=("b", "c", "d")).run
    free = consortium.propose(OTHER, sites=("a", "b", "c")).run
    coordinator = consortium.coordinator(patience_seconds=30, round_seconds=10)
    assert coordinator.step() == 1
    states = [consortium.store.submission(run).state for run in (held, free)]
    assert states == [State.RUNNING, State.DONE]
    ended = consortium.ends(held, coordinator)
    assert (ended.state, ended.code) == (State.FAILED, Code.SITE_UNREACHABLE)
    assert 30 <= consortium.seconds <= 42


def test_who_is_waited_for_is_said_once(consortium: Consortium) -> None:
    consortium.tamper = lambda site, kind, reply: (
        Code.SITE_UNREACHABLE if (site, kind) == ("b", "round") else reply
    )
    run = consortium.propose(STUDY).run
    consortium.ends(run, consortium.coordinator(patience_seconds=30))
    assert [what for _, what in _happened(consortium, run)].count("waiting for") == 1


@pytest.mark.slow
def test_all_interrupted_studies_go_on_together(consortium: Consortium) -> None:
    runs = [consortium.propose(study).run for study in (STUDY, OTHER)]
    coordinator = consortium.coordinator()
    for _ in range(5):
        coordinator.turn()
    assert {consortium.store.submission(run).state for run in runs} == {State.RUNNING}
    assert consortium.coordinator(studies_at_once=1).step() == 2
    ended = [consortium.store.submission(run) for run in runs]
    assert [(one.state, one.attempts) for one in ended] == [(State.DONE, 2)] * 2


def test_a_study_in_whose_hands_the_coordinator_dies_again_and_again_ends_and_the_others_go_on(
    consortium: Consortium,
) -> None:
    deadly, other = (consortium.propose(study).run for study in (STUDY, OTHER))
    blocks = [consortium.store.at_work(deadly) for _ in range(MAX_DEATHS)]
    for block in blocks:
        block.__enter__()  # and the process is gone
    assert consortium.coordinator().step() == 2
    ended = consortium.store.submission(deadly)
    assert (ended.state, ended.code) == (State.FAILED, Code.CENTER_FAILED)
    assert consortium.store.submission(other).state == State.DONE


def test_a_study_whose_signature_is_wrong_ends_alone(consortium: Consortium) -> None:
    run = consortium.propose(STUDY).run
    other: Study = logistic_study("altered")
    altered = consortium.store.submit(
        study=other.hash(), name="altered", title="", sealed=b"unsigned", invited=(), deadline=0
    )
    assert consortium.coordinator().step() == 2
    assert consortium.store.submission(run).state == State.DONE
    assert consortium.store.submission(altered.run).state == State.FAILED
