"""The pieces of a report's page: text, tables and figures, escaped where they are made."""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd
from markupsafe import Markup

from protocols.results.numerals import shown, shown_count


@dataclass(frozen=True)
class Section:
    """A heading with its blocks."""

    title: str
    blocks: list[Markup] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """The heading as the target of a link."""
        return "".join(c if c.isalnum() else "-" for c in self.title.lower())


def text(words: str, kind: str = "") -> Markup:
    """A paragraph; words between backticks are code."""
    attribute = f' class="{kind}"' if kind else ""
    return Markup(f"<p{attribute}>{_with_code(words)}</p>")


def _with_code(words: str) -> str:
    """The escaped words, those between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(words))


def heading(words: str) -> Markup:
    """A heading inside a section."""
    return Markup(f"<h3>{html.escape(words)}</h3>")


def code(words: str) -> Markup:
    """A line to be typed or compared."""
    return Markup(f"<p><code>{html.escape(words)}</code></p>")


def failure(code: str, words: str, fix: str) -> Markup:
    """An analysis that could not be done, why, and a way out, where there is one."""
    out = f"<br>{html.escape(fix)}" if fix else ""
    return Markup(f'<div class="failed"><b>{html.escape(code)}</b>: {html.escape(words)}{out}</div>')


def figure(panels: str, caption: str) -> Markup:
    """A figure of panels, in a row where the page is wide enough, with its caption."""
    words = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return Markup(f'<figure><div class="panels">{panels}</div>{words}</figure>')


def panel(svg: str, title: str) -> Markup:
    """One panel of a figure below its title."""
    words = f'<p class="panel-title">{html.escape(title)}</p>' if title else ""
    return Markup(f'<div class="panel">{words}{svg}</div>')


def lines(words: Iterable[str]) -> Markup:
    """Lines under each other in a cell."""
    return Markup("<br>".join(html.escape(line) for line in words))


def folded(summary: str, content: str) -> Markup:
    """Long text that opens on a click."""
    return Markup(
        f"<details><summary>{html.escape(summary)}</summary><pre>{html.escape(content)}</pre></details>"
    )


def opening(summary: str, content: Iterable[Markup]) -> Markup:
    """Blocks that open on a click."""
    inside = "".join(content)
    return Markup(f"<details><summary>{html.escape(summary)}</summary>{inside}</details>")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """A table; numbers stand to the right, a missing number is a dash."""
    body = [[_cell(cell) for cell in row] for row in rows]
    numeric = [bool(body) and all(row[i][1] for row in body) for i in range(len(columns))]
    head = "".join(
        f'<th scope="col"{_right(right)}>{html.escape(name)}</th>'
        for name, right in zip(columns, numeric, strict=True)
    )
    lines = [
        "<tr>" + "".join(f"<td{_right(r)}>{c[0]}</td>" for c, r in zip(row, numeric, strict=True)) + "</tr>"
        for row in body
    ]
    inside = f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return Markup(f'<div class="scroll"><table>{inside}</table></div>')


WITHHELD = Markup('<span class="chip">withheld</span>')


def why_withheld(min_count: int) -> Markup:
    """What "withheld" means in a table, by the study's own floor."""
    return text(
        f"“Withheld”: the number, or what it leaves of a whole, is based on fewer than {min_count} people, "
        "or on fewer than a hospital's own stricter floor. It is not zero.",
        "note",
    )


def _right(yes: bool) -> str:
    return ' class="n"' if yes else ""


def _cell(value: object) -> tuple[str, bool]:
    """A cell's HTML, and whether it is a number."""
    if isinstance(value, Markup):
        return str(value), "<br>" not in value
    if value is None or value is pd.NA or (isinstance(value, float) and pd.isna(value)):
        return "–", True
    if isinstance(value, bool):
        return "yes" if value else "no", False
    if isinstance(value, int):
        return shown_count(value), True
    if isinstance(value, float):
        return shown(value), True
    return html.escape(str(value)), False
