"""A series of DICOM files as a scan: as it is, or as the map of functional imaging that settings name."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from site_node.features.functional.maps import Lack, NoMapError, Quantity, Volumes, axis_of
from site_node.features.functional.settings import SUV_KINDS, UM2_IN, Adc, OtherSuv, SeriesMap
from site_node.features.radiomics import Settings
from site_node.images.scan import Scan, scan_of
from site_node.images.series import (
    check_meaning,
    checked_size,
    frame_slices,
    load_series,
    patient_of,
    read_object,
    rescale_of,
)
from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.frames import frame_count, mappings_of, number
from site_node.sources.dicom.geometry import Grid
from site_node.sources.dicom.meaning import IMAGES
from site_node.sources.dicom.parser import reading
from site_node.sources.dicom.pixels import frames
from site_node.sources.dicom.volumes import Frame, Volume, arrange, frames_of, image_type, stack_of

Array = NDArray[np.float64]

ADC_UNITS = {  # UCUM as scanners write it -> um2/s
    "um2/s": 1.0, "10-6.mm2/s": 1.0, "10*-6.mm2/s": 1.0, "1E-6 mm2/s": 1.0, "10^-6 mm^2/s": 1.0,
    "10-3.mm2/s": 1e3, "10*-3.mm2/s": 1e3, "mm2/s": 1e6,
}  # fmt: skip


def open_scan(files: Sequence[Path], settings: Settings, flips: Sequence[Path] = ()) -> Scan:
    """The series of these files, or the map of it that the settings name; `flips` are for kinetics' T1.

    Raises:
        DicomFault: the files are not a regular stack, PET has no SUV, or the pixels cannot be decoded.
        NoMapError: the files do not tell what the map needs.
    """
    chosen = settings.map
    if chosen is None or isinstance(chosen, OtherSuv):
        image = load_series(files, SUV_KINDS[chosen.map] if chosen else "body weight")
        if chosen and image.modality != "PT":
            raise NoMapError(Lack.MODALITY)
        return Scan(image.spacing_mm, image.unit, lambda _: image.array, False, image.modality, image.grid)
    volumes, found = load_volumes(files, chosen)
    grid = replace(found, patient_id=patient_of([read_object(files[0])]))
    others: Volumes | None = None
    if flips:
        others, other_grid = _loaded([read_object(path) for path in flips], "flip_angle_degrees")
        if not _same(grid, other_grid):
            raise NoMapError(Lack.OTHER_GRID)
    return scan_of(volumes, grid.spacing_mm, chosen, others, grid)


def load_volumes(files: Sequence[Path], settings: SeriesMap) -> tuple[Volumes, Grid]:
    """The volumes that a map is made of; a stored ADC map is one, in um2/s.

    Raises:
        DicomFault: the files are not regular stacks, or the pixels cannot be decoded.
        NoMapError: they do not tell what the map needs.
    """
    datasets = [read_object(path) for path in files]
    if not datasets:
        raise DicomFault(Fault.NO_IMAGE)
    if any(IMAGES[str(dataset.SOPClassUID)] != "MR" for dataset in datasets):
        raise NoMapError(Lack.MODALITY)
    check_meaning(datasets)
    if isinstance(settings, Adc) and _is_adc(datasets):
        return _stored_adc(datasets, settings)
    return _loaded(datasets, axis_of(settings))


def _is_adc(datasets: Sequence[pydicom.FileDataset]) -> bool:
    """Whether all frames are an ADC map, by their type or unit."""
    with reading(Fault.UNREADABLE):
        return all(
            "ADC" in image_type(dataset, frame) or _unit_of(_real_world(dataset, frame)) in ADC_UNITS
            for dataset in datasets
            for frame in range(frame_count(dataset))
        )


def _loaded(datasets: Sequence[pydicom.FileDataset], axis: Quantity) -> tuple[Volumes, Grid]:
    grid, heights = stack_of(frame_slices(datasets))
    with reading(Fault.UNREADABLE):
        told = frames_of(datasets, heights)
    found = arrange(told, grid.shape[0], axis)
    if len(found) < 2:
        raise NoMapError(Lack.VOLUMES)
    checked_size(grid, len(found))
    return Volumes(_signal(datasets, found, grid), _taken(found)), grid


def _taken(volumes: Sequence[Volume]) -> dict[Quantity, Array]:
    """What all volumes tell, (volume) a quantity."""
    told = set.intersection(*(set(volume.told) for volume in volumes))
    return {name: np.array([volume.told[name] for volume in volumes]) for name in told}


def _signal(
    datasets: Sequence[pydicom.FileDataset], volumes: Sequence[Volume], grid: Grid
) -> NDArray[np.float32]:
    """The signal (volume, z, y, x); of several images of one volume, as of several directions, the geometric
    mean: its logarithm is the mean of theirs."""
    where: dict[tuple[int, int], tuple[int, Frame, int]] = {
        (frame.dataset, frame.frame): (number, frame, len(at_height))
        for number, volume in enumerate(volumes)
        for at_height in volume.frames
        for frame in at_height
    }
    result = np.zeros((len(volumes), *grid.shape), dtype=np.float32)
    for index, dataset in enumerate(datasets):
        for frame, stored in enumerate(frames(dataset)):
            if (index, frame) not in where:
                continue
            number, one, count = where[index, frame]
            slope, intercept = rescale_of(dataset, frame, "MR")
            signal = stored.astype(np.float64) * slope + intercept
            with np.errstate(divide="ignore", invalid="ignore"):
                result[number, one.z] += np.log(signal) / count if count > 1 else signal
    for number, volume in enumerate(volumes):
        for z, at_height in enumerate(volume.frames):
            if len(at_height) > 1:
                result[number, z] = np.exp(result[number, z])
    return result


def _stored_adc(datasets: Sequence[pydicom.FileDataset], settings: Adc) -> tuple[Volumes, Grid]:
    """A map that the scanner made, in um2/s, by its real world value mapping, else by the settings' unit."""
    grid, heights = stack_of(frame_slices(datasets))
    if len(heights) != grid.shape[0]:
        raise NoMapError(Lack.INCOMPLETE)
    result = np.empty((1, *checked_size(grid).shape), dtype=np.float32)
    at = iter(heights)
    for dataset in datasets:
        for frame, stored in enumerate(frames(dataset)):
            factor, slope, intercept = _adc_scale(dataset, frame, settings)
            result[0, next(at)] = factor * (stored.astype(np.float64) * slope + intercept)
    return Volumes(result, {}), grid


