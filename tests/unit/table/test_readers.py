"""A kind of variable has two halves, and its words: none of the three is without the others."""

import re
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import TypeAdapter

from protocols.core.variables import KINDS, Dated, Variable, kind_of
from site_node.study_table.readers import FAMILIES, READERS
from site_node.study_table.readers.reader import DatedReader

GUIDE = Path(__file__).parents[3] / "docs" / "analyst-guide.md"


def example() -> dict[str, Any]:
    """The variables of the analyst's guide, by name, as a study would have them."""
    section = GUIDE.read_text().partition("## What: the variables")[2]
    block = re.search(r"^```yaml\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    assert block
    variables: dict[str, Any] = yaml.safe_load(block[1])["variables"]
    return variables


def test_every_kind_has_one_reader_and_every_reader_a_kind() -> None:
    read = [reader.kind for family in FAMILIES.values() for reader in family]
    assert sorted(map(kind_of, read)) == sorted(KINDS)


def test_the_halves_of_a_kind_lie_in_files_of_one_name() -> None:
    for family, readers in FAMILIES.items():
        assert {one.kind.__module__ for one in readers} == {f"protocols.core.variables.{family}"}


def test_what_can_change_over_a_follow_up_has_a_reader_of_its_dates() -> None:
    assert {kind for kind, one in READERS.items() if isinstance(one, DatedReader)} == set(get_args(Dated))


def test_the_analysts_guide_shows_every_kind() -> None:
    shown = TypeAdapter(dict[str, Variable]).validate_python(example())
    assert {kind_of(type(one)) for one in shown.values()} == set(KINDS)
