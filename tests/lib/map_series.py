"""Diffusion series of known coefficients, and the map that the settings choose of a folder of series."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from site_node.features.functional.maps import Lack, NoMapError
from site_node.features.radiomics import Settings
from site_node.images.functional_maps import open_scan
from tests.lib.dicom_files import SHAPE

Change = Callable[[int, int, Dataset], None]
EVERYWHERE = np.ones(SHAPE, dtype=bool)
B = (0.0, 50.0, 400.0, 800.0)
ECHOES_MS = (5.0, 10.0, 20.0, 40.0)
RNG = np.random.default_rng(0)
ADC = RNG.uniform(500, 3000, SHAPE)  # um2/s


def diffusion(b_values: tuple[float, ...] = B) -> NDArray[np.float64]:
    return np.stack([1000 * np.exp(-b * ADC * 1e-6) for b in b_values])


def standard(v: int, z: int, dataset: Dataset) -> None:
    dataset.DiffusionBValue = B[v]


def made(folder: Path, chosen: object, flips: Path | None = None) -> NDArray[np.float64]:
    settings = Settings.model_validate({"map": chosen})
    scan = open_scan(sorted(folder.iterdir()), settings, sorted(flips.iterdir()) if flips else ())
    return np.asarray(scan.near([EVERYWHERE], settings), dtype=np.float64)


def lack(folder: Path, chosen: object, flips: Path | None = None) -> Lack:
    with pytest.raises(NoMapError) as caught:
        made(folder, chosen, flips)
    return caught.value.lack


def private(group: int, creator: str, element: int, vr: str, value: Callable[[float], object]) -> Change:
    def change(v: int, z: int, dataset: Dataset) -> None:
        dataset.private_block(group, creator, create=True).add_new(element, vr, value(B[v]))

    return change
