"""Whatever damage a file has, it is coded; nothing crashes, and nothing of its content is printed."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from cdm.etl import SourceRecord, Unreadable
from site_node.imaging import load_series
from site_node.sources.dicom import read
from site_node.sources.dicom.faults import DicomFault
from site_node.sources.regions import read_regions
from tests.lib.dicom_files import write_rtstruct, write_seg, write_series

BOX = [(1.5, 1.5, 1.0), (5.5, 1.5, 1.0), (5.5, 5.5, 1.0), (1.5, 5.5, 1.0)]


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes overwritten, and sometimes the end cut off."""
    spoilt = bytearray(data)
    for place in rng.integers(132, len(spoilt), rng.integers(1, 12)):
        spoilt[place] = rng.integers(256)
    return bytes(spoilt[: rng.integers(140, len(spoilt)) if rng.random() < 0.3 else None])


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_image_is_loaded_or_coded(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    rng = np.random.default_rng(seed)
    paths = write_series(tmp_path / "images", "PT")
    paths[0].write_bytes(damage(paths[0].read_bytes(), rng))
    found = list(read(tmp_path / "images", tmp_path))
    assert all(isinstance(one, SourceRecord | Unreadable) for one in found)
    with suppress(DicomFault):
        load_series(paths)
    assert capsys.readouterr() == ("", "")
    assert caplog.text == ""


@pytest.mark.parametrize("seed", range(40))
def test_damaged_regions_are_read_or_coded(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = load_series(write_series(tmp_path / "images")).grid
    whole = np.full(grid.shape[1:], 200, dtype=np.uint8)
    for path in (
        write_rtstruct(tmp_path / "images" / "rs", {"GTV": [BOX]}),
        write_seg(tmp_path / "images" / "seg", [(1, 0, whole)]),
    ):
        path.write_bytes(damage(path.read_bytes(), rng))
        with suppress(DicomFault):
            read_regions(path, grid)
    assert list(read(tmp_path / "images", tmp_path))


def test_sequences_nested_without_end_are_coded(tmp_path: Path) -> None:
    """A file that opens ten thousand sequences in one another, as an attacker would write it."""
    path = write_rtstruct(tmp_path / "rs", {"GTV": [BOX]})
    opening = bytes.fromhex("06301000 53510000 ffffffff feff00e0 ffffffff")
    path.write_bytes(path.read_bytes() + opening * 10_000)
    (found,) = [one for one in read(tmp_path, tmp_path / "home") if isinstance(one, Unreadable)]
    assert found.code in ("dicom-unreadable", "dicom-region-without-image")
