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
    repeat; `variation` is the largest standard deviation over the repeats of a region, relative to its mean.

    Raises:
        InputError: as `features_of_files` does.
    """
    check_output(csv_file)
    case, settings, digest = wanted(asked, grow=TURNED)
    announce_compilation()
    changes = Perturbations()
    by_region = [_repeats(case, found, settings, changes) for found in case.regions.values()]
    by_region = [repeats for repeats in by_region if repeats]
    labels = list(by_region[0]) if by_region else []
    rows = [_row(label, np.array([repeats[label] for repeats in by_region])) for label in labels]
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
        "features": rows,
    } | refusals(case)


def _repeats(
    case: Case, mask: Mask, settings: Settings, changes: Perturbations
) -> dict[tuple[str, str], list[float]]:
    """A region's values by (image, tag), one per perturbation, NaN where missing; none where it is empty."""
    values: dict[tuple[str, str], list[float]] = {}
    for changed in _perturbed(case, mask, settings, changes):
        for feature in extract_regions(changed.image, {"": changed.mask}, case.spacing_mm, settings)[""]:
            value = np.nan if feature.value is None else feature.value
            values.setdefault((settings.name_of(feature.image), feature.tag), []).append(value)
    return values


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
    mean, spread = np.abs(values.mean(axis=1)), values.std(axis=1, ddof=1)
    relative = [s / m for s, m in zip(spread, mean, strict=True) if np.isfinite(s) and m > 0]
    return {
        "image": label[0],
        "tag": label[1],
        "icc": agreement if np.isfinite(agreement) else None,
        "variation": float(max(relative)) if relative else None,
    }
