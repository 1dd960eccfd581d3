"""The contract of the center's actions: typed values, documented, each within reach of the command line."""

import ast
import dataclasses
from pathlib import Path

import pytest

import server.actions
import server.cli
from protocols.core.errors import Code, ExitCode
from server.actions import runs, studies
from server.cli.words import studies as words
from server.home.submissions import State
from tests.lib.actions import Action, actions, assert_versioned, called, commands
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study

CLI = Path(server.cli.__file__).parent
ACTIONS = list(actions(server.actions))


def test_there_are_actions() -> None:
    assert {"studies", "runs", "queries", "network", "health"} <= {noun for noun, _, _ in ACTIONS}
    assert len(ACTIONS) >= 20


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: f"{action[0]}.{action[1]}")
def test_an_action_is_documented_typed_and_within_reach(action: Action) -> None:
    noun, name, function = action
    assert (function.__doc__ or "").partition("\n")[0].endswith(".")
    assert_versioned(function)
    assert name in called(CLI, noun)


def test_a_command_has_five_statements_at_most() -> None:
    lengths = list(commands(CLI))
    assert len(lengths) >= 19
    assert [name for name, statements in lengths if statements > 5] == []


@pytest.mark.parametrize("package", ["actions", "coordination", "administration", "home"])
def test_nothing_below_the_command_line_prints(package: str) -> None:
    for path in (CLI.parent / package).glob("*.py"):
        printed = [
            ast.unparse(node)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
        ]
        # The process that keeps a Flower run writes its own log.
        assert not printed or path.name == "processes.py", path


def test_words_are_made_by_the_command_line_alone() -> None:
    for path in (CLI.parent / "actions").glob("*.py"):
        assert "server.cli" not in path.read_text()


@pytest.fixture
def consortium(tmp_path: Path) -> Consortium:
    return Consortium(tmp_path)


def test_a_run_that_is_watched_tells_each_event_once_and_ends(consortium: Consortium) -> None:
    study = logistic_study()
    consortium.decide(study, "approved")
    run = consortium.propose(study).run
    consortium.coordinator().step()
    events = list(runs.watch(consortium.home, study.name))
    assert [event.number for event in events] == sorted({event.number for event in events})
    assert {event.run for event in events} == {run}
    assert [events[0].what, events[-1].what] == ["approved", "done"]
    assert runs.ended(consortium.home, run).state is State.DONE


@pytest.mark.parametrize(
    ("state", "code"),
    [(State.DONE, ExitCode.DONE), (State.PARTIAL, ExitCode.PARTIAL), (State.WITHDRAWN, ExitCode.FAILED)],
)
def test_the_exit_code_says_how_a_study_ended(consortium: Consortium, state: State, code: ExitCode) -> None:
    run = consortium.propose(logistic_study()).run
    view = dataclasses.replace(studies.shown(consortium.home, run), state=state)
    assert words.watched(view).exit_code is code


def test_a_withdrawn_study_is_told_to_who_watches(consortium: Consortium) -> None:
    run = consortium.propose(logistic_study()).run
    assert studies.withdraw(consortium.home, run).state is State.WITHDRAWN
    assert studies.withdraw(consortium.home, run).state is State.WITHDRAWN
    assert [event.what for event in runs.watch(consortium.home, run)] == ["withdrawn"]
    assert consortium.coordinator().step() == 0


def test_a_failed_analysis_is_named_in_the_list_and_on_the_page(consortium: Consortium) -> None:
    run = consortium.propose(logistic_study()).run
    failure = b'{"results": {"os": {"failure": {"code": "separation", "text": "it ran off"}}, "age": {}}}'
    consortium.store.finish(run, failure, failed=f"os ({Code.SEPARATION})")
    view = studies.shown(consortium.home, run)
    assert (view.state, [(one.name, one.code) for one in view.failed]) == (
        State.PARTIAL,
        [("os", "separation")],
    )
    (entry,) = studies.listed(consortium.home).studies
    assert (str(entry.state), entry.failed) == ("done with failures", "os (separation)")
