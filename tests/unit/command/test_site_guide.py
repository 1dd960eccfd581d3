"""Every command that the site guide names is there, with the options and arguments that it is given."""

import re
import shlex
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
import typer

from site_node.setup import make_site

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "site-guide.md"


def commands(text: str) -> list[str]:
    """The lines of the guide's shell blocks that call `shadowgraph`."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("shadowgraph ")]


def parse(line: str) -> str:
    """The full name of the command that a line calls, once its words have been parsed by it."""
    _, group, *words = shlex.split(line, comments=True)
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


@pytest.mark.parametrize("line", commands(GUIDE.read_text(encoding="utf-8")))
def test_a_command_of_the_guide_parses(line: str) -> None:
    assert line.startswith(f"shadowgraph {parse(line)}".rstrip())


def test_a_command_that_is_not_there_is_noticed() -> None:
    with pytest.raises(KeyError):
        parse("shadowgraph site teleport")
    with pytest.raises(click.exceptions.NoSuchOption):
        parse("shadowgraph data quality --xml out.xml")


def test_the_guide_walks_the_whole_way() -> None:
    said = " ".join(commands(GUIDE.read_text(encoding="utf-8")))
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
