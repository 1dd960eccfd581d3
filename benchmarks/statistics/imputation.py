"""What multiple imputation costs over five sites, beside R's mice on the same rows in one place.

OMP_NUM_THREADS=1 python -m benchmarks.statistics.imputation [--people 10000] [--repeat 3]

CPU seconds, the least of so many repetitions: a whole study over five sites with gate and plain sums, then
`mice` and `pool` of `lm` in R (Debian r-cran-mice), both with the same columns, imputations and iterations.
`apart` is the largest distance of a pooled coefficient from the peer's, in standard errors: both are random.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from tests.lib.studies import a_study_of

COLUMNS, IMPUTATIONS, ITERATIONS, SITES = 7, 5, 5, 5
NAMES = [f"x{j}" for j in range(COLUMNS)]

MICE = """
suppressMessages(library(mice))
d <- read.csv(commandArgs(TRUE)[1]); last <- commandArgs(TRUE)[2]
if (last == "logreg") d$x6 <- factor(d$x6)
best <- Inf
for (i in seq_len(as.integer(commandArgs(TRUE)[3]))) {
  t <- proc.time()
  filled <- mice(d, m=5, maxit=5, method=c("", rep("norm", 5), last), printFlag=FALSE, seed=i)
  found <- summary(pool(with(filled, lm(x0 ~ x1 + x2 + x3 + x4 + x5 + x6))))
  best <- min(best, sum((proc.time() - t)[1:2]))
}
cat(best, found$estimate, sep=" ")
"""


def rows(people: int, last: str) -> pd.DataFrame:
    """Seven correlated columns of which six miss a fifth of their values; the last 0/1 for `logreg`."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(people, COLUMNS)) @ (np.eye(COLUMNS) + 0.3 * rng.normal(size=(COLUMNS, COLUMNS)))
    if last == "logreg":
        x[:, -1] = x[:, -1] > 0
    for j in range(1, COLUMNS):
        x[rng.random(people) < 0.2, j] = np.nan
    return pd.DataFrame(x, columns=NAMES)


def ours(frame: pd.DataFrame, last: str, repeat: int) -> tuple[float, Any]:
    """CPU seconds, and the result."""
    spec = {
        "protocol": "multiple_imputation",
        "model": {"protocol": "linear", "outcome": "x0", "covariates": NAMES[1:]},
        "norm": NAMES[1:6] + ([] if last == "logreg" else NAMES[6:]),
        "logreg": NAMES[6:] if last == "logreg" else [],
        "predictors": ["x0"],
        "imputations": IMPUTATIONS,
        "iterations": ITERATIONS,
    }
    study = a_study_of(NAMES, {"name": "a", "spec": spec})
    best, found = np.inf, None
    for _ in range(repeat):
        tables = [
            AnalysisTable(f"s{i}", part, {name: frame[name].to_numpy()[part] for name in NAMES})
            for i, part in enumerate(np.array_split(np.arange(len(frame)), SITES))
        ]
        began = time.process_time()
        found = run_locally(study, tables, secure=False)["a"]
        best = min(best, time.process_time() - began)
    return best, found


def mice(frame: pd.DataFrame, last: str, repeat: int) -> tuple[float, np.ndarray] | None:
    """CPU seconds and the pooled coefficients of R's mice; None where it is not installed."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path, script = Path(folder) / "rows.csv", Path(folder) / "mice.R"
        frame.to_csv(path, index=False)
        script.write_text(MICE)
        said = subprocess.run(
            ["Rscript", script, path, last, str(repeat)], capture_output=True, text=True, check=False
        )
    if said.returncode:
        return None
    seconds, *coefficients = (float(word) for word in said.stdout.split())
    return seconds, np.array(coefficients)


def main() -> None:
    """Prints one line of JSON a fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    for last in ("norm", "logreg"):
        frame = rows(given.people, last)
        seconds, found = ours(frame, last, given.repeat)
        line: dict[str, object] = {"last column": last, "ours, 5 sites": round(seconds, 2)}
        if (peer := mice(frame, last, given.repeat)) is not None:
            order = [found.terms.index(name) for name in ("(Intercept)", *NAMES[1:])]
            apart = np.abs((found.coef[order] - peer[1]) / found.se[order]).max()
            line |= {"R mice": round(peer[0], 2), "apart": round(float(apart), 2)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
