"""Whatever damage a file has, it is loaded or coded, in bounded time and memory; nothing of it is printed."""

import resource
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGLSLossless, RLELossless

from cdm.etl import SourceRecord, Unreadable
from site_node.images.series import load_series
from site_node.sources.dicom import read
from site_node.sources.dicom.faults import DicomFault
from site_node.sources.pacs import Inbox
from site_node.sources.regions import read_regions
from tests.lib.dicom_files import lossless_jpeg, write_enhanced, write_rtstruct, write_seg, write_series

BOX = [(1.5, 1.5, 1.0), (5.5, 1.5, 1.0), (5.5, 5.5, 1.0), (1.5, 5.5, 1.0)]
SECONDS, MEGABYTES = 5.0, 512  # RT31: what one file may cost
FEW, MANY = 100, 2000  # damaged files of a kind: here, and at night


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes overwritten, anywhere or within a few hundred bytes, and sometimes the end cut off."""
    spoilt = bytearray(data)
    near = int(rng.integers(132, len(spoilt)))
    low, high = (132, len(spoilt)) if rng.random() < 0.5 else (near, min(near + 300, len(spoilt)))
    for place in rng.integers(low, high, rng.integers(1, 12)):
        spoilt[place] = rng.integers(256)
    return bytes(spoilt[: rng.integers(140, len(spoilt)) if rng.random() < 0.3 else None])


def compressed(folder: Path, syntax: str) -> Path:
    path = write_series(folder)[0]
    dataset = pydicom.dcmread(path)
    dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(path)
    return path


KINDS: dict[str, Callable[[Path], Path]] = {
    "ct": lambda folder: write_series(folder)[0],
    "pet": lambda folder: write_series(folder, "PT")[0],
    "enhanced": lambda folder: write_enhanced(folder / "e.dcm"),
    "rle": lambda folder: compressed(folder, RLELossless),
    "jpeg-ls": lambda folder: compressed(folder, JPEGLSLossless),
    "jpeg-lossless": lambda folder: write_series(folder, change=lossless_jpeg(1))[0],
    "rtstruct": lambda folder: write_rtstruct(folder / "rs.dcm", {"GTV": [BOX]}),
    "seg": lambda folder: write_seg(folder / "seg.dcm", [(1, 0, np.full((8, 10), 200, np.uint8))]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("files", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_damage_is_coded(
    tmp_path: Path,
    kind: str,
    files: int,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    grid = load_series(write_series(tmp_path / "whole")).grid
    path = KINDS[kind](images)
    whole = path.read_bytes()
    inbox = Inbox(tmp_path / "home", "pacs", bytes(32))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(files):
        path.write_bytes(damage(whole, np.random.default_rng(seed)))
        began = time.process_time()
        found = list(read(images, tmp_path))
        assert found
        assert all(isinstance(one, SourceRecord | Unreadable) for one in found)
        inbox.keep(path.read_bytes())
        with suppress(DicomFault):
            load_series([path])
        with suppress(DicomFault):
            read_regions(path, grid)
        assert time.process_time() - began < SECONDS, seed
    for study in inbox.pending():
        assert all(isinstance(one, SourceRecord | Unreadable) for one in inbox.records(study))
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEGABYTES
    assert capsys.readouterr() == ("", "")
    assert caplog.text == ""


def test_sequences_nested_without_end_are_coded(tmp_path: Path) -> None:
    """A file that opens ten thousand sequences in one another, as an attacker would write it."""
    path = write_rtstruct(tmp_path / "rs", {"GTV": [BOX]})
    opening = bytes.fromhex("06301000 53510000 ffffffff feff00e0 ffffffff")
    path.write_bytes(path.read_bytes() + opening * 10_000)
    (found,) = [one for one in read(tmp_path, tmp_path / "home") if isinstance(one, Unreadable)]
    assert found.code in ("dicom-unreadable", "dicom-region-without-image")
