"""What a Cox model with one baseline hazard sends, now and at an earlier commit, in one run.

    OMP_NUM_THREADS=1 python -m benchmarks.statistics.shared_baseline [--before COMMIT]

Three sites, 500 intervals, 50 covariates, masked sums, each commit in a process of its own: rounds, megabytes
that a site is asked, sends and is relayed, CPU seconds of the whole run (three sites and the center in one
process), and how far coefficients and standard errors of the two are apart.
"""

import argparse
import json

import numpy as np

from benchmarks.compared import in_two_processes, weighed
from protocols.core.table import AnalysisTable
from tests.lib.studies import a_study_of

FOUND = ("coef", "se")


def tables(people: int, covariates: int, bins: int) -> list[AnalysisTable]:
    """Sites whose people's days fill the grid; half of the people have the event."""
    found = []
    for seed, site in enumerate("abc"):
        draw = np.random.default_rng(seed)
        x = draw.normal(size=(people, covariates))
        risk = np.exp(x @ (draw.normal(size=covariates) / np.sqrt(4 * covariates)))
        until, censored = draw.exponential(7 * bins / 2 / risk), draw.uniform(0, 7 * bins, people)
        columns = {f"x{j}": np.ascontiguousarray(x[:, j]) for j in range(covariates)}
        columns |= {"os.time": np.ceil(np.minimum(until, censored)), "os.event": (until <= censored) * 1.0}
        found.append(AnalysisTable(site, np.arange(people) + 10**6 * seed, columns))
    return found


def one(people: int, covariates: int, bins: int) -> None:
    """Prints one run of this code."""
    names = [f"x{j}" for j in range(covariates)]
    spec = {"protocol": "cox", "outcome": "os", "covariates": names, "stratify": "none"}
    spec |= {"grid": {"step_days": 7, "until_days": 7 * bins}}
    study = a_study_of(names, {"name": "cox", "spec": spec}, survival=["os"])
    outcome, cost = weighed(study, tables(people, covariates, bins))
    print(json.dumps(cost | {name: getattr(outcome["cox"], name).tolist() for name in FOUND}))


def main() -> None:
    """Prints one line of JSON a commit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", help="the commit to compare with")
    parser.add_argument("--people", type=int, default=20_000, help="of a site")
    parser.add_argument("--covariates", type=int, default=50)
    parser.add_argument("--bins", type=int, default=500)
    parser.add_argument("--one", action="store_true", help="this code alone, with its coefficients")
    given = parser.parse_args()
    sizes = {name: getattr(given, name) for name in ("people", "covariates", "bins")}
    if given.one:
        one(**sizes)
        return
    words = [word for name, size in sizes.items() for word in (f"--{name}", str(size))]
    found = in_two_processes("benchmarks.statistics.shared_baseline", words, given.before)
    for name in FOUND if given.before else ():
        now, before = (np.array(found[when][name]) for when in ("now", "before"))
        print(f"{name} apart by {np.abs(now / before - 1).max():.1e}")
    for when, run in found.items():
        print(json.dumps({"commit": when} | {name: cost for name, cost in run.items() if name not in FOUND}))


if __name__ == "__main__":
    main()
