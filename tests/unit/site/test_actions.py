"""The contract of a site's actions: typed values, documented, each within reach of the command line."""

import inspect
from pathlib import Path

import pytest

import site_node.actions
import site_node.cli
from protocols.runtime.accounts.machine import unix_user
from protocols.runtime.output import Output, plain
from server.administration.enrolment import invite, make_center
from site_node.actions import audit, inbox, peers, policy, site
from site_node.cli.words import inbox as words
from site_node.governance.approvals import State
from tests.lib.actions import Action, actions, assert_versioned, called, commands
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import a_study

CLI = Path(site_node.cli.__file__).parent
ACTIONS = list(actions(site_node.actions))


def test_there_are_actions() -> None:
    assert {noun for noun, _, _ in ACTIONS} >= {
        "inbox",
        "policy",
        "audit",
        "site",
        "data",
        "loads",
        "features",
    }
    assert len(ACTIONS) >= 40


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: f"{action[0]}.{action[1]}")
def test_an_action_is_documented_typed_and_within_reach(action: Action) -> None:
    noun, name, function = action
    assert (function.__doc__ or "").partition("\n")[0].endswith(".")
    assert_versioned(function)
    assert name in called(CLI, noun)
    first = next(iter(inspect.signature(function).parameters), "home")
    assert first == "home" or "home" not in inspect.signature(function).parameters


def test_a_command_has_five_statements_at_most() -> None:
    lengths = list(commands(CLI))
    assert len(lengths) >= 35
    assert [name for name, statements in lengths if statements > 5] == []


def test_words_are_made_by_the_command_line_alone() -> None:
    for path in (CLI.parent / "actions").glob("*.py"):
        assert "site_node.cli" not in path.read_text()


def test_what_an_action_returns_is_json_as_it_stands(tmp_path: Path) -> None:
    AttackedSite(tmp_path).approve(a_study())
    values = (
        inbox.listed(tmp_path),
        inbox.shown(tmp_path, a_study().name),
        inbox.standing(tmp_path),
        policy.shown(tmp_path),
        policy.explain(tmp_path, a_study().name),
        audit.shown(tmp_path),
        audit.verify(tmp_path),
        audit.releases(tmp_path),
        site.status(tmp_path),
        peers.listed(tmp_path),
    )
    for value in values:
        assert plain(value)["schema_version"] == 1  # type: ignore[index]


def test_a_refused_study_reads_so(tmp_path: Path) -> None:
    AttackedSite(tmp_path).propose(a_study())
    made = inbox.refuse(tmp_path, a_study().name, by="Dr. Hansen", note="no vote")
    assert (made.state, made.by) == (State.REFUSED, "Dr. Hansen")
    assert Output(made, words.decision).words(made) == {
        "study": a_study().name,
        "state": "refused",
        "hash": a_study().hash(),
    }
    assert audit.shown(tmp_path, last=1).lines[0].facts["by"] == "Dr. Hansen"


def test_what_a_person_does_with_a_site_is_in_its_audit(tmp_path: Path) -> None:
    make_center(tmp_path / "center", "Glioma", port=0)
    invitation = tmp_path / "oslo.invitation.json"
    invite(tmp_path / "center", "oslo").write(invitation)
    home = tmp_path / "oslo"
    site.init(home, "oslo", port=0)
    joined = site.join(home, invitation, out=tmp_path / "answer")
    site.stop(home)  # it did not run: nothing was done
    site.backup(home, tmp_path / "oslo.tar")
    site.restore(tmp_path / "again", tmp_path / "oslo.tar")
    lines = audit.shown(tmp_path / "again").lines + audit.shown(home, last=1).lines
    assert [line.event for line in lines] == ["site-made", "joined", "restored", "backed-up"]
    assert lines[1].facts["coordinator"] == joined.coordinator_fingerprint
    assert {(line.facts["account"], line.facts["unix_user"]) for line in lines} == {
        (unix_user(), unix_user())
    }


def test_who_decides_is_kept_beside_the_unix_user(tmp_path: Path) -> None:
    hospital, study = AttackedSite(tmp_path), a_study()
    hospital.approve(study)
    inbox.approve_standing(tmp_path, "summary", by="Dr. Hansen")
    inbox.withdraw_standing(tmp_path, "summary", by="Dr. Hansen")
    policy.set_rule(tmp_path, "min_sites", "4", by="Dr. Hansen")
    inbox.revoke(tmp_path, study.name, by="Dr. Hansen")
    decided = {"standing-approval", "standing-approval-revoked", "policy-changed", "study-revoked"}
    facts = {line.event: line.facts for line in audit.shown(tmp_path).lines if line.event in decided}
    assert facts.keys() == decided
    for event in decided:
        assert "Dr. Hansen" in facts[event].values(), event
        assert facts[event]["unix_user"] == unix_user()
