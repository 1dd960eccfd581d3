"""What a person can do with studies: write, check, sign, submit, list, show, stop, report and verify them."""

import importlib.resources
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from protocols.core.errors import Code, InputError
from protocols.core.feasibility import Doubt, doubts
from protocols.core.study import Study, read_study
from protocols.runtime import audit_chain
from protocols.runtime.accounts.machine import unix_user
from server.coordination import signing, submission
from server.coordination.replay import recompute
from server.home.config import SETTINGS, load
from server.home.policies import Policies
from server.home.store import Store
from server.home.submissions import Entry, State, Submission


@dataclass(frozen=True)
class WrittenFile:
    """A file or folder that was written."""

    path: Path
    schema_version: int = 1


@dataclass(frozen=True)
class CheckedStudy:
    """A valid study file, and what would leave each site, in words; `blocks` have so many names each.

    `doubts` are what in it could not work, or that nobody knows; `refusals` are why sites would refuse it, by
    what they said last that their policies admit.
    """

    name: str
    title: str
    hash: str
    variables: int
    blocks: Mapping[str, int]
    min_sites: int
    would_leave: tuple[str, ...]
    doubts: tuple[Doubt, ...] = ()
    refusals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    schema_version: int = 1

    @classmethod
    def of(cls, study: Study, home: Path | None = None) -> "CheckedStudy":
        """What a study asks; with a center, also which of its sites would refuse it."""
        names = {name: block.on.size for name, block in study.blocks.items()}
        leaves = tuple(study.describe())
        content = study.name, study.title, study.hash(), len(study.variables), names, study.min_sites
        refusals = {} if home is None else Policies(home).refusals(study)
        return cls(*content, leaves, doubts(study), refusals)


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
    """How a site stands to a study, as it said last.

    `why` is what its published policy does not admit, where it refused by that.
    """

    site: str
    state: str
    code: Code | None
    why: str = ""


@dataclass(frozen=True)
class FailedAnalysis:
    """An analysis of a finished study that has no result, and why."""

    name: str
    code: str
    why: str
    fix: str = ""


@dataclass(frozen=True)
class StudyView:
    """How a study stands: its sites, its rounds, what it found.

    Attributes:
        code: why the study as a whole failed; `fix` is the way out, where there is one.
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
    fix: str
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


def validate(file: Path, home: Path | None = None) -> CheckedStudy:
    """What a study file asks, once it has been checked. Nothing is sent.

    Args:
        home: the center's folder, where there is one: then also which sites would refuse the study.

    Raises:
        InputError: the file is not a valid study.
    """
    is_center = home is not None and (home / SETTINGS).is_file()
    return CheckedStudy.of(read_study(file), home if is_center else None)


def sign(home: Path, file: Path, out: Path | None = None) -> SignedStudy:
    """The study of a file, signed into another one: `out`, or NAME.signed.

    Raises:
        InputError: the file is not a valid study.
    """
    study = read_study(file)
    path = out or Path(f"{study.name}.signed")
    path.write_bytes(signing.sign(home, study))
    audit_chain.act(load(home).home, "study-signed", study=study.hash())
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
    standing = _standing(home, store, one)
    return StudyView(
        name=one.name,
        title=one.title,
        state=one.state,
        run=one.run,
        hash=one.study,
        rounds=len(store.memory(one.run)),
        sites=standing,
        code=one.code,
        why=one.text,
        fix=one.fix,
        failed=tuple(
            FailedAnalysis(name, why["code"], why["text"], why.get("fix", ""))
            for name, why in failures.items()
        ),
        results=results if with_results and results else None,
    )


def begin(home: Path, reference: str, *, by: str = "") -> SubmittedStudy:
    """A study that waits for no further approval: it begins with the sites that have approved.

    Raises:
        InputError: it has begun or ended, or fewer sites have approved than it needs.
    """
    load(home)
    store = Store(home)
    one = store.submission(reference)
    if one.roster is not None or not store.is_open(one.run):
        raise InputError(Code.INVALID_INPUT, f"run {one.run} does not wait for approvals: it is {one.state}")
    study = signing.read_signed(home, one.sealed)
    approved = [site for site, (state, _) in store.standing(one.run).items() if state == "approved"]
    if len(approved) < study.min_sites:
        text = f"{len(approved)} sites have approved, the study needs {study.min_sites}"
        raise InputError(Code.TOO_FEW_SITES, text, "wait, or withdraw it and ask for fewer sites")
    store.hasten(one.run)
    store.note(one.run, "waits for no further site", by or unix_user())
    audit_chain.act(home, "study-begun", by, study=one.study, run=one.run)
    return _submitted(store.submission(one.run))


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
        audit_chain.act(home, "study-withdrawn", by, study=found.study, run=found.run)
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
    store = Store(home)
    left = [Left(**answer) for answer in store.answers(outcome.run)]
    ended_at = store.submission(outcome.run).ended_at
    ran = (
        [] if ended_at is None else [(f"{datetime.fromtimestamp(ended_at, UTC):%Y-%m-%d}", "day of the run")]
    )
    return WrittenFile(write_report(study, outcome, left, out, facts=ran))


def verify(home: Path, reference: str) -> VerifiedStudy:
    """A study whose result was recomputed from its kept rounds. No site is asked.

    Raises:
        InputError: it has no result, or what was kept was altered.
    """
    study, outcome = recompute(home, reference)
    return VerifiedStudy(study.name, outcome.run, outcome.rounds, len(outcome.results))


def _standing(home: Path, store: Store, one: Submission) -> tuple[SiteStanding, ...]:
    """How each site stands to a study, with the rules that one by its policy refused it for."""
    said = sorted(store.standing(one.run).items())
    why: Mapping[str, tuple[str, ...]] = {}
    if any(code is Code.REFUSED_BY_POLICY for _, (_, code) in said):
        why = Policies(home).refusals(signing.read_signed(home, one.sealed))
    return tuple(
        SiteStanding(
            site, state, code, "; ".join(why.get(site, ())) if code is Code.REFUSED_BY_POLICY else ""
        )
        for site, (state, code) in said
    )


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
