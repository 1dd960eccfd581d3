"""What an account can do with studies from afar: by the text of a study, and with its own runs alone.

Whoever coordinates or audits sees all runs. To anybody else a run that is another's is not there.
"""

import importlib.resources
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from protocols.core.study import study_of_text
from protocols.describe.query import attrition_study
from protocols.runtime.accounts.roles import Actor
from server.actions import preflight as all_preflights
from server.actions import queries, runs
from server.actions import studies as all_studies
from server.actions.network import SiteList
from server.actions.network import sites as all_sites
from server.actions.preflight import AskedPreflight, Preflight
from server.actions.queries import QueryAnswer
from server.actions.runs import RunEvent
from server.actions.studies import (
    CheckedStudy,
    StudyList,
    StudyView,
    SubmittedStudy,
    VerifiedStudy,
)
from server.coordination import signing, submission
from server.desk.ownership import own, sees_all
from server.home.config import load
from server.home.owners import Owners
from server.home.store import Store
from server.home.submissions import Submission


@dataclass(frozen=True)
class ReportPage:
    """The report of a study: one page that needs nothing beside it."""

    run: str
    html: str
    schema_version: int = 1


@dataclass(frozen=True)
class StudyFile:
    """A submitted study in its canonical form, as JSON."""

    run: str
    hash: str
    text: str
    schema_version: int = 1


@dataclass(frozen=True)
class Draft:
    """The text of a study to start from."""

    text: str
    schema_version: int = 1


def example() -> Draft:
    """A commented study to start from."""
    return Draft(importlib.resources.files("server.actions").joinpath("example_study.yaml").read_text())


def check(home: Path, text: str) -> CheckedStudy:
    """What the text of a study asks, once it has been checked. Nothing is sent.

    Raises:
        InputError: it is not a valid study.
    """
    return CheckedStudy.of(study_of_text(text), home)


def preflight(home: Path, actor: Actor, text: str) -> AskedPreflight:
    """The preflight of a study's text, asked under the sites' standing approvals.

    Raises:
        InputError: it is not a valid study.
    """
    asked = all_preflights.ask(home, study_of_text(text))
    if asked.run:
        Owners(home).note(asked.run, actor.name)
    return asked


def preflight_answer(home: Path, text: str) -> Preflight:
    """What is known of a study before it is signed.

    Raises:
        InputError: it is not a valid study.
    """
    return all_preflights.answer(home, study_of_text(text))


def submit(
    home: Path, actor: Actor, text: str, *, sites: Sequence[str] = (), once: str = ""
) -> SubmittedStudy:
    """The study of a text, signed by the coordinator and submitted as this account's.

    Args:
        text: YAML or JSON.
        sites: those to ask; all that are enrolled where none is named.
        once: a word of the caller's: a second request with it submits nothing and gives back the first run.

    Raises:
        InputError: not a valid study, it does not say who asks, a site is not enrolled, or too few are asked.
    """
    owners = Owners(home)
    if once and (earlier := owners.done(actor.name, once)):
        return _submitted(Store(home).submission(earlier))
    new = submission.submit(home, study_of_text(text), sites=sites)
    owners.note(new.run, actor.name, once)
    Store(home).note(new.run, "submitted", actor.name)
    return _submitted(new)


def listed(home: Path, actor: Actor) -> StudyList:
    """The account's submitted studies, the newest first; all of them for who coordinates or audits."""
    everything = all_studies.listed(home)
    if sees_all(actor):
        return everything
    mine = Owners(home).runs_of(actor.name)
    return StudyList(tuple(one for one in everything.studies if one.run in mine))


def shown(home: Path, actor: Actor, reference: str, *, with_results: bool = True) -> StudyView:
    """How a study of the account's stands.

    Raises:
        InputError: not-found; there is none of that name, hash or run, or it is another's.
    """
    return all_studies.shown(home, own(home, actor, reference), with_results=with_results)


def file_of(home: Path, actor: Actor, reference: str) -> StudyFile:
    """A study of the account's as it was signed.

    Raises:
        InputError: not-found.
    """
    one = Store(home).submission(own(home, actor, reference))
    study = signing.read_signed(home, one.sealed)
    return StudyFile(one.run, study.hash(), study.canonical().decode())


def begin(home: Path, actor: Actor, reference: str) -> SubmittedStudy:
    """A study of the account's that waits for no further approval.

    Raises:
        InputError: not-found; it has begun or ended, or too few sites have approved.
    """
    return all_studies.begin(home, own(home, actor, reference), by=actor.name)


def withdraw(home: Path, actor: Actor, reference: str) -> SubmittedStudy:
    """A study of the account's that was stopped: no further message of it goes out.

    Raises:
        InputError: not-found; or it ended before.
    """
    return all_studies.withdraw(home, own(home, actor, reference), by=actor.name)


def watch(home: Path, actor: Actor, reference: str, *, after: int = 0) -> Iterator[RunEvent]:
    """What has happened in a run of the account's since event `after`, and what happens now, until it ends.

    Raises:
        InputError: not-found. UnreachableError: no coordinator is at work.
    """
    return runs.watch(home, own(home, actor, reference), after=after)


def report(home: Path, actor: Actor, reference: str) -> ReportPage:
    """The report of a study of the account's, after its result was recomputed.

    Raises:
        InputError: not-found; it has no result, or what was kept was altered.
    """
    run = own(home, actor, reference)
    with tempfile.TemporaryDirectory() as folder:
        written = all_studies.report(home, run, Path(folder) / "report")
        return ReportPage(run, written.path.read_text())


def verify(home: Path, actor: Actor, reference: str) -> VerifiedStudy:
    """A study of the account's whose result was recomputed from its kept rounds.

    Raises:
        InputError: not-found; it has no result, or what was kept was altered.
    """
    return all_studies.verify(home, own(home, actor, reference))


def query(
    home: Path, actor: Actor, cohort: str, variables: Sequence[str], *, by_variable: str = ""
) -> SubmittedStudy:
    """A query under the sites' standing approvals, submitted as this account's.

    Args:
        cohort: DOMAIN:VOCABULARY:CODE, or the text of a cohort's definition; no file's name.
        variables: `age`, `female`, `male`, `gene:SYMBOL` or `VOCABULARY:CODE` of a measurement.
        by_variable: one of these that has two values, to make two groups.

    Raises:
        InputError: a word is not one of these.
    """
    load(home)
    asked = queries.ask(home, cohort, variables, by=by_variable, files=False)
    Owners(home).note(asked.run, actor.name)
    return asked


def attrition(home: Path, actor: Actor, cohort: str) -> SubmittedStudy:
    """How many people each rule of a cohort leaves, asked under the standing approvals as this account's.

    Raises:
        InputError: it is not a cohort.
    """
    question = attrition_study(cohort, consortium=load(home).consortium, files=False)
    asked = submission.submit_query(home, question)
    Owners(home).note(asked.run, actor.name)
    return _submitted(asked)


def answer(home: Path, actor: Actor, reference: str) -> QueryAnswer:
    """The answer to a query that has ended; the same question has one answer, whoever asked it first.

    Raises:
        InputError: not-found. StudyError: it failed, or has no answer yet.
    """
    return queries.answer(home, own(home, actor, reference))


def sites(home: Path) -> SiteList:
    """The sites of the consortium: which are enrolled, and online."""
    return all_sites(home)


def _submitted(one: Submission) -> SubmittedStudy:
    return SubmittedStudy(one.name, one.run, one.state)
