"""RT39, RT53: what a study's author or an image's maker wrote acts on whoever reads it."""

import contextlib
import csv
import html
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from server import main
from server.report import write
from site_node.images import files
from tests.lib.lying_coordinator import weaken
from tests.lib.studies import a_study
from tests.redteam.attack import Figure, attack

FORMULAS = (
    '=HYPERLINK("http://x","y")',
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\t=1+1",
)
STEERING = "Mean age\x1b[2J\x1b]8;;http://x\x07\x9b31m\r\x08 [bold]approved[/bold]"
SCRIPT = '<script>alert(1)</script><img src=x onerror="alert(1)"><a href="javascript:alert(1)">age</a>'


def _cells(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.csv"):
        with path.open(newline="") as file:
            for row in csv.reader(file):
                yield from row


def _is_formula(cell: str) -> bool:
    """Whether a spreadsheet would run it; a number is none."""
    with contextlib.suppress(ValueError):
        float(cell)
        return False
    return bool(re.match(r"\s*[=+@-]", cell))


def _study(title: str, rules: tuple[str, ...]) -> tuple[Study, list[AnalysisTable]]:
    kept = {rule: 90 - 10 * i for i, rule in enumerate(rules)}
    tables = [
        AnalysisTable(site, 100 * i + np.arange(50), {"age": np.linspace(20, 90, 50)}, attrition=kept)
        for i, site in enumerate("abc")
    ]
    rule = [{"name": name, "kind": "age", "at_least": 18} for name in rules]
    cohort = {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}, "rules": rule}
    analyses = [
        {"name": "ages", "spec": {"protocol": "summary", "of": ["age"]}},
        {"name": "left", "spec": {"protocol": "attrition", "steps": list(rules)}},
    ]
    return a_study(title=title, cohort=cohort, analyses=analyses), tables


def _report(folder: Path, title: str, rules: tuple[str, ...]) -> Path:
    study, tables = _study(title, rules)
    return write.write_report(study, run_locally(study, tables), [], folder / "report")


@attack("RT53", "rules and regions whose names are formulas, in the CSV files that people open", works_from=8)
def formulas(folder: Path, weakened: bool) -> Figure:
    with weaken(write, "inert", str, weakened), weaken(files, "inert", str, weakened):
        _report(folder, "Ages", FORMULAS)
        files.write_csv(folder / "features.csv", [{"region": name, "value": -1.5} for name in FORMULAS])
    return Figure(sum(map(_is_formula, _cells(folder))), "cells that a spreadsheet runs")


@attack("RT39", "a title that clears the terminal, moves its cursor and makes a link", works_from=5)
def steered_terminal(folder: Path, weakened: bool) -> Figure:
    nothing = re.compile(r"(?!)")
    shown = io.StringIO()
    with weaken(main, "_CONTROL", nothing, weakened), contextlib.redirect_stdout(shown):
        main._print([{"title": STEERING}], False)
        main._print({"title": STEERING, "cohort": {"name": STEERING}, "lines": [STEERING]}, False)
        main._print([STEERING], False)
    return Figure(len(re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown.getvalue())), "control characters")


class _Alive(HTMLParser):
    """Counts what would run in a page: scripts, handlers, links to scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += tag == "script"
        self.found += sum(name.startswith("on") or "javascript:" in (value or "") for name, value in attrs)


@attack("RT39", "a title and rules that are scripts, in the report", works_from=3)
def live_page(folder: Path, weakened: bool) -> Figure:
    path = _report(folder, SCRIPT, (SCRIPT[:70], "adults"))
    text = path.read_text()
    if weakened:  # a page whose template escapes nothing
        text = html.unescape(text)
    page = _Alive()
    page.feed(text)
    return Figure(page.found, "scripts, handlers and links to scripts in the page")
