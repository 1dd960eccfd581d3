"""What people of a site may want to know; `python -m site_node.administration.notices` tells it."""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from protocols.runtime import daemons, notices
from protocols.runtime.notice_kinds import of_folder
from protocols.runtime.notices import Notice, Told
from protocols.runtime.reach import days_left_of
from site_node.administration.processes import RUN, Reach, reached
from site_node.governance import approvals, holds, proposed
from site_node.governance.approvals import State
from site_node.home.config import load
from site_node.home.membership import CONSORTIUM, consortium

SOON = timedelta(days=7)


def collect(home: Path) -> Iterator[Notice]:
    """All that holds now of the site in `home`."""
    settings, now = load(home), datetime.now(UTC)
    ends = {}
    if (settings.home / CONSORTIUM).is_file():
        ends["certificate of the center's authority"] = days_left_of(
            consortium(settings.home).root_certificate.encode()
        )
    yield from of_folder(settings.home, ends)
    for one in proposed.inbox(settings.home):
        if one.waits:
            yield Notice(f"arrived/{one.hash}", "study-arrived", f"study {one.name} waits for a decision")
        verdict = approvals.verdicts(settings.home, one.hash)[0]
        if one.state is State.APPROVED and verdict is not None and verdict.expires_at - now < SOON:
            at = verdict.expires_at.date().isoformat()
            text = f"the approval of study {one.name} ends on {at}"
            yield Notice(f"ends/{one.hash}/{at}", "approval-ends", text)
    for held in holds.waiting(settings.home):
        yield Notice(f"held/{held.id}", "answer-held", f"answer {held.id} waits for people to look at it")
    running = bool(daemons.services(settings.home / RUN))
    if running and reached(settings) is not Reach.CONNECTED:
        yield Notice(f"unreached/{now.date()}", "center-unreached", "the center is not reached")


def tell(home: Path, *, is_trial: bool = False) -> Told:
    """What was told just now of what is new at the site in `home`."""
    settings = load(home)
    now = () if is_trial else collect(settings.home)
    return notices.tell(settings.home, f"site {settings.name}", now, is_trial=is_trial)


def main() -> None:
    """Tells what is new every so many hours."""
    parser = argparse.ArgumentParser(prog="python -m site_node.administration.notices")
    parser.add_argument("--home", type=Path, required=True, help="the site's folder")
    home = load(parser.parse_args().home).home
    notices.keep_telling(home, lambda: tell(home), time.sleep)


if __name__ == "__main__":
    main()
