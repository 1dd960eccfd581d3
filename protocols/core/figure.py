"""A figure as plain data: panels of curves, estimates, bars, columns or a heat map, with axes and units.

A result's `figure()` returns one; protocols.results draws it with matplotlib or as SVG and lists the numbers.
What is not known is NaN in a curve and None in a bar or a cell; nothing here is computed from rows.
"""

import importlib
from dataclasses import dataclass
from typing import Any, Literal

from protocols.core.errors import Code, InputError

Marks = Literal["line", "steps", "points", "joined", "dotted", "guide"]


@dataclass(frozen=True)
class Axis:
    """What an axis measures.

    Attributes:
        label, unit: in words; the unit is empty where there is none.
        low, high: its ends, where the data does not decide them.
        log: whether equal ratios are equally far apart; whole: whether only whole numbers are ticks.
    """

    label: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False

    @property
    def text(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True)
class Curve:
    """Points (x, y) in their order, with a band from `low` to `high` where there is one.

    Attributes:
        label: in the legend; a guide has none.
        x, y: of equal length; NaN interrupts the curve.
        low, high: empty, or as long.
        marks: how it is drawn; "steps" keep a value until the next x, "joined" are points on a line.
        size: empty, or people per point, to which a point's area is proportional.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    marks: Marks = "line"
    size: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        lengths = {len(part) for part in (self.x, self.y, self.low, self.high, self.size) if part}
        if len(lengths) > 1:
            raise ValueError(f"the parts of the curve {self.label!r} differ in length")


@dataclass(frozen=True)
class AtRisk:
    """How many people of each group are still followed at some of the x axis' values; None: not shown."""

    x: tuple[float, ...]
    groups: tuple[tuple[str, tuple[int | None, ...]], ...]


@dataclass(frozen=True)
class Curves:
    """Curves over common axes; `square` where both axes have one scale."""

    title: str
    x: Axis
    y: Axis
    curves: tuple[Curve, ...]
    at_risk: AtRisk | None = None
    square: bool = False


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, NaN where not known; `term` is the covariate that it belongs to."""

    label: str
    value: float
    low: float = float("nan")
    high: float = float("nan")
    term: str = ""


@dataclass(frozen=True)
class Estimates:
    """A forest: numbers with intervals, one below the other; `reference` is where there is no effect."""

    title: str
    axis: Axis
    rows: tuple[Estimate, ...]
    reference: float | None = None


@dataclass(frozen=True)
class Bar:
    """One bar: `value` None is not shown, for the reason in `words`, which else stand beside the bar."""

    label: str
    value: float | None
    words: str = ""
    series: str = ""


@dataclass(frozen=True)
class Bars:
    """Horizontal bars."""

    title: str
    axis: Axis
    rows: tuple[Bar, ...]


@dataclass(frozen=True)
class Columns:
    """A histogram: per group one count for each bin between two edges; None is not shown."""

    title: str
    x: Axis
    y: Axis
    edges: tuple[float, ...]
    groups: tuple[tuple[str, tuple[float | None, ...]], ...]
    hidden: str = "not shown"

    def __post_init__(self) -> None:
        if any(len(counts) != len(self.edges) - 1 for _, counts in self.groups):
            raise ValueError("a histogram has one bin fewer than edges")


@dataclass(frozen=True)
class HeatMap:
    """A matrix in colours from `low` to `high`, 0 in the middle of them; None is an empty cell."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    measure: str
    low: float = -1.0
    high: float = 1.0


Panel = Curves | Estimates | Bars | Columns | HeatMap


@dataclass(frozen=True)
class Figure:
    """What a result looks like: panels, and a caption that says what to read from them."""

    panels: tuple[Panel, ...]
    caption: str = ""

    def __post_init__(self) -> None:
        if not self.panels:
            raise ValueError("a figure has at least one panel")


@dataclass(frozen=True)
class NoFigure:
    """Why a result is not drawn."""

    reason: str


RENDERER = "protocols.results.plots"
"""What draws figures for a notebook; loaded with the first, as the catalogue's protocols are: by its name."""


def plotted(name: str, figure: Figure | NoFigure, axes: Any) -> Any:
    """The axes on which the figure of a kind of result was drawn.

    Raises:
        InputError: not-found; the result has no figure.
    """
    if isinstance(figure, NoFigure):
        raise InputError(Code.NOT_FOUND, f"{name} has no figure: {figure.reason}", "its summary() is a table")
    return importlib.import_module(RENDERER).draw(figure, axes)
