"""The engine on files: NIfTI with labels, or a DICOM series with RTSTRUCT or SEG, without a database."""

import csv
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from cdm.vocabulary.csv_file import inert
from protocols.core.errors import Code, InputError, not_found
from site_node.features.arrays import Mask
from site_node.features.functional.maps import LACKS, Lack, NoMapError, Volumes
from site_node.features.functional.settings import MAPS, SUV_KINDS, UM2_IN, Adc, OtherSuv
from site_node.features.radiomics import ENGINE, VERSION, Feature, Settings, extract_regions, presets
from site_node.images.nifti_volumes import volumes_of
from site_node.images.scan import Scan, scan_of
from site_node.sources import nifti

FIXES = {
    Lack.T1: "Name t1_ms in the settings' map, or give images with several flip angles by --t1.",
    Lack.UNIT: "Name stored_unit in the settings' map: um2/s or mm2/s.",
    Lack.BOLUS: "Name baseline_images in the settings' map if there is one.",
}


@dataclass(frozen=True)
class Asked:
    """What a person asks to be measured: the files, the settings, and the regions by patterns of their names.

    `preset` None stands for the modality's; `map_name` is of functional imaging; `flips` are images with
    several flip angles, for T1; `table` tells what each volume of a NIfTI was taken with.
    """

    image: Path
    mask: Path
    config: Path | None = None
    preset: str | None = None
    patterns: Collection[str] = ()
    map_name: str | None = None
    flips: Path | None = None
    table: Path | None = None


@dataclass(frozen=True)
class Regions:
    """The regions that were asked for: their masks, the code and reason of those that cannot be measured.

    `others` are the names in a mask that holds none of them.
    """

    masks: Mapping[str, Mask]
    refused: Mapping[str, tuple[str, str]]
    others: tuple[str, ...]

    def checked(self, mask: str) -> "Regions":
        """These; raises InputError where none can be measured."""
        if self.masks:
            return self
        if self.refused:
            told = "; ".join(f"{name}: {reason} [{code}]" for name, (code, reason) in self.refused.items())
            raise InputError(Code.INVALID_INPUT, f"{mask}: no region can be measured; {told}")
        fix = "Regions there: " + (", ".join(self.others) or "none")
        raise InputError(Code.NOT_FOUND, "no region in the mask matches --region", fix)


@dataclass(frozen=True)
class Case:
    """An image (z, y, x) and the masks of its regions by name, on the same grid."""

    image: NDArray[np.number]
    spacing_mm: tuple[float, float, float]
    regions: Mapping[str, Mask]
    refused: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # code and reason by region


def features_of_files(asked: Asked, csv_file: Path | None, picture: Path | None) -> dict[str, Any]:
    """Engine, settings and the features of every region whose name fits a pattern, all where there is none.

    Regions that cannot be measured are listed under `refused`, and the result is then `partial`.

    Raises:
        InputError: a file cannot be read, grids differ, no region fits, or the settings are wrong.
    """
    check_output(csv_file, picture)
    case, settings, digest = wanted(asked)
    announce_compilation()
    found = extract_regions(case.image, case.regions, case.spacing_mm, settings)
    rows = [_row(name, feature, settings) for name, features in found.items() for feature in features]
    if csv_file is not None:
        write_csv(csv_file, rows)
    if picture is not None:
        from site_node.images.picture import draw  # matplotlib is slow to load

        draw(case.image, case.regions, case.spacing_mm, picture)
    result = {"engine": ENGINE, "version": VERSION, "settings": digest, "features": rows}
    return result | refusals(case)


def refusals(case: Case) -> dict[str, Any]:
    """The regions of a case that were not measured, with code and reason; nothing where there are none."""
    rows = [{"region": name, "code": code, "reason": reason} for name, (code, reason) in case.refused.items()]
    return {"refused": rows, "partial": True} if rows else {}


def wanted(asked: Asked, grow: float = 0.0) -> tuple[Case, Settings, str]:
    """The image with the regions whose name fits a pattern, the settings in its unit, and their digest.

    Of a map only what is near the regions is made; `grow` is as `Scan.near` has it.

    Raises:
        InputError: as `features_of_files` does.
    """
    settings = _settings(asked)
    try:
        scan, found = _opened(asked, settings)
        regions = found.checked(asked.mask.name).masks
        if scan.modality and not (asked.config or asked.preset or settings.map):
            settings = presets.preset(presets.OF_MODALITY[scan.modality])
        array = scan.near(regions.values(), settings, grow)
    except NoMapError as error:
        text = f"{asked.image.name}: {LACKS[error.lack]} ({error.lack.value})"
        raise InputError(Code.INVALID_INPUT, text, FIXES.get(error.lack, "")) from None
    case = Case(array, scan.spacing_mm, regions, found.refused)
    return case, settings.in_unit(scan.unit or settings.intensity_unit), settings.digest()


def read_case(image: Path, mask: Path) -> Case:
    """The image and all its regions: DICOM where the image is a folder, else NIfTI. Raises InputError."""
    scan, regions = _opened(Asked(image, mask), Settings())
    return Case(scan.near((), Settings()), scan.spacing_mm, regions.masks, regions.refused)


def _settings(asked: Asked) -> Settings:
    """The settings of the file, else of the preset, with the map that was asked for."""
    if asked.config:
        settings = Settings.load(asked.config)
    else:
        of_map = "pet" if asked.map_name in SUV_KINDS else presets.OF_MAPS
        settings = presets.preset(asked.preset or (of_map if asked.map_name else "ct"))
    if asked.map_name is None or (settings.map and settings.map.map == asked.map_name):
        return settings
    if asked.map_name not in MAPS:
        raise InputError(Code.NOT_FOUND, f"no map {asked.map_name}", "There are: " + ", ".join(MAPS))
    return Settings.model_validate({**settings.model_dump(), "map": asked.map_name})


