"""What an honest logistic regression on 0/1 covariates tells of its people: small cells of their joint table.

`python -m benchmarks.statistics.digits` prints the table of docs/digits.md: of the cells of one to nine
people, the share that is read exactly from the totals of the rounds and from the published result, where
sites show their derivatives and all digits, and as shipped; and by guessing from the margins. Below it, what
several models of the same people tell together of tables of two and three. The sites ask about no joint cells
before (`joint_cells`), since they would refuse these designs.
"""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import combinations, product
from typing import Any
from unittest.mock import patch

import numpy as np
from scipy.optimize import lsq_linear, nnls
from scipy.special import expit

from protocols.core.table import AnalysisTable, Floats
from protocols.exchange import local, people_first, rounds, sides
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
        stack.enter_context(patch.object(people_first, "_of_tables", lambda *_: ()))
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
    several(5, 240)
    print(f"{time.perf_counter() - begun:.0f} s")


def several(count: int, people: int) -> None:
    """Prints the share of small cells of tables of two and three that are read from all models together.

    The models are those of the same outcome on each set of two covariates or more, with earned digits.
    """
    names = [f"g{j}" for j in range(count)]
    sets = [one for k in range(2, count + 1) for one in combinations(range(count), k)]
    specs = [{"name": f"m{i}", "spec": _spec([names[j] for j in one])} for i, one in enumerate(sets)]
    read, guesses, small = np.zeros(4), np.zeros(4), np.zeros(4)
    for draw in range(DRAWS):
        tables = {
            site: table.select(np.arange(people // 3) + draw * (people // 3))
            for site, table in drawn(genes(count, SHARE), people // 3 * DRAWS).items()
        }
        with patch.object(people_first, "_of_tables", lambda *_: ()):
            found = run_locally(a_study_of([*names, "y"], *specs), list(tables.values()), full=False)
        x = pooled(tables, *names)
        truth = np.array([(x == p).all(axis=1).sum() for p in patterns(count)])
        counts = of_several([found[f"m{i}"] for i in range(len(sets))], sets, count)
        guess = guessed(tables, names)
        for k in (2, 3):
            for one, pattern in product(combinations(range(count), k), product((0, 1), repeat=k)):
                inside = (patterns(count)[:, list(one)] == pattern).all(axis=1)
                if 0 < truth[inside].sum() < 10:
                    small[k] += 1
                    read[k] += np.rint(counts[inside].sum()) == truth[inside].sum()
                    guesses[k] += np.rint(guess[inside].sum()) == truth[inside].sum()
    for k in (2, 3):
        shares = f"{read[k] / small[k]:.2f} read, {guesses[k] / small[k]:.2f} guessed"
        print(f"{len(sets)} models of {count} covariates, {people} people, tables of {k}: {shares}")


def of_several(found: list[Any], sets: list[tuple[int, ...]], count: int) -> Floats:
    """Counts of patterns from the results of models of several sets of covariates.

    Unknown are the counts and, for each covariate, how many of those with the outcome have it.
    """
    z = patterns(count)
    rows, right = [np.append(np.ones(len(z)), np.zeros(count)) * 1e3], [found[0].n * 1e3]
    for model, one in zip(found, sets, strict=True):
        x = np.column_stack([np.ones(len(z)), z[:, list(one)]])
        chance, information = expit(x @ model.coef), np.linalg.inv(model.covariance)
        spread = 0.01 * np.sqrt(np.diag(information))
        for j in range(x.shape[1]):
            with_outcome = np.zeros(count)
            if j:
                with_outcome[one[j - 1]] = -1
            rows.append(np.append(chance * x[:, j], with_outcome) / spread[j])
            right.append((0 if j else model.n_events) / spread[j])
            for k in range(j, x.shape[1]):
                weighted = chance * (1 - chance) * x[:, j] * x[:, k]
                rows.append(np.append(weighted, np.zeros(count)) / _between(spread, j, k))
                right.append(information[j, k] / _between(spread, j, k))
    solved = lsq_linear(np.array(rows), np.array(right), bounds=(0, np.inf), method="bvls", max_iter=500)
    return np.asarray(solved.x[: len(z)])


def _between(spread: Floats, j: int, k: int) -> float:
    """How far an entry of an information with two digits is from the exact one."""
    return float(100 * spread[j] * spread[k])


def _spec(names: list[str]) -> dict[str, object]:
    return {"protocol": "logistic", "outcome": "y", "covariates": names}


if __name__ == "__main__":
    main()
