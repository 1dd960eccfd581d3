"""Contours and segments become masks of the voxels whose centres they hold."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from site_node.images.series import load_series
from site_node.sources.contours import Contour as Drawn
from site_node.sources.contours import contour_mask, inside
from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.geometry import Grid
from site_node.sources.regions import each_region, read_regions
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


def drawn(*contours: Contour, is_xor: bool = False) -> NDArray[np.bool_]:
    return contour_mask([Drawn(np.array(one), is_xor) for one in contours], SHAPE)


def faulty(*contours: Contour, is_xor: bool = False) -> Fault:
    with pytest.raises(DicomFault) as caught:
        drawn(*contours, is_xor=is_xor)
    return caught.value.fault


def by_slice(mask: NDArray[np.bool_]) -> list[int]:
    return [int(plane.sum()) for plane in mask]


def filled(polygon: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The inside of a polygon that lies in an image of this shape."""
    (top, left), found = inside(polygon)
    area = np.zeros(shape, dtype=bool)
    area[top : top + len(found), left : left + found.shape[1]] = found[: shape[0], : shape[1]]
    return area


def test_of_contours_denser_than_slices_the_nearest_to_the_slice_counts() -> None:
    heights = np.arange(0.6, 2.5, 0.3)
    mask = drawn(*(box(0.5, 2.5 if n > 3 else 6.5, float(z)) for n, z in enumerate(heights)))
    assert by_slice(mask) == [0, 36, 4, 0]  # those at 0.9 and 2.1
    assert heights[[1, 5]] == pytest.approx([0.9, 2.1])


@pytest.mark.parametrize(("step", "count"), [(2.0, 2), (0.25, 9), (1.5, 2)])
def test_evenly_spaced_contours_keep_the_volume_that_they_stand_for(step: float, count: int) -> None:
    shape = (40, 8, 10)
    heights = 10 + step * np.arange(4 * count)
    mask = contour_mask([Drawn(np.array(box(0.5, 5.5, float(z)))) for z in heights], shape)
    assert mask.sum() == round(4 * count * step) * 25


@pytest.mark.parametrize("seed", range(100))
def test_any_even_spacing_keeps_the_volume_to_a_slice_and_leaves_none_empty(seed: int) -> None:
    """n contours stand for n times their distance, wherever they lie between the slices."""
    rng = np.random.default_rng(seed)
    step, count = rng.uniform(0.3, 4.0), int(rng.integers(4, 30))
    heights = rng.uniform(5, 8) + step * np.arange(count) + rng.uniform(-0.03, 0.03, count) * min(step, 1)
    mask = contour_mask([Drawn(np.array(box(0.5, 5.5, float(z)))) for z in heights], (140, 8, 10))
    held = np.flatnonzero(mask.any(axis=(1, 2)))
    assert abs(mask.sum() / 25 - count * step) <= 1
    assert len(held) == held[-1] - held[0] + 1


def test_contours_half_way_between_slices_fill_as_many_slices() -> None:
    assert by_slice(drawn(box(0.5, 5.5, 0.5), box(0.5, 5.5, 1.5001), box(0.5, 5.5, 2.4999))) == [
        25,
        25,
        25,
        0,
    ]
    assert by_slice(drawn(box(0.5, 5.5, -0.5), box(0.5, 5.5, 0.5))) == [25, 25, 0, 0]


def test_a_contour_that_may_be_missing_is_coded() -> None:
    assert faulty(box(0.5, 5.5, 0.0), box(0.5, 5.5, 1.0), box(0.5, 5.5, 3.0)) is Fault.CONTOUR_GAP
    assert faulty(box(0.5, 5.5, 0.0), box(0.5, 5.5, 2.0)) is Fault.CONTOUR_GAP


def test_parts_of_a_region_beside_and_far_above_each_other_are_parts() -> None:
    beside = drawn(box(0.5, 2.5, 0.0), box(0.5, 2.5, 1.0), box(4.5, 6.5, 3.0))
    assert by_slice(beside) == [4, 4, 0, 4]
    shape = (20, 8, 10)
    above = [Drawn(np.array(box(0.5, 2.5, z))) for z in (1.0, 2.0, 3.0, 12.0, 13.0)]
    assert contour_mask(above, shape).sum() == 5 * 4


def test_a_contour_written_twice_is_one_wherever_it_begins() -> None:
    square = box(0.5, 5.5)
    assert by_slice(drawn(square, square)) == [0, 25, 0, 0]
    assert by_slice(drawn(square, [*square[2:], *square[:2]], list(reversed(square)))) == [0, 25, 0, 0]
    assert by_slice(drawn([*square, *square])) == [0, 25, 0, 0]
    assert faulty(square, square, is_xor=True) is Fault.CONTOUR_AMBIGUOUS


def test_heights_of_one_plane_may_differ_by_their_decimals() -> None:
    assert by_slice(drawn(box(0.5, 6.5, 1.0), box(2.5, 4.5, 1.03))) == [0, 36 - 4, 0, 0]


def test_a_hole_too_far_off_its_outlines_plane_is_coded() -> None:
    outlines = [box(0.5, 6.5, float(z)) for z in range(3)]
    assert faulty(*outlines, box(2.5, 4.5, 1.2)) is Fault.CONTOUR_AMBIGUOUS
    assert faulty(box(0.5, 6.5, 1.0), box(2.5, 4.5, 1.2)) is Fault.CONTOUR_AMBIGUOUS


