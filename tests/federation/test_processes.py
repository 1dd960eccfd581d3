"""The real processes: SuperLink, SuperExec, ServerApp, SuperNodes and agents, with TLS, on loopback."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocols.core.errors import Code
from protocols.describe.query import query_study
from protocols.exchange.envelope import seal
from protocols.exchange.local import run_locally
from protocols.runtime import daemons
from server.coordination.replay import recompute
from server.coordination.submission import submit_query
from server.home.submissions import State
from site_node.governance import approvals, audit
from tests.lib.federation import Federation, founded, logistic_study, started, until
from tests.lib.processes import living
from tests.lib.table_agent import CANARY, table_of

pytestmark = pytest.mark.slow

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    folder = tmp_path_factory.mktemp("consortium")
    with started(founded(folder, NAMES, round_seconds=25.0, patience_seconds=180.0)) as running:
        yield running
    assert living(folder) == []


def _rounds(consortium: Federation, run: str) -> int:
    return len(consortium.store.memory(run))


def test_three_sites_give_the_answer_of_the_same_tables_in_one_process(consortium: Federation) -> None:
    study = logistic_study("pooled")
    submitted = consortium.propose(study)
    consortium.approve(study)
    ended = consortium.ended(submitted)
    assert (ended.state, list(ended.roster or ())) == (State.DONE, list(NAMES))
    _, outcome = recompute(consortium.home, submitted.run)
    local = run_locally(study, [table_of(name)(study) for name in NAMES])
    # The same sums in the same order: equal to the last bit.
    np.testing.assert_allclose(outcome["idh1"].coef, local["idh1"].coef, rtol=1e-11)
    answers = consortium.store.answers(submitted.run)
    assert len(answers) == 3 * outcome.rounds


def test_a_site_that_refuses_is_not_asked_for_data(consortium: Federation) -> None:
    study = logistic_study("refused")
    submitted = consortium.propose(study)
    consortium.approve(study, "a", "b")
    approvals.decide(consortium.sites["c"], study, approvals.State.REFUSED, by="test")
    ended = consortium.ended(submitted)
    assert (ended.state, ended.code) == (State.FAILED, Code.TOO_FEW_SITES)
    assert _rounds(consortium, submitted.run) == 0


def test_a_query_is_answered_while_a_study_is_in_its_rounds(consortium: Federation) -> None:
    for home in consortium.sites.values():
        approvals.approve_standing(home, "summary", by="test", max_studies=5, max_variables=5, days=30)
    study = logistic_study("long")
    submitted = consortium.propose(study)
    consortium.approve(study)
    until(lambda: _rounds(consortium, submitted.run) >= 1, 90)
    query = submit_query(consortium.home, query_study("condition:ICD10CM:C71%", ["age"]))
    answered, ended = consortium.ended(query), consortium.ended(submitted)
    assert (answered.state, ended.state) == (State.DONE, State.DONE)
    assert (answered.ended_at or 0) < (ended.ended_at or 0)


def test_a_study_that_is_withdrawn_in_its_rounds_asks_no_further_one(consortium: Federation) -> None:
    study, next_one = logistic_study("withdrawn"), logistic_study("after-withdrawn")
    submitted = consortium.propose(study)
    consortium.approve(study)
    until(lambda: _rounds(consortium, submitted.run) >= 1, 90)
    consortium.store.withdraw(submitted.run)
    joined = _rounds(consortium, submitted.run)
    following = consortium.propose(next_one)
    consortium.approve(next_one)
    assert consortium.ended(following).state == State.DONE
    assert consortium.store.submission(submitted.run).state == State.WITHDRAWN
    assert _rounds(consortium, submitted.run) == joined
    for home in consortium.sites.values():
        answers = [line for line in audit.lines(home) if line.get("study") == study.hash()]
        assert sum(line["event"] == "answered" for line in answers) <= joined + 1


def test_a_study_with_an_altered_byte_ends_and_the_next_one_runs(consortium: Federation) -> None:
    study = logistic_study("altered")
    canonical = study.canonical().replace(b'"min_sites":3', b'"min_sites":2')
    submitted = consortium.store.submit(
        study=study.hash(),
        name=study.name,
        title=study.title,
        sealed=seal(canonical, Ed25519PrivateKey.generate(), "study"),
        invited=(),
        deadline=0,
    )
    ended = consortium.ended(submitted)
    assert (ended.state, ended.code) == (State.FAILED, Code.BAD_SIGNATURE)


def test_what_an_agent_raises_never_leaves_its_site(consortium: Federation) -> None:
    study = logistic_study("raises")
    submitted = consortium.propose(study)
    consortium.approve(study)
    ended = consortium.ended(submitted)
    assert (ended.state, ended.code) == (State.FAILED, Code.SITE_FAILED)
    consortium.stop_site("c")
    consortium.launch_site("c", fault="raise")
    try:
        study = logistic_study("raises-outside-the-agent")
        # a site that was stopped while it answered is back when the network misses it, after half a minute
        submitted = consortium.propose(study, patience_seconds=150)
        consortium.approve(study, "a", "b")
        ended = consortium.ended(submitted)
        assert ended.code == Code.TOO_FEW_SITES
        assert consortium.store.standing(submitted.run)["c"] == ("refused", Code.SITE_FAILED)
        assert _files_with(CANARY.encode(), consortium.home, *consortium.sites.values()) == []
    finally:  # the tests after it share the sites
        consortium.stop_site("c")
        consortium.launch_site("c")


def test_a_site_that_is_killed_in_a_run_is_waited_for(consortium: Federation) -> None:
    study = logistic_study("killed-site")
    submitted = consortium.propose(study)
    consortium.approve(study)
    until(lambda: _rounds(consortium, submitted.run) >= 2, 90)
    consortium.kill_site("b")
    consortium.launch_site("b")
    assert consortium.ended(submitted, 240).state == State.DONE


def test_an_agent_that_is_killed_is_started_again_and_the_run_goes_on(consortium: Federation) -> None:
    study = logistic_study("killed-agent")
    submitted = consortium.propose(study)
    consortium.approve(study)
    until(lambda: _rounds(consortium, submitted.run) >= 2, 90)
    os.kill(daemons.services(consortium.sites["a"] / "run")["agent"]["pid"], signal.SIGKILL)
    assert consortium.ended(submitted, 240).state == State.DONE


def test_a_superlink_that_is_killed_is_started_again_and_the_run_goes_on(consortium: Federation) -> None:
    study = logistic_study("killed-superlink")
    submitted = consortium.propose(study)
    consortium.approve(study)
    until(lambda: _rounds(consortium, submitted.run) >= 2, 90)
    os.kill(daemons.services(consortium.home / "run")["superlink"]["pid"], signal.SIGKILL)
    assert consortium.ended(submitted, 240).state == State.DONE


def test_a_coordinator_that_is_killed_is_replaced_and_the_run_goes_on(consortium: Federation) -> None:
    study = logistic_study("killed-coordinator")
    submitted = consortium.propose(study)
    consortium.approve(study)
    until(lambda: _rounds(consortium, submitted.run) >= 2, 90)
    first = consortium.store.leader()
    (server_app,) = [pid for pid, words in living(consortium.home) if "--task" in words]
    os.kill(server_app, signal.SIGKILL)
    ended = consortium.ended(submitted, 240)
    assert (ended.state, ended.attempts) == (State.DONE, 2)
    assert first is not None
    leader = consortium.store.leader()
    assert leader is not None
    assert leader[0] != first[0]


def test_the_stock_runner_of_flower_works_too(consortium: Federation) -> None:
    consortium.stop_site("c")
    consortium.launch_site("c", stock=True)
    study = logistic_study("stock")
    submitted = consortium.propose(study)
    consortium.approve(study)
    assert consortium.ended(submitted, 300).state == State.DONE
    consortium.stop_site("c")
    consortium.launch_site("c")


def _files_with(needle: bytes, *folders: Path) -> list[Path]:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if needle in path.read_bytes()]
