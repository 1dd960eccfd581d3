"""A picture of an image with its regions, for a person at the site to check; it never leaves."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

COLOURS = ("#e6550d", "#3182bd", "#31a354", "#756bb1", "#d6a000", "#de2d8f")
COLUMNS = 6
MOST_PIXELS = 20_000  # of the picture's height


def draw(
    image: NDArray[np.number],
    regions: Mapping[str, NDArray[np.bool_]],
    spacing_mm: tuple[float, float, float],
    path: Path,
) -> None:
    """Writes a PNG: for each region the slice where it is largest, with the outline of every region."""
    columns = min(len(regions), COLUMNS)
    rows = -(-len(regions) // columns)
    figure = Figure(figsize=(4 * columns, 4.4 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[len(regions) :]:
        panel.set_axis_off()
    for panel, (name, mask) in zip(panels, regions.items(), strict=False):
        z = int(mask.sum(axis=(1, 2)).argmax())
        inside = image[mask]
        known = inside[np.isfinite(inside)]
        low, high = (np.percentile(known, p) for p in (1, 99)) if known.size else (0, 1)
        width = max(high - low, 1e-6)
        aspect = spacing_mm[1] / spacing_mm[2]
        panel.imshow(image[z], cmap="gray", vmin=low - width / 2, vmax=high + width / 2, aspect=aspect)
        for colour, other in zip(COLOURS * len(regions), regions.values(), strict=False):
            if other[z].any() and not other[z].all():
                panel.contour(other[z], levels=[0.5], colors=[colour], linewidths=1)
        panel.set_title(f"{name}, slice {z + 1} of {image.shape[0]}")
        panel.set_axis_off()
    figure.savefig(path, dpi=min(110, MOST_PIXELS / (4.4 * rows)), format="png")
