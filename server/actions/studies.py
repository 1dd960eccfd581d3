"""What a person can do with studies: write, check, sign, submit, list, show, stop, report and verify them."""

import importlib.resources
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from protocols.core.errors import Code, InputError
from protocols.core.study import Study, read_study
from protocols.runtime.accounts.machine import unix_user
from server.coordination import signing, submission
from server.coordination.replay import recompute
from server.home.config import load
from server.home.store import Store
from server.home.submissions import Entry, State, Submission


@dataclass(frozen=True)
class WrittenFile:
    """A file or folder that was written."""

    path: Path
    schema_version: int = 1


@dataclass(frozen=True)
class CheckedStudy:
    """A valid study file, and what would leave each site, in words; `blocks` have so many names each."""

    name: str
    title: str
    hash: str
    variables: int
    blocks: Mapping[str, int]
    min_sites: int
    would_leave: tuple[str, ...]
    schema_version: int = 1

    @classmethod
    def of(cls, study: Study) -> "CheckedStudy":
        """What a study asks."""
        names = {name: block.on.size for name, block in study.blocks.items()}
        leaves = tuple(study.describe())
        return cls(
            study.name, study.title, study.hash(), len(study.variables), names, study.min_sites, leaves
        )


@dataclass(frozen=True)
class SignedStudy:
    """A study that was signed into a file."""

    name: str
    hash: str
    path: Path
    schema_version: int = 1


@dataclass(frozen=True)
class SubmittedStudy:
    """A study under the name of its run, and its state."""

    name: str
    run: str
    state: State
    schema_version: int = 1


@dataclass(frozen=True)
class StudyEntry:
    """One line of the list; `failed` names analyses that failed, each with its code."""

    name: str
    title: str
    state: State
    code: Code | None
    failed: str
    sites: tuple[str, ...]
    submitted_at: datetime
    run: str


@dataclass(frozen=True)
class StudyList:
    """The submitted studies, the newest first."""

    studies: tuple[StudyEntry, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class SiteStanding:
    """How a site stands to a study, as it said last."""

    site: str
    state: str
    code: Code | None


@dataclass(frozen=True)
class FailedAnalysis:
    """An analysis of a finished study that has no result, and why."""

    name: str
    code: str
    why: str


@dataclass(frozen=True)
class StudyView:
    """How a study stands: its sites, its rounds, what it found.

    Attributes:
        code: why the study as a whole failed.
        failed: the analyses that failed; the others have results.
        results: each analysis as plain data; None without any, or where not asked for.
    """

    name: str
    title: str
    state: State
    run: str
    hash: str
    rounds: int
    sites: tuple[SiteStanding, ...]
    code: Code | None
    why: str
    failed: tuple[FailedAnalysis, ...]
    results: Mapping[str, Any] | None
    schema_version: int = 1


@dataclass(frozen=True)
class VerifiedStudy:
    """A study whose signature, rounds and results fit each other."""

    name: str
    run: str
    rounds: int
    analyses: int
    schema_version: int = 1


def example(out: Path) -> WrittenFile:
    """The file of a commented study to start from.

    Raises:
        InputError: there is a file of that name already.
    """
    if out.exists():
        raise InputError(Code.ALREADY_EXISTS, f"there is a file {out.name} already")
    out.write_text(importlib.resources.files("server.actions").joinpath("example_study.yaml").read_text())
    return WrittenFile(out)


def validate(file: Path) -> CheckedStudy:
    """What a study file asks, once it has been checked. Nothing is sent.

    Raises:
        InputError: the file is not a valid study.
    """
    return CheckedStudy.of(read_study(file))


def sign(home: Path, file: Path, out: Path | None = None) -> SignedStudy:
    """The study of a file, signed into another one: `out`, or NAME.signed.

    Raises:
        InputError: the file is not a valid study.
    """
    study = read_study(file)
    path = out or Path(f"{study.name}.signed")
    path.write_bytes(signing.sign(home, study))
    return SignedStudy(study.name, study.hash(), path)


def submit(
    home: Path, file: Path, *, sites: Iterable[str] = (), patience_seconds: float | None = None
) -> SubmittedStudy:
    """The study of a file, submitted to the sites that are named, or to all that are enrolled.

    Raises:
        InputError: not a valid study, a site is not enrolled, or fewer are asked than the study needs.
    """
    study = signing.read_any(home, file)
    return _submitted(submission.submit(home, study, sites=sites, patience_seconds=patience_seconds))


def listed(home: Path) -> StudyList:
    """Every submitted study, the newest first."""
    load(home)
    return StudyList(tuple(_entry(one) for one in Store(home).entries()))


def shown(home: Path, reference: str, *, with_results: bool = True) -> StudyView:
    """How a study stands.

    Raises:
        InputError: no submitted study has that name, hash or run.
    """
    load(home)
    store = Store(home)
    one = store.submission(reference)
    results = json.loads(one.outcome)["results"] if one.outcome is not None else {}
    failures = {name: found["failure"] for name, found in results.items() if "failure" in found}
    standing = sorted(store.standing(one.run).items())
    return StudyView(
        name=one.name,
        title=one.title,
        state=one.state,
        run=one.run,
        hash=one.study,
        rounds=len(store.memory(one.run)),
        sites=tuple(SiteStanding(site, state, code) for site, (state, code) in standing),
        code=one.code,
        why=one.text,
        failed=tuple(FailedAnalysis(name, why["code"], why["text"]) for name, why in failures.items()),
        results=results if with_results and results else None,
    )


def withdraw(home: Path, reference: str, *, by: str = "") -> SubmittedStudy:
    """A study that was stopped: no further message of it goes out, and it ends as withdrawn.

    Args:
        by: who stops it, as its events then say; the Unix user, where it is empty.

    Raises:
        InputError: no study has that name, hash or run; or it ended before.
    """
    load(home)
    store = Store(home)
    found = store.submission(reference)
    if store.withdraw(found.run):
        store.note(found.run, str(State.WITHDRAWN), by or unix_user())
    now = store.submission(found.run)
    if now.state is not State.WITHDRAWN:
        raise InputError(Code.INVALID_INPUT, f"run {now.run} has ended already: it is {now.state}")
    return _submitted(now)


def report(home: Path, reference: str, out: Path) -> WrittenFile:
    """The report of a study, written into the folder `out` after its result was recomputed.

    Raises:
        InputError: it has no result, or what was kept was altered.
    """
    from server.report import Left, write_report  # matplotlib

    study, outcome = recompute(home, reference)
    left = [Left(**answer) for answer in Store(home).answers(outcome.run)]
    return WrittenFile(write_report(study, outcome, left, out))


def verify(home: Path, reference: str) -> VerifiedStudy:
    """A study whose result was recomputed from its kept rounds. No site is asked.

    Raises:
        InputError: it has no result, or what was kept was altered.
    """
    study, outcome = recompute(home, reference)
    return VerifiedStudy(study.name, outcome.run, outcome.rounds, len(outcome.results))


def _submitted(one: Submission) -> SubmittedStudy:
    return SubmittedStudy(one.name, one.run, one.state)


def _entry(one: Entry) -> StudyEntry:
    return StudyEntry(
        name=one.name,
        title=one.title,
        state=one.state,
        code=one.code,
        failed=one.text if one.state is State.PARTIAL else "",
        sites=one.sites,
        submitted_at=datetime.fromtimestamp(one.submitted_at, UTC),
        run=one.run,
    )
