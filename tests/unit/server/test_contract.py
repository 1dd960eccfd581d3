"""What the page of promises names is there: numbers that are told, stores of a folder, tests that hold it."""

import json
import re
from pathlib import Path

import pytest

from cdm.database import connect, migrate, revisions
from protocols.core import study
from protocols.exchange import wire
from server.administration import upgrade as center
from server.administration.enrolment import make_center
from server.coordination import record
from server.main import run
from site_node.administration import upgrade as node
from site_node.administration.setup import make_site

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "contract.md").read_text()


def test_the_numbers_of_what_is_exchanged_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"], as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["wire"], said["study"], said["result"]) == (
        *(wire.SCHEMA_VERSION, study.SCHEMA_VERSION),
        record.SCHEMA_VERSION,
    )
    assert all(f"`shadowgraph --version --json`, `{name}`" in PAGE for name in said if name != "version")


def test_every_database_that_a_side_makes_is_brought_forward(tmp_path: Path) -> None:
    make_center(tmp_path / "center", "Glioma", port=0)
    make_site(tmp_path / "site", "oslo", runtime_port=0)
    known = {*center.side(tmp_path / "center").stores, *node.side(tmp_path / "site").stores}
    code = [
        path.read_text()
        for side in ("server", "site_node", "protocols")
        for path in (ROOT / side).rglob("*.py")
    ]
    named = set(re.findall(r'"([a-z]+\.sqlite)"', "".join(code))) - {"cdm.sqlite", "notices.sqlite"}
    assert named <= known  # what people were told of is made anew where it is lost


def test_the_cdm_says_its_revision_before_and_after(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'cdm.sqlite'}")
    seen, newest = revisions(engine)
    assert (seen, bool(newest)) == ("", True)
    migrate(engine)
    assert revisions(engine) == (newest, newest)
    engine.dispose()


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[a-z_/0-9]+(?:\.py)?)`", PAGE)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
