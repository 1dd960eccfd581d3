"""RT29: a small compressed file that becomes a very large one."""

import gzip
from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError
from site_node.sources import nifti


def a_bomb(path: Path, size: int) -> Path:
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
    return path


def test_a_volume_is_inflated_to_its_bound_and_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nifti, "MAX_BYTES", 8 * 2**20)
    with pytest.raises(InputError) as caught:
        nifti.read(a_bomb(tmp_path / "bomb.nii.gz", 64 * 2**20))
    assert caught.value.code == Code.INVALID_INPUT
    assert "8 MiB" in caught.value.text


def test_without_the_bound_the_whole_of_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:  # 64 MiB of zeros are no volume, but all of them were inflated
        nifti.read(a_bomb(tmp_path / "bomb.nii.gz", 64 * 2**20))
    assert "MiB" not in caught.value.text
