"""Milliseconds of CPU that the auditor adds to a question: `python -m benchmarks.auditor [PEOPLE] [EARLIER]`.

A hospital of 20,000 people whose earlier answers were about random cohorts, the worst case: all histories
differ, so that no people are one column. Then again over cohorts by ten yes-or-no findings, as studies have
them. Measured are questions in a warm agent, with the register's transaction.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from protocols.core.disclosure import Thresholds
from protocols.core.table import Integers
from site_node.governance.auditor import Auditor, Behind

ASKED = 10
ROSTER = ("a", "b", "c")


def random_cohorts(draw: np.random.Generator, people: int) -> Callable[[], Integers]:
    """Cohorts to which each person belongs by chance."""
    return lambda: np.flatnonzero(draw.random(people) < draw.uniform(0.2, 0.8))


def by_findings(draw: np.random.Generator, people: int) -> Callable[[], Integers]:
    """Cohorts of those who have one to three of ten findings."""
    findings = draw.random((10, people)) < 0.4
    return lambda: np.flatnonzero(findings[draw.choice(10, draw.integers(1, 4), replace=False)].all(axis=0))


def milliseconds(cohort: Callable[[], Integers], earlier: int) -> tuple[float, float, int]:
    """The median and the largest time of a question after `earlier` answers, and how many were let in."""
    with tempfile.TemporaryDirectory() as folder:
        auditor, times, let_in = Auditor(Path(folder)), [], 0
        for _ in range(earlier + ASKED):
            asked = [Behind(cohort(), frozenset({"age"}))]
            begun = time.process_time()
            let_in += auditor.admit(asked, ROSTER, Thresholds())
            times.append(time.process_time() - begun)
    last = np.array(times[-ASKED:]) * 1000
    return float(np.median(last)), float(last.max()), let_in


def main(people: int = 20_000, earlier: int = 500) -> None:
    for name, cohorts in (("random cohorts", random_cohorts), ("cohorts by findings", by_findings)):
        median, largest, let_in = milliseconds(cohorts(np.random.default_rng(1), people), earlier)
        sys.stdout.write(
            f"{name}: {median:.0f} ms of CPU, at most {largest:.0f}, after {earlier} of {people} people; "
            f"{let_in} of {earlier + ASKED} let in\n"
        )


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
