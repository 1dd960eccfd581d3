"""docs/adding.md is followed to the letter: what it says to add is added, and everything works with it."""

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

import protocols.describe
import protocols.results
from cdm.etl import MAPPERS
from cdm.etl.loader.capabilities import RESOURCES
from protocols import CATALOGUE
from protocols.core.protocol import protocol
from protocols.core.study import parse_study
from protocols.core.variables import KINDS
from protocols.exchange.local import run_locally
from site_node.features.radiomics.extraction import MODULES
from site_node.features.radiomics.filters import Filter
from site_node.features.radiomics.settings import FAMILIES, RESPONSE_FAMILIES
from tests import adding
from tests.conformance import what_may_leave
from tests.conformance.examples import EXAMPLES, Example
from tests.lib.doctests import examples, failures
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


def test_the_example_of_the_pages_result_holds(added: ModuleType) -> None:
    shown = examples(added.CompletenessResult)
    assert shown
    assert not failures(shown)


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
        "a0: Leaves in a sum over sites, at most once: people with complete data, in whole floors; "
        "those with another value than 0, in whole floors, those with another value than 1, in whole floors, "
        "those with another value than most, in whole floors, those with another value than 0 and 1, in "
        "whole floors and sites where one or two people make up nearly all of its spread, by judged (2).",
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
    found = Path(sys.modules[type(protocol(name)).__module__].__file__ or "")
    assert found.stem == Path(its_file).stem.replace(NEW, name)
    assert (adding.ROOT / catalogue).is_file()
    family = Path(examples.replace(protocols.describe.__name__.rpartition(".")[2], found.parent.name))
    assert name in importlib.import_module(".".join(family.with_suffix("").parts)).EXAMPLES
    assert name in EXAMPLES
    assert (adding.ROOT / pooled.replace(NEW, name)).is_file()


POINTS = adding.points()
PLACES = [(point.name, place) for point in POINTS for place in point.places if NEW not in place]


@pytest.mark.parametrize(("point", "place"), PLACES, ids=lambda part: part.partition(":")[0].strip("`"))
def test_a_place_of_the_page_holds_what_stands_beside_it(point: str, place: str) -> None:
    file, *names = re.findall(r"`([^`]+)`", place)
    text = (adding.ROOT / file).read_text()
    lost = [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)]
    assert not lost or all((adding.ROOT / file).with_name(name).is_file() for name in lost), (point, lost)


def test_every_point_has_its_places() -> None:
    assert len(POINTS) >= 14
    assert all(len(point.places) >= 2 for point in POINTS), [point.name for point in POINTS]


@pytest.mark.parametrize("kind", sorted(RESOURCES.keys() - {"MedicationUsage"}))  # R5's other name
def test_every_fhir_mapper_lies_at_the_places_of_the_page(kind: str) -> None:
    module = MAPPERS[kind].__module__
    stem = module.removeprefix("cdm.etl.fhir.")
    assert (adding.ROOT / "cdm" / "etl" / "fhir" / f"{stem}.py").is_file()
    cases, rows = (
        json.loads((adding.ROOT / "tests" / "unit" / "etl" / f"{stem}.{way}.json").read_text())
        for way in ("in", "out")
    )
    assert kind in {resource["resourceType"] for resource in cases.values()}
    assert cases.keys() == rows.keys()


def test_every_radiomic_family_lies_at_the_places_of_the_page() -> None:
    assert tuple(MODULES) == FAMILIES
    assert [Path(module.__file__ or "").stem for module in MODULES.values()] == list(FAMILIES)
    assert all(module.FAMILY.code and callable(module.compute) for module in MODULES.values())
    shown = re.findall(r"^ *families: \[(.+)\]$", (adding.ROOT / "docs" / "radiomics.md").read_text(), re.M)
    assert [tuple(line.split(", ")) for line in shown] == [FAMILIES, RESPONSE_FAMILIES]


def test_every_filter_lies_at_the_places_of_the_page() -> None:
    guide = (adding.ROOT / "docs" / "radiomics.md").read_text()
    for one in get_args(get_args(Filter)[0]):
        assert f"{{filter: {one.model_fields['filter'].default}," in guide


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_variable_is_read_in_a_test(kind: str) -> None:
    unit = adding.ROOT / "tests" / "unit"
    tests = [unit / "genomics" / "test_variables.py", *(unit / "table").glob("test_*.py")]
    assert any(f'"kind": "{kind}"' in test.read_text() for test in tests)


def test_the_command_prints_the_places() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "tests.adding"], cwd=adding.ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert "A protocol\n  1. `protocols/" in said
    assert all(point.name in said.splitlines() for point in POINTS)
