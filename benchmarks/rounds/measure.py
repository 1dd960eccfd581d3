"""Seconds a round over real processes: a center and sites on this machine, TLS, one study after another.

Run: .venv/bin/python benchmarks/rounds/measure.py [--sites 3] [--studies 4] [--json]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # PYTHONSAFEPATH leaves it out

from tests.lib.federation import Federation, founded, logistic_study, started


def main() -> None:
    """Prints the measurement, as lines or as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sites", type=int, default=3)
    parser.add_argument("--studies", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    names = tuple(chr(ord("a") + i) for i in range(arguments.sites))
    with tempfile.TemporaryDirectory() as folder, started(founded(Path(folder), names)) as federation:
        rounds = [s for i in range(arguments.studies) for s in _seconds_of_rounds(federation, i)]
    found = {
        "sites": arguments.sites,
        "rounds": len(rounds),
        "median_seconds": round(statistics.median(rounds), 2),
        "min_seconds": round(min(rounds), 2),
        "max_seconds": round(max(rounds), 2),
        "start_center_seconds": round(federation.seconds["center"], 1),
        "start_all_seconds": round(federation.seconds["all"], 1),
        "stop_all_seconds": round(federation.seconds["stop"], 1),
        "load_average": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count(),
    }
    print(json.dumps(found) if arguments.json else "\n".join(f"{k:22} {v}" for k, v in found.items()))


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
