"""The texture matrices against slow, literal definitions on small random regions."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from site_node.features.radiomics import glszm, texture_kernels
from site_node.features.radiomics.region import Region
from site_node.features.radiomics.texture import (
    DIRECTIONS_2D,
    DIRECTIONS_3D,
    Discretised,
    co_occurrence_and_runs,
    neighbourhoods,
)

N_LEVELS = 4


def discretised(seed: int = 0, shape: tuple[int, int, int] = (5, 6, 7)) -> Discretised:
    """A random region with holes, two thirds full, of smooth and rough parts."""
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < 0.7
    mask[0, 0, 0] = mask[-1, -1, -1] = True  # the bounding box is the whole volume
    levels = np.where(rng.random(shape) < 0.5, 2, rng.integers(1, N_LEVELS + 1, shape))
    region = Region.of(mask, mask, (1.0, 1.0, 1.0))
    assert region is not None
    return Discretised(np.pad(np.where(mask, levels, 0).astype(np.int16), 1), N_LEVELS, region)


def slices_of(levels: NDArray[np.int16], dimension: str) -> list[NDArray[np.int16]]:
    inner = levels[1:-1, 1:-1, 1:-1]
    return [plane[None] for plane in inner] if dimension == "2D" else [inner]


def directions(dimension: str) -> NDArray[np.int64]:
    return DIRECTIONS_3D if dimension == "3D" else DIRECTIONS_2D


def inside(place: NDArray[np.int64], volume: NDArray[np.int16]) -> bool:
    return all(0 <= p < size for p, size in zip(place, volume.shape, strict=True))


@pytest.mark.parametrize("dimension", ["2D", "2.5D", "3D"])
def test_co_occurrence_counts_each_pair_both_ways(dimension: str) -> None:
    region = discretised()
    found, _ = co_occurrence_and_runs(region, dimension)
    for s, volume in enumerate(slices_of(region.levels, dimension)):
        for d, offset in enumerate(directions(dimension)):
            expected = np.zeros((N_LEVELS, N_LEVELS), dtype=np.int64)
            for place in np.argwhere(volume > 0):
                other = place + offset
                if inside(other, volume) and volume[tuple(other)] > 0:
                    a, b = volume[tuple(place)] - 1, volume[tuple(other)] - 1
                    expected[a, b] += 1
                    expected[b, a] += 1
            np.testing.assert_array_equal(found[s, d], expected)


@pytest.mark.parametrize("dimension", ["2D", "2.5D", "3D"])
def test_runs_are_counted_once_with_their_length(dimension: str) -> None:
    region = discretised()
    _, found = co_occurrence_and_runs(region, dimension)
    for s, volume in enumerate(slices_of(region.levels, dimension)):
        for d, offset in enumerate(directions(dimension)):
            expected = np.zeros(found.shape[2:], dtype=np.int64)
            for place in np.argwhere(volume > 0):
                level = volume[tuple(place)]
                before = place - offset
                if inside(before, volume) and volume[tuple(before)] == level:
                    continue
                length, at = 0, place
                while inside(at, volume) and volume[tuple(at)] == level:
                    length, at = length + 1, at + offset
                expected[level - 1, length - 1] += 1
            np.testing.assert_array_equal(found[s, d], expected)


@pytest.mark.parametrize("coarseness", [0, 1])
@pytest.mark.parametrize("dimension", ["2D", "2.5D", "3D"])
def test_neighbourhoods_follow_their_definition(dimension: str, coarseness: int) -> None:
    region = discretised()
    voxels, differences, dependences = neighbourhoods(region, dimension, coarseness)
    depth = (-1, 0, 1) if dimension == "3D" else (0,)
    offsets = [np.array(o) for o in product(depth, (-1, 0, 1), (-1, 0, 1)) if any(o)]
    for s, volume in enumerate(slices_of(region.levels, dimension)):
        n, total = np.zeros((2, N_LEVELS))
        counts = np.zeros_like(dependences[0])
        for place in np.argwhere(volume > 0):
            level = int(volume[tuple(place)])
            around = [int(volume[tuple(place + o)]) for o in offsets if inside(place + o, volume)]
            around = [other for other in around if other > 0]
            counts[level - 1, sum(abs(other - level) <= coarseness for other in around)] += 1
            if around:
                n[level - 1] += 1
                total[level - 1] += abs(level - np.mean(around))
        np.testing.assert_array_equal(dependences[s], counts)
        np.testing.assert_array_equal(voxels[s], n)
        np.testing.assert_allclose(differences[s], total, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("depth", [0, 1])
def test_zones_are_the_connected_parts_of_each_level(seed: int, depth: int) -> None:
    region = discretised(seed, (6, 9, 11))
    distance = region.region.distance_3d if depth else region.region.distance_2d
    level, size, nearest, plane = texture_kernels.find_zones(region.levels, distance, depth)
    linked = np.ones((3, 3, 3), dtype=bool)
    if depth == 0:
        linked[[0, 2]] = False
    expected = []
    for value in range(1, N_LEVELS + 1):
        labels, n = ndimage.label(region.levels == value, structure=linked)
        for zone in range(1, n + 1):
            part = labels == zone
            first_slice = int(np.argwhere(part)[0, 0]) - 1
            expected.append((value, int(part.sum()), int(distance[part].min()), first_slice))
    found = zip(level.tolist(), size.tolist(), nearest.tolist(), plane.tolist(), strict=True)
    if depth == 1:  # a zone of several slices is of none of them
        assert sorted(zone[:3] for zone in found) == sorted(zone[:3] for zone in expected)
    else:
        assert sorted(found) == sorted(expected)


def test_zone_matrix_has_a_column_for_each_size() -> None:
    zones, sizes = glszm.matrix(np.array([1, 1, 3]), np.array([5, 5, 40]), 3)
    np.testing.assert_array_equal(zones[0], [[2, 0], [0, 0], [0, 1]])
    np.testing.assert_array_equal(sizes, [5, 40])


@pytest.mark.parametrize("flat", [True, False])
def test_border_distance_is_the_taxicab_distance(flat: bool) -> None:
    region = discretised(3, (7, 8, 9)).region
    found = region.distance_2d if flat else region.distance_3d
    if flat:
        planes = [ndimage.distance_transform_cdt(plane, metric="taxicab") for plane in region.morphological]
        np.testing.assert_array_equal(found, planes)
    else:
        expected = ndimage.distance_transform_cdt(region.morphological, metric="taxicab")
        np.testing.assert_array_equal(found, expected)
