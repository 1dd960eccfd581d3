"""The page of what is promised names the numbers that the code has."""

import re
from pathlib import Path

import pytest

from cdm.database import connect, migrate, revisions
from protocols.core import study
from protocols.exchange import wire
from protocols.runtime.accounts import file as accounts
from server.coordination import record
from server.home import schema
from site_node.home import register

PAGE = (Path(__file__).parents[3] / "docs" / "contract.md").read_text()


def _now(what: str) -> str:
    (cell,) = re.findall(rf"^\| {what}[^|]*\|[^|]*\| ([^|]*) \|", PAGE, re.MULTILINE)
    return str(cell)


@pytest.mark.parametrize(
    ("what", "number"),
    [
        ("wire", str(wire.SCHEMA_VERSION)),
        ("study", str(study.SCHEMA_VERSION)),
        ("result", str(record.SCHEMA_VERSION)),
        ("register of a site", f"{len(register.STEPS)} steps"),
        ("store of the center", f"{len(schema.STEPS)} steps"),
        ("accounts of a side", f"{len(accounts.STEPS)} steps"),
    ],
)
def test_the_page_has_the_number_of_the_code(what: str, number: str) -> None:
    assert _now(what) == number


def test_the_page_has_the_newest_revision_of_the_cdm(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'cdm.sqlite'}")
    assert revisions(engine)[0] == ""
    migrate(engine)
    assert revisions(engine) == (_now("CDM"), _now("CDM"))
    engine.dispose()


def test_every_test_that_the_page_names_is_there() -> None:
    root = Path(__file__).parents[3]
    named = re.findall(r"`(tests/[a-z_/0-9]+(?:\.py)?)`", PAGE)
    assert named
    assert [name for name in named if not (root / name).exists()] == []
