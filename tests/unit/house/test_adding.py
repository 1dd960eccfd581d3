"""docs/adding.md is followed to the letter: what it says to add is added, and everything works with it."""

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import protocols.describe
from protocols import CATALOGUE
from protocols.core.protocol import protocol
from protocols.core.study import parse_study
from protocols.exchange.local import run_locally
from tests import adding
from tests.conformance import what_may_leave
from tests.conformance.examples import EXAMPLES, Example
from tests.lib.drawn_sites import SPLITS
from tests.lib.equal_results import assert_equal_results
from tests.lib.watched import COMMON, example_study
from tests.reference import pooled as references
from tests.reference.pooled import reference

(A_PROTOCOL,) = [point for point in adding.points() if point.name == "A protocol"]
NEW = "completeness"


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The page's protocol, at its four places."""
    own, pooled, words = A_PROTOCOL.examples
    for folder, text, package in (("own", own, protocols.describe), ("pooled", pooled, references)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{NEW}.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / folder)])
    monkeypatch.setitem(CATALOGUE, NEW, "")
    monkeypatch.setitem(EXAMPLES, NEW, Example([]))
    exec(words, {"CATALOGUE": CATALOGUE, "EXAMPLES": EXAMPLES, "Example": Example})
    yield importlib.import_module(f"protocols.describe.{NEW}")
    for package in (protocols.describe, references):
        sys.modules.pop(f"{package.__name__}.{NEW}", None)
        vars(package).pop(NEW, None)
    example_study.cache_clear()


@pytest.mark.parametrize("split", SPLITS)
def test_the_pages_protocol_equals_its_pooled_reference(added: ModuleType, split: str) -> None:
    study = example_study(NEW)
    for secure in (True, False) if len(SPLITS[split]) > 2 else (False,):
        outcome = run_locally(study, SPLITS[split], secure=secure)
        (analysis,) = study.analyses
        assert_equal_results(outcome[analysis.name], reference(analysis.spec, SPLITS[split]), frozenset())


def test_a_study_with_it_is_parsed_described_and_drawn(added: ModuleType) -> None:
    study = example_study(NEW)
    assert parse_study(study.canonical()).hash() == study.hash()
    assert study.describe() == [
        "a0: How many people have a value of age, f_one.",
        "a0: Leaves in a sum over sites, once: people; people with a value of every variable.",
    ]
    assert run_locally(study, SPLITS[COMMON])["a0"].plot().has_data()
    assert (
        protocol(NEW).method(study.spec("a0")) == "People with a value of each of age and f_one were counted."
    )


def test_what_it_lets_out_is_written_by_the_command(added: ModuleType) -> None:
    assert f"{NEW} 1\n  count (in a sum over sites)" in what_may_leave.closed_list()
    assert f"| {NEW} | count | in a sum over sites | people; people with" in what_may_leave.table()


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_protocol_lies_at_the_places_of_the_page(name: str) -> None:
    its_file, catalogue, examples, pooled = (re.findall(r"`([^`]+)`", p)[0] for p in A_PROTOCOL.places)
    assert Path(sys.modules[type(protocol(name)).__module__].__file__ or "").stem == Path(
        its_file
    ).stem.replace(NEW, name)
    assert (adding.ROOT / catalogue).is_file()
    assert name in EXAMPLES
    assert (adding.ROOT / examples).is_file()
    assert (adding.ROOT / pooled.replace(NEW, name)).is_file()


def test_the_command_prints_the_places() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "tests.adding"], cwd=adding.ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert "A protocol\n  1. `protocols/" in said
