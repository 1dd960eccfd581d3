"""The elements of an SVG: no script, no style sheet, no font from elsewhere, a title and a description.

All looks are presentation attributes, so that a strict content security policy lets it through, and nothing
has an id, so that many stand on one page.
"""

import html
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from protocols.results.palette import INK, MUTED, colour, marker

FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
SIZE = 12
LINE = 16
"""Font size and line height in pixels."""


@dataclass
class Drawing:
    """Elements of an SVG that is being made; `element` and `text` add to it."""

    width: float
    height: float
    parts: list[str] = field(default_factory=list)

    def element(self, name: str, **attributes: str | float) -> None:
        """Adds an element; underscores in attribute names become hyphens."""
        self.parts.append(f"<{name}{_attributes(attributes)}/>")

    def line(self, x1: float, y1: float, x2: float, y2: float, **attributes: str | float) -> None:
        """Adds a straight line."""
        self.element("line", **{"x1": x1, "y1": y1, "x2": x2, "y2": y2, "stroke_width": 1, **attributes})

    def text(self, x: float, y: float, words: str, **attributes: str | float) -> None:
        """Adds text whose baseline is at y."""
        given = {"x": x, "y": y, "fill": INK, **attributes}
        self.parts.append(f"<text{_attributes(given)}>{html.escape(words)}</text>")

    def path(self, runs: Iterable[Sequence[tuple[float, float]]], **attributes: str | float) -> None:
        """Adds lines through points, one for each run."""
        d = " ".join("M" + " L".join(f"{_pixel(x)} {_pixel(y)}" for x, y in run) for run in runs if run)
        if d:
            self.parts.append(f'<path d="{d}"{_attributes(attributes)}/>')

    def mark(self, index: int, x: float, y: float, radius: float = 3.6, **attributes: str | float) -> None:
        """Adds the marker of a series at a point."""
        given = {"fill": colour(index), "stroke": "#fff", "stroke_width": 0.8, **attributes}
        kind, r = marker(index), radius
        if kind == "circle":
            self.element("circle", cx=x, cy=y, r=r, **given)
        elif kind == "square":
            self.element("rect", x=x - r, y=y - r, width=2 * r, height=2 * r, **given)
        else:
            corners = {"triangle": ((0, -1.2), (1.1, 0.9), (-1.1, 0.9))}.get(
                kind, ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0))
            )
            points = " ".join(f"{_pixel(x + r * a)},{_pixel(y + r * b)}" for a, b in corners)
            self.element("polygon", points=points, **given)

    @contextmanager
    def clipped(self, x: float, y: float, width: float, height: float) -> Iterator[None]:
        """What is added meanwhile is cut off at a rectangle, but for half a marker."""
        x, y, width, height = x - 8, y - 8, width + 16, height + 8
        box = f"{_pixel(x)} {_pixel(y)} {_pixel(width)} {_pixel(height)}"
        inner = {"x": x, "y": y, "width": width, "height": height}
        self.parts.append(f'<svg{_attributes(inner)} viewBox="{box}">')
        yield
        self.parts.append("</svg>")

    def svg(self, title: str, description: str) -> str:
        """The whole element."""
        w, h = _pixel(self.width), _pixel(self.height)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {w} {h}" width="{w}"'
            f' height="{h}" font-family="{html.escape(FONT)}" font-size="{SIZE}">'
        )
        words = f"<title>{html.escape(title)}</title><desc>{html.escape(description)}</desc>"
        return head + words + "".join(self.parts) + "</svg>"


def width_of(words: str) -> float:
    """About how wide a text is, in pixels: letters of a sans serif are a little over half as wide as high."""
    return 0.56 * SIZE * len(words)


def shortened(words: str, most: int) -> str:
    """The text, cut to `most` characters with an ellipsis."""
    return words if len(words) <= most else words[: most - 1] + "…"


def _attributes(values: Mapping[str, str | float]) -> str:
    return "".join(
        f' {name.replace("_", "-")}="{html.escape(value) if isinstance(value, str) else _pixel(value)}"'
        for name, value in values.items()
    )


def _pixel(value: float) -> str:
    assert math.isfinite(value)
    return f"{value:.1f}".removesuffix(".0")


MUTED_TEXT: dict[str, str | float] = {"fill": MUTED, "font_size": 11}
