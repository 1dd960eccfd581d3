"""Moran's I, Geary's C and the sums behind them, against sums that visit every pair or none too few."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft

from site_node.features.arrays import Mask
from site_node.features.radiomics import pair_sums as module
from site_node.features.radiomics.autocorrelation import moran_geary
from site_node.features.radiomics.model import Spacing
from site_node.features.radiomics.pair_sums import PairSums, pair_sums
from site_node.features.radiomics.region import Region


def ellipsoid(*shape: int) -> Mask:
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return np.asarray(z * z + y * y + x * x <= 1)


def apart() -> Mask:
    mask = np.zeros((60, 60, 60), dtype=bool)
    mask[:25, :25, :25] = mask[35:, 35:, 35:] = ellipsoid(25, 25, 25)
    return mask


def specks() -> Mask:
    return np.asarray(np.random.default_rng(1).random((40, 40, 40)) < 0.3)


CASES = [
    pytest.param(ellipsoid(40, 40, 40), (1.0, 1.0, 1.0), True, id="ball"),
    pytest.param(ellipsoid(12, 60, 60), (5.0, 0.8, 0.8), True, id="thick slices"),
    pytest.param(ellipsoid(90, 24, 20), (0.7, 1.5, 2.0), True, id="longish"),
    pytest.param(np.ones((33, 34, 47), dtype=bool), (1.0, 1.0, 1.0), True, id="box"),
    pytest.param(specks(), (1.0, 1.0, 1.0), True, id="specks"),
    pytest.param(apart(), (1.0, 1.0, 1.0), True, id="two parts"),
    pytest.param(np.ones((1, 200, 200), dtype=bool), (3.0, 1.0, 1.0), False, id="one slice"),
    pytest.param(np.ones((2, 160, 160), dtype=bool), (1.0, 1.0, 1.0), False, id="plate"),
    pytest.param(np.ones((1, 1, 33_000), dtype=bool), (1.0, 1.0, 1.0), False, id="line"),
    pytest.param(np.ones((1, 1, 30_000), dtype=bool), (1.0, 1.0, 1.0), False, id="line in single precision"),
    pytest.param(ellipsoid(9, 8, 7), (1.0, 2.0, 1.0), False, id="small"),
]


def field(mask: Mask, smooth: bool) -> NDArray[np.float32]:
    """Intensities of mean 0 and mean square 1 within the mask."""
    rng = np.random.default_rng(3)
    image = rng.normal(size=mask.shape)
    if smooth:
        image += np.linspace(-3, 3, mask.shape[2]) + 2 * np.sin(np.arange(mask.shape[1]) / 5)[:, None]
    inside = image[mask]
    return np.where(mask, (image - inside.mean()) / inside.std(), 0).astype(np.float32)


def in_double_precision(x: NDArray[np.float32], mask: Mask, spacing_mm: Spacing) -> PairSums:
    """The sums by correlation in double precision on a box that holds every offset, weights and all."""
    shape = [2 * n for n in mask.shape]
    offsets = [(fft.fftfreq(n) * n * mm) ** 2 for n, mm in zip(shape, spacing_mm, strict=True)]
    distance = np.sqrt(offsets[0][:, None, None] + offsets[1][:, None] + offsets[2])
    distance[0, 0, 0] = np.inf
    weight = fft.rfftn(1 / distance)
    of_mask, of_x = (
        fft.irfftn(fft.rfftn(v.astype(np.float64), shape) * weight, shape)[tuple(map(slice, mask.shape))]
        for v in (mask, x)
    )
    values = x.astype(np.float64)
    return PairSums(
        float(np.sum(of_mask[mask])), float(np.sum(values**2 * of_mask)), float(np.sum(values * of_x))
    )


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize(("mask", "spacing_mm", "split"), CASES)
def test_sums_are_those_over_all_pairs_whatever_the_shape(
    mask: Mask, spacing_mm: Spacing, split: bool, smooth: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    near = module._near
    monkeypatch.setattr(module, "_near", lambda f, mm, radius: kept.append(radius) or near(f, mm, radius))
    x = field(mask, smooth)
    found, expected = pair_sums(x, mask, spacing_mm), in_double_precision(x, mask, spacing_mm)
    assert np.isfinite(kept[-1]) == split
    # 1e-6 of the sum over the mask: the split's bound, and what single precision leaves
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * expected.mask)


def test_the_smooth_part_is_the_windows_integral_and_ends_in_the_weight() -> None:
    r = np.array([0.0, 0.5, 3.0, 6.9, 7.0, 20.0])
    s = np.linspace(-1, 1, 200_001)
    window = np.i0(module.SHARPNESS * np.sqrt(1 - s * s))
    share = [np.sum(window[np.abs(s) * 7 <= each]) / window.sum() for each in r]
    found = module.smooth_part(r, 7.0)
    np.testing.assert_allclose(found[1:], (share / np.maximum(r, 1e-9))[1:], rtol=1e-4)
    assert found[0] == pytest.approx(found[1], rel=0.1)
    np.testing.assert_allclose(found[4:], 1 / r[4:], rtol=1e-12)


def test_moran_and_geary_equal_their_sums_over_pairs() -> None:
    rng = np.random.default_rng(2)
    mask = rng.random((5, 6, 7)) < 0.7
    region = Region.of(mask, mask, (2.5, 0.8, 1.1))
    assert region is not None
    x = rng.normal(50, 20, region.n_voxels)
    places = np.argwhere(region.intensity) * region.spacing_mm
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    weight, centred, n = 1 / apart, x - x.mean(), x.size
    moran = n / weight.sum() * (centred @ weight @ centred) / (centred @ centred)
    geary = (n - 1) / (2 * weight.sum()) * np.sum(weight * (x[:, None] - x) ** 2) / (centred @ centred)
    # single precision spectra: a relative error of 1e-6 of the largest term
    np.testing.assert_allclose(moran_geary(x, region), (moran, geary), rtol=1e-5, atol=1e-6)
