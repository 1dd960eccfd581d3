"""Maps from a four-dimensional NIfTI and the small table beside it."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from server.main import run

SHAPE = (6, 7, 5)  # (x, y, z), as NIfTI has it
ADC = np.random.default_rng(0).uniform(500, 3000, SHAPE)  # um2/s
B = (0, 100, 800)


def write(path: Path, array: NDArray[np.number]) -> str:
    nibabel.save(nibabel.Nifti1Image(array, np.diag([2.0, 2.0, 3.0, 1.0])), path)
    return str(path)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A diffusion series, labels of two regions that touch, and settings."""
    signal = np.stack([1000 * np.exp(-b * ADC * 1e-6) for b in B], axis=-1).astype(np.float32)
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[1:3, 1:5, 1:4], labels[3:5, 1:5, 1:4] = 1, 2
    (tmp_path / "few.yaml").write_text("families: [intensity]\nmap: adc\n")
    words = [write(tmp_path / "dwi.nii.gz", signal), write(tmp_path / "labels.nii.gz", labels)]
    return ["radiomics", *words, "--config", str(tmp_path / "few.yaml")]


def means(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[float]:
    assert run(words, as_json=True) == 0
    rows = json.loads(capsys.readouterr().out)["features"]
    return [row["value"] for row in rows if row["tag"] == "stat_mean"]


EXPECTED = [ADC[1:3, 1:5, 1:4].mean(), ADC[3:5, 1:5, 1:4].mean()]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dwi.csv", "b_s_mm2\n0\n100\n800\n"),
        ("dwi.bval", "0 100 800\n"),
        ("other.csv", "b_s_mm2\n0\n100\n800\n"),
    ],
)
def test_a_table_tells_the_b_values(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    words = files if name.startswith("dwi") else [*files, "--table", str(tmp_path / name)]
    assert means(words, capsys) == pytest.approx(EXPECTED, rel=1e-4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "map-no-b-values"),
        ("b_s_mm2\n0\n100\n", "one line per volume"),
        ("b_s_mm2\n0\nhigh\n800\n", "not a number"),
        ("b\n0\n100\n800\n", "b_s_mm2, time_s"),
        ("b_s_mm2\n0\n\n800\n", "one line per volume"),
        ("time_s\n0\n5\n10\n", "map-no-b-values"),
        ("", "not a table"),
    ],
)
def test_a_table_that_does_not_fit_is_named(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / "dwi.csv").write_text(text)
    assert run(files, as_json=False) == 4
    assert said in capsys.readouterr().err


def test_a_stored_map_takes_its_unit_from_the_settings(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    files[1] = write(tmp_path / "adc.nii.gz", (ADC * 1e-6).astype(np.float32))
    assert run(files, as_json=False) == 4
    assert "stored_unit" in capsys.readouterr().err
    (tmp_path / "few.yaml").write_text("families: [intensity]\nmap: {map: adc, stored_unit: mm2/s}\n")
    assert means(files, capsys) == pytest.approx(EXPECTED, rel=1e-4)


def test_a_series_without_a_map_is_refused(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "few.yaml").write_text("families: [intensity]\n")
    assert run(files, as_json=False) == 4
    assert "not one 3D volume" in capsys.readouterr().err
    assert run([*files, "--map", "suv_lbm"], as_json=False) == 4
    assert "map-of-another-modality" in capsys.readouterr().err


def test_a_map_of_the_settings_changes_their_digest(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dwi.bval").write_text("0 100 800")
    digests = []
    for chosen in ("adc", "{map: adc}", "{map: adc, least_b_s_mm2: 50}"):
        (tmp_path / "few.yaml").write_text(f"families: [intensity]\nmap: {chosen}\n")
        assert run(files, as_json=True) == 0
        digests.append(json.loads(capsys.readouterr().out)["settings"])
    assert digests[0] == digests[1] != digests[2]


def test_the_stability_of_a_map_is_that_of_its_surroundings(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dwi.bval").write_text("0 100 800")
    assert run([*files, "--stability"], as_json=True) == 0
    rows = json.loads(capsys.readouterr().out)["features"]
    assert {row["image"] for row in rows} == {"adc"}
    assert any(row["icc"] is not None for row in rows)
