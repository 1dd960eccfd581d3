"""Contours and segments become masks of the voxels whose centres they hold."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from site_node.images.series import load_series
from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.geometry import Grid
from site_node.sources.regions import contour_mask, even_odd, read_regions
from tests.lib.dicom_files import SHAPE, Contour, write_ball, write_rtstruct, write_seg, write_series


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    return load_series(write_series(tmp_path / "image")).grid


def box(low: float, high: float, z: float = 1.0) -> Contour:
    return [(low, low, z), (high, low, z), (high, high, z), (low, high, z)]


def expected(z: int, rows: slice, columns: slice) -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[z, rows, columns] = True
    return mask


def test_a_contour_holds_the_voxels_whose_centres_it_encloses(tmp_path: Path, grid: Grid) -> None:
    masks = read_regions(write_rtstruct(tmp_path / "rs", {"GTV": [box(1.5, 5.5)]}), grid)
    np.testing.assert_array_equal(masks["GTV"], expected(1, slice(2, 6), slice(2, 6)))


def test_a_contour_inside_another_is_a_hole(tmp_path: Path, grid: Grid) -> None:
    masks = read_regions(write_rtstruct(tmp_path / "rs", {"GTV": [box(0.5, 6.5), box(2.5, 4.5)]}), grid)
    whole = expected(1, slice(1, 7), slice(1, 7))
    np.testing.assert_array_equal(masks["GTV"], whole & ~expected(1, slice(3, 5), slice(3, 5)))


def test_a_keyhole_is_the_same_hole(tmp_path: Path, grid: Grid) -> None:
    outer, inner = list(box(0.5, 6.5)), list(box(2.5, 4.5))
    keyhole = [*outer, outer[0], inner[0], *inner[::-1], outer[0]]
    drawn = {"keyhole": [keyhole], "apart": [outer, inner]}
    masks = read_regions(write_rtstruct(tmp_path / "rs", drawn), grid)
    np.testing.assert_array_equal(masks["keyhole"], masks["apart"])


def test_several_regions_may_overlap(tmp_path: Path, grid: Grid) -> None:
    path = write_rtstruct(tmp_path / "rs", {"GTV": [box(0.5, 4.5)], "PTV": [box(0.5, 6.5)]})
    masks = read_regions(path, grid)
    assert list(masks) == ["GTV", "PTV"]
    assert (masks["GTV"] & ~masks["PTV"]).sum() == 0
    assert list(read_regions(path, grid, names=["PTV"])) == ["PTV"]


def test_a_name_that_stands_twice_is_numbered(tmp_path: Path, grid: Grid) -> None:
    path = write_rtstruct(tmp_path / "rs", {"GTV": [box(0.5, 4.5)], "GTV ": [box(0.5, 6.5)]})
    assert list(read_regions(path, grid)) == ["GTV", "GTV (2)"]


def test_a_name_that_repeats_the_patients_becomes_its_number(tmp_path: Path, grid: Grid) -> None:
    path = write_rtstruct(tmp_path / "rs", {"GTV": [box(0.5, 4.5)], "canary tumour": [box(0.5, 6.5)]})
    assert list(read_regions(path, grid)) == ["GTV", "region-2"]


def test_contours_between_slices_go_to_the_nearest_and_are_united() -> None:
    contours = [np.array(box(0.5, 3.5, 1.2)), np.array(box(2.5, 5.5, 0.8))]
    mask = contour_mask(contours, SHAPE)
    assert mask[1].sum() == 9 + 9 - 1
    assert mask.sum() == mask[1].sum()


def test_two_polygons_that_share_an_edge_share_no_pixel() -> None:
    left = np.array([(1.0, 1.0), (4.0, 1.0), (4.0, 6.0), (1.0, 6.0)])
    right = np.array([(4.0, 1.0), (8.0, 1.0), (8.0, 6.0), (4.0, 6.0)])
    both = np.array([(1.0, 1.0), (8.0, 1.0), (8.0, 6.0), (1.0, 6.0)])
    a, b = even_odd([left], (8, 10)), even_odd([right], (8, 10))
    assert not (a & b).any()
    np.testing.assert_array_equal(a | b, even_odd([both], (8, 10)))


@pytest.mark.parametrize("seed", range(20))
def test_any_polygon_is_filled_as_matplotlib_fills_it(seed: int) -> None:
    """An independent rasterizer; stars do not cross themselves, so its winding rule agrees with ours."""
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 40)))
    radius = rng.uniform(2, 14, len(angle))
    polygon = np.column_stack([18 + radius * np.cos(angle), 15 + radius * np.sin(angle)])
    y, x = np.mgrid[:30, :36]
    inside = Outline(polygon).contains_points(np.column_stack([x.ravel(), y.ravel()])).reshape(30, 36)
    np.testing.assert_array_equal(even_odd([polygon], (30, 36)), inside)


def test_a_polygon_that_leaves_the_image_is_cut_at_its_border() -> None:
    polygon = np.array([(-5.0, -5.0), (4.5, -5.0), (4.5, 30.0), (-5.0, 30.0)])
    mask = even_odd([polygon], (8, 10))
    np.testing.assert_array_equal(mask, np.arange(10)[None, :].repeat(8, 0) < 5)


def test_points_and_lines_are_no_region(tmp_path: Path, grid: Grid) -> None:
    path = write_rtstruct(tmp_path / "rs", {"marker": [box(1.5, 2.5)]}, kind="POINT")
    assert read_regions(path, grid) == {}


@pytest.mark.parametrize(
    ("contour", "fault"),
    [
        ([(1.0, 1.0, 0.5), (5.0, 1.0, 1.0), (5.0, 5.0, 1.5)], Fault.CONTOUR_OFF_PLANE),
        (box(1.5, 5.5, 9.0), Fault.REGION_OUTSIDE),
    ],
)
def test_a_contour_in_no_slice_is_coded(tmp_path: Path, grid: Grid, contour: Contour, fault: Fault) -> None:
    with pytest.raises(DicomFault) as caught:
        read_regions(write_rtstruct(tmp_path / "rs", {"GTV": [contour]}), grid)
    assert caught.value.fault is fault


def test_a_fractional_segment_begins_at_the_threshold(tmp_path: Path, grid: Grid) -> None:
    values = np.zeros(SHAPE[1:], dtype=np.uint8)
    values[2, 3:6] = [99, 100, 200]  # of at most 200
    path = write_seg(tmp_path / "seg", [(1, 2, values)])
    np.testing.assert_array_equal(
        read_regions(path, grid)["segment 1"], expected(2, slice(2, 3), slice(4, 6))
    )
    strict = read_regions(path, grid, threshold=0.75)["segment 1"]
    np.testing.assert_array_equal(strict, expected(2, slice(2, 3), slice(5, 6)))


def test_segments_may_overlap(tmp_path: Path, grid: Grid) -> None:
    full, half = np.full(SHAPE[1:], 200, dtype=np.uint8), np.zeros(SHAPE[1:], dtype=np.uint8)
    half[:4] = 200
    masks = read_regions(write_seg(tmp_path / "seg", [(1, 0, full), (2, 0, half)]), grid)
    np.testing.assert_array_equal(masks["segment 1"], expected(0, slice(0, 8), slice(0, 10)))
    np.testing.assert_array_equal(masks["segment 2"], expected(0, slice(0, 4), slice(0, 10)))


def test_a_label_map_holds_a_segment_a_number(tmp_path: Path, grid: Grid) -> None:
    labels = np.zeros(SHAPE[1:], dtype=np.uint8)
    labels[0], labels[1] = 1, 2
    masks = read_regions(write_seg(tmp_path / "seg", [(1, 3, labels)], kind="LABELMAP"), grid)
    np.testing.assert_array_equal(masks["segment 1"], expected(3, slice(0, 1), slice(0, 10)))
    np.testing.assert_array_equal(masks["segment 2"], expected(3, slice(1, 2), slice(0, 10)))


@pytest.mark.parametrize(
    ("shift_mm", "moved"), [(0.4, 0), (-0.4, 0), (0.7, 0), (0.75, 0), (0.8, 1), (1.5, 1)]
)
def test_on_another_grid_the_nearest_pixel_counts(
    tmp_path: Path, grid: Grid, shift_mm: float, moved: int
) -> None:
    """Columns are 1.5 mm wide: from half of that on the neighbour is nearer."""
    values = np.zeros(SHAPE[1:], dtype=np.uint8)
    values[2:5, 3:6] = 200
    (mask,) = read_regions(write_seg(tmp_path / "seg", [(1, 1, values)], shift_mm=shift_mm), grid).values()
    expected = np.zeros(SHAPE, dtype=bool)
    expected[1, 2:5, 3 + moved : 6 + moved] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_finer_segmentation_is_sampled_at_the_voxels_centres(tmp_path: Path, grid: Grid) -> None:
    """A ball drawn on voxels of 0.5 mm in each direction: every voxel asks its nearest pixel."""
    path, ball = write_ball(tmp_path / "seg", spacing_mm=0.5, origin=(-9.9, -19.8, 30.1), shape=(18, 28, 27))
    (mask,) = read_regions(path, grid).values()
    z, y, x = np.nonzero(np.ones(SHAPE, dtype=bool))
    centres = grid.to_patient(np.column_stack([x, y, z]).astype(float))
    pixel = np.floor((centres - (-9.9, -19.8, 30.1)) / 0.5 + 0.5).astype(int)
    within = ((pixel >= 0) & (pixel < (27, 28, 18))).all(axis=1)
    expected = np.zeros(len(centres), dtype=bool)
    expected[within] = ball[tuple(pixel[within].T[::-1])]
    np.testing.assert_array_equal(mask.ravel(), expected)
    assert mask.sum() > 20


def test_frames_in_no_regular_stack_are_coded(tmp_path: Path, grid: Grid) -> None:
    values = np.full(SHAPE[1:], 200, dtype=np.uint8)
    path = write_seg(tmp_path / "seg", [(1, 0, values), (1, 1, values), (1, 2, values)])
    dataset = pydicom.dcmread(path)
    group = dataset.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[0]
    group.ImagePositionPatient = [-10, -20, 37.1]
    dataset.save_as(path)
    with pytest.raises(DicomFault) as caught:
        read_regions(path, grid)
    assert caught.value.fault is Fault.SEG_OTHER_GRID


def test_a_segmentation_outside_of_the_image_is_coded(tmp_path: Path, grid: Grid) -> None:
    values = np.full(SHAPE[1:], 200, dtype=np.uint8)
    with pytest.raises(DicomFault) as caught:
        read_regions(write_seg(tmp_path / "seg", [(1, 7, values)]), grid)
    assert caught.value.fault is Fault.REGION_OUTSIDE


def test_a_damaged_file_is_coded(tmp_path: Path, grid: Grid) -> None:
    path = write_rtstruct(tmp_path / "rs", {"GTV": [box(1.5, 5.5)]})
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DicomFault):
        read_regions(path, grid)
