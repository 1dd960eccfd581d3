"""One series of pixels as an array in physical units, on a checked grid."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from site_node.features.functional.suv import Kind
from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.frames import frame_count, slices_of, value_of
from site_node.sources.dicom.geometry import Grid, Slice, Triple, grid_of, order
from site_node.sources.dicom.meaning import IMAGES, image_fault
from site_node.sources.dicom.parser import parse, reading
from site_node.sources.dicom.pet import real_world_mapping, suv_factors
from site_node.sources.dicom.pixels import MAX_VOXELS, frames

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
    frame_of_reference: str = ""
    patient_id: str = field(default="", repr=False)

    @property
    def grid(self) -> Grid:
        """Where the voxels lie."""
        depth, rows, columns = self.array.shape
        return Grid(
            (depth, rows, columns),
            self.spacing_mm,
            self.origin,
            self.direction,
            self.frame_of_reference,
            self.patient_id,
        )


def load_series(files: Sequence[Path], kind: Kind = "body weight") -> Image:
    """The image of the files of one series, in any order; rescaled to HU (CT), SUV (PET) or as stored (MR).

    `kind` is what SUV is relative to; by body surface its unit is cm2/mL.

    Raises:
        DicomFault: the files are not a regular stack, PET has no SUV, or the pixels cannot be decoded.
    """
    datasets = [read_object(path) for path in files]
    with reading(Fault.UNREADABLE):
        series = {str(dataset.get("SeriesInstanceUID")) for dataset in datasets}
    if len(series) != 1:
        raise DicomFault(Fault.MIXED_SERIES if datasets else Fault.NO_IMAGE)
    modality = IMAGES[str(datasets[0].SOPClassUID)]
    check_meaning(datasets)
    slices, grid = _geometry(datasets)
    height = {frame: z for z, frame in enumerate(order(slices))}
    array = np.empty(grid.shape)
    frame = 0
    for dataset, factors in zip(datasets, _suv_factors(datasets, modality, kind), strict=True):
        for index, stored in enumerate(frames(dataset)):
            slope, intercept = rescale_of(dataset, index, modality)
            array[height[frame]] = (stored.astype(np.float64) * slope + intercept) * factors[index]
            frame += 1
    unit = "cm2/mL" if kind == "body surface area" else UNITS[modality]
    return Image(
        array,
        grid.spacing_mm,
        grid.origin,
        grid.direction,
        modality,
        unit,
        grid.frame_of_reference,
        grid.patient_id,
    )


def load_folder(folder: Path) -> Image:
    """The image of a folder that holds one series of CT, MR or PET and nothing else.

    Raises:
        DicomFault: a file is not such an image, or they are not a regular stack.
    """
    return load_series(files_in(folder))


def files_in(folder: Path) -> list[Path]:
    """The files of a folder, in the order of their names, without what is not an image by its name."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and path.name != "DICOMDIR"
    )


def read_object(path: Path) -> pydicom.FileDataset:
    """The image object in a file. Raises DicomFault where there is none."""
    with reading(Fault.UNREADABLE):
        dataset = parse(path)
        if str(dataset.get("SOPClassUID")) not in IMAGES:
            raise DicomFault(Fault.UNSUPPORTED_OBJECT)
        return dataset


def check_meaning(datasets: Sequence[pydicom.FileDataset]) -> None:
    """Raises DicomFault where the numbers or planes of an object are not those of its kind of image."""
    for dataset in datasets:
        with reading(Fault.UNREADABLE):
            fault = image_fault(dataset)
        if fault:
            raise DicomFault(fault)


def _geometry(datasets: Sequence[pydicom.FileDataset]) -> tuple[list[Slice], Grid]:
    """Where each frame of the objects lies, and their common grid."""
    slices = frame_slices(datasets)
    return slices, checked_size(replace(grid_of(slices), patient_id=patient_of(datasets)))


def patient_of(datasets: Sequence[pydicom.FileDataset]) -> str:
    """The PatientID of the objects; empty where they have none. Raises DicomFault where it cannot be read."""
    with reading(Fault.UNREADABLE):
        return str(datasets[0].get("PatientID") or "").strip()


def frame_slices(datasets: Sequence[pydicom.FileDataset]) -> list[Slice]:
    """Where each frame of the objects lies. Raises DicomFault where one does not say so."""
    slices: list[Slice] = []
    for dataset in datasets:
        with reading(Fault.MALFORMED_GEOMETRY):
            found = slices_of(dataset)
        if not found:
            raise DicomFault(Fault.MALFORMED_GEOMETRY)
        slices += found
    return slices


def checked_size(grid: Grid, volumes: int = 1) -> Grid:
    """The grid. Raises DicomFault where that many volumes of it would not fit in memory."""
    if prod(grid.shape) * volumes > MAX_VOXELS:
        raise DicomFault(Fault.TOO_LARGE)
    return grid


def _suv_factors(datasets: Sequence[pydicom.FileDataset], modality: str, kind: Kind) -> list[list[float]]:
    """What each frame of each object is multiplied by: PET becomes SUV, all else stays."""
    if modality != "PT":
        return [[1.0] * frame_count(dataset) for dataset in datasets]
    with reading(Fault.UNREADABLE):
        return suv_factors(datasets, kind)


def rescale_of(dataset: pydicom.FileDataset, frame: int, modality: str) -> tuple[float, float]:
    """Slope and intercept of a frame: every slice of a PET has its own."""
    with reading(Fault.MISSING_RESCALE):
        mapping = real_world_mapping(dataset, frame) if modality == "PT" else None
        if mapping is not None:
            return float(mapping.RealWorldValueSlope), float(mapping.RealWorldValueIntercept)
        slope = value_of(dataset, "RescaleSlope", frame)
        intercept = value_of(dataset, "RescaleIntercept", frame)
        return float(1.0 if slope is None else slope), float(0.0 if intercept is None else intercept)
