"""The coordinator, with real agents in this process."""

import html
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from protocols.core.errors import Code, InputError
from protocols.core.lockstep import Failure
from protocols.core.study import Study, canonical_json
from protocols.exchange.envelope import pack, seal
from protocols.exchange.local import run_locally
from protocols.exchange.wire import RoundReply
from server.actions import network
from server.actions.studies import report, shown
from server.client.results import Results
from server.coordination.coordinator import LeadLostError
from server.coordination.replay import recompute
from server.home.store import Phase, Store
from server.home.submissions import State
from server.web import result_view
from site_node.actions import audit
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study
from tests.lib.table_agent import table_of

STUDY = logistic_study()


@pytest.fixture
def consortium(tmp_path: Path) -> Consortium:
    return Consortium(tmp_path)


def test_an_approved_study_gives_the_pooled_answer_and_verifies(consortium: Consortium) -> None:
    consortium.decide(STUDY, "approved")
    run = consortium.propose(STUDY).run
    assert consortium.coordinator().step()
    ended = consortium.store.submission(run)
    assert (ended.state, list(ended.roster or ())) == (State.DONE, ["a", "b", "c"])
    _, outcome = recompute(consortium.home, run)
    local = run_locally(STUDY, [table_of(name)(STUDY) for name in consortium.names])
    np.testing.assert_allclose(outcome["idh1"].coef, local["idh1"].coef, rtol=1e-11)


def test_a_study_waits_until_its_sites_have_decided(consortium: Consortium) -> None:
    run = consortium.propose(STUDY).run
    coordinator = consortium.coordinator()
    assert not coordinator.step()
    assert consortium.store.submission(run).state == State.WAITING
    assert consortium.store.due() == []  # not asked again at once
    consortium.decide(STUDY, "approved")
    consortium.store.wait(run, 0)
    assert coordinator.step()
    assert consortium.store.submission(run).state == State.DONE


@pytest.mark.slow
def test_a_site_that_is_down_when_a_study_is_proposed_takes_part_once_it_is_up(
    consortium: Consortium,
) -> None:
    consortium.decide(STUDY, "approved", "a", "b")
    other = logistic_study("other")
    consortium.tamper = lambda site, kind, reply: Code.SITE_UNREACHABLE if site == "c" else reply
    run, coordinator = consortium.propose(STUDY).run, consortium.coordinator()
    assert not coordinator.step()
    assert consortium.store.standing(run)["c"] == ("unreachable", None)
    consortium.decide(other, "refused")
    refused = consortium.propose(other).run
    assert coordinator.step()  # others go on meanwhile
    assert consortium.store.submission(refused).code == Code.TOO_FEW_SITES
    consortium.tamper = lambda site, kind, reply: reply
    consortium.decide(STUDY, "approved", "c")
    consortium.store.wait(run, 0)
    assert coordinator.step()
    assert list(consortium.store.submission(run).roster or ()) == ["a", "b", "c"]
    assert consortium.store.submission(run).state == State.DONE


def test_a_variable_that_no_hospital_has_fails_its_analysis_and_no_other(consortium: Consortium) -> None:
    content = json.loads(STUDY.canonical())
    content["variables"]["ghost"] = {"kind": "measurement", "concept": "LOINC:99999-9"}
    ghost = {"name": "ghostly", "spec": {"protocol": "logistic", "outcome": "idh1", "covariates": ["ghost"]}}
    content["analyses"].append(ghost)
    study = Study.model_validate(content)
    for name, agent in consortium.agents.items():
        table = table_of(name)(STUDY)
        columns = {**table.columns, "ghost": np.full(len(table), np.nan)}
        agent.table_of = lambda study, table=table, columns=columns: replace(table, columns=columns)
    consortium.decide(study, "approved")
    run = consortium.propose(study).run
    assert consortium.coordinator().step()
    _, outcome = recompute(consortium.home, run)
    failure = outcome.results["ghostly"]
    assert isinstance(failure, Failure)
    assert failure.code == Code.WITHHELD
    assert "fewer than 3 sites can hide each other in a sum" in failure.text
    assert np.isfinite(outcome["idh1"].coef).all()
    ended = consortium.store.submission(run)
    assert (ended.state, ended.text) == (State.PARTIAL, "ghostly (withheld)")
    assert consortium.store.events(run)[-1]["what"] == "done with failures"
    _say_the_way_out(consortium, run, failure.fix)


