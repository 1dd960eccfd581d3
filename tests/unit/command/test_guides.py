"""Every command that README and guides name is there, as they write it; each verb's help shows one."""

import os
import re
import shlex
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
import typer

from site_node.administration.setup import make_site

ROOT = Path(__file__).resolve().parents[3]
GUIDE = ROOT / "docs" / "site-guide.md"
TEXTS = (
    *(ROOT / "README.md", GUIDE, ROOT / "docs" / "analyst-guide.md", ROOT / "deploy" / "README.md"),
    ROOT / "docs" / "coordinator-guide.md",
)


def commands(file: Path) -> list[str]:
    """The lines of a text's blocks, fenced or indented, that call `shadowgraph`."""
    # Every second piece between fences is a block.
    pieces = re.split(r"^```.*\n", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line for block in pieces[1::2] for line in block.splitlines()]
    lines += [line[4:] for text in pieces[::2] for line in text.splitlines() if line.startswith("    ")]
    return [line for line in lines if line.startswith("shadowgraph ")]


def verbs(command: click.Command, context: click.Context) -> Iterator[click.Context]:
    """A command's own verbs, at any depth."""
    inner = getattr(command, "commands", {})
    for name, one in inner.items():
        yield from verbs(one, click.Context(one, info_name=name, parent=context))
    if not inner:
        yield context


def all_verbs() -> list[click.Context]:
    """Every verb of the command line."""
    found = []
    for entry in entry_points(group="shadowgraph.commands"):
        command = typer.main.get_command(entry.load())
        found += verbs(command, click.Context(command, info_name=entry.name))  # type: ignore[arg-type]
    return found


def parse(line: str) -> str:
    """The full name of the command that a line calls, once its words have been parsed by it."""
    here = {"/srv/shadowgraph": os.environ["SHADOWGRAPH_HOME"]}
    said = shlex.split(line, comments=True)
    _, group, *words = [here.get(word, word) for word in said if word != "--json"]
    (entry,) = entry_points(group="shadowgraph.commands", name=group)
    app: typer.Typer = entry.load()
    command: click.Command = typer.main.get_command(app)  # type: ignore[assignment]
    context = click.Context(command, info_name=group)
    while words and hasattr(command, "commands"):
        name = words.pop(0)
        command = command.commands[name]
        context = click.Context(command, parent=context, info_name=name)
    command.make_context(str(context.info_name), list(words), parent=context.parent)
    return context.command_path


@pytest.fixture(autouse=True)
def _in_a_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_site(tmp_path / "site", "oslo", runtime_port=0)
    monkeypatch.setenv("SHADOWGRAPH_HOME", str(tmp_path / "site"))


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.parent.name + "/" + file.name)
def test_the_commands_of_a_text_parse(file: Path) -> None:
    lines = commands(file)
    assert lines
    for line in lines:
        assert line.startswith(f"shadowgraph {parse(line)}".rstrip()), line


def test_the_help_of_every_verb_shows_an_example_that_parses() -> None:
    contexts = all_verbs()
    assert len(contexts) > 40
    for context in contexts:
        path = f"shadowgraph {context.command_path}"
        shown = re.search(r"Example: (shadowgraph .*?)(?:\n|$)", context.command.help or "")
        assert shown, f"{path} has no example"
        assert shown[1].startswith(path), path
        assert parse(shown[1]) == context.command_path


def test_a_command_that_is_not_there_is_noticed() -> None:
    with pytest.raises(KeyError):
        parse("shadowgraph site teleport")
    with pytest.raises(click.exceptions.NoSuchOption):
        parse("shadowgraph data quality --xml out.xml")


def test_the_guide_walks_the_whole_way() -> None:
    said = " ".join(commands(GUIDE))
    for step in (
        "doctor",
        "site init",
        "postgresql://",
        "vocabulary load",
        "add fhir",
        "add dicom",
        "add genomics",
        "add image-features",
        "unmapped",
        "features radiomics compute",
        "data quality",
        "site join",
        "inbox approve",
        "audit releases",
        "site stop",
    ):
        assert step in said
