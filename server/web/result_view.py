"""Results as tables with three marks (too few to be told, a true zero, no answer) and figures as SVG."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd
from markupsafe import Markup

from protocols.core.figure import NoFigure
from protocols.core.protocol import Result
from protocols.core.wording import listed
from protocols.results.number_table import described
from protocols.results.reading import read_result
from protocols.results.svg import svg
from server.registry.card import is_model

Mark = Literal["value", "zero", "withheld", "silent"]
LONGEST = 200
"""Rows of a table on a page; the file has all of them."""


@dataclass(frozen=True)
class Cell:
    """One cell: its words, and which of the marks it bears."""

    text: str
    mark: Mark = "value"
    is_number: bool = False


@dataclass(frozen=True)
class Drawn:
    """A panel of a figure, and what it shows in a sentence."""

    svg: Markup
    words: str


@dataclass(frozen=True)
class Shown:
    """One analysis of a study as a page shows it; `code`, `why` and `fix` where it failed."""

    name: str
    protocol: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    more: int = 0
    panels: tuple[Drawn, ...] = ()
    caption: str = ""
    silent: str = ""
    predicts: bool = False
    code: str = ""
    why: str = ""
    fix: str = ""
    title: str = ""

    def numeric(self, column: int) -> bool:
        """Whether a column has numbers: the marks in it stand below each other as they do."""
        return any(row[column].is_number for row in self.rows)


def all_shown(results: Mapping[str, Any], study: Mapping[str, Any]) -> list[Shown]:
    """The analyses in the order and under the titles of the study's file.

    Raises:
        InputError: one is the result of another version.
    """
    titles = {one["name"]: str(one.get("title") or "") for one in study["analyses"]}
    names = [name for name in titles if name in results] + [name for name in results if name not in titles]
    return [replace(shown(name, results[name]), title=titles.get(name, "")) for name in names]


def shown(name: str, data: Mapping[str, Any]) -> Shown:
    """An analysis of a study, by its protocol and its result or failure as a center keeps them.

    Raises:
        InputError: it is the result of another version.
    """
    word = data["protocol"]
    if "failure" in data:
        why = data["failure"]
        return Shown(name, word, code=why["code"], why=why["text"], fix=why.get("fix", ""))
    found, silent = read_result(word, data["result"]), _silent(data["result"])
    frame = found.summary()
    columns, rows = _cells(frame, silent)
    panels, caption = _panels(found)
    told = listed(f"{site} ({code})" for site, code in silent.items())
    more, predicts = max(0, len(rows) - LONGEST), is_model(word)
    return Shown(name, word, columns, rows[:LONGEST], more, panels, caption, told, predicts)


def as_csv(data: Mapping[str, Any]) -> str:
    """The table of an analysis as CSV, with the words `not told` and `no answer` where there is no number.

    Raises:
        InputError: it is the result of another version.
    """
    columns, rows = _cells(read_result(data["protocol"], data["result"]).summary(), _silent(data["result"]))
    out = io.StringIO()
    csv.writer(out).writerows([columns, *([cell.text for cell in row] for row in rows)])
    return out.getvalue()


def _silent(result: Mapping[str, Any]) -> Mapping[str, str]:
    """Site -> the code with which it told nothing of its own, where an analysis asks sites for that."""
    told = result.get("withheld")
    return dict(told) if isinstance(told, Mapping) else {}


def _cells(
    frame: pd.DataFrame, silent: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[tuple[Cell, ...], ...]]:
    """The columns and rows of a summary, with the sites that gave no answer."""
    named = not isinstance(frame.index, pd.RangeIndex)
    table = frame.reset_index() if named else frame
    by_site = "site" not in table.columns
    columns = tuple("of" if column == "index" else str(column) for column in table.columns)
    rows = [tuple(_cell(value) for value in row) for row in table.itertuples(index=False)]
    none = Cell("no answer", "silent")
    if by_site and "all sites" in columns:
        columns = (*columns, *silent)
        rows = [(*row, *(none for _ in silent)) for row in rows]
    elif not by_site:
        place = columns.index("site")
        for site in silent:
            rows.append(tuple(Cell(site) if i == place else none for i in range(len(columns))))
    return columns, tuple(rows)


def _cell(value: Any) -> Cell:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return Cell("not told", "withheld")
    if isinstance(value, str) or not hasattr(value, "__float__"):
        return Cell(str(value))
    number = float(value)
    if number == 0:
        return Cell("0", "zero", is_number=True)
    whole = number == int(number) if math.isfinite(number) else False
    return Cell(f"{int(number):,}".replace(",", "\u202f") if whole else f"{number:.4g}", is_number=True)


def _panels(found: Result) -> tuple[tuple[Drawn, ...], str]:
    figure = found.figure()
    if isinstance(figure, NoFigure):
        return (), ""
    # our own drawing, whose words are escaped where they are drawn
    return tuple(Drawn(Markup(svg(one)), described(one)) for one in figure.panels), figure.caption
