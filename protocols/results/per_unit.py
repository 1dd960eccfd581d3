"""Ratios and coefficients of a covariate for a step that people can picture: 10 years, a deviation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from protocols.core.figure import Estimate, Estimates, Figure


@dataclass(frozen=True)
class Step:
    """A step of a covariate: its size in the covariate's own unit, and its words ("per 10")."""

    size: float
    words: str


def figure_per(figure: Figure, steps: Mapping[str, Step]) -> Figure:
    """The figure whose estimates of a covariate are per its step; all else is as it was."""
    panels = tuple(_panel(p, steps) if isinstance(p, Estimates) else p for p in figure.panels)
    return replace(figure, panels=panels)


def _panel(panel: Estimates, steps: Mapping[str, Step]) -> Estimates:
    rows = tuple(
        estimate_per(row, steps[row.term], ratio=panel.axis.log) if row.term in steps else row
        for row in panel.rows
    )
    return replace(panel, rows=rows)


def estimate_per(row: Estimate, step: Step, *, ratio: bool) -> Estimate:
    """The estimate for a step: a coefficient times its size, a ratio to its power; limits likewise."""
    value, low, high = (v**step.size if ratio else v * step.size for v in (row.value, row.low, row.high))
    return Estimate(f"{row.label}, {step.words}", value, low, high, row.term)