def test_contours_that_cross_are_coded_and_those_that_touch_are_joined() -> None:
    assert faulty(box(0.5, 4.5), box(2.5, 6.5)) is Fault.CONTOUR_AMBIGUOUS
    crossing = drawn(box(0.5, 4.5), box(2.5, 6.5), is_xor=True)
    assert crossing.sum() == 16 + 16 - 2 * 4
    touching = [(4.5, 0.5, 1.0), (8.5, 0.5, 1.0), (8.5, 4.5, 1.0), (4.5, 4.5, 1.0)]
    assert drawn(box(0.5, 4.5), touching).sum() == 32


def test_an_island_in_a_hole_is_inside() -> None:
    shape = (1, 20, 20)
    rings = [Drawn(np.array(box(low, 19 - low, 0.0))) for low in (0.5, 3.5, 6.5)]
    assert contour_mask(rings, shape).sum() == 18**2 - 12**2 + 6**2


def test_a_contour_at_an_end_that_holds_no_pixel_changes_nothing() -> None:
    shape = (12, 8, 10)
    sparse = [Drawn(np.array(box(0.5, 5.5, z))) for z in (2.0, 4.0, 6.0)]
    tip = Drawn(np.array(box(3.1, 3.4, 8.0)))
    np.testing.assert_array_equal(contour_mask([*sparse, tip], shape), contour_mask(sparse, shape))


def test_a_point_or_line_that_claims_to_be_closed_is_nothing() -> None:
    assert by_slice(drawn(box(0.5, 5.5), [(3.0, 3.0, 3.0)], [(1.0, 1.0, 3.0), (4.0, 4.0, 3.0)])) == [
        0,
        25,
        0,
        0,
    ]
    assert not drawn([(3.0, 3.0, 3.0)]).any()


def test_two_polygons_that_share_an_edge_share_no_pixel() -> None:
    left = np.array([(1.0, 1.0), (4.0, 1.0), (4.0, 6.0), (1.0, 6.0)])
    right = np.array([(4.0, 1.0), (8.0, 1.0), (8.0, 6.0), (4.0, 6.0)])
    both = np.array([(1.0, 1.0), (8.0, 1.0), (8.0, 6.0), (1.0, 6.0)])
    a, b = filled(left, (8, 10)), filled(right, (8, 10))
    assert not (a & b).any()
    np.testing.assert_array_equal(a | b, filled(both, (8, 10)))


@pytest.mark.parametrize("seed", range(20))
def test_any_polygon_is_filled_as_matplotlib_fills_it(seed: int) -> None:
    """An independent rasterizer; stars do not cross themselves, so its winding rule agrees with ours."""
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 40)))
    radius = rng.uniform(2, 14, len(angle))
    polygon = np.column_stack([18 + radius * np.cos(angle), 15 + radius * np.sin(angle)])
    y, x = np.mgrid[:30, :36]
    theirs = Outline(polygon).contains_points(np.column_stack([x.ravel(), y.ravel()])).reshape(30, 36)
    np.testing.assert_array_equal(filled(polygon, (30, 36)), theirs)


def test_a_contour_that_holds_a_pixel_which_the_image_lacks_is_coded() -> None:
    assert faulty(box(-1.5, 5.5)) is Fault.REGION_OUTSIDE
    assert faulty(box(1.5, 5e8)) is Fault.REGION_OUTSIDE
    assert drawn(box(-0.9, 5.5)).sum() == 36  # beyond the pixels' faces, and no centre lost


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


@pytest.mark.parametrize(
    ("keyword", "value"), [("NumberOfContourPoints", 9), ("ContourOffsetVector", [0, 0, 6])]
)
def test_a_contour_that_contradicts_itself_is_coded_and_other_regions_are_read(
    tmp_path: Path, grid: Grid, keyword: str, value: object
) -> None:
    square = [(1, 1, 1), (4, 1, 1), (4, 4, 1), (1, 4, 1)]
    path = write_rtstruct(tmp_path / "r.dcm", {"odd": [square], "even": [square]})
    dataset = pydicom.dcmread(path)
    setattr(dataset.ROIContourSequence[0].ContourSequence[0], keyword, value)
    dataset.save_as(path)
    found = each_region(path, grid)
    assert isinstance(found["odd"], DicomFault)
    assert found["odd"].fault is Fault.CONTOUR_INCOMPLETE
    assert isinstance(found["even"], np.ndarray)


def test_two_frames_of_one_segment_in_one_plane_are_coded_and_other_segments_are_read(
    tmp_path: Path, grid: Grid
) -> None:
    one, other = np.zeros((2, *SHAPE[1:]), dtype=np.uint8)
    one[2:6, 2:7], other[:2, :3] = 200, 200
    path = write_seg(tmp_path / "s.dcm", [(1, 0, one), (2, 0, one), (1, 0, other), (2, 0, 0 * one)])
    found = each_region(path, grid)
    assert isinstance(found["segment 1"], DicomFault)
    assert found["segment 1"].fault is Fault.SEG_FRAMES
    assert np.sum(found["segment 2"]) == 20


def test_a_frame_of_a_segment_that_is_not_listed_is_coded(tmp_path: Path, grid: Grid) -> None:
    path = write_seg(tmp_path / "s.dcm", [(n, 0, np.full(SHAPE[1:], 200, np.uint8)) for n in (1, 2)])
    dataset = pydicom.dcmread(path)
    del dataset.SegmentSequence[1]
    dataset.save_as(path)
    with pytest.raises(DicomFault) as caught:
        each_region(path, grid)
    assert caught.value.fault is Fault.SEG_FRAMES


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
