"""The process that does the long work that pages ask for, one job after the other.

Run as `python -m site_node.desk.worker --home DIR`. It can be killed: loads go on from where they were.
"""

import argparse
import logging
import signal
import threading
from pathlib import Path

from protocols.runtime.logs import write_log
from site_node.desk import jobs
from site_node.home.config import load

log = logging.getLogger("shadowgraph.worker")


def work(home: Path, stop: threading.Event) -> None:
    """Does job after job until `stop`."""
    while not stop.is_set():
        job = jobs.next_job(home)
        if job is None:
            stop.wait(jobs.LOOK_SECONDS)
            continue
        ended = jobs.do(home, job)
        log.info("job %d (%s): %s", ended.number, ended.kind, ended.state)


def main() -> None:
    """Works until SIGTERM; the job under way is taken up again at the next start."""
    parser = argparse.ArgumentParser(prog="python -m site_node.desk.worker")
    parser.add_argument("--home", type=Path, required=True, help="the site's folder")
    write_log()
    home = load(parser.parse_args().home.resolve()).home
    signal.signal(signal.SIGTERM, lambda *_: _exit())
    work(home, threading.Event())


def _exit() -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
