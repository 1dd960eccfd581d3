"""The contract of the center's actions: typed values, documented, each within reach of the command line."""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import server.actions
import server.cli
from protocols.core.errors import Code, ExitCode
from server.actions import runs, studies
from server.cli.words import studies as words
from server.home.submissions import State
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study

CLI = Path(server.cli.__file__).parent
NOUNS = [module.name for module in pkgutil.iter_modules(server.actions.__path__)]


def _actions() -> Iterator[tuple[str, str, Callable[..., Any]]]:
    for noun in NOUNS:
        module = importlib.import_module(f"server.actions.{noun}")
        for name, action in inspect.getmembers(module, inspect.isfunction):
            if action.__module__ == module.__name__ and not name.startswith("_"):
                yield noun, name, action


ACTIONS = list(_actions())


def _called(noun: str) -> set[str]:
    """The attributes of an action module that the command line uses."""
    trees = [ast.parse(path.read_text()) for path in CLI.glob("*.py")]
    return {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == noun
    }


def test_there_are_actions() -> None:
    assert {"studies", "runs", "queries", "network", "health"} <= set(NOUNS)
    assert len(ACTIONS) >= 20


@pytest.mark.parametrize(("noun", "name", "action"), ACTIONS, ids=lambda part: str(part)[:20])
def test_an_action_says_what_it_returns_and_returns_a_versioned_value(
    noun: str, name: str, action: Callable[..., Any]
) -> None:
    assert (action.__doc__ or "").partition("\n")[0].endswith(".")
    returned = typing.get_type_hints(action)["return"]
    if typing.get_origin(returned) is Iterator:
        (returned,) = typing.get_args(returned)
    _assert_versioned(returned)


def _assert_versioned(returned: Any) -> None:
    assert dataclasses.is_dataclass(returned)
    assert returned.__dataclass_params__.frozen  # type: ignore[attr-defined]
    (version,) = [field for field in dataclasses.fields(returned) if field.name == "schema_version"]
    assert version.default == 1


@pytest.mark.parametrize(("noun", "name", "action"), ACTIONS, ids=lambda part: str(part)[:20])
def test_an_action_is_within_reach_of_the_command_line(
    noun: str, name: str, action: Callable[..., Any]
) -> None:
    assert name in _called(noun)


def _commands() -> Iterator[ast.FunctionDef]:
    for path in CLI.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.decorator_list:
                yield node


def test_a_command_has_five_lines_at_most() -> None:
    assert len(list(_commands())) >= 19
    for command in _commands():
        body = [line for line in command.body if not isinstance(line, ast.ImportFrom)][1:]
        assert body[-1].end_lineno is not None
        assert body[-1].end_lineno - body[0].lineno < 5, command.name


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


def _module(noun: str) -> ModuleType:
    return importlib.import_module(f"server.actions.{noun}")


@pytest.mark.parametrize("noun", NOUNS)
def test_words_are_made_by_the_command_line_alone(noun: str) -> None:
    assert "server.cli" not in inspect.getsource(_module(noun))


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
