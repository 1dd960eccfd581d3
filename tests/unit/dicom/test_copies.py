"""`data deidentify`, and the planted tokens' way through the whole site (RT24)."""

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select

from cdm.database import connect
from cdm.schema import metadata
from protocols.core.errors import ExitCode
from server.main import run
from site_node.home.config import load
from site_node.images.series import load_series
from site_node.sources.dicom.copies import copy_folder
from tests.lib.dicom_files import ROOT, canaries, new_object, write_rtstruct, write_series

TOKEN = b"canary"
SQUARE = [(0.5, 0.5, 1.0), (5.5, 0.5, 1.0), (5.5, 5.5, 1.0), (0.5, 5.5, 1.0)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A site, and a folder of images that name their patient wherever they can."""
    made = tmp_path / "site"
    made.mkdir()
    (made / "site.toml").write_text('name = "clinic"\n')
    folder = tmp_path / "Canary^Name"
    write_series(folder / "ct", change=in_a_chest)
    write_rtstruct(folder / "rs.dcm", {"GTV": [SQUARE], "of CANARY": [SQUARE]})
    write_series(folder / "shot", series_uid=ROOT + "1.5", change=burned_in)
    (folder / "canary.txt").write_text("canary")
    return made


def in_a_chest(z: int, dataset: Dataset) -> None:
    canaries(z, dataset)
    dataset.BodyPartExamined = "CHEST"


def burned_in(_: int, dataset: Dataset) -> None:
    dataset.BurnedInAnnotation = "YES"


def test_the_command_copies_what_may_be_handed_on(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = home.parent / "Canary^Name", home.parent / "out"
    assert (
        run(["data", "deidentify", str(source), str(out), "--home", str(home)], as_json=True) == ExitCode.DONE
    )
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert answer["copied"] == 5
    assert {one["code"]: one["files"] for one in answer["left_out"]} == {
        "dicom-burned-in": 4,
        "dicom-not-dicom": 1,
    }
    files = sorted(path for path in out.rglob("*") if path.is_file())
    assert len(files) == 5
    for path in files:
        assert TOKEN not in path.read_bytes().lower()
        assert TOKEN not in str(path.relative_to(out)).lower().encode()
        assert pydicom.dcmread(path).PatientIdentityRemoved == "YES"
    assert TOKEN not in (printed.out + printed.err).lower().encode()
    copies = [path for path in files if pydicom.dcmread(path).Modality == "CT"]
    originals = sorted((source / "ct").iterdir())
    np.testing.assert_array_equal(load_series(copies).array, load_series(originals).array)


@pytest.mark.parametrize("out", ["Canary^Name/inside", "site"])
def test_a_folder_that_is_not_new_is_refused(home: Path, out: str) -> None:
    words = ["data", "deidentify", str(home.parent / "Canary^Name"), str(home.parent / out)]
    assert run([*words, "--home", str(home)], as_json=True) == ExitCode.INVALID_INPUT


def test_a_link_to_a_folder_is_not_followed(home: Path) -> None:
    secret = home.parent / "elsewhere"
    secret.mkdir()
    new_object("CT", ROOT + "1.1.77").save_as(secret / "one.dcm", enforce_file_format=True)
    source = home.parent / "links"
    source.mkdir()
    (source / "link").symlink_to(secret, target_is_directory=True)
    run(["data", "deidentify", str(source), str(home.parent / "out"), "--home", str(home)], as_json=True)
    assert list((home.parent / "out").rglob("*.dcm")) == []


def test_no_token_reaches_the_cdm_the_features_or_the_words_on_the_way(
    home: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (home / "few.yaml").write_text("families: [intensity]\n")
    source = str(home.parent / "Canary^Name")
    for words in (
        ["data", "add", "dicom", source],
        ["features", "radiomics", "compute", "--settings", str(home / "few.yaml")],
        ["data", "status", "--places"],
        ["data", "unmapped"],
    ):
        assert run([*words, "--home", str(home)], as_json=True) in (ExitCode.DONE, ExitCode.PARTIAL)
    printed = capsys.readouterr()
    assert "canary" not in (printed.out + printed.err + caplog.text).lower().replace("canary.txt", "")
    engine = connect(load(home).database_url)
    with engine.connect() as connection:
        for table in metadata.tables.values():
            rows = str(connection.execute(select(table)).all()).lower().replace("canary.txt", "")
            assert "canary" not in rows, table.name
    engine.dispose()


@pytest.mark.parametrize(
    ("part", "features", "copied"),
    [
        ("HEAD", "", 0),
        ("BRAIN", "YES", 0),
        ("", "", 0),
        ("HEADNECK", "NO", 4),
        ("", "NO", 4),
        ("HEART", "", 4),
    ],
)
def test_a_head_is_copied_once_its_face_was_taken_off(
    tmp_path: Path, part: str, features: str, copied: int
) -> None:
    def change(_: int, dataset: Dataset) -> None:
        dataset.BodyPartExamined, dataset.RecognizableVisualFeatures = part, features

    write_series(tmp_path / "in", change=change)
    found = copy_folder(tmp_path / "in", tmp_path / "out", bytes(32))
    assert found["copied"] == copied
    assert [one["code"] for one in found["left out"]] == ["dicom-face"] * (not copied)
