"""What boosted trees and a forest cost over five sites, beside scikit-learn's on pooled rows.

OMP_NUM_THREADS=1 python -m benchmarks.statistics.trees [--people 100000] [--covariates 20]

CPU seconds of the whole coordination with plain sums, in one process; `auc` is of the fitted people.
"""

import argparse
import json
import time
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import roc_auc_score

from protocols.core.protocol import parse_spec, protocol
from protocols.core.table import AnalysisTable
from tests.lib.ungated import estimated

TREES, DEPTH = 50, 3


def main() -> None:
    """Prints one line of JSON a fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--covariates", type=int, default=20)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(given.people, given.covariates))
    eta = x[:, 0] * x[:, 1] + np.abs(x[:, 2]) + 0.5 * x[:, 3] - 0.8
    y = (rng.random(given.people) < expit(eta)).astype(float)
    names = [f"x{j}" for j in range(given.covariates)]
    parts = np.array_split(np.arange(given.people), 5)
    tables = [
        AnalysisTable(f"s{i}", p, {**{n: x[p, j] for j, n in enumerate(names)}, "y": y[p]})
        for i, p in enumerate(parts)
    ]
    common = {"outcome": "y", "covariates": names, "trees": TREES}
    specs: dict[str, dict[str, Any]] = {
        "boosting": {"protocol": "boosting", "depth": DEPTH, **common},
        "forest": {"protocol": "forest", "depth": 6, **common},
    }
    for name, spec in specs.items():
        estimated({**spec, "trees": 1}, tables)  # loads the compiled loops; sklearn's import loaded its own
        fresh = [table.with_columns({}) for table in tables]  # a table keeps what was derived from it
        began = time.process_time()
        found: Any = estimated(spec, fresh)
        seconds = time.process_time() - began
        parsed, arrays = parse_spec(spec), found.transform_arrays()
        p = np.concatenate([protocol(name).score(parsed, t, **arrays) for t in tables])
        _say(f"ours, {name}, 5 sites", seconds, y, p)
    boosted = HistGradientBoostingClassifier(
        max_iter=TREES, max_depth=DEPTH, max_bins=32, early_stopping=False, min_samples_leaf=10
    )
    forest = RandomForestClassifier(TREES, max_depth=6, min_samples_leaf=10, n_jobs=1, random_state=0)
    for label, model in (("HistGradientBoosting", boosted), ("RandomForest", forest)):
        began = time.process_time()
        model.fit(x, y)
        _say(f"sklearn {label}", time.process_time() - began, y, model.predict_proba(x)[:, 1])


def _say(fit: str, seconds: float, y: np.ndarray, p: np.ndarray) -> None:
    auc = round(float(roc_auc_score(y, p)), 4)
    print(json.dumps({"fit": fit, "cpu": round(seconds, 2), "auc": auc}), flush=True)


if __name__ == "__main__":
    main()
