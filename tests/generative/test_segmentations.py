"""Segmentations of every type, as highdicom writes them, on grids of any orientation."""

from pathlib import Path

import numpy as np
import pytest
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentDescription
from highdicom.sr.coding import CodedConcept
from numpy.random import Generator
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from site_node.images.series import load_series
from site_node.sources.regions import each_region
from tests.generative.draws import DRAWS, chance, one
from tests.generative.test_images import rotation
from tests.lib.dicom_files import ROOT, new_object

TISSUE = CodedConcept("85756007", "SCT", "Tissue")
TUMOUR = CodedConcept("108369006", "SCT", "Tumor")


def series(rng: Generator, folder: Path) -> list[FileDataset]:
    """A CT of any orientation whose slices stand in any order."""
    depth, rows, columns = (int(n) for n in rng.integers(3, 8, 3))
    axes, spacing, origin = rotation(rng), rng.uniform(0.7, 4, 3).round(3), rng.uniform(-100, 100, 3).round(2)
    found = []
    for z in range(depth):
        dataset = new_object("CT", f"{ROOT}8.{z + 1}", f"{ROOT}8")
        dataset.remove_private_tags()
        dataset.PatientSex, dataset.StudyID, dataset.StudyTime, dataset.SeriesNumber = "F", "1", "100000", 1
        dataset.ImagePositionPatient = [f"{value:.5f}" for value in origin + axes[:, 2] * z * spacing[0]]
        dataset.ImageOrientationPatient = [f"{value:.9f}" for value in axes[:, :2].T.ravel()]
        dataset.PixelSpacing = [f"{value:g}" for value in spacing[1:]]
        dataset.SliceThickness, dataset.InstanceNumber = f"{spacing[0]:g}", z + 1
        dataset.Rows, dataset.Columns = rows, columns
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 0
        dataset.RescaleSlope, dataset.RescaleIntercept = "1", "-1024"
        dataset.PixelData = np.zeros((rows, columns), dtype="<u2").tobytes()
        found.append(dataset)
        dataset.save_as(folder / f"{z}.dcm", enforce_file_format=True)
    return [found[i] for i in rng.permutation(depth)]


def described(number: int, label: str) -> SegmentDescription:
    algorithm = AlgorithmIdentificationSequence(
        name="a", version="1", family=CodedConcept("123110", "DCM", "AI")
    )
    automatic = SegmentAlgorithmTypeValues.AUTOMATIC
    return SegmentDescription(number, label, TISSUE, TUMOUR, automatic, algorithm)


def drawn_masks(rng: Generator, shape: tuple[int, ...], *, overlap: bool) -> NDArray[np.bool_]:
    """(segment, z, y, x) boxes and noise; every segment has a voxel."""
    count = int(rng.integers(1, 4))
    masks = np.zeros((count, *shape), dtype=bool)
    for mask in masks:
        low = [int(rng.integers(0, n)) for n in shape]
        high = [int(rng.integers(start, n)) + 1 for start, n in zip(low, shape, strict=True)]
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        mask[box] = rng.random(mask[box].shape) < 0.7
        mask[tuple(low)] = True
    if not overlap:
        for i in range(1, count):
            masks[i] &= ~masks[:i].any(axis=0)
    return masks


def written(rng: Generator, images: list[FileDataset], masks: NDArray[np.bool_], kind: str) -> Dataset:
    """The SEG that highdicom writes of these masks, whose planes are those of `images`."""
    height = {
        image.SOPInstanceUID: z for z, image in enumerate(sorted(images, key=lambda i: i.InstanceNumber))
    }
    planes = [height[image.SOPInstanceUID] for image in images]
    pixels = np.moveaxis(masks[:, planes], 0, -1)  # (frame, y, x, segment)
    if kind == "FRACTIONAL":
        pixels = pixels * rng.uniform(0.5, 1.0, pixels.shape) + ~pixels * rng.uniform(0, 0.49, pixels.shape)
    else:
        pixels = pixels.astype(np.uint8)
    if kind == "LABELMAP":
        pixels = (pixels * np.arange(1, len(masks) + 1)).sum(axis=-1).astype(np.uint8)
    labels = [str(one(rng, "GTV", f"Tumour {n}", "Ödem", "a b")) for n in range(len(masks))]
    syntax = RLELossless if kind == "FRACTIONAL" and rng.random() < 0.4 else ExplicitVRLittleEndian
    return Segmentation(
        source_images=images,
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=[described(n + 1, label) for n, label in enumerate(labels)],
        series_instance_uid=f"{ROOT}7",
        series_number=2,
        sop_instance_uid=f"{ROOT}7.1",
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
        transfer_syntax_uid=syntax,
        omit_empty_frames=rng.random() < 0.5,
        max_fractional_value=int(one(rng, 255, 100, 200)),  # type: ignore[call-overload]
        content_description="",
    )


def differs(rng: Generator, folder: Path) -> str:
    """What of the segments is not as it was drawn; empty where all is."""
    folder.mkdir()
    images = series(rng, folder)
    grid = load_series(sorted(folder.glob("*.dcm"))).grid
    kind = str(one(rng, "BINARY", "FRACTIONAL", "LABELMAP"))
    masks = drawn_masks(rng, grid.shape, overlap=kind != "LABELMAP")
    masks = masks[masks.any(axis=(1, 2, 3))]
    written(rng, images, masks, kind).save_as(folder / "seg")
    found = list(each_region(folder / "seg", grid).values())
    if len(found) != len(masks):
        return f"{kind}: {len(found)} segments for {len(masks)}"
    off = [int((np.asarray(one_found) ^ mask).sum()) for one_found, mask in zip(found, masks, strict=True)]
    return f"{kind}: {off} voxels" if any(off) else ""


@pytest.mark.slow
@DRAWS
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_segment_is_the_mask_that_highdicom_wrote(draws: range, tmp_path: Path) -> None:
    wrong = {draw: told for draw in draws if (told := differs(chance("seg", draw), tmp_path / str(draw)))}
    assert wrong == {}
