"""The engine on files: NIfTI with labels, or a DICOM series with RTSTRUCT or SEG, without a database."""

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from protocols.core.errors import Code, InputError
from site_node.features.radiomics import ENGINE, VERSION, Feature, Settings, extract_regions, nifti, presets

Mask = NDArray[np.bool_]
MAX_LABELS = 1000


@dataclass(frozen=True)
class Case:
    """An image (z, y, x) and the masks of its regions by name, on the same grid."""

    image: NDArray[np.number]
    spacing_mm: tuple[float, float, float]
    regions: Mapping[str, Mask]


def features_of_files(
    image: Path,
    mask: Path,
    config: Path | None,
    preset: str,
    patterns: Collection[str],
    csv_file: Path | None,
    picture: Path | None,
) -> dict[str, Any]:
    """Engine, settings and the features of every region whose name fits a pattern, all where there is none.

    Raises:
        InputError: a file cannot be read, grids differ, no region fits, or the settings are wrong.
    """
    case, settings = wanted(image, mask, config, preset, patterns)
    announce_compilation()
    found = extract_regions(case.image, case.regions, case.spacing_mm, settings)
    rows = [_row(name, feature) for name, features in found.items() for feature in features]
    if csv_file is not None:
        write_csv(csv_file, rows)
    if picture is not None:
        from site_node.radiomics_picture import draw  # matplotlib is slow to load

        draw(case.image, case.regions, case.spacing_mm, picture)
    return {"engine": ENGINE, "version": VERSION, "settings": settings.digest(), "features": rows}


def wanted(
    image: Path, mask: Path, config: Path | None, preset: str, patterns: Collection[str]
) -> tuple[Case, Settings]:
    """The image with the regions whose name fits a pattern, and the settings: a file's, else a preset's.

    Raises:
        InputError: as `features_of_files` does.
    """
    settings = Settings.load(config) if config else presets.preset(preset)
    case = read_case(image, mask)
    regions = {name: found for name, found in case.regions.items() if _fits(name, patterns)}
    if not regions:
        fix = "Regions there: " + (", ".join(case.regions) or "none")
        raise InputError(Code.NOT_FOUND, "no region of the mask is wanted", fix)
    return replace(case, regions=regions), settings


def read_case(image: Path, mask: Path) -> Case:
    """The image and its regions: DICOM where the image is a folder, else NIfTI."""
    return _read_dicom(image, mask) if image.is_dir() else _read_nifti(image, mask)


def _read_nifti(image: Path, mask: Path) -> Case:
    """Each non-zero label of the mask is a region of that name."""
    volume, labels = nifti.read(image), nifti.read(mask)
    if not labels.on_grid_of(volume):
        fix = "Resample the mask onto the image's grid, by nearest neighbour."
        raise InputError(Code.INVALID_INPUT, f"{mask.name} and {image.name} are on different grids", fix)
    found = np.unique(labels.array)
    found = found[np.isfinite(found) & (found != 0)]
    if found.size > MAX_LABELS:
        raise InputError(Code.INVALID_INPUT, f"{mask.name} holds more labels than a mask has")
    regions = {f"{label:g}": np.asarray(labels.array == label) for label in found}
    return Case(volume.array, volume.spacing_mm, regions)


def _read_dicom(image: Path, mask: Path) -> Case:
    """The regions of an RTSTRUCT or SEG go by their own names; they may overlap."""
    # pydicom loads with the first DICOM, not with a NIfTI
    from site_node.imaging import load_folder
    from site_node.sources.dicom.faults import REASONS, DicomFault
    from site_node.sources.regions import read_regions

    try:
        loaded = load_folder(image)
    except DicomFault as error:
        raise InputError(Code.INVALID_INPUT, f"{image.name}: {REASONS[error.fault]}") from None
    try:
        regions = read_regions(mask, loaded.grid)
    except FileNotFoundError:
        raise InputError(Code.NOT_FOUND, f"no file {mask.name}") from None
    except DicomFault as error:
        raise InputError(Code.INVALID_INPUT, f"{mask.name}: {REASONS[error.fault]}") from None
    return Case(loaded.array, loaded.spacing_mm, regions)


def announce_compilation() -> None:
    """Says on stderr, once on a machine, why the first region takes longer."""
    from site_node.features.radiomics.compiled import is_cached
    from site_node.features.radiomics.texture_kernels import find_zones

    if not is_cached(find_zones):
        Console(stderr=True).print("Compiling the engine, once on this machine: about 15 seconds ...")


def _fits(name: str, patterns: Collection[str]) -> bool:
    return not patterns or any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in patterns)


def _row(region: str, feature: Feature) -> dict[str, Any]:
    """A feature as a row, what is looked for first."""
    return {
        "region": region,
        "image": feature.image,
        "tag": feature.tag,
        "value": feature.value,
        "unit": feature.unit,
        "reason": feature.reason.value if feature.reason else None,
        "code": feature.code,
        "aggregation_code": feature.aggregation_code,
        "name": feature.name,
    }


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes rows of one form, under their names."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
