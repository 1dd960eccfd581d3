"""What a person can do with queries: ask for counts and summaries, and read what came back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocols.core.errors import Code, StudyError
from protocols.describe.query import query_study
from server.actions import runs
from server.actions.studies import SubmittedStudy
from server.coordination.submission import submit_query
from server.home.config import load

EVERYWHERE = "all sites"


@dataclass(frozen=True)
class QueryRow:
    """What one site, or all together, told of one variable in one group.

    Attributes:
        people: with a value; None where they are too few to be told.
        missing: without one; None where they are too few.
        withheld: the code with which the site told nothing at all.
    """

    site: str
    group: str
    variable: str
    people: int | None
    missing: int | None
    mean: float | None
    sd: float | None
    withheld: str = ""


@dataclass(frozen=True)
class QueryAnswer:
    """The answer to a query, all sites together first."""

    name: str
    run: str
    rows: tuple[QueryRow, ...]
    schema_version: int = 1


def ask(
    home: Path,
    cohort: str,
    variables: Sequence[str],
    *,
    by: str = "",
    sites: Sequence[str] = (),
    files: bool = True,
) -> SubmittedStudy:
    """The query, submitted; one that was answered before is not asked again.

    Args:
        home: the center's folder.
        cohort: a cohort file, or DOMAIN:VOCABULARY:CODE.
        variables: `age`, `female`, `male`, `gene:SYMBOL` or `VOCABULARY:CODE` of a measurement.
        by: one of these that has two values, to make two groups.
        sites: those to ask; all that are enrolled where none is named.
        files: whether `cohort` may name a file of this machine; else it may be a definition's own text.

    Raises:
        InputError: a word is not one of these.
    """
    consortium = load(home).consortium
    question = query_study(cohort, list(variables), by=by, consortium=consortium, files=files)
    one = submit_query(home, question, sites=sites)
    return SubmittedStudy(one.name, one.run, one.state)


def answer(home: Path, run: str) -> QueryAnswer:
    """The answer to a query that was watched to its end.

    Raises:
        StudyError: it failed, was withdrawn, or its summary could not be computed.
    """
    view = runs.ended(home, run, with_results=True)
    for failure in view.failed:
        raise StudyError(Code(failure.code), failure.why, failure.fix)
    if view.results is None:
        raise StudyError(Code.NOT_FOUND, f"query {view.name} is {view.state}: it has no answer")
    return QueryAnswer(view.name, view.run, _rows(view.results["summary"]["result"]))


def _rows(found: Mapping[str, Any]) -> tuple[QueryRow, ...]:
    """A summary's result as rows."""
    told = [
        QueryRow(site, group, variable, **_cells(numbers, g, v))
        for site, numbers in {EVERYWHERE: found["total"], **found["by_site"]}.items()
        for g, group in enumerate(found["groups"])
        for v, variable in enumerate(found["of"])
    ]
    nothing = [
        QueryRow(site, "", "", None, None, None, None, withheld=str(code))
        for site, code in found["withheld"].items()
    ]
    return (*told, *nothing)


def _cells(numbers: Mapping[str, Any], group: int, variable: int) -> dict[str, Any]:
    cells = {key: numbers[key][group][variable] for key in ("n", "missing", "mean", "sd")}
    people, missing = (None if cells[key] == -1 else cells[key] for key in ("n", "missing"))
    return {"people": people, "missing": missing, "mean": cells["mean"], "sd": cells["sd"]}