def _opened(asked: Asked, settings: Settings) -> tuple[Scan, "Regions"]:
    """The scan and its regions: DICOM where the image is a folder, else NIfTI."""
    return _open_dicom(asked, settings) if asked.image.is_dir() else _open_nifti(asked, settings)


def _open_nifti(asked: Asked, settings: Settings) -> tuple[Scan, "Regions"]:
    """Each non-zero label of the mask is a region of that name."""
    volume = nifti.read(asked.image, several=settings.map is not None)
    mask = nifti.read(asked.mask)
    _on_one_grid(mask, volume, asked.mask.name, asked.image.name)
    labels = nifti.labels(mask)
    regions = {name: region for name, region in labels.items() if _fits(name, asked.patterns)}
    return _nifti_scan(asked, settings, volume), Regions(regions, {}, tuple(labels))


def _nifti_scan(asked: Asked, settings: Settings, volume: nifti.Volume) -> Scan:
    chosen = settings.map
    if chosen is None:
        return Scan(volume.spacing_mm, "", lambda _: volume.array)
    if isinstance(chosen, OtherSuv):
        raise NoMapError(Lack.MODALITY)
    if isinstance(chosen, Adc) and len(volume.array) == 1:
        if chosen.stored_unit is None:
            raise NoMapError(Lack.UNIT)
        stored = volume.array.astype(np.float32) * UM2_IN[chosen.stored_unit]
        return scan_of(Volumes(np.asarray(stored, dtype=np.float32), {}), volume.spacing_mm, chosen)
    flips = None
    if asked.flips is not None:
        other = nifti.read(asked.flips, several=True)
        _on_one_grid(other, volume, asked.flips.name, asked.image.name)
        flips = volumes_of(other, asked.flips, None)
    return scan_of(volumes_of(volume, asked.image, asked.table), volume.spacing_mm, chosen, flips)


def _on_one_grid(one: nifti.Volume, other: nifti.Volume, name: str, other_name: str) -> None:
    if not one.on_grid_of(other):
        fix = "Resample the mask onto the image's grid, by nearest neighbour."
        raise InputError(Code.INVALID_INPUT, f"{name} and {other_name} are on different grids", fix)


def _open_dicom(asked: Asked, settings: Settings) -> tuple[Scan, "Regions"]:
    """The regions of an RTSTRUCT or SEG go by their own names; they may overlap."""
    # pydicom loads with the first DICOM, not with a NIfTI
    from site_node.images.functional_maps import open_scan
    from site_node.images.series import files_in
    from site_node.sources.dicom.faults import REASONS, DicomFault
    from site_node.sources.regions import each_region, names_in

    if asked.flips is not None and not asked.flips.is_dir():
        raise not_found(asked.flips, "folder")
    try:
        scan = open_scan(files_in(asked.image), settings, files_in(asked.flips) if asked.flips else ())
    except DicomFault as error:
        raise InputError(Code.INVALID_INPUT, f"{asked.image.name}: {REASONS[error.fault]}") from None
    assert scan.grid is not None
    try:
        path = _object_in(asked.mask)
        found = each_region(path, scan.grid, lambda name: _fits(name, asked.patterns))
        others = () if found else tuple(names_in(path))
    except FileNotFoundError:
        raise not_found(asked.mask) from None
    except DicomFault as error:
        raise InputError(Code.INVALID_INPUT, f"{asked.mask.name}: {REASONS[error.fault]}") from None
    masks = {name: mask for name, mask in found.items() if not isinstance(mask, DicomFault)}
    refused = {name: mask for name, mask in found.items() if isinstance(mask, DicomFault)}
    faults = {name: (fault.fault.value, REASONS[fault.fault]) for name, fault in refused.items()}
    return scan, Regions(masks, faults, others)


def _object_in(path: Path) -> Path:
    """The file, or the only one of a folder, which is how an RTSTRUCT or SEG is often handed on."""
    if not path.is_dir():
        return path
    files = [file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")]
    if len(files) != 1:
        raise InputError(Code.INVALID_INPUT, f"{path.name} is a folder of {len(files)} files", "Name one.")
    return files[0]


def check_output(*paths: Path | None) -> None:
    """Nothing; raises InputError for a file that cannot be written, before anything is computed."""
    for path in paths:
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise InputError(Code.NOT_FOUND, f"no folder to write {path.name} to", "Make the folder first.")


def announce_compilation() -> None:
    """Says on stderr, once on a machine, why the first region takes longer."""
    from site_node.features.radiomics.compiled import is_cached
    from site_node.features.radiomics.texture_kernels import find_zones

    if not is_cached(find_zones):
        Console(stderr=True).print("Compiling the engine, once on this machine: about 15 seconds ...")


def _fits(name: str, patterns: Collection[str]) -> bool:
    return not patterns or any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in patterns)


def _row(region: str, feature: Feature, settings: Settings) -> dict[str, Any]:
    """A feature as a row, what is looked for first."""
    return {
        "region": region,
        "image": settings.name_of(feature.image),
        "tag": feature.tag,
        "value": feature.value,
        "unit": re.sub(r"^\((.*)\)$", r"\1", feature.unit),  # (g/mL) alone is g/mL
        "reason": feature.reason.value if feature.reason else None,
        "code": feature.code,
        "aggregation_code": feature.aggregation_code,
        "name": feature.name,
    }


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes rows of one form, under their names; no spreadsheet runs a word of them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({name: _inert(cell) for name, cell in row.items()} for row in rows)


def _inert(cell: object) -> object:
    return inert(cell) if isinstance(cell, str) else cell
