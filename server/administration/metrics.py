"""What a monitor may know of a center; `python -m server.administration.metrics --home DIR` serves it."""

import argparse
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from protocols.runtime.checks import Check
from protocols.runtime.metrics import Family, by, one, serve
from protocols.runtime.reach import days_left
from server.administration import checks
from server.home.config import load
from server.home.identity import KEYS
from server.home.store import Store
from server.home.submissions import State

SITES = ("invited", "enrolled", "suspended", "online")
ONLINE_SECONDS = 60.0


def measure(home: Path) -> Iterator[Family]:
    """The metrics of the center in `home` now."""
    store, now = Store(home), time.time()
    sites, leader = store.sites(), store.leader()
    stand = Counter(
        "invited" if s.enrolment is None else "suspended" if not s.takes_part else "enrolled" for s in sites
    )
    stand["online"] = sum(s.seen_at is not None and now - s.seen_at < ONLINE_SECONDS for s in sites)
    yield one("up", "Whether the center's folder can be read.", 1)
    if leader is not None:
        yield one("coordinator_seconds_since", "Since the coordinator's last sign of life.", leader[1])
    yield by("sites", "Sites by how they stand.", "state", SITES, stand)
    studies = Counter(str(entry.state) for entry in store.entries())
    yield by("studies", "Submitted studies and queries by their state.", "state", State, studies)
    rounds, seconds = store.rounds()
    yield Family("rounds_total", "Rounds that were answered.", {"": rounds}, kind="counter")
    yield Family("rounds_seconds_total", "Seconds of these rounds.", {"": seconds}, kind="counter")
    ends = {name.removesuffix(".pem"): days_left(home / KEYS / name) for name in checks.CERTIFICATES}
    known = {name: days for name, days in ends.items() if days is not None}
    yield Family("certificate_days", "Days until a certificate ends.", known, "certificate")
    yield one("disk_free_bytes", "Free on the folder's disk.", shutil.disk_usage(home).free)


def ready(home: Path) -> Iterator[Check]:
    """What has to be well for the center to work."""
    return checks.ready(home)


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m server.administration.metrics")
    parser.add_argument("--home", type=Path, required=True, help="the center's folder")
    settings = load(parser.parse_args().home)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(settings.metrics_port, lambda: measure(settings.home), lambda: ready(settings.home))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