def _say_the_way_out(consortium: Consortium, run: str, fix: str) -> None:
    """Every view says how to go on from a failure; a run that an earlier release kept is still read."""
    assert fix
    view = shown(consortium.home, run)
    assert view.results is not None
    assert (
        [one.fix for one in view.failed]
        == [result_view.shown("ghostly", view.results["ghostly"]).fix]
        == [fix]
    )
    assert Results.read(STUDY, view.results).failures["ghostly"].fix == fix
    written = report(consortium.home, run, consortium.folder / "report").path
    assert html.escape(fix) in (written if written.is_file() else written / "report.html").read_text()
    kept = json.loads(consortium.store.submission(run).outcome or b"")
    del kept["results"]["ghostly"]["failure"]["fix"]
    earlier = canonical_json(kept | {"schema_version": 1})
    with consortium.store._open() as db:
        db.execute("UPDATE submission SET outcome = ? WHERE run = ?", (earlier, run))
    recompute(consortium.home, run)
    assert [one.fix for one in shown(consortium.home, run).failed] == [""]


def test_a_study_that_too_few_approve_says_what_to_do(consortium: Consortium) -> None:
    consortium.decide(STUDY, "refused")
    run = consortium.propose(STUDY).run
    consortium.coordinator().step()
    view = shown(consortium.home, run)
    assert view.code is Code.TOO_FEW_SITES
    assert "study show" in view.fix


def test_a_query_takes_who_stands_by_and_does_not_wait(consortium: Consortium) -> None:
    run = consortium.propose(STUDY, patience_seconds=0).run
    assert consortium.coordinator().step()
    ended = consortium.store.submission(run)
    assert (ended.state, ended.code) == (State.FAILED, Code.TOO_FEW_SITES)
    assert "a pending" in ended.text


def test_a_refusal_ends_a_study_that_can_no_longer_have_enough_sites(consortium: Consortium) -> None:
    consortium.decide(STUDY, "refused", "b")
    run = consortium.propose(STUDY).run
    assert consortium.coordinator().step()
    assert consortium.store.submission(run).code == Code.TOO_FEW_SITES
    assert "round" not in [kind for kind, _ in consortium.asked]


def test_a_lost_reply_is_asked_again_and_the_site_repeats_itself(consortium: Consortium) -> None:
    consortium.decide(STUDY, "approved")
    lost = iter([True])

    def lose_one(site: str, kind: str, reply: bytes) -> bytes | Code:
        return Code.DEADLINE if kind == "round" and site == "b" and next(lost, False) else reply

    consortium.tamper = lose_one
    run = consortium.propose(STUDY).run
    assert consortium.ends(run).state == State.DONE
    rounds = [site for kind, site in consortium.asked if kind == "round"]
    assert rounds.count("b") == rounds.count("a") + 1


def test_a_site_that_stays_silent_fails_the_run_and_the_next_study_goes_on(consortium: Consortium) -> None:
    other = logistic_study("other")
    for study in (STUDY, other):
        consortium.decide(study, "approved")
    consortium.tamper = lambda site, kind, reply: (
        Code.SITE_UNREACHABLE if kind == "round" and site == "c" else reply
    )
    first = consortium.propose(STUDY).run
    coordinator = consortium.coordinator(patience_seconds=0)
    assert coordinator.step() == 1
    assert consortium.store.submission(first).code == Code.SITE_UNREACHABLE
    consortium.tamper = lambda site, kind, reply: reply
    second = consortium.propose(other).run
    assert coordinator.step() == 1
    assert consortium.store.submission(second).state == State.DONE