def _adc_scale(dataset: pydicom.Dataset, frame: int, settings: Adc) -> tuple[float, float, float]:
    """What a stored value is multiplied by after slope and intercept, to be um2/s. Raises NoMapError."""
    mapping = _real_world(dataset, frame)
    unit = _unit_of(mapping)
    if mapping is not None and unit in ADC_UNITS:
        slope, intercept = mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept
        return ADC_UNITS[unit], float(slope), float(intercept)
    if settings.stored_unit is None:
        raise NoMapError(Lack.UNIT)
    return UM2_IN[settings.stored_unit], *rescale_of(dataset, frame, "MR")


def _real_world(dataset: pydicom.Dataset, frame: int) -> pydicom.Dataset | None:
    """The real world value mapping of a frame, or the object's own: the one of an ADC, else the only one."""
    found = list(dataset.get("RealWorldValueMappingSequence") or []) or mappings_of(dataset, frame)
    linear = [one for one in found if number(one.get("RealWorldValueSlope"))]
    adc = [one for one in linear if _unit_of(one) in ADC_UNITS]
    return next(iter(adc), linear[0] if len(linear) == 1 else None)


def _unit_of(mapping: pydicom.Dataset | None) -> str:
    """The UCUM unit of real world values; empty where none is told."""
    codes = mapping.get("MeasurementUnitsCodeSequence") if mapping is not None else None
    return str(codes[0].get("CodeValue") or "") if codes else ""


def _same(one: Grid, other: Grid) -> bool:
    """Whether the voxels of both lie at the same places, to a tenth of a voxel."""
    corners = np.array([[0, 0, 0], [s - 1 for s in one.shape[::-1]]], dtype=np.float64)
    apart = np.abs(one.to_patient(corners) - other.to_patient(corners)).max()
    return one.shape == other.shape and bool(apart <= 0.1 * min(one.spacing_mm))
