"""What federation costs the methods of second moments, in CPU time over 1 to 20 sites.

OMP_NUM_THREADS=1 python -m benchmarks.statistics.moments [--repeat 5] [--small]

For each method: our own kernel on all rows at one site; the same rows over 2, 5, 10 and 20 sites, their steps
and the coordination together (plain sums); a whole study over 5 sites as it runs in a notebook, with gate,
wire format and masked sums; and the pooled fit of a library, in the same process. CPU seconds, the least of
the repeats. One line of JSON for each method.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.cross_decomposition import CCA, PLSRegression
from sklearn.decomposition import PCA
from sklearn.linear_model import ElasticNet
from statsmodels.api import OLS, Logit

from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from tests.lib.studies import a_study_of
from tests.lib.ungated import estimated

SITES = (1, 2, 5, 10, 20)
Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """One method on one size of data, and the library's pooled fit of the same."""

    name: str
    spec: dict[str, Any]
    columns: Columns
    peer: str
    fit: Callable[[], object]


def cpu(run: Callable[[], object], repeat: int) -> float:
    """The least CPU seconds of the repeats."""
    seconds = []
    for _ in range(repeat):
        began = time.process_time()
        run()
        seconds.append(time.process_time() - began)
    return min(seconds)


def split(columns: Columns, sites: int) -> list[AnalysisTable]:
    """The rows over so many sites."""
    n = len(next(iter(columns.values())))
    return [
        AnalysisTable(f"s{i}", part, {name: column[part] for name, column in columns.items()})
        for i, part in enumerate(np.array_split(np.arange(n), sites))
    ]


def cases(small: bool) -> list[Case]:
    """The methods, at sizes of a consortium's study."""
    rng = np.random.default_rng(0)
    n = 2_000 if small else 20_000

    def drawn(prefix: str, count: int, people: int = n) -> Columns:
        return {f"{prefix}{j}": rng.normal(size=people) for j in range(count)}

    x, few, age = drawn("x", 100), drawn("y", 10), drawn("c", 5)
    features, outcomes = drawn("f", 200, n // 4), drawn("o", 150, n // 4)
    confounders = drawn("c", 5, n // 4)
    binary = {name: (column > 0.3).astype(float) for name, column in drawn("b", 2, n // 4).items()}
    matrix, targets = np.column_stack(list(x.values())), np.column_stack(list(few.values()))
    with_one = np.column_stack([np.ones(n), matrix])

    def scan() -> object:
        """Projects the confounders out of the rows, then one product (Shabalin 2012)."""
        C = np.column_stack([np.ones(n // 4), *confounders.values()])
        q = np.linalg.qr(C)[0]
        F, Y = np.column_stack(list(features.values())), np.column_stack(list(outcomes.values()))
        F, Y = F - q @ (q.T @ F), Y - q @ (q.T @ Y)
        squares = (F**2).sum(axis=0)
        beta = F.T @ Y / squares[:, None]
        rss = (Y**2).sum(axis=0) - beta**2 * squares[:, None]
        return beta / np.sqrt(rss / (n // 4 - 7) / squares[:, None])

    def logits() -> object:
        C = np.column_stack([np.ones(n // 4), *confounders.values()])
        pairs = [(f, b) for f in list(features.values())[:50] for b in binary.values()]
        return [Logit(b, np.column_stack([C, f])).fit(disp=0, tol=1e-10) for f, b in pairs]

    xs, ys = tuple(x), tuple(few)
    linear = {"protocol": "linear", "outcome": "y0", "covariates": xs}
    penalty = {"penalty": {"l1_ratio": 0.5, "number": 20}}

    def nets() -> object:
        z, y = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0), targets[:, 0] - targets[:, 0].mean()
        largest = np.abs(z.T @ y).max() / n / 0.5
        path = largest * np.geomspace(1, 1e-3, 20)
        return [ElasticNet(alpha=a, l1_ratio=0.5, fit_intercept=False, tol=1e-10).fit(z, y) for a in path]

    everything = x | few | age
    scanned = features | outcomes | confounders
    names = tuple(features), tuple(outcomes), tuple(confounders)
    return [
        Case(
            "linear, 100 covariates",
            linear,
            everything,
            "statsmodels OLS",
            lambda: OLS(targets[:, 0], with_one).fit().bse,
        ),
        Case("elastic net, 20 penalties", linear | penalty, everything, "sklearn ElasticNet", nets),
        Case(
            "associate, 30,000 linear tests",
            {"protocol": "associate", "features": names[0], "outcomes": names[1], "confounders": names[2]},
            scanned,
            "numpy projection",
            scan,
        ),
        Case(
            "associate, 100 logistic tests",
            {
                "protocol": "associate",
                "features": names[0][:50],
                "outcomes": tuple(binary),
                "confounders": names[2],
                "model": "logistic",
            },
            features | binary | confounders,
            "statsmodels Logit",
            logits,
        ),
        Case(
            "pca of 100 columns",
            {"protocol": "pca", "features": xs, "components": 10},
            everything,
            "sklearn PCA",
            lambda: PCA(10, svd_solver="covariance_eigh").fit((matrix - matrix.mean(0)) / matrix.std(0)),
        ),
        Case(
            "cca of 100 with 10 columns",
            {"protocol": "cca", "x": xs, "y": ys, "components": 2},
            everything,
            "sklearn CCA",
            lambda: CCA(2).fit(matrix, targets),
        ),
        Case(
            "pls of 10 on 100 columns",
            {"protocol": "pls", "x": xs, "y": ys, "components": 5},
            everything,
            "sklearn PLSRegression",
            lambda: PLSRegression(5).fit(matrix, targets),
        ),
    ]


def measure(case: Case, repeat: int) -> dict[str, object]:
    """CPU seconds of the case, by number of sites, as a whole study, and of the library."""
    study: Study = a_study_of(tuple(case.columns), {"name": "it", "spec": case.spec})
    seconds = {}
    for sites in SITES:
        tables = split(case.columns, sites)
        seconds[sites] = cpu(lambda t=tables: estimated(case.spec, t), repeat)
    five = split(case.columns, 5)
    return {
        "method": case.name,
        "people": len(next(iter(case.columns.values()))),
        "rounds": run_locally(study, five).rounds,
        "cpu_seconds_by_sites": {sites: round(s, 4) for sites, s in seconds.items()},
        "most_over_one_site": round(max(seconds.values()) / seconds[1], 2),
        "whole_study_5_sites_masked": round(cpu(lambda: run_locally(study, five)["it"], repeat), 4),
        "peer": case.peer,
        "peer_cpu_seconds": round(cpu(case.fit, min(repeat, 2)), 4),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="2,000 people instead of 20,000")
    arguments = parser.parse_args()
    for case in cases(arguments.small):
        print(json.dumps(measure(case, arguments.repeat)), flush=True)
