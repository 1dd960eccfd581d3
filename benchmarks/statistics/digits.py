"""What an honest logistic regression on 0/1 covariates tells of its people: small cells of their joint table.

`python -m benchmarks.statistics.digits` prints the table of docs/digits.md: of the cells of one to nine
people, the share that is read exactly from the totals of the rounds and from the published result, where
sites show their derivatives and all digits, and as shipped; and by guessing from the margins.
"""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import numpy as np
from scipy.optimize import nnls
from scipy.special import expit

from protocols.core.table import AnalysisTable, Floats
from protocols.exchange import local, rounds, sides
from protocols.exchange.local import run_locally
from tests.lib.lying_coordinator import drawn, pooled
from tests.lib.overheard import Overheard
from tests.lib.studies import a_study_of
from tests.redteam.rt47_honest_sums import by_information, genes, no_turn, patterns

DESIGNS = ((3, 240), (4, 240), (5, 240), (6, 2400), (7, 2400))
DRAWS = 10
SHARE = 0.2
_DIGITS = {True: "full", False: "earned"}


def run(tables: Mapping[str, AnalysisTable], names: list[str], *, weakened: bool) -> Overheard:
    """What is left of one run in this process."""
    study = a_study_of([*names, "y"], {"name": "a", "spec": _spec(names)}, digits=_DIGITS[weakened])
    found, join = Overheard(), rounds.join_round

    def noted(study: Any, question: Any, asked: str, answers: Any) -> list[dict[str, Any]]:
        joined = join(study, question, asked, answers)
        found.asked.extend(zip(question.asks, joined, strict=True))
        return joined

    with ExitStack() as stack:
        stack.enter_context(patch.object(rounds, "join_round", noted))
        for module in (sides, local) if weakened else ():
            stack.enter_context(patch.object(module, "turn", no_turn))
        found.outcome = run_locally(study, list(tables.values()), full=weakened)
    return found


def of_published(found: Any, events: int) -> Floats:
    """Counts of patterns from coefficients, covariance, people and events: by non-negative least squares."""
    z = np.column_stack([np.ones(2 ** (len(found.coef) - 1)), patterns(len(found.coef) - 1)])
    chance = expit(z @ found.coef)
    information = np.linalg.inv(found.covariance)
    pairs = [(j, k) for j in range(z.shape[1]) for k in range(j, z.shape[1])]
    rows = [np.ones(len(z)), chance, *(chance * (1 - chance) * z[:, j] * z[:, k] for j, k in pairs)]
    right = np.array([found.n, events, *(information[j, k] for j, k in pairs)])
    return nnls(np.array(rows), right)[0]


def guessed(tables: Mapping[str, AnalysisTable], names: list[str]) -> Floats:
    """Counts of patterns if the covariates were independent."""
    x = pooled(tables, *names)
    share = x.mean(axis=0)
    return len(x) * np.prod(np.where(patterns(len(names)) == 1, share, 1 - share), axis=1)


def main() -> None:
    """Prints the table."""
    begun = time.perf_counter()
    heads = (
        "| covariates, people | totals, shown | totals, as shipped | published in full | as earned | guess |"
    )
    print(heads + "\n|---|---|---|---|---|---|")
    for count, people in DESIGNS:
        read, small = np.zeros(5), 0
        for draw in range(DRAWS):
            names = [f"g{j}" for j in range(count)]
            tables = {
                site: table.select(np.arange(people // 3) + draw * (people // 3))
                for site, table in drawn(genes(count, SHARE), people // 3 * DRAWS).items()
            }
            x = pooled(tables, *names)
            truth = np.array([(x == p).all(axis=1).sum() for p in patterns(count)])
            few = (truth > 0) & (truth < 10)
            shown, shipped = (run(tables, names, weakened=weakened) for weakened in (True, False))
            found = [by_information(held, names) for held in (shown, shipped)]
            for held in (shown, shipped):
                result = held.outcome["a"] if held.outcome else None
                found.append(of_published(result, result.n_events))
            found.append(guessed(tables, names))
            read += [np.sum((np.rint(f) == truth)[few]) if f is not None else 0 for f in found]
            small += int(few.sum())
        print(f"| {count}, {people:,} | " + " | ".join(f"{share:.2f}" for share in read / small) + " |")
    print(f"{DRAWS} draws each, {time.perf_counter() - begun:.0f} s")


def _spec(names: list[str]) -> dict[str, object]:
    return {"protocol": "logistic", "outcome": "y", "covariates": names}


if __name__ == "__main__":
    main()
