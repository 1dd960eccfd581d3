"""What people of a center may want to know; `python -m server.administration.notices` tells it."""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from protocols.runtime import notices
from protocols.runtime.notice_kinds import of_folder
from protocols.runtime.notices import Notice, Told
from protocols.runtime.reach import days_left
from server.administration.checks import CERTIFICATES
from server.home.config import load
from server.home.identity import KEYS
from server.home.store import Store

DAY = 86400.0
_NEWS_DAYS, _LATEST = 7, 200


def collect(home: Path) -> Iterator[Notice]:
    """All that holds now of the center in `home`."""
    settings, now = load(home), time.time()
    ends = {f"center's {what}": days_left(settings.home / KEYS / name) for name, what in CERTIFICATES.items()}
    yield from of_folder(settings.home, ends)
    store = Store(settings.home)
    for site in store.sites():
        if site.takes_part and site.seen_at is not None and now - site.seen_at > DAY:
            day = datetime.fromtimestamp(site.seen_at, UTC).date().isoformat()
            text = f"site {site.name} has not been online for a day"
            yield Notice(f"unseen/{site.name}/{day}", "site-unseen", text)
    for entry in islice(store.entries(), _LATEST):
        if entry.name.startswith("query-") or now - entry.submitted_at > _NEWS_DAYS * DAY:
            continue
        if not store.is_open(entry.run):
            yield Notice(f"ended/{entry.run}", "study-ended", f"study {entry.name} has ended: {entry.state}")
        for site_name, (state, _) in store.standing(entry.run).items():
            if state == "refused":
                text = f"site {site_name} refused study {entry.name}"
                yield Notice(f"refused/{entry.run}/{site_name}", "study-refused", text)


def tell(home: Path, *, is_trial: bool = False) -> Told:
    """What was told just now of what is new at the center in `home`."""
    settings = load(home)
    now = () if is_trial else collect(settings.home)
    return notices.tell(settings.home, f"center {settings.consortium}", now, is_trial=is_trial)


def main() -> None:
    """Tells what is new every so many hours."""
    parser = argparse.ArgumentParser(prog="python -m server.administration.notices")
    parser.add_argument("--home", type=Path, required=True, help="the center's folder")
    home = load(parser.parse_args().home).home
    notices.keep_telling(home, lambda: tell(home), time.sleep)


if __name__ == "__main__":
    main()
