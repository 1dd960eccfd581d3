"""What a page of a site costs: CPU seconds of the web process and of the one that acts, together.

`python -m benchmarks.web.site_pages [PEOPLE]`. The bars: the first page in 150 ms, a list page of 100 rows in
300 ms, on a CDM of 10,000 people. Its peer is what the command line spends on the same answer.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.lib.site_pages import site_with_pages
from tests.lib.studies import a_study

REPEATS = 7
PATHS = ("/", "/studies", "/data", "/mapping", "/left", "/audit")


def main(people: int) -> None:
    """Prints one line per page."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "oslo"
        began = time.perf_counter()
        with site_with_pages(home, people) as site:
            print(f"{people} people loaded in {time.perf_counter() - began:.0f} s")
            for number in range(120):
                site.propose(name=f"study-{number}", title=a_study().title)
            headers = site.cookie("reader")
            with httpx.Client(base_url=site.address, headers=headers, timeout=120, trust_env=False) as client:
                for path in PATHS:
                    client.get(path).raise_for_status()
                    print(f"{path:12} {1000 * seconds_of(client, path):7.0f} ms of CPU, median of {REPEATS}")
        began = time.process_time()
        command = [sys.executable, "-m", "server.main", "--json", "inbox", "list", "--home", str(home)]
        before = seconds_of_children()
        subprocess.run(command, check=True, capture_output=True)
        print(
            f"{'inbox list':12} {1000 * (seconds_of_children() - before):7.0f} ms of CPU, at the command line"
        )


def seconds_of(client: httpx.Client, path: str) -> float:
    """CPU seconds of a page: of both sides of the socket and of the client, which run in this process."""
    found = []
    for _ in range(REPEATS):
        before = time.process_time()
        client.get(path)
        found.append(time.process_time() - before)
    return statistics.median(found)


def seconds_of_children() -> float:
    """CPU seconds of the commands that were run so far."""
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
