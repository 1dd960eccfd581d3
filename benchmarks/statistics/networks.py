"""How near networks by each strategy come to the network on pooled rows, and what they cost.

    OMP_NUM_THREADS=1 python -m benchmarks.statistics.networks [heart] [speed]

heart: UCI heart disease, four hospitals that differ; out-of-fold AUC in five folds of people, three seeds.
speed: CPU seconds of a whole fit over five sites beside torch's own on pooled rows.
"""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import expit

from protocols.core.protocol import parse_spec
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from tests.lib.shared import ROOT
from tests.lib.studies import a_study_of
from tests.lib.ungated import estimated, tables_of
from tests.reference.pooled import reference

NUMBERS = ["age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak"]
SEEDS = range(3)


def heart_network(strategy: str, seed: int, folds: int = 5, **changes: Any) -> dict[str, Any]:
    """A validated network of heart disease: 61 parameters, missing values filled inside folds."""
    model = {
        "protocol": "neural",
        "outcome": "disease",
        "covariates": NUMBERS,
        "hidden": [5],
        "strategy": strategy,
        "rounds": 20,
        "rate": 1.0 if strategy == "fedsgd" else 0.1,
        "epochs": 2,
        "batch": 64,
        "mu": 0.1,
        "l2": 0.01,
        "seed": seed,
        **changes,
    }
    return {
        "protocol": "discrimination",
        "model": model,
        "prepare": [{"protocol": "impute", "mean": NUMBERS[3:]}],
        "scheme": {"kind": "folds", "of": folds},
        "bins": 1000,
    }


def heart_hospitals() -> list[AnalysisTable]:
    """Cleveland, Hungary, Long Beach and Switzerland, 920 people."""
    data = pd.read_csv(ROOT / "data/stats/uci_heart_4centers.csv")
    return tables_of(data.drop(columns=["row", "site", "num"]), data.site)


def heart() -> Iterator[dict[str, Any]]:
    """A line a strategy: the AUC over seeds, and how far it is from the pooled network of the same seed."""
    tables = heart_hospitals()
    columns = [*NUMBERS, "disease"]
    pooled: dict[str, Any] = {}
    for strategy in ("fedsgd", "fedavg", "fedprox", "scaffold"):
        analyses = [{"name": f"s{seed}", "spec": heart_network(strategy, seed)} for seed in SEEDS]
        outcome = run_locally(a_study_of(columns, *analyses), tables)
        ours = np.array([outcome[f"s{seed}"].auc for seed in SEEDS])
        kind = "fedsgd" if strategy == "fedsgd" else "sgd"
        if kind not in pooled:
            specs = [parse_spec(heart_network(strategy, seed)) for seed in SEEDS]
            pooled[kind] = np.array([reference(s, tables).auc for s in specs])
        apart = ours - pooled[kind]
        yield {
            "strategy": strategy,
            "auc": round(float(ours.mean()), 4),
            "pooled": round(float(pooled[kind].mean()), 4),
            "largest difference of a seed": float(f"{np.abs(apart).max():.2g}"),
            "rounds": outcome.rounds,
        }


def speed(n: int = 100_000, p: int = 20) -> Iterator[dict[str, Any]]:
    """A line a fit: five epochs of batches of 256, 32 hidden units."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, p))
    y = (rng.random(n) < expit(x[:, 0] * x[:, 1] + np.abs(x[:, 2]) + 0.5 * x[:, 3] - 0.8)).astype(float)
    names = [f"x{j}" for j in range(p)]
    tables = [
        AnalysisTable(f"s{i}", rows, {**{m: x[rows, j] for j, m in enumerate(names)}, "y": y[rows]})
        for i, rows in enumerate(np.array_split(np.arange(n), 5))
    ]
    spec = {"protocol": "neural", "outcome": "y", "covariates": names, "hidden": [32], "batch": 256}
    for strategy, epochs, rounds in (("fedsgd", 1, 20), ("fedavg", 1, 5), ("scaffold", 1, 5)):
        began = time.process_time()
        estimated({**spec, "strategy": strategy, "epochs": epochs, "rounds": rounds}, tables)
        yield {
            "fit": f"ours, {strategy}, 5 sites",
            "rounds": rounds,
            "cpu": round(time.process_time() - began, 2),
        }
    yield {"fit": "torch, SGD on pooled rows", "rounds": "5 epochs", "cpu": round(_torch_alone(x, y), 2)}


def _torch_alone(x: np.ndarray, y: np.ndarray) -> float:
    torch.set_num_threads(1)
    began = time.process_time()
    model = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], 32), torch.nn.Tanh(), torch.nn.Linear(32, 1)
    ).double()
    descent = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = torch.nn.BCEWithLogitsLoss()
    for _ in range(5):
        for rows in torch.randperm(len(y)).split(256):
            descent.zero_grad()
            loss(model(torch.from_numpy(x)[rows])[:, 0], torch.from_numpy(y)[rows]).backward()
            descent.step()
    return time.process_time() - began


if __name__ == "__main__":
    chosen = {"heart": heart, "speed": speed}
    for name in sys.argv[1:] or chosen:
        for line in chosen[name]():
            print(json.dumps(line), flush=True)
