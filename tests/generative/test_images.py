"""Series of CT and MR that are odd but legal, as pydicom and SimpleITK (GDCM) read them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.random import Generator
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.pixels import apply_modality_lut
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from site_node.images.series import Image, files_in, load_folder
from site_node.sources.dicom.faults import DicomFault, Fault
from tests.generative.draws import DRAWS, chance, one
from tests.lib.dicom_files import ROOT, new_object

sitk = pytest.importorskip("SimpleITK", reason="the second reader of images: pip install simpleitk")
SYNTAXES = (
    *(ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian),
    RLELossless,
)
GAP, TWICE, TILT, NO_RESCALE, OTHER_UNIT, LUT = "gap", "twice", "tilt", "no rescale", "other unit", "lut"
FAULTS = {
    GAP: Fault.MISSING_SLICE, TWICE: Fault.DUPLICATE_POSITION, TILT: Fault.SHEARED_STACK,
    NO_RESCALE: Fault.MISSING_RESCALE, OTHER_UNIT: Fault.OTHER_UNIT, LUT: Fault.MODALITY_LUT,
}  # fmt: skip


def rotation(rng: Generator) -> NDArray[np.float64]:
    """Columns are the directions of a row, of a column, and of the slices: along the axes, or oblique."""
    if rng.random() < 0.6:  # axial, coronal, sagittal, either way round
        first, second = rng.permutation(3)[:2]
        row, column = np.zeros(3), np.zeros(3)
        row[first], column[second] = rng.choice([-1, 1], 2)
    else:
        row, column = np.linalg.qr(rng.normal(size=(3, 2)))[0].T
    return np.column_stack([row, column, np.cross(row, column)])


class Drawn:
    """A series as it is drawn, and why it cannot be used, or None."""

    def __init__(self, rng: Generator, folder: Path, kind: str) -> None:
        self.rng, self.kind = rng, kind
        self.fault: str | None = None
        self.is_read_twice = True
        if rng.random() < 0.2:
            told = (GAP, TWICE, TILT, NO_RESCALE, OTHER_UNIT, LUT) if kind == "CT" else (GAP, TWICE, TILT)
            self.fault = str(one(rng, *told))
        self.shape = int(rng.integers(5, 8)), int(rng.integers(3, 9)), int(rng.integers(3, 9))
        self.axes = rotation(rng)
        self.spacing = rng.uniform(0.5, 4, 3).round(3)  # slices, rows, columns
        self.origin = rng.uniform(-200, 200, 3).round(2)
        self.syntax = SYNTAXES[int(rng.integers(len(SYNTAXES)))]
        self.bits = int(one(rng, 12, 16, 16, 10))  # type: ignore[call-overload]
        self.is_signed = rng.random() < 0.5
        self.slopes = (1.0, 0.5, 2.0, 0.001, 1.0)
        self.shown = str(one(rng, "MONOCHROME2", "MONOCHROME2", "MONOCHROME2", "MONOCHROME1"))
        self.is_by_slice = rng.random() < 0.3
        folder.mkdir()
        for z, dataset in enumerate(self.slices()):
            dataset.save_as(folder / f"{rng.integers(10**9)}_{z}", enforce_file_format=True)

    def slices(self) -> Iterator[FileDataset]:
        """The files, each with its own UID; numbered in any order."""
        rng = self.rng
        numbers = rng.permutation(self.shape[0])
        slope, intercept = float(one(rng, *self.slopes)), float(one(rng, -1024, 0, -1000.5))  # type: ignore[arg-type]
        for z in range(self.shape[0]):
            if self.fault == GAP and z == self.shape[0] // 2:
                continue
            if self.is_by_slice:
                slope = float(one(rng, *self.slopes))  # type: ignore[arg-type]
            dataset = new_object(self.kind, f"{ROOT}9.{z + 1}", f"{ROOT}9")
            dataset.remove_private_tags()  # GDCM does not read objects with those of new_object
            self.place(dataset, z)
            dataset.InstanceNumber = int(numbers[z]) + 1
            self.rescale(dataset, slope, intercept)
            self.pixels(dataset)
            yield dataset

    def place(self, dataset: FileDataset, z: int) -> None:
        height = z * self.spacing[0]
        if self.fault == TWICE and z == self.shape[0] - 1:
            height -= self.spacing[0]
        at = self.origin + self.axes[:, 2] * height
        if self.fault == TILT:
            at = at + self.axes[:, 1] * height * 0.3
        decimals = 6 if self.spacing[0] < 1 else int(one(self.rng, 4, 6))  # type: ignore[call-overload]
        dataset.ImagePositionPatient = [f"{value:.{decimals}f}" for value in at]
        dataset.ImageOrientationPatient = [f"{value:.9f}" for value in self.axes[:, :2].T.ravel()]
        dataset.PixelSpacing = [f"{value:g}" for value in self.spacing[1:]]
        dataset.SliceThickness = str(
            one(self.rng, "1", "5", f"{self.spacing[0]:g}")
        )  # says nothing of the distance
        dataset.Rows, dataset.Columns = self.shape[1:]

    def rescale(self, dataset: FileDataset, slope: float, intercept: float) -> None:
        rng = self.rng
        has_none = self.fault in (NO_RESCALE, LUT) or (self.kind == "MR" and rng.random() < 0.3)
        if self.kind == "CT" and not has_none:
            word = str(one(rng, "HU", "hu ", "", "none"))
            word = str(one(rng, "US", "Z_EFF", "MGML", "HU_MOD")) if self.fault == OTHER_UNIT else word
            if word != "none":
                dataset.RescaleType = word
        if not has_none:
            dataset.RescaleSlope = str(one(rng, f"{slope:g}", f"{slope:.3E}", f"{slope:.6f}"))
            dataset.RescaleIntercept = f"{intercept:g}"
        if self.fault == LUT:
            item = pydicom.Dataset()
            item.LUTDescriptor, item.ModalityLUTType = [2, 0, 16], "HU"
            item.LUTData = b"\0\0\xe8\x03"
            dataset.ModalityLUTSequence = [item]
        if rng.random() < 0.3:
            dataset.WindowCenter, dataset.WindowWidth = "40", "400"
        if rng.random() < 0.3:
            dataset.PixelPaddingValue = -2000 if self.is_signed else 0

    def pixels(self, dataset: FileDataset) -> None:
        """Random stored values; bits above those stored hold what is no part of them (PS3.5 8.1.1)."""
        low, high = (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1)) if self.is_signed else (0, 2**self.bits)
        values = self.rng.integers(low, high, self.shape[1:])
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = self.shown
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, self.bits, self.bits - 1
        dataset.PixelRepresentation = int(self.is_signed)
        dataset.PixelData = values.astype("<i2" if self.is_signed else "<u2").tobytes()
        dataset["PixelData"].VR = "OW"
        dataset.file_meta.TransferSyntaxUID = UID(self.syntax)
        if self.syntax == RLELossless:
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            dataset.compress(RLELossless, generate_instance_uid=False)


def differs(found: Image, folder: Path, drawn: Drawn) -> str:
    """What of an image is not as it was drawn and as the second readers have it; empty where all is."""
    read = {path: pydicom.dcmread(path) for path in files_in(folder)}
    along = drawn.axes[:, 2]
    paths = sorted(
        read, key=lambda path: float(along @ np.array(read[path].ImagePositionPatient, dtype=float))
    )
    numbers = np.stack([apply_modality_lut(read[path].pixel_array, read[path]) for path in paths])
    if not np.allclose(found.array, numbers, rtol=1e-12, atol=1e-9):
        return "numbers"
    geometry = [found.spacing_mm, found.origin, np.ravel(found.direction)]
    if not all(map(close, geometry, (drawn.spacing, drawn.origin, drawn.axes.ravel()))):
        return "geometry"
    try:
        image = sitk.ReadImage([str(path) for path in paths], sitk.sitkFloat64)
    except RuntimeError:  # GDCM reads no RLE of 16 bits, and no object that it cannot write
        drawn.is_read_twice = False
        return ""
    theirs = sitk.GetArrayFromImage(image)
    # GDCM turns MONOCHROME1 round, which is how it is shown and not what it measured (PS3.3 C.7.6.3.1.2)
    if drawn.shown == "MONOCHROME2" and not np.allclose(theirs, found.array, rtol=1e-12, atol=1e-9):
        return "numbers of SimpleITK"
    of_itk = (image.GetSpacing()[::-1], image.GetOrigin(), image.GetDirection())
    return "" if all(map(close, geometry, of_itk)) else "geometry of SimpleITK"


def close(one: object, other: object) -> bool:
    return np.allclose(one, other, rtol=1e-4, atol=1e-3)  # type: ignore[arg-type]


@DRAWS
@pytest.mark.parametrize("kind", ["CT", "MR"])
def test_a_series_is_read_as_pydicom_and_simpleitk_read_it(kind: str, draws: range, tmp_path: Path) -> None:
    wrong: dict[int, str] = {}
    read_once = 0
    for draw in draws[::2]:  # half of the draws each
        folder = tmp_path / str(draw)
        drawn = Drawn(chance(kind, draw), folder, kind)
        try:
            found = load_folder(folder)
            told = differs(found, folder, drawn) if drawn.fault is None else f"read in spite of {drawn.fault}"
        except DicomFault as error:
            told = "" if drawn.fault and error.fault is FAULTS[drawn.fault] else error.fault.value
        read_once += not drawn.is_read_twice
        if told:
            wrong[draw] = f"{told} ({drawn.fault})"
    assert wrong == {}
    assert read_once < len(draws) / 4  # of half of the draws
