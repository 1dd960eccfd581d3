"""What a person can do with a run: watch what happens in it, and read how it ended."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from protocols.core.errors import Code, StudyError, UnreachableError
from server.actions import studies
from server.actions.studies import StudyView
from server.home.config import load
from server.home.store import Store
from server.home.submissions import State

LOOK_SECONDS = 0.3
SILENCE_SECONDS = 30.0

_WAY_OUT = {
    Code.TOO_FEW_SITES: "refused: shadowgraph study show says which rule of its policy; pending: its "
    "administrator approves it, or gives a standing approval (shadowgraph inbox standing summary); "
    "unreachable: shadowgraph network sites says who is online",
    Code.WITHHELD: "ask the other sites alone (--site for each), or people who differ by more from those of "
    "earlier questions",
    Code.ALREADY_ANSWERED: "give the study another name, or ask the sites of its first run alone (--site)",
    Code.BUDGET_SPENT: "its administrator approves it anew, for more runs",
}


@dataclass(frozen=True)
class RunEvent:
    """Something that happened in a run, in names and codes; events are numbered in their order."""

    number: int
    run: str
    at: datetime
    what: str
    detail: str
    schema_version: int = 1


def watch(home: Path, reference: str, *, after: int = 0) -> Iterator[RunEvent]:
    """What has happened in a run since event `after`, and what happens now, until it ends.

    Raises:
        InputError: no submitted study has that name, hash or run.
        UnreachableError: no coordinator is at work.
    """
    load(home)
    store, last = Store(home), after
    run = store.submission(reference).run
    silent_since = time.monotonic()
    while True:
        is_over = not store.is_open(run)  # looked up first: the last events come before the end
        for event in store.events(run, last):
            last = event["id"]
            at = datetime.fromtimestamp(event["at"], UTC)
            yield RunEvent(last, run, at, event["what"], event["detail"])
        if is_over:
            return
        if store.leader() is not None:
            silent_since = time.monotonic()
        elif time.monotonic() - silent_since > SILENCE_SECONDS:
            raise UnreachableError(
                Code.CENTER_FAILED, "no coordinator is at work", "shadowgraph network start"
            )
        time.sleep(LOOK_SECONDS)


def ended(home: Path, reference: str, *, with_results: bool = False) -> StudyView:
    """How a run ended that was watched to its end.

    Raises:
        StudyError: it failed.
    """
    view = studies.shown(home, reference, with_results=with_results)
    if view.state is State.FAILED:
        code = view.code or Code.CENTER_FAILED
        raise StudyError(code, view.why, _WAY_OUT.get(code, ""))
    return view
