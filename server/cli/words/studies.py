"""What people read of studies and their runs."""

import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from protocols.core.errors import ExitCode
from protocols.core.feasibility import Doubt
from protocols.runtime.output import Output
from server.actions.runs import RunEvent
from server.actions.studies import (
    CheckedStudy,
    SignedStudy,
    StudyList,
    StudyView,
    SubmittedStudy,
    VerifiedStudy,
    WrittenFile,
)
from server.home.submissions import State

Row = dict[str, Any]

EXIT_CODES = {State.PARTIAL: ExitCode.PARTIAL, State.WITHDRAWN: ExitCode.FAILED}
"""What the shell is told of a study that was watched to its end; one that failed is an error."""


def example(written: WrittenFile) -> Row:
    """Where the example is, and what to do with it."""
    path = str(written.path)
    return {"study": path, "next": f"edit it, then: shadowgraph study validate {path}"}


def checked_study(study: CheckedStudy) -> Output[CheckedStudy]:
    """A valid study, and an exit code that says whether something in it is in doubt."""
    in_doubt = study.doubts or study.refusals
    return Output(study, checked, ExitCode.PARTIAL if in_doubt else ExitCode.DONE)


def doubtful(doubts: Iterable[Doubt]) -> list[Row]:
    """What in a study could not work, one row each."""
    return [
        {"where": one.where, "what": one.text, "fix": one.fix, "works": "nowhere" if one.is_certain else "?"}
        for one in doubts
    ]


def checked(study: CheckedStudy) -> Row:
    """A valid study in words."""
    refusals = [{"site": site, "would refuse": "; ".join(why)} for site, why in study.refusals.items()]
    return {
        **({"in doubt": doubtful(study.doubts)} if study.doubts else {}),
        **({"refusals": refusals} if refusals else {}),
        "name": study.name,
        "title": study.title,
        "hash": study.hash,
        "variables": study.variables,
        **({"names of blocks": dict(study.blocks)} if study.blocks else {}),
        "sites at least": study.min_sites,
        "what would leave": list(study.would_leave),
    }


def signed(study: SignedStudy) -> Row:
    """Where a signed study is."""
    return {"study": study.name, "hash": study.hash, "signed": str(study.path)}


def submitted(study: SubmittedStudy) -> Row:
    """A study that was submitted, and how to watch it."""
    return {
        "study": study.name,
        "run": study.run,
        "state": str(study.state),
        "next": f"shadowgraph study watch {study.name}",
    }


def withdrawn(study: SubmittedStudy) -> Row:
    """A study that was stopped."""
    return {"study": study.name, "run": study.run, "state": str(study.state)}


def studies(listed: StudyList) -> list[Row]:
    """One row per submitted study; `study show` has the title."""
    return [
        {
            "study": one.name,
            "state": str(one.state),
            "code": one.failed or (str(one.code) if one.code else ""),
            "sites": ", ".join(one.sites),
            "submitted": local(one.submitted_at),
            "run": one.run,
        }
        for one in listed.studies
    ]


def study(view: StudyView) -> Row:
    """A study as a page: where it stands, how each site stands to it, what it found."""
    page: Row = {
        "study": view.name,
        "title": view.title,
        "state": str(view.state),
        "run": view.run,
        "hash": view.hash,
        "rounds": view.rounds,
        "sites": [{"site": s.site, "state": s.state, "code": s.code or "", "why": s.why} for s in view.sites],
    }
    if view.code is not None:
        page |= {"code": str(view.code), "why": view.why} | ({"fix": view.fix} if view.fix else {})
    if view.failed:
        page["failed"] = [
            {"analysis": f.name, "code": f.code, "why": f.why, "fix": f.fix} for f in view.failed
        ]
    if view.results is not None:
        page["results"] = dict(view.results)
    return page


def watched(view: StudyView) -> Output[StudyView]:
    """A study that ended, and the exit code that says how."""
    return Output(view, study, EXIT_CODES.get(view.state, ExitCode.DONE))


def verified(study: VerifiedStudy) -> Row:
    """A study that was recomputed."""
    return {
        "study": study.name,
        "run": study.run,
        "rounds": study.rounds,
        "analyses": study.analyses,
        "verified": "signature, rounds and results fit each other",
    }


def report(written: WrittenFile) -> Row:
    """Where a report is."""
    return {"report": str(written.path)}


def say(events: Iterable[RunEvent]) -> None:
    """Prints a line for each event as it happens, beside the result, which goes to stdout.

    Whoever interrupts stops the watching and not the run, and is told so.
    """
    run = ""
    try:
        for event in events:
            run = event.run
            at = f"{event.at.astimezone():%H:%M:%S}"
            print(f"{at}  {event.what:12} {event.detail}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        if run:
            ways = f"`shadowgraph study watch {run}` looks again, `study withdraw {run}` takes it back"
            print(f"\nthe study goes on: {ways}", file=sys.stderr)
        raise


def local(at: datetime) -> str:
    """A time to the minute, in this machine's time zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
