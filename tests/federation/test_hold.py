"""Answers that wait for people, over real processes: the run waits with them, then goes on by their bytes."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from protocols.core.study import Analysis, Study
from protocols.describe.summary import SummarySpec
from protocols.exchange.local import run_locally
from server.actions import studies
from server.coordination.replay import recompute
from server.home.submissions import State, Submission
from site_node.actions import held, policy
from site_node.governance import audit_check, ledger
from site_node.governance.holds import HeldAnswer
from tests.lib.federation import Federation, founded, logistic_study, started, until
from tests.lib.table_agent import table_of

pytestmark = pytest.mark.slow

NAMES = ("a", "b", "c")
PATIENCE = 10.0


def _study(name: str) -> Study:
    spec = SummarySpec(of=("age", "marker_a"))
    return logistic_study(name).model_copy(update={"analyses": (Analysis(name="values", spec=spec),)})


def _waits(home: Path) -> tuple[HeldAnswer, ...]:
    return held.listed(home).answers


def _states(consortium: Federation, run: str) -> dict[str, str]:
    return {one.site: one.state for one in studies.shown(consortium.home, run).sites}


def _review_the_rest(consortium: Federation, submission: Submission) -> Submission:
    """The submission at its end; people at both sites let every later answer go."""

    def is_over() -> bool:
        for name, people in (("b", ("Dr. Hansen",)), ("c", ("Dr. Lund", "Dr. Berg"))):
            for one in _waits(consortium.sites[name]):
                for person in set(people) - set(one.released_by):
                    held.release(consortium.sites[name], one.id, by=person)
        return consortium.store.submission(submission.run).ended_at is not None

    until(is_over, 180)
    return consortium.store.submission(submission.run)


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    settings = {"round_seconds": 25.0, "patience_seconds": PATIENCE}
    with started(founded(tmp_path_factory.mktemp("consortium"), NAMES, **settings)) as running:
        yield running


def test_a_run_waits_for_people_and_not_for_its_patience(consortium: Federation) -> None:
    one, two = consortium.sites["b"], consortium.sites["c"]
    policy.set_rule(one, "hold", "one")
    policy.set_rule(two, "hold", "two")
    study = _study("held")
    submitted = consortium.propose(study)
    consortium.approve(study)
    held_at_both = {"a": "approved", "b": "held", "c": "held"}
    until(lambda: _states(consortium, submitted.run) == held_at_both, 120)
    since = time.monotonic()
    (before,) = _waits(one)
    consortium.kill_site("b")
    consortium.launch_site("b")
    assert [answer.id for answer in _waits(one)] == [before.id]
    held.release(one, before.id, by="Dr. Hansen")
    until(lambda: _states(consortium, submitted.run)["b"] == "approved", 120)
    (waiting,) = _waits(two)
    held.release(two, waiting.id, by="Dr. Lund")
    until(lambda: time.monotonic() > since + PATIENCE + 5, 60)  # people take longer than the patience
    assert consortium.store.is_open(submitted.run)
    assert _states(consortium, submitted.run)["c"] == "held"
    ended = _review_the_rest(consortium, submitted)
    assert ended.state == State.DONE
    _, outcome = recompute(consortium.home, submitted.run)
    local = run_locally(study, [table_of(name)(study) for name in NAMES])
    np.testing.assert_allclose(outcome["values"].total.mean, local["values"].total.mean, rtol=1e-11)
    sent = {(a["site"], a["round"]): a["sha256"] for a in consortium.store.answers(submitted.run)}
    for name, home in (("b", one), ("c", two)):
        kept = {(name, a.round): a.sha256 for a in ledger.released(home)}
        assert kept.items() <= sent.items()
        assert audit_check.verify(home) > len(kept)


def test_an_answer_that_people_refuse_ends_the_run(consortium: Federation) -> None:
    policy.set_rule(consortium.sites["c"], "hold", "none")
    study = _study("refused")
    submitted = consortium.propose(study)
    consortium.approve(study)
    until(lambda: _states(consortium, submitted.run).get("b") == "held", 120)
    (waiting,) = _waits(consortium.sites["b"])
    held.refuse(consortium.sites["b"], waiting.id, by="Dr. Hansen")
    ended = consortium.ended(submitted)
    assert (ended.state, str(ended.code)) == (State.FAILED, "withheld")
    assert study.hash() not in {left.study for left in ledger.released(consortium.sites["b"])}