def test_a_killed_run_goes_on_with_the_same_roster_and_asks_no_round_twice(consortium: Consortium) -> None:
    consortium.decide(STUDY, "approved")
    run = consortium.propose(STUDY).run
    left = iter([True] * 5)
    coordinator = consortium.coordinator()
    coordinator.may_go_on = lambda: next(left, False)
    with pytest.raises(LeadLostError):
        coordinator.step()
    before = consortium.store.submission(run)
    assert (before.state, len(consortium.store.memory(run))) == (State.RUNNING, 3)
    consortium.asked.clear()
    assert consortium.coordinator().step()
    after = consortium.store.submission(run)
    assert (after.state, after.roster, after.attempts) == (State.DONE, before.roster, 2)
    assert [kind for kind, _ in consortium.asked].count("round") == 3 * (
        len(consortium.store.memory(run)) - 3
    )


def test_another_sites_answer_is_refused(consortium: Consortium) -> None:
    consortium.decide(STUDY, "approved")
    replies: dict[str, bytes] = {}

    def swap(site: str, kind: str, reply: bytes) -> bytes | Code:
        replies[site] = reply
        return replies["a"] if kind == "round" and site == "b" else reply

    consortium.tamper = swap
    run = consortium.propose(STUDY).run
    consortium.coordinator().step()
    assert consortium.store.submission(run).code == Code.BAD_SIGNATURE


def test_an_answer_to_another_round_is_refused(consortium: Consortium) -> None:
    consortium.decide(STUDY, "approved")
    earlier: dict[str, bytes] = {}

    def replay(site: str, kind: str, reply: bytes) -> bytes | Code:
        return earlier.setdefault(site, reply) if kind == "round" and site == "b" else reply

    consortium.tamper = replay
    run = consortium.propose(STUDY).run
    consortium.coordinator().step()
    assert consortium.store.submission(run).code == Code.MALFORMED_MESSAGE


def test_a_result_that_was_altered_does_not_verify(consortium: Consortium) -> None:
    consortium.decide(STUDY, "approved")
    run = consortium.propose(STUDY).run
    consortium.coordinator().step()
    with consortium.store._open() as db:
        db.execute("UPDATE submission SET outcome = replace(outcome, '1', '2') WHERE run = ?", (run,))
    with pytest.raises(InputError, match="not what its rounds give"):
        recompute(consortium.home, run)


def test_a_round_that_was_altered_does_not_verify(consortium: Consortium) -> None:
    consortium.decide(STUDY, "approved")
    run = consortium.propose(STUDY).run
    consortium.coordinator().step()
    with consortium.store._open() as db:
        db.execute("DELETE FROM round WHERE run = ? AND round = 1", (run,))
    with pytest.raises(InputError) as caught:
        recompute(consortium.home, run)
    assert caught.value.code == Code.TAMPERED


def test_a_failing_study_never_ends_the_loop(consortium: Consortium, monkeypatch: pytest.MonkeyPatch) -> None:
    consortium.decide(STUDY, "approved")
    run = consortium.propose(STUDY).run

    def explode(kind: str, messages: object) -> dict[str, str]:
        raise RuntimeError("a text that is nobody's business")

    monkeypatch.setattr(consortium, "send", explode)
    assert consortium.coordinator().step() == 1
    ended = consortium.store.submission(run)
    assert (ended.code, "business" in ended.text) == (Code.CENTER_FAILED, False)


def test_a_status_under_another_key_is_not_believed(consortium: Consortium) -> None:
    other = consortium.agents["b"]._key

    def forge(site: str, kind: str, reply: bytes) -> bytes | Code:
        if site != "a":
            return reply
        content = {"schema_version": 1, "study": STUDY.hash(), "site": "a", "state": "approved", "code": None}
        return seal(pack(content), other, "status")

    consortium.decide(STUDY, "approved", "b", "c")
    consortium.tamper = forge
    run = consortium.propose(STUDY).run
    assert consortium.coordinator().step()
    assert consortium.store.standing(run)["a"] == ("refused", Code.BAD_SIGNATURE)


