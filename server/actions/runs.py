"""How a submitted study stands, for people: as a row, as a page, as a line for each thing that happens."""

import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from protocols.core.errors import Code, StudyError, UnreachableError
from server.home.config import load
from server.home.store import State, Store, Submission

LOOK_SECONDS = 0.3

_WAY_OUT = {
    Code.TOO_FEW_SITES: "pending: its administrator approves it, or gives a standing approval "
    "(shadowgraph inbox standing summary); unreachable: shadowgraph network sites says who is online",
}


def listed(home: Path) -> list[dict[str, Any]]:
    """Every submission as a row, the newest first."""
    load(home)
    return [
        {
            "study": one.name,
            "title": one.title,
            "state": str(one.state),
            "code": "" if one.code is None else str(one.code),
            "sites": ", ".join(one.roster or ()),
            "submitted": _time(one.submitted_at),
            "run": one.run,
        }
        for one in Store(home).submissions()
    ]


def shown(home: Path, one: Submission, *, with_results: bool = False) -> dict[str, Any]:
    """One submission as a page: where it stands, how each site stands to it, what it found."""
    store = Store(home)
    page: dict[str, Any] = {
        "study": one.name,
        "title": one.title,
        "state": str(one.state),
        "run": one.run,
        "hash": one.study,
        "rounds": len(store.memory(one.run)),
        "sites": [
            {"site": site, "state": state, "code": "" if code is None else str(code)}
            for site, (state, code) in sorted(store.standing(one.run).items())
        ],
    }
    if one.code is not None:
        page |= {"code": str(one.code), "why": one.text}
    if with_results and one.outcome is not None:
        page["results"] = json.loads(one.outcome)["results"]
    return page


def watch(home: Path, reference: str) -> Submission:
    """The submission when it has ended; each thing that happens meanwhile is a line on stderr.

    Raises:
        StudyError: it failed. UnreachableError: nobody coordinates.
    """
    load(home)
    store, last = Store(home), 0
    one = store.submission(reference)
    silent_since = time.monotonic()
    while True:
        ended = store.submission(one.run).ended_at is not None
        for event in store.events(one.run, last):
            last = event["id"]
            print(f"{_clock(event['at'])}  {event['what']:12} {event['detail']}", file=sys.stderr, flush=True)
        if ended:
            break
        if store.leader() is not None:
            silent_since = time.monotonic()
        elif time.monotonic() - silent_since > 30:
            raise UnreachableError(
                Code.CENTER_FAILED, "no coordinator is at work", "shadowgraph network start"
            )
        time.sleep(LOOK_SECONDS)
    one = store.submission(one.run)
    if one.state == State.FAILED:
        code = one.code or Code.CENTER_FAILED
        raise StudyError(code, one.text, _WAY_OUT.get(code, ""))
    return one


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%H:%M:%S")
