"""What the sites have, in bands; how open studies stand at each site; a study on dummy people."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdm.cohorts.cohort import CohortDefinition
from protocols.core.study import Study
from protocols.describe.query import availability_query
from protocols.runtime.accounts.roles import Actor
from server.actions import studies, trial
from server.actions.preflight import VariableBand
from server.actions.studies import SiteStanding, SubmittedStudy
from server.actions.trial import TriedStudy
from server.coordination import signing, submission
from server.desk.ownership import sees_all
from server.home.config import load
from server.home.owners import Owners
from server.home.store import Store
from server.home.submissions import FINISHED

MOST_SHOWN = 50
DUMMY_PEOPLE = 150


@dataclass(frozen=True)
class CatalogueEntry:
    """What sites have of some variables in one cohort, in bands.

    Attributes:
        cohort: its steps, in words.
        variables: name -> its definition.
        people: a band for each variable and site.
        no_answer: site -> why it told nothing.
    """

    run: str
    asked_at: float
    cohort: tuple[str, ...]
    variables: Mapping[str, Mapping[str, Any]]
    people: tuple[VariableBand, ...]
    no_answer: Mapping[str, str]


@dataclass(frozen=True)
class Catalogue:
    """What was asked so far, the newest first."""

    entries: tuple[CatalogueEntry, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class BoardRow:
    """An open study, and how each site stands to it."""

    run: str
    name: str
    title: str
    state: str
    submitted_at: float
    sites: tuple[SiteStanding, ...]


@dataclass(frozen=True)
class Board:
    """The studies that have not ended, and the sites that are enrolled."""

    sites: tuple[str, ...]
    rows: tuple[BoardRow, ...]
    schema_version: int = 1


def ask(home: Path, actor: Actor, cohort: str, variables: Sequence[str]) -> SubmittedStudy:
    """Who has which variables of a cohort, asked in bands under the standing approvals.

    Raises:
        InputError: it is not a cohort, or a word is not a variable.
    """
    question = availability_query(cohort, list(variables), consortium=load(home).consortium)
    one = submission.submit_query(home, question)
    Owners(home).note(one.run, actor.name)
    return SubmittedStudy(one.name, one.run, one.state)


def listed(home: Path, actor: Actor) -> Catalogue:
    """What sites told of their data: bands are for every analyst, whoever asked for them."""
    store = Store(home)
    found: list[CatalogueEntry] = []
    for entry in store.entries():
        if entry.name.startswith("query-") and entry.state in FINISHED and len(found) < MOST_SHOWN:
            one = store.submission(entry.run)
            study = signing.read_signed(home, one.sealed)
            if [analysis.spec.protocol for analysis in study.analyses] == ["availability"]:
                results = json.loads(one.outcome or b"{}").get("results", {})
                found.append(_entry(study, entry.run, entry.submitted_at, results, store))
    return Catalogue(tuple(found))


def board(home: Path, actor: Actor) -> Board:
    """The account's studies that have not ended; all of them for who coordinates or audits."""
    store = Store(home)
    mine = None if sees_all(actor) else Owners(home).runs_of(actor.name)
    names = tuple(site.name for site in store.sites() if site.takes_part)
    rows = []
    for entry in store.entries():
        is_shown = (mine is None or entry.run in mine) and not entry.name.startswith("query-")
        if is_shown and store.is_open(entry.run):
            view = studies.shown(home, entry.run, with_results=False)
            row = (entry.run, entry.name, entry.title, str(entry.state), entry.submitted_at, view.sites)
            rows.append(BoardRow(*row))
    return Board(names, tuple(rows))


def attempt(text: str) -> TriedStudy:
    """The study of a text, run over dummy people; its numbers mean nothing.

    Raises:
        InputError: it is not a valid study. StudyError: it cannot go on.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "study.yaml"
        file.write_text(text)
        return trial.attempt(file, people=DUMMY_PEOPLE)


def _entry(
    study: Study, run: str, asked_at: float, results: Mapping[str, Any], store: Store
) -> CatalogueEntry:
    content = json.loads(study.canonical())
    standing = store.standing(run)
    silent = {site: str(code or state) for site, (state, code) in standing.items() if state != "approved"}
    steps = list(study.cohort.steps())
    if isinstance(study.cohort, CohortDefinition):
        steps[0] = f"{study.cohort.index.domain} {', '.join(study.cohort.index.concepts)}"
    return CatalogueEntry(
        run, asked_at, tuple(steps), content["variables"], VariableBand.all_in(results), silent
    )