@pytest.mark.parametrize(
    "content", [{"state": "approved"}, ["approved"], {"state": "yes", "code": "because"}]
)
def test_a_sites_malformed_status_excludes_that_site_alone(consortium: Consortium, content: object) -> None:
    key = consortium.agents["a"]._key
    consortium.decide(STUDY, "approved", "b", "c")
    consortium.tamper = lambda site, kind, reply: seal(pack(content), key, "status") if site == "a" else reply
    run = consortium.propose(STUDY).run
    assert consortium.coordinator().step()
    assert consortium.store.standing(run)["a"] == ("refused", Code.MALFORMED_MESSAGE)
    assert consortium.store.submission(run).code == Code.TOO_FEW_SITES


def test_the_same_study_is_not_on_its_way_twice(consortium: Consortium) -> None:
    consortium.propose(STUDY)
    with pytest.raises(InputError) as caught:
        consortium.propose(STUDY)
    assert caught.value.code == Code.ALREADY_EXISTS


def test_what_each_site_sent_is_kept_by_its_digest(consortium: Consortium) -> None:
    consortium.decide(STUDY, "approved")
    run = consortium.propose(STUDY).run
    sent: dict[str, list[int]] = {name: [] for name in consortium.names}

    def weigh(site: str, kind: str, reply: bytes) -> bytes | Code:
        if kind == "round":
            key = consortium.agents[site]._key.public_key()
            assert RoundReply.decode(reply).open(key).site == site
            sent[site].append(len(reply))
        return reply

    consortium.tamper = weigh
    consortium.coordinator().step()
    kept = consortium.store.answers(run)
    assert {s: [a["bytes"] for a in kept if a["site"] == s] for s in sent} == sent


def test_the_center_keeps_the_heads_of_the_sites_audits_for_them_to_compare(consortium: Consortium) -> None:
    consortium.decide(STUDY, "approved")
    consortium.ends(consortium.propose(STUDY).run)
    file = consortium.folder / "a.heads.json"
    assert network.heads(consortium.home, "a", out=file).heads == 1
    assert audit.verify(consortium.folder / "a", file).heads == 1
    with pytest.raises(InputError, match="no head"):
        network.heads(consortium.home, "z")


def test_the_report_of_a_finished_study_is_written_after_it_was_recomputed(
    consortium: Consortium, tmp_path: Path
) -> None:
    consortium.decide(STUDY, "approved")
    run = consortium.propose(STUDY).run
    consortium.coordinator().step()
    written = report(consortium.home, run, tmp_path / "report")
    assert STUDY.hash() in written.path.read_text()


def test_a_site_that_is_lost_before_it_said_hello_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consortium = Consortium(tmp_path, ("a", "b", "c", "d"))
    consortium.decide(STUDY, "approved")
    keep = Store.keep_begun

    def without_d(store: Store, run: str, phase: Phase, sealed: dict[str, bytes]) -> None:
        keep(store, run, phase, {site: said for site, said in sealed.items() if site != "d"})

    monkeypatch.setattr(Store, "keep_begun", without_d)
    consortium.tamper = lambda site, kind, reply: (
        Code.SITE_UNREACHABLE if (site, kind) == ("d", "start") else reply
    )
    run = consortium.propose(STUDY).run
    ended = consortium.ends(run, consortium.coordinator(patience_seconds=5))
    assert (ended.state, list(ended.roster or ())) == (State.DONE, ["a", "b", "c"])
    left_out = [event["detail"] for event in consortium.store.events(run) if event["what"] == "left out"]
    assert left_out == ["d"]


def test_a_site_that_is_lost_once_others_may_have_opened_ends_the_run(tmp_path: Path) -> None:
    """The sums of those that are left, beside those of all, would be its part."""
    consortium = Consortium(tmp_path, ("a", "b", "c", "d"))
    consortium.decide(STUDY, "approved")
    consortium.tamper = lambda site, kind, reply: (
        Code.SITE_UNREACHABLE if (site, kind) == ("d", "start") else reply
    )
    run = consortium.propose(STUDY).run
    ended = consortium.ends(run, consortium.coordinator(patience_seconds=5))
    assert (ended.state, ended.code) == (State.FAILED, Code.SITE_UNREACHABLE)
    assert ("round", "a") not in consortium.asked
