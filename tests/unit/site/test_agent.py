"""The agent answers what this site approved, once, and says nothing else."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocols.core.errors import Code, InputError
from protocols.core.protocol import ask
from protocols.core.study import Study, parse_study
from protocols.core.table import AnalysisTable
from protocols.exchange.envelope import unpack, unseal
from protocols.exchange.wire import RoundAnswer, RoundReply
from site_node.agent import admission, agent
from site_node.agent.agent import Agent
from site_node.governance import approvals, audit, audit_check, ledger, proposed
from site_node.governance.approvals import State
from site_node.governance.policy import Policy, read_policy
from tests.lib.sites import Coordinator, a_round, make_site
from tests.lib.studies import a_study, a_table

CANARY = "Canary-1917-05-29"
STEP = "counts"
FIRST = replace(ask(STEP), analysis="ages")


class Site:
    """A site in a temporary folder, with its coordinator."""

    def __init__(self, home: Path, table_of: Callable[[Study], AnalysisTable] | None = None) -> None:
        self.home = home
        self.center = Coordinator()
        self.key = make_site(home, "a", self.center)
        self.center.meet("b", "c", "d")
        self.agent = Agent(home, table_of or (lambda study: a_table()))
        self.center.agent = "a", self.agent.handle

    def propose(self, study: Study) -> dict[str, object]:
        return self.status(self.agent.handle("propose", self.center.proposal(study)))

    def approve(self, study: Study, **terms: int) -> None:
        self.propose(study)
        approvals.decide(self.home, study, State.APPROVED, by="test", **terms)

    def status(self, sealed: bytes) -> dict[str, object]:
        return dict(unpack(unseal(sealed, self.key.public_key(), "status")))

    def answer(self, sealed: bytes) -> RoundAnswer:
        return RoundReply.decode(sealed).open(self.key.public_key())

    def code(self, sealed: bytes) -> object:
        return self.status(sealed)["code"]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_proposed_study_waits_for_a_person(site: Site) -> None:
    assert site.propose(a_study())["state"] == "pending"
    assert [one.state for one in proposed.inbox(site.home)] == ["pending"]


def test_an_unapproved_study_is_not_answered(site: Site) -> None:
    study = a_study()
    site.propose(study)
    assert site.code(site.agent.handle("round", site.center.question(a_round(study, FIRST)))) == (
        Code.APPROVAL_PENDING
    )


def test_a_study_that_was_never_proposed_is_not_answered(site: Site) -> None:
    sealed = site.center.question(a_round(a_study(), FIRST))
    assert site.code(site.agent.handle("round", sealed)) == Code.NOT_APPROVED


def test_an_approved_study_is_answered(site: Site) -> None:
    study = a_study()
    site.approve(study)
    answer = site.answer(site.agent.handle("round", site.center.question(a_round(study, FIRST))))
    assert answer.site == "a"
    assert not isinstance(answer.answers[0], Code)


def test_an_altered_study_is_another_study(site: Site) -> None:
    study = a_study()
    site.approve(study)
    altered = a_study(title="Mean Age")
    site.propose(altered)
    sealed = site.center.question(a_round(altered, FIRST))
    assert site.code(site.agent.handle("round", sealed)) == Code.APPROVAL_PENDING


@pytest.mark.parametrize("position", [0, 70, -1])
def test_one_changed_byte_breaks_the_signature(site: Site, position: int) -> None:
    study = a_study()
    site.approve(study)
    sealed = bytearray(site.center.question(a_round(study, FIRST)))
    sealed[position] ^= 1
    assert site.code(site.agent.handle("round", bytes(sealed))) == Code.BAD_SIGNATURE


def test_a_stranger_is_not_answered(site: Site) -> None:
    study = a_study()
    site.approve(study)
    stranger = Coordinator(Ed25519PrivateKey.generate())
    assert site.code(site.agent.handle("propose", stranger.proposal(study))) == Code.BAD_SIGNATURE
    sealed = stranger.question(a_round(study, FIRST))
    assert site.code(site.agent.handle("round", sealed)) == Code.BAD_SIGNATURE


def test_a_proposal_does_not_pass_for_a_question(site: Site) -> None:
    assert site.code(site.agent.handle("round", site.center.proposal(a_study()))) == Code.BAD_SIGNATURE


def test_a_sum_that_would_be_plain_is_refused_unless_the_policy_lets_it(site: Site) -> None:
    study = a_study()
    site.approve(study)
    plain = site.center.question(a_round(study, FIRST), masked=False)
    assert site.code(site.agent.handle("round", plain)) == Code.REFUSED_BY_POLICY
    (site.home / "policy.toml").write_text("plain_sums = true\n")
    site.answer(
        site.agent.handle("round", site.center.question(a_round(study, FIRST, run="r2"), masked=False))
    )


def test_what_leaves_for_a_sum_is_masked(site: Site) -> None:
    study = a_study()
    site.approve(study)
    answer = site.answer(site.agent.handle("round", site.center.question(a_round(study, FIRST))))
    arrays = answer.answers[0]
    assert not isinstance(arrays, Code)
    assert {array.dtype.str for array in arrays.values()} == {"<u8"}


def test_a_member_for_which_another_key_than_the_confirmed_one_is_proposed_is_refused(site: Site) -> None:
    study = a_study()
    site.approve(study)
    site.center.meet("b", confirmed=False)
    assert site.code(site.center.reply(a_round(study, FIRST))) == Code.BAD_SIGNATURE
    site.propose(study)
    assert site.code(site.center.reply(a_round(study, FIRST))) == Code.UNCONFIRMED_SITE


def test_a_masking_key_without_its_sites_signature_is_refused(site: Site) -> None:
    mine, theirs = site.center.sites["b"], site.center.sites["c"]
    site.center.sites["b"] = replace(mine, masking_key=theirs.masking_key)
    assert site.code(site.agent.handle("propose", site.center.proposal(a_study()))) == Code.TAMPERED


def test_a_repeated_question_gets_the_same_bytes(site: Site) -> None:
    study = a_study()
    site.approve(study)
    sealed = site.center.question(a_round(study, FIRST))
    assert site.agent.handle("round", sealed) == site.agent.handle("round", sealed)
    assert len(ledger.released(site.home)) == 1


def test_the_same_bytes_come_after_a_restart(site: Site) -> None:
    study = a_study()
    site.approve(study)
    sealed = site.center.question(a_round(study, FIRST))
    first = site.agent.handle("round", sealed)
    assert Agent(site.home, lambda study: a_table(seed=1)).handle("round", sealed) == first


def test_a_round_is_not_answered_to_another_question(site: Site) -> None:
    study = a_study()
    site.approve(study)
    site.agent.handle("round", site.center.question(a_round(study, FIRST)))
    other = site.center.question(a_round(study, FIRST, FIRST))
    assert site.code(site.agent.handle("round", other)) == Code.ALREADY_ANSWERED


def test_a_run_keeps_its_roster(site: Site) -> None:
    study = a_study()
    site.approve(study)
    site.agent.handle("round", site.center.question(a_round(study, FIRST)))
    other = site.center.question(a_round(study, FIRST, number=1, roster="abd"))
    assert site.code(site.agent.handle("round", other)) == Code.ALREADY_ANSWERED


def test_a_study_is_run_as_often_as_was_approved(site: Site) -> None:
    study = a_study()
    site.approve(study, max_runs=1)
    site.agent.handle("round", site.center.question(a_round(study, FIRST)))
    assert site.code(site.center.reply(a_round(study, FIRST, run="r2"))) == Code.BUDGET_SPENT


@pytest.mark.parametrize("roster", ["ab", "bcd"])
def test_a_run_of_two_sites_or_without_this_one_is_not_answered(site: Site, roster: str) -> None:
    study = a_study()
    site.approve(study)
    sealed = site.center.question(a_round(study, FIRST, roster=roster))
    assert site.code(site.agent.handle("round", sealed)) in (Code.TOO_FEW_SITES, Code.REFUSED_BY_POLICY)


def test_an_expired_approval_is_none(site: Site) -> None:
    study = a_study()
    site.approve(study, days=-1)
    sealed = site.center.question(a_round(study, FIRST))
    assert site.code(site.agent.handle("round", sealed)) == Code.APPROVAL_EXPIRED


def test_a_revoked_approval_is_none(site: Site) -> None:
    study = a_study()
    site.approve(study)
    approvals.decide(site.home, study, State.REVOKED, by="test")
    sealed = site.center.question(a_round(study, FIRST))
    assert site.code(site.agent.handle("round", sealed)) == Code.APPROVAL_REVOKED


def test_a_protocol_outside_the_policy_is_refused_before_any_data_is_read(tmp_path: Path) -> None:
    def table_of(study: Study) -> AnalysisTable:
        raise AssertionError("the data was read")

    site = Site(tmp_path, table_of)
    study = a_study()
    site.approve(study)
    (tmp_path / "policy.toml").write_text('[protocols]\ncox = "1"\n')
    assert site.propose(study)["code"] == Code.REFUSED_BY_POLICY
    sealed = site.center.question(a_round(study, FIRST))
    assert site.code(site.agent.handle("round", sealed)) == Code.REFUSED_BY_POLICY


def test_a_standing_approval_lets_its_protocol_pass_within_its_budget(site: Site) -> None:
    approvals.approve_standing(site.home, "summary", by="test", max_studies=1, max_variables=5, days=1)
    first, second = a_study(), a_study(title="another")
    assert site.propose(first)["state"] == "approved"
    site.answer(site.agent.handle("round", site.center.question(a_round(first, FIRST))))
    assert site.propose(second)["state"] == "pending"


def test_a_standing_approval_counts_studies_of_its_protocol_since_it_was_given(site: Site) -> None:
    for protocol in ("summary", "cox"):
        approvals.approve_standing(site.home, protocol, by="test", max_studies=1, max_variables=5, days=1)
    first, second = a_study(), a_study(title="another")
    site.propose(first)
    site.answer(site.agent.handle("round", site.center.question(a_round(first, FIRST))))
    assert {one.protocol: one.studies_so_far for one in approvals.standing(site.home)} == {
        "cox": 0,
        "summary": 1,
    }
    assert site.propose(second)["state"] == "pending"
    approvals.approve_standing(site.home, "summary", by="test", max_studies=1, max_variables=5, days=1)
    assert site.propose(second)["state"] == "approved"


def test_a_standing_approval_that_is_taken_back_lets_nothing_pass(site: Site) -> None:
    approvals.approve_standing(site.home, "summary", by="test", max_studies=5, max_variables=5, days=1)
    study = a_study()
    assert site.propose(study)["state"] == "approved"
    approvals.withdraw_standing(site.home, "summary", by="Dr. Hansen")
    assert site.propose(study)["state"] == "pending"
    sealed = site.center.question(a_round(study, FIRST))
    assert site.code(site.agent.handle("round", sealed)) == Code.APPROVAL_PENDING
    with pytest.raises(InputError) as caught:
        approvals.withdraw_standing(site.home, "summary", by="Dr. Hansen")
    assert caught.value.code == Code.NOT_FOUND


def test_what_goes_wrong_leaves_as_a_code_only(tmp_path: Path) -> None:
    def table_of(study: Study) -> AnalysisTable:
        raise KeyError(CANARY)

    site = Site(tmp_path, table_of)
    study = a_study()
    site.approve(study)
    sealed = site.center.reply(a_round(study, FIRST))
    assert site.code(sealed) == Code.SITE_FAILED
    assert CANARY.encode() not in sealed
    assert CANARY not in (tmp_path / audit.FILE).read_text()


def test_an_unknown_step_is_not_the_question_that_follows(site: Site) -> None:
    study = a_study()
    site.approve(study)
    unknown = replace(FIRST, step="rows")
    sealed = site.agent.handle("round", site.center.question(a_round(study, unknown)))
    assert site.code(sealed) == Code.TAMPERED


def test_every_answer_and_refusal_is_audited(site: Site) -> None:
    study = a_study()
    site.agent.handle("round", site.center.question(a_round(study, FIRST)))
    site.approve(study)
    site.agent.handle("round", site.center.question(a_round(study, FIRST)))
    events = [line["event"] for line in audit.lines(site.home)]
    approved = ["study-received", "sites-said", "study-approved"]
    assert events == ["refused", *approved, "run-opened", "answered"]
    assert audit_check.verify(site.home) == 6


def test_an_altered_audit_is_found_out(site: Site) -> None:
    site.approve(a_study())
    path = site.home / audit.FILE
    lines = path.read_text().splitlines()
    altered = json.loads(lines[0]) | {"name": "another"}
    path.write_text("\n".join([json.dumps(altered, sort_keys=True), *lines[1:]]) + "\n")
    with pytest.raises(Exception, match="line 1"):
        audit_check.verify(site.home)


def test_a_round_reads_policy_and_study_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    study = a_study()
    site.approve(study)
    sealed = site.center.question(a_round(study, FIRST))
    read: list[str] = []

    def policy(home: Path) -> Policy:
        read.append("policy")
        return read_policy(home)

    def parsed(canonical: bytes) -> Study:
        read.append("study")
        return parse_study(canonical)

    for module in (admission, agent):
        monkeypatch.setattr(module, "read_policy", policy)
    monkeypatch.setattr(approvals, "parse_study", parsed)
    site.answer(site.agent.handle("round", sealed))
    assert sorted(read) == ["policy", "study"]


def test_a_lost_signing_key_is_not_replaced_in_silence(site: Site) -> None:
    key = site.home / "keys" / "signing.key"
    key.unlink()
    with pytest.raises(InputError) as caught:
        Agent(site.home)
    assert caught.value.code == Code.NOT_FOUND
    assert not key.exists()
