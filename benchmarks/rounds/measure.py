"""Seconds a round over real processes: a center and sites on this machine, TLS, one study after another.

Run: .venv/bin/python benchmarks/rounds/measure.py [--sites 3] [--studies 4] [--json] [--before REVISION]

`cpu_site_study` is the CPU seconds of all processes of one site for one study, from its proposal to its end.
With `--before` an earlier revision is measured first, by this file in a clone with its own environment.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # PYTHONSAFEPATH leaves it out

from benchmarks.revisions import cloned  # noqa: E402
from protocols.runtime import daemons  # noqa: E402
from tests.lib.federation import Federation, founded, logistic_study, started  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Prints the measurement, as lines or as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sites", type=int, default=3)
    parser.add_argument("--studies", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--before", metavar="REVISION")
    arguments = parser.parse_args()
    if arguments.before:
        measure_before(
            arguments.before, ["--sites", str(arguments.sites), "--studies", str(arguments.studies)]
        )
    names = tuple(chr(ord("a") + i) for i in range(arguments.sites))
    with tempfile.TemporaryDirectory() as folder, started(founded(Path(folder), names)) as federation:
        rounds, seconds = [], []
        for number in range(arguments.studies):
            began = cpu_seconds(federation, names[0])
            rounds += _seconds_of_rounds(federation, number)
            seconds.append(cpu_seconds(federation, names[0]) - began)
    found = {
        "sites": arguments.sites,
        "rounds": len(rounds),
        "median_seconds": round(statistics.median(rounds), 2),
        "min_seconds": round(min(rounds), 2),
        "max_seconds": round(max(rounds), 2),
        "cpu_site_study": round(statistics.median(seconds), 2),
        "start_center_seconds": round(federation.seconds["center"], 1),
        "start_all_seconds": round(federation.seconds["all"], 1),
        "stop_all_seconds": round(federation.seconds["stop"], 1),
        "load_average": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count(),
    }
    print(json.dumps(found) if arguments.json else "\n".join(f"{k:22} {v}" for k, v in found.items()))


def measure_before(revision: str, words: list[str]) -> None:
    """Prints what this file measures of an earlier revision, in a clone with an environment of its own."""
    with tempfile.TemporaryDirectory() as name:
        clone = cloned(revision, Path(name) / "before")
        subprocess.run(["make", ".venv/ready"], cwd=clone, stdout=subprocess.DEVNULL, check=True)
        own = clone / "benchmarks" / "rounds" / "measure.py"
        shutil.copy(__file__, own)
        shutil.copy(ROOT / "benchmarks" / "revisions.py", own.parents[1])
        subprocess.run([str(clone / ".venv/bin/python"), str(own), *words, "--json"], cwd=clone, check=True)


def cpu_seconds(federation: Federation, name: str) -> float:
    """What the processes of a site have taken since they began, with their children that ended."""
    services = daemons.services(federation.sites[name] / "run").values()
    times = (Path(f"/proc/{one['pid']}/stat").read_text().rsplit(")", 1)[1].split() for one in services)
    return sum(sum(map(int, fields[11:15])) for fields in times) / TICKS


def _seconds_of_rounds(federation: Federation, number: int) -> list[float]:
    study = logistic_study(f"benchmark-{number}")
    submitted = federation.propose(study)
    federation.approve(study)
    federation.ended(submitted)
    events: list[dict[str, Any]] = federation.store.events(submitted.run)
    asked = {e["detail"]: e["at"] for e in events if e["what"] == "asked"}
    return [e["at"] - asked[e["detail"]] for e in events if e["what"] == "answered"]


if __name__ == "__main__":
    main()
