"""What a monitor may know of a site; `python -m site_node.administration.metrics --home DIR` serves it.

Nothing is counted from patients' rows: no table, no quarantine, no cohort.
"""

import argparse
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from protocols.core.errors import Code
from protocols.runtime import daemons
from protocols.runtime.checks import Check
from protocols.runtime.metrics import Family, by, one, serve
from protocols.runtime.reach import days_left_of
from site_node.administration import checks
from site_node.administration.processes import RUN, Reach, reached
from site_node.governance import audit, holds, proposed
from site_node.governance.approvals import State
from site_node.home.config import load
from site_node.home.membership import CONSORTIUM, consortium


def measure(home: Path) -> Iterator[Family]:
    """The metrics of the site in `home` now."""
    settings = load(home)
    yield one("up", "Whether the site's folder can be read.", 1)
    running = bool(daemons.services(settings.home / RUN))
    is_connected = running and reached(settings) is Reach.CONNECTED
    yield one("center_reached", "Whether the SuperNode said last that it is connected.", float(is_connected))
    studies = Counter(str(study.state) for study in proposed.inbox(home))
    yield by("studies", "Proposed studies by how they stand here.", "state", State, studies)
    yield one("answers_held", "Answers that wait for people.", len(holds.waiting(home)))
    events: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    last = None
    for line in audit.lines(home):
        events[str(line["event"])] += 1
        if line["event"] == "refused":
            codes[str(line["code"])] += 1
        if line["event"] == "answered":
            last = datetime.fromisoformat(str(line["at"]))
    yield Family("answers_total", "Answers that left.", {"": events["answered"]}, kind="counter")
    if last is not None:
        since = (datetime.now(UTC) - last).total_seconds()
        yield one("answer_seconds_since", "Since an answer last left.", since)
    refused = {str(code): codes[str(code)] for code in Code}
    yield Family("refusals_total", "Messages that were refused, by code.", refused, "code", "counter")
    if (home / CONSORTIUM).is_file():
        days = days_left_of(consortium(home).root_certificate.encode())
        if days is not None:
            yield Family("certificate_days", "Days until a certificate ends.", {"root": days}, "certificate")
    yield one("disk_free_bytes", "Free on the folder's disk.", shutil.disk_usage(home).free)


def ready(home: Path) -> Iterator[Check]:
    """What has to be well for the site to work."""
    return checks.ready(home)


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m site_node.administration.metrics")
    parser.add_argument("--home", type=Path, required=True, help="the site's folder")
    settings = load(parser.parse_args().home)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(settings.metrics_port, lambda: measure(settings.home), lambda: ready(settings.home))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
