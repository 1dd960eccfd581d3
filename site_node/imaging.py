"""One series of pixels as an array in physical units, on a checked grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.geometry import Grid, Slice, Triple, grid_of, order
from site_node.sources.dicom.headers import IMAGES, slice_of
from site_node.sources.dicom.parser import reading

SUV = "GML"  # PS3.3 C.8.9.1.1.3: g/ml, which is SUV by body weight unless SUVType says otherwise
UNITS = {"CT": "[hnsf'U]", "PT": "g/mL", "MR": "[arb'U]"}  # UCUM: Hounsfield, SUV, arbitrary


@dataclass(frozen=True)
class Image:
    """A volume (z, y, x) in float64 with slices ascending along their normal.

    `spacing_mm` is (z, y, x); `origin` is the centre of the first voxel (x, y, z) in the patient; the columns
    of `direction` are the unit vectors along which the x, y and z index grow; `unit` is the intensities' UCUM
    code.
    """

    array: NDArray[np.float64]
    spacing_mm: Triple
    origin: Triple
    direction: tuple[Triple, Triple, Triple]
    modality: str
    unit: str

    @property
    def grid(self) -> Grid:
        """Where the voxels lie."""
        depth, rows, columns = self.array.shape
        return Grid((depth, rows, columns), self.spacing_mm, self.origin, self.direction)


def load_series(files: Sequence[Path]) -> Image:
    """The image of the files of one series, in any order; rescaled to HU (CT), SUV (PET) or as stored (MR).

    Raises:
        DicomFault: the files are no regular stack, PET is not in g/ml, or the pixels cannot be decoded.
    """
    datasets = [_dataset(path) for path in files]
    modality = IMAGES[str(datasets[0].SOPClassUID)]
    slices = [_slice(dataset) for dataset in datasets]
    grid = grid_of(slices)
    array = np.empty(grid.shape)
    for z, i in enumerate(order(slices)):
        array[z] = _pixels(datasets[i], modality)
    return Image(array, grid.spacing_mm, grid.origin, grid.direction, modality, UNITS[modality])


def load_folder(folder: Path) -> Image:
    """The image of a folder that holds one series of CT, MR or PET and nothing else.

    Raises:
        DicomFault: a file is no such image, or they are no regular stack.
    """
    return load_series(sorted(path for path in folder.iterdir() if path.is_file()))


def _dataset(path: Path) -> pydicom.FileDataset:
    with reading(Fault.UNREADABLE):
        dataset = pydicom.dcmread(path)
        if str(dataset.get("SOPClassUID")) not in IMAGES:
            raise DicomFault(Fault.UNSUPPORTED_OBJECT)
        return dataset


def _slice(dataset: pydicom.Dataset) -> Slice:
    found = slice_of(dataset)
    if found is None:
        raise DicomFault(Fault.MALFORMED_GEOMETRY)
    return found


def _pixels(dataset: pydicom.FileDataset, modality: str) -> NDArray[np.float64]:
    """One slice (y, x); every slice of a PET has its own slope."""
    if modality == "PT" and dataset.get("Units") != SUV:
        raise DicomFault(Fault.PET_UNIT)
    with reading(Fault.UNDECODABLE_PIXELS):
        stored = dataset.pixel_array
        slope = float(dataset.get("RescaleSlope", 1.0))
        intercept = float(dataset.get("RescaleIntercept", 0.0))
    if stored.shape != (dataset.Rows, dataset.Columns):
        raise DicomFault(Fault.UNDECODABLE_PIXELS)
    return np.asarray(stored * slope + intercept, dtype=np.float64)
