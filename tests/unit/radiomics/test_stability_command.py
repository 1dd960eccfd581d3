"""`shadowgraph radiomics --stability`, as it is typed."""

import csv
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from server.main import run


@pytest.fixture
def lesions(tmp_path: Path) -> Path:
    """Four lesions in one image, of different brightness; the image has a voxel without a number."""
    rng = np.random.default_rng(0)
    image, labels = rng.normal(0, 5, (60, 60, 30)), np.zeros((60, 60, 30), dtype=np.uint8)
    for number, (x, y) in enumerate([(5, 5), (5, 35), (35, 5), (35, 35)], start=1):
        place = slice(x, x + 12 + number), slice(y, y + 14), slice(8, 20)
        labels[place] = number
        image[place] += 100 * number**2
    image[7, 7, 10] = np.nan
    nibabel.save(nibabel.Nifti1Image(image.astype(np.float32), np.eye(4)), tmp_path / "image.nii.gz")
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), tmp_path / "labels.nii.gz")
    (tmp_path / "few.yaml").write_text("families: [morphology, intensity]\n")
    return tmp_path


def answer(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    files = [str(folder / "image.nii.gz"), str(folder / "labels.nii.gz")]
    assert run(["radiomics", *files, "--config", str(folder / "few.yaml"), *words], as_json=True) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_the_command_says_which_features_repeat(lesions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(lesions, capsys, "--stability", "--csv", str(lesions / "out.csv"))
    rows = found["features"]
    assert isinstance(rows, list)
    by_tag = {row["tag"]: row for row in rows}
    assert found["regions"] == 4
    assert by_tag["stat_median"]["icc"] > 0.99
    assert by_tag["stat_skew"]["icc"] < 0.75
    assert 0 < by_tag["morph_volume"]["variation"] < 0.2
    told = [row["icc"] for row in rows if row["icc"] is not None]
    assert told == sorted(told)
    with (lesions / "out.csv").open() as file:
        assert [row["tag"] for row in csv.DictReader(file)] == [row["tag"] for row in rows]


def test_one_region_has_a_variation_and_no_correlation(
    lesions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(lesions, capsys, "--stability", "--region", "2")
    rows = found["features"]
    assert isinstance(rows, list)
    assert found["regions"] == 1
    assert {row["icc"] for row in rows} == {None}
    assert next(row for row in rows if row["tag"] == "stat_median")["variation"] > 0


def test_a_picture_of_stability_is_a_usage_error(lesions: Path) -> None:
    files = [str(lesions / "image.nii.gz"), str(lesions / "labels.nii.gz")]
    assert run(["radiomics", *files, "--stability", "--picture", "p.png"], as_json=False) == 2
