"""What logistic and Poisson regression cost over five sites, beside the pooled fit and the libraries.

OMP_NUM_THREADS=1 python -m benchmarks.statistics.regression [--people 1000000] [--covariates 50]

One run, one process, CPU seconds: the whole coordination over five sites and over one, with plain sums; then
scikit-learn's and statsmodels' fits of the same rows. `apart` is the largest relative difference of the
coefficients from those where the score vanishes to rounding.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from protocols.core.table import AnalysisTable
from tests.lib.ungated import estimated


def rows(people: int, covariates: int) -> tuple[np.ndarray, np.ndarray]:
    """Covariates and 0/1 outcomes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(people, covariates))
    eta = x @ (rng.normal(size=covariates) / np.sqrt(covariates)) - 0.5
    return x, (rng.random(people) < expit(eta)).astype(float)


def tables(x: np.ndarray, y: np.ndarray, sites: int) -> list[AnalysisTable]:
    """The rows over so many sites."""
    columns = {f"x{j}": np.ascontiguousarray(x[:, j]) for j in range(x.shape[1])} | {"y": y}
    parts = np.array_split(np.arange(len(y)), sites)
    hashes = np.zeros(len(y), dtype=np.uint64)
    return [
        AnalysisTable(f"s{i}", part, {k: v[part] for k, v in columns.items()}, fold_hashes=hashes[part])
        for i, part in enumerate(parts)
    ]


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, and what was found."""
    began = time.process_time()
    found = run()
    return time.process_time() - began, found


def polished(x: np.ndarray, y: np.ndarray, coef: np.ndarray) -> np.ndarray:
    """Coefficients two Newton steps further."""
    z = np.column_stack([np.ones(len(x)), x])
    for _ in range(2):
        mean = expit(z @ coef)
        coef = coef + np.linalg.solve((z.T * (mean * (1 - mean))) @ z, z.T @ (y - mean))
    return coef


def main() -> None:
    """Prints one line of JSON a fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--covariates", type=int, default=50)
    parser.add_argument("--statsmodels", action="store_true", help="also Logit, 5 GB for a million people")
    given = parser.parse_args()
    x, y = rows(given.people, given.covariates)
    names = [f"x{j}" for j in range(given.covariates)]
    spec = {"protocol": "logistic", "outcome": "y", "covariates": names}
    fits: dict[str, Callable[[], np.ndarray]] = {}
    for sites in (1, 5):
        parts = tables(x, y, sites)
        fits[f"ours, {sites} sites"] = lambda parts=parts: estimated(spec, parts).coef  # type: ignore
    for solver in ("lbfgs", "newton-cholesky"):
        model = LogisticRegression(C=np.inf, solver=solver, tol=1e-10, max_iter=1000)
        fits[f"sklearn {solver}"] = lambda m=model: np.append(m.fit(x, y).intercept_, m.coef_[0])  # type: ignore
    if given.statsmodels:
        from statsmodels.api import Logit

        z = np.column_stack([np.ones(len(x)), x])
        fits["statsmodels Logit"] = lambda: Logit(y, z).fit(disp=0, tol=1e-10).params
    seconds = {name: timed(run) for name, run in fits.items()}
    exact = polished(x, y, seconds["ours, 1 sites"][1])
    for name, (cpu, coef) in seconds.items():
        apart = float(np.max(np.abs(coef / exact - 1)))
        print(json.dumps({"fit": name, "cpu": round(cpu, 2), "apart": float(f"{apart:.1e}")}), flush=True)


if __name__ == "__main__":
    main()
