"""The local and global intensity peak against spheres that are drawn voxel by voxel."""

import numpy as np
import pytest
from scipy import ndimage

from site_node.features.radiomics import local_intensity
from site_node.features.radiomics.model import Spacing
from site_node.features.radiomics.region import Region


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (4.0, 0.9, 1.3), (7.0, 7.0, 7.0)])
@pytest.mark.parametrize("at_the_edge", [False, True])
def test_peaks_are_means_of_spheres(spacing_mm: Spacing, at_the_edge: bool) -> None:
    rng = np.random.default_rng(4)
    image = rng.integers(0, 30, (20, 56, 64)).astype(np.float64)  # the brightest is not the only one
    mask = np.zeros(image.shape, dtype=bool)
    inner = (slice(None),) * 3 if at_the_edge else (slice(7, 13), slice(8, 48), slice(6, 58))
    mask[inner] = rng.random(mask[inner].shape) < 0.6
    region = Region.of(mask, mask, spacing_mm)
    assert region is not None
    reach = [int(local_intensity.RADIUS_MM // mm) for mm in spacing_mm]
    steps = [np.arange(-r, r + 1) * mm for r, mm in zip(reach, spacing_mm, strict=True)]
    squared = steps[0][:, None, None] ** 2 + steps[1][:, None] ** 2 + steps[2] ** 2
    sphere = (squared <= local_intensity.RADIUS_MM**2).astype(np.float64)
    # beyond the image there is nothing to count
    sums, counts = (ndimage.convolve(v, sphere, mode="constant") for v in (image, np.ones_like(image)))
    means = sums / counts
    found = local_intensity.compute(image, region)
    assert found["loc_peak_glob"] == pytest.approx(means[mask].max(), rel=1e-5)
    brightest = mask & (image == image[mask].max())
    assert found["loc_peak_loc"] == pytest.approx(means[brightest].max(), rel=1e-5)
