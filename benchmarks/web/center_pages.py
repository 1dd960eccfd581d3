"""What a page of a center costs: CPU seconds of the web process and of the one that acts, together.

`python -m benchmarks.web.center_pages [STUDIES]`. The bars: the first page in 150 ms, a list page of 100
rows in 300 ms. A center of four sites has that many studies, of which half wait and half were withdrawn, and
one that ran to its end. Its peer is what the command line spends on the same list.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

from benchmarks.web.site_pages import REPEATS, seconds_of, seconds_of_children
from server.actions import studies
from tests.lib.center_pages import Center, center_with_pages
from tests.unit.client.test_builders import lgg

LISTS = (
    "/",
    "/studies",
    "/approvals",
    "/questions",
    "/catalogue",
    "/models",
    "/network",
    "/draft",
    "/cohorts",
)


def main(number: int) -> None:
    """Prints one line per page."""
    with tempfile.TemporaryDirectory() as folder, center_with_pages(Path(folder), working=False) as center:
        home = center.consortium.home
        study = lgg().study
        done = center.consortium.propose(study).run
        center.consortium.decide(study, "approved")
        center.consortium.ends(done)
        for n in range(number):
            run = center.consortium.propose(study.model_copy(update={"name": f"study-{n}"})).run
            if n % 2:
                studies.withdraw(home, run)
        print(f"{number} studies of {len(center.consortium.names)} sites; load {os.getloadavg()[0]:.1f}")
        with _signed_in(center) as client:
            for path in (*LISTS, f"/studies/{done}", f"/studies/{done}/results"):
                client.get(path).raise_for_status()
                name = path.replace(done, "RUN")
                print(f"{name:24} {1000 * seconds_of(client, path):7.0f} ms of CPU, median of {REPEATS}")
        command = [sys.executable, "-m", "server.main", "--json", "study", "list", "--home", str(home)]
        before = seconds_of_children()
        subprocess.run(command, check=True, capture_output=True)
        print(
            f"{'study list':24} {1000 * (seconds_of_children() - before):7.0f} ms of CPU, at the command line"
        )


def _signed_in(center: Center) -> httpx.Client:
    word = center.people["carl"].signs_in(center.accounts).word
    headers = {"Sec-Fetch-Site": "same-origin", "Cookie": f"__Host-shadowgraph={word}"}
    return httpx.Client(base_url=center.address, headers=headers, timeout=120, trust_env=False)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 120)
