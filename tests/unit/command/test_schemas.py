"""Every command says by a schema what it prints with --json, and prints just that."""

import ast
import inspect
import json
import shlex
import subprocess
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import jsonschema
import pytest

from protocols.core.errors import ExitCode
from protocols.runtime.daemons import environment, script
from server.actions import contract
from server.actions.completion import Shell
from server.main import run
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study
from tests.unit.command.test_guides import all_verbs

UNTYPED = {"demo", "redteam", "completion install", "completion show", "schema"}
"""A show, an attack's own lines, and what is about this contract itself."""


def _verbs() -> Iterator[tuple[str, str]]:
    """Each command, and the source of its function."""
    for context in all_verbs():
        callback = context.command.callback
        assert callback is not None
        yield context.command_path, inspect.getsource(inspect.unwrap(callback))


def test_every_command_has_a_schema_and_no_other() -> None:
    assert set(contract.schemas().schemas) - {contract.ERROR} == {name for name, _ in _verbs()} - UNTYPED


def test_a_schema_is_of_the_actions_that_the_command_calls() -> None:
    known = {
        name: set(actions)
        for entry in entry_points(group=contract.GROUP)
        for name, actions in entry.load().OUTPUTS.items()
    }
    for name, source in _verbs():
        called = {
            ast.unparse(node)
            for node in ast.walk(ast.parse(inspect.cleandoc(source)))
            if isinstance(node, ast.Attribute)
        }
        assert known.get(name, set()) <= called, name


@pytest.mark.parametrize("name", sorted(contract.schemas().schemas))
def test_a_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(contract.schemas(name).schemas[name])


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    """A consortium with one study done and one that waits."""
    made = Consortium(tmp_path_factory.mktemp("consortium"))
    done = logistic_study("done")
    made.decide(done, "approved")
    made.ends(made.propose(done).run)
    made.decide(logistic_study("waits"), "approved", "b", "c")
    made.propose(logistic_study("waits"))
    made.coordinator().step()
    return made


COMMANDS = """
network sites --home CENTER
network status --home CENTER
network members --home CENTER --out OUT/members.json
network audit show --home CENTER
network audit verify --home CENTER
network backup OUT/center.tar --home CENTER
network restore OUT/center.tar --home OUT/again
network health --home CENTER
network suspend a --home CENTER
network resume a --home CENTER
network account invite nora --role analyst --home CENTER
network account list --home CENTER
network account roles nora --role auditor --home CENTER
network account disable nora --home CENTER
network invite d --home CENTER --out OUT/d.json
network heads a --home CENTER --out OUT/heads.json
network renew --home CENTER
network stop --home CENTER
study list --home CENTER
study show done --home CENTER
study verify done --home CENTER
study report done --home CENTER --out OUT/report
study withdraw waits --home CENTER
doctor --home CENTER
upgrade --home CENTER --dry-run
site status --home SITE
site health --home SITE
site backup OUT/site.tar --home SITE
site restore OUT/site.tar --home OUT/site
site account invite ingrid --role approver --home SITE
site account list --home SITE
site peers list --home SITE
inbox list --home SITE
inbox show done --home SITE
inbox refuse waits --home SITE
inbox standing --home SITE
inbox held --home SITE
policy show --home SITE
audit show --home SITE
audit verify --home SITE
audit heads --home SITE
audit releases --home SITE
audit export OUT/audit.jsonl --home SITE
data status --home SITE
data unmapped --home SITE
data linkage --home SITE
data quality --home SITE
features genomics status --home SITE
features radiomics status --home SITE
upgrade --home SITE --dry-run
"""


@pytest.mark.slow
def test_what_is_printed_is_what_the_schema_says(
    consortium: Consortium, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schemas = contract.schemas().schemas
    names = sorted((name for name, _ in _verbs()), key=len, reverse=True)
    for line in COMMANDS.strip().splitlines():
        where = {"CENTER": str(consortium.home), "SITE": str(consortium.folder / "a"), "OUT": str(tmp_path)}
        words = [word for one in shlex.split(line) for word in [_placed(one, where)]]
        code = run(words, as_json=True)
        said = capsys.readouterr().out
        assert code in (ExitCode.DONE, ExitCode.FAILED), line
        name = next(name for name in names if line.startswith(name))
        jsonschema.validate(json.loads(said), schemas[name])


def _placed(word: str, where: dict[str, str]) -> str:
    for name, path in where.items():
        word = word.replace(name, path)
    return word


def test_a_failure_is_what_its_schema_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["site", "status", "--home", str(tmp_path)], ["site", "nothing"]):
        assert run(words, as_json=True) != ExitCode.DONE
        jsonschema.validate(
            json.loads(capsys.readouterr().out), contract.schemas(contract.ERROR).schemas[contract.ERROR]
        )


@pytest.mark.parametrize("shell", Shell)
def test_completion_installs_one_file_for_this_user(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for _ in range(2):
        assert run(["completion", "install", shell], as_json=True) == ExitCode.DONE
    path = Path(json.loads(capsys.readouterr().out.partition("}\n")[0] + "}")["path"])
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [path]
    assert "_SHADOWGRAPH_COMPLETE" in path.read_text()


@pytest.mark.slow
def test_bash_completes_a_verb_and_an_option(tmp_path: Path) -> None:
    made = subprocess.run(
        [script("shadowgraph"), "completion", "show", "bash"], capture_output=True, text=True, check=True
    )
    (tmp_path / "completion.bash").write_text(made.stdout)
    ask = (
        "source ./completion.bash; COMP_WORDS=(shadowgraph netw); COMP_CWORD=1; "
        "_shadowgraph_completion shadowgraph; echo ${COMPREPLY[@]}"
    )
    said = subprocess.run(
        ["bash", "-c", ask], cwd=tmp_path, env=environment({}), capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "network"
