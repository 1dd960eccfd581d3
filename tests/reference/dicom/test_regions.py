"""Masks of real files against masks that others made of them."""

import warnings
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from site_node.images.series import load_folder, load_series
from site_node.sources.dicom.geometry import Grid
from site_node.sources.regions import read_regions
from tests.lib.shared import shared

PHANTOM = "data/ibsi/ibsi_1_ct_radiomics_phantom"
SARCOMA = "data/imaging/soft_tissue_sarcoma"
SERIES = [
    "STS_003/CT",
    "STS_025/CT",
    "STS_025/MR_T1",
    "STS_025/PET",
    "STS_042/CT",
    "STS_042/MR_T1",
    "STS_042/PET",
]
SEGMENTATIONS = ["binary", "binary_fractional", "true_fractional", "binary_overlap"]


def nifti(relative: str) -> NDArray[np.float64]:
    """The voxels of a NIfTI file as (z, y, x): it counts x first, along the same patient axes here."""
    return np.asarray(nibabel.load(shared(relative)).dataobj, dtype=np.float64).T


def test_the_ibsi_phantom_has_the_intensities_of_its_nifti() -> None:
    image = load_folder(shared(f"{PHANTOM}/dicom/image"))
    np.testing.assert_array_equal(image.array, nifti(f"{PHANTOM}/nifti/image/phantom.nii.gz"))


def test_the_contours_of_the_ibsi_phantom_give_its_published_mask() -> None:
    """All 125,256 voxels: the mask was made from the same RTSTRUCT by A. Zwanenburg for the IBSI."""
    grid = load_folder(shared(f"{PHANTOM}/dicom/image")).grid
    (mask,) = read_regions(next(shared(f"{PHANTOM}/dicom/mask").iterdir()), grid).values()
    np.testing.assert_array_equal(mask, nifti(f"{PHANTOM}/nifti/mask/mask.nii.gz") > 0)


@pytest.mark.parametrize("series", SERIES)
def test_the_sarcoma_contours_agree_with_an_independent_rasterizer(series: str) -> None:
    """Matplotlib asks each voxel centre; it may differ only on a boundary, where either answer is right."""
    grid = load_folder(shared(f"{SARCOMA}/{series}/image")).grid
    structure = shared(f"{SARCOMA}/{series}/mask") / "RS.dcm"
    (mask,) = read_regions(structure, grid).values()
    y, x = np.mgrid[: grid.shape[1], : grid.shape[2]]
    centres = np.column_stack([x.ravel(), y.ravel()]).astype(float)
    other = np.zeros(grid.shape, dtype=bool)
    contours = _contours(structure, grid)
    for corners in contours:
        outline = Outline(np.vstack([corners[:, :2], corners[:1, :2]]), closed=True)
        other[round(float(corners[0, 2]))] ^= outline.contains_points(centres).reshape(other[0].shape)
    assert mask.sum() > 100
    for z, row, column in np.argwhere(mask != other):
        drawn = [corners for corners in contours if round(float(corners[0, 2])) == z]
        assert min(_distance(np.array([column, row]), corners[:, :2]) for corners in drawn) < 1e-6


def _contours(structure: Path, grid: Grid) -> list[NDArray[np.float64]]:
    drawn = pydicom.dcmread(structure).ROIContourSequence[0].ContourSequence
    return [grid.to_index(np.array(c.ContourData, dtype=float).reshape(-1, 3)) for c in drawn]


def _distance(point: NDArray[np.int64], corners: NDArray[np.float64]) -> float:
    """The distance of a point to the closed polygon's nearest edge."""
    edges = np.roll(corners, -1, axis=0) - corners
    along = ((point - corners) * edges).sum(axis=1) / np.maximum((edges**2).sum(axis=1), 1e-30)
    return float(np.linalg.norm(point - corners - np.clip(along, 0, 1)[:, None] * edges, axis=1).min())


@pytest.mark.parametrize("name", SEGMENTATIONS)
def test_segments_are_those_that_highdicom_reads(name: str) -> None:
    path = shared(f"data/imaging/dicom_seg/seg_image_ct_{name}.dcm")
    values, grid = _by_highdicom(path)
    masks = read_regions(path, grid)
    assert len(masks) == values.shape[-1]
    for mask, theirs in zip(masks.values(), np.moveaxis(values, -1, 0), strict=True):
        np.testing.assert_array_equal(mask, theirs >= 0.5)
        assert mask.any()


def _by_highdicom(path: Path) -> tuple[NDArray[np.float64], Grid]:
    """highdicom's own volume (z, y, x, segment) in ascending slices, and its grid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the files, which are older than the library
        from highdicom.seg import segread

        volume = segread(path).get_volume(
            combine_segments=False, rescale_fractional=True, allow_missing_positions=True
        )
    last = len(volume.array) - 1  # highdicom counts slices against the normal
    origin = np.array(volume.position) + last * volume.spacing[0] * volume.direction[:, 0]
    direction = np.column_stack([volume.direction[:, 2], volume.direction[:, 1], -volume.direction[:, 0]])
    rows = tuple(tuple(float(v) for v in row) for row in direction)
    grid = Grid(volume.array.shape[:3], volume.spacing, tuple(origin.tolist()), rows)  # type: ignore[arg-type]
    return np.asarray(volume.array[::-1], dtype=np.float64), grid


def test_a_single_frame_lies_on_its_image() -> None:
    image = load_series([shared("data/imaging/dicom_seg/ct_image.dcm")])
    path = shared("data/imaging/dicom_seg/seg_image_ct_binary_single_frame.dcm")
    (mask,) = read_regions(path, image.grid).values()
    np.testing.assert_array_equal(mask[0], pydicom.dcmread(path).pixel_array == 1)
