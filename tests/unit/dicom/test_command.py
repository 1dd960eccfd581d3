"""`shadowgraph features radiomics`, as it is typed."""

import json
from pathlib import Path

import pytest

from protocols.core.errors import ExitCode
from server.main import run
from tests.lib.dicom_files import write_rtstruct, write_series

BOX = [(0.5, 0.5, 1.0), (5.5, 0.5, 1.0), (5.5, 5.5, 1.0), (0.5, 5.5, 1.0)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "site.toml").write_text('name = "north"\n')
    write_series(tmp_path / "in")
    write_rtstruct(tmp_path / "in" / "rs.dcm", {"GTV 1": [BOX]})
    (tmp_path / "few.yaml").write_text("families: [intensity]\n")
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, object]:
    assert run([str(word) for word in words], as_json=True) == ExitCode.DONE
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_images_are_added_measured_and_counted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "data", "add", "dicom", home / "in", "--home", home)
    options = ("--home", home, "--settings", home / "few.yaml", "--region", "GTV=gtv*")
    done = answer(capsys, "features", "radiomics", "compute", *options)
    assert done == {
        "computed": 1,
        "skipped": 0,
        "failed": 0,
        "features": 18,
        "failures": [],
        "schema_version": 1,
    }
    shown = answer(capsys, "features", "radiomics", "status", "--home", home)
    assert shown["failures"] == []


@pytest.mark.parametrize("region", ["GTV", "=gtv*", "GTV="])
def test_a_region_without_name_or_pattern_is_a_usage_error(home: Path, region: str) -> None:
    words = ["features", "radiomics", "compute", "--home", str(home), "--region", region]
    assert run(words, as_json=False) == ExitCode.USAGE
