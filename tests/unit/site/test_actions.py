"""The contract of a site's actions: typed values, documented, each within reach of the command line."""

import inspect
from pathlib import Path

import pytest

import site_node.actions
import site_node.cli
from protocols.runtime.output import Output, plain
from site_node.actions import audit, inbox, policy
from site_node.cli.words import inbox as words
from site_node.governance.approvals import State
from tests.lib.actions import Action, actions, assert_versioned, called, commands
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import a_study

CLI = Path(site_node.cli.__file__).parent
ACTIONS = list(actions(site_node.actions))


def test_there_are_actions() -> None:
    assert {noun for noun, _, _ in ACTIONS} >= {"inbox", "policy", "audit"}
    assert len(ACTIONS) >= 15


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: f"{action[0]}.{action[1]}")
def test_an_action_is_documented_typed_and_within_reach(action: Action) -> None:
    noun, name, function = action
    assert (function.__doc__ or "").partition("\n")[0].endswith(".")
    assert_versioned(function)
    assert name in called(CLI, noun)
    first = next(iter(inspect.signature(function).parameters), "home")
    assert first == "home" or "home" not in inspect.signature(function).parameters


def test_a_command_has_five_lines_at_most() -> None:
    lengths = list(commands(CLI))
    assert len(lengths) >= 14
    assert [name for name, lines in lengths if lines > 5] == []


def test_words_are_made_by_the_command_line_alone() -> None:
    for path in (CLI.parent / "actions").glob("*.py"):
        assert "site_node.cli" not in path.read_text()


def test_what_an_action_returns_is_json_as_it_stands(tmp_path: Path) -> None:
    site = AttackedSite(tmp_path)
    site.approve(a_study())
    values = (
        inbox.listed(tmp_path),
        inbox.shown(tmp_path, a_study().name),
        inbox.standing(tmp_path),
        policy.shown(tmp_path),
        policy.explain(tmp_path, a_study().name),
        audit.shown(tmp_path),
        audit.verify(tmp_path),
        audit.releases(tmp_path),
    )
    for value in values:
        assert plain(value)["schema_version"] == 1  # type: ignore[index]


def test_a_refused_study_reads_so(tmp_path: Path) -> None:
    site = AttackedSite(tmp_path)
    site.propose(a_study())
    made = inbox.refuse(tmp_path, a_study().name, by="Dr. Hansen", note="no vote")
    assert (made.state, made.by) == (State.REFUSED, "Dr. Hansen")
    assert Output(made, words.decision).words(made) == {
        "study": a_study().name,
        "state": "refused",
        "hash": a_study().hash(),
    }
    assert audit.shown(tmp_path, last=1).lines[0].facts["by"] == "Dr. Hansen"
