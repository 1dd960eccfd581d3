"""How well features repeat when image and contour change a little: what `radiomics --stability` shows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from site_node.features.arrays import Mask
from site_node.features.radiomics import ENGINE, VERSION, Settings, extract_regions
from site_node.features.radiomics.processing import UnusableError, window_of
from site_node.features.radiomics.stability import Perturbation, Perturbations, icc, perturbed
from site_node.images.files import (
    Asked,
    Case,
    announce_compilation,
    check_output,
    refusals,
    wanted,
    write_csv,
)

Values = NDArray[np.float64]
TURNED = 0.05  # of a region's extent: how far the largest rotation moves its border, and a little
NEAR = 4  # voxels around: the largest shift, and the growth of the contour


def stability_of_files(asked: Asked, csv_file: Path | None) -> dict[str, Any]:
    """The ICC of each feature over the perturbations, the regions being its cases, the least stable first.

    `icc` is ICC(1,1) after Zwanenburg 2019, None with fewer than two regions whose value is there in every
    repeat, or where nothing varies; `complete` is the number of these regions; `variation` is the largest
    standard deviation over the repeats of a region, relative to its mean. A repeat that has no value of any
    feature in any region is `dropped`.

    Raises:
        InputError: as `features_of_files` does.
    """
    check_output(csv_file)
    case, settings, digest = wanted(asked, grow=TURNED)
    announce_compilation()
    changes = Perturbations()
    names: list[str] = []
    by_region = []
    for found in case.regions.values():
        made, repeats = _repeats(case, found, settings, changes)
        if made:
            names = made
            by_region.append(repeats)
    labels = list(by_region[0]) if by_region else []
    values = {label: np.array([repeats[label] for repeats in by_region]) for label in labels}
    seen = np.zeros(len(names), dtype=bool)
    for of in values.values():
        seen |= np.isfinite(of).any(axis=0)
    rows = [_row(label, of[:, seen]) for label, of in values.items()]
    # what cannot be told comes last
    rows.sort(key=lambda row: (row["icc"] is None, row["icc"] or 0.0, -(row["variation"] or 0.0)))
    if csv_file is not None and rows:
        write_csv(csv_file, rows)
    return {
        "engine": ENGINE,
        "version": VERSION,
        "settings": digest,
        "perturbations": changes.model_dump(mode="json"),
        "regions": len(by_region),
        "dropped": [name for name, is_seen in zip(names, seen, strict=True) if not is_seen],
        "features": rows,
    } | refusals(case)


def _repeats(
    case: Case, mask: Mask, settings: Settings, changes: Perturbations
) -> tuple[list[str], dict[tuple[str, str], list[float]]]:
    """The perturbations of a region and its values by (image, tag), one each, NaN where missing.

    None where the region is empty.
    """
    names: list[str] = []
    values: dict[tuple[str, str], list[float]] = {}
    for changed in _perturbed(case, mask, settings, changes):
        names.append(changed.name)
        for feature in extract_regions(changed.image, {"": changed.mask}, case.spacing_mm, settings)[""]:
            value = np.nan if feature.value is None else feature.value
            values.setdefault((settings.name_of(feature.image), feature.tag), []).append(value)
    return names, values


def _perturbed(case: Case, mask: Mask, settings: Settings, changes: Perturbations) -> Iterator[Perturbation]:
    """The changes of what a value can depend on: a whole scan need not be turned for one lesion."""
    try:
        window = window_of(case.image, mask, case.spacing_mm, settings)
    except UnusableError:
        return
    near = tuple(
        slice(max(side.start - grow, 0), side.stop + grow)
        for side in window
        for grow in [NEAR + round(TURNED * (side.stop - side.start))]
    )
    image, drawn = case.image[near].astype(np.float64), mask[near]
    known = np.isfinite(image)
    if not known[drawn].any():
        return
    # one voxel without a number would become an image without numbers when it is interpolated
    image = np.where(known, image, image[drawn & known].mean())
    yield from perturbed(image, drawn, case.spacing_mm, changes)


def _row(label: tuple[str, str], values: Values) -> dict[str, Any]:
    """A feature's stability over values (region, repeat)."""
    agreement = icc(values)
    complete = values[np.isfinite(values).all(axis=1)]
    mean, spread = np.abs(complete.mean(axis=1)), complete.std(axis=1, ddof=1)
    relative = [s / m for s, m in zip(spread, mean, strict=True) if np.isfinite(s) and m > 0]
    return {
        "image": label[0],
        "tag": label[1],
        "icc": agreement if np.isfinite(agreement) else None,
        "complete": len(complete),
        "variation": float(max(relative)) if relative else None,
    }
