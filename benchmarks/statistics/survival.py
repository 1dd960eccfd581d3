"""What a Cox model costs over five sites, beside the pooled fit and the libraries.

OMP_NUM_THREADS=1 python -m benchmarks.statistics.survival [--people 100000] [--covariates 100] [--peers]

One run, one process, CPU seconds, the least of so many repetitions: the whole coordination over twenty and
five sites with plain sums, each beside the same strata pooled at one site; then a whole study over five sites
with gate, wire format and masked sums; then, once, lifelines, statsmodels and, where installed,
scikit-survival and R's `coxph.fit` (the C loop without the formula, Debian's r-cran-survival, the least of
three there) on the same rows in one place. Times are whole days, so many are tied (Efron). The libraries
fit five strata, as we do; scikit-survival knows none, so it fits one.
"""

import argparse
import importlib.util
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from tests.lib.studies import a_study_of
from tests.lib.ungated import estimated

SITES = 5
COXPH_FIT = """
suppressMessages(library(survival))
given <- commandArgs(TRUE); n <- as.integer(given[2]); p <- as.integer(given[3])
d <- matrix(readBin(given[1], "double", n * (p + 3), endian="little"), n)
x <- d[, 1:p]; y <- Surv(d[, p + 1], d[, p + 2]); strata <- as.integer(d[, p + 3]); best <- Inf
for (i in 1:3) {
  t <- proc.time()
  fit <- coxph.fit(x, y, strata, NULL, NULL, coxph.control(), NULL, "efron", seq_len(n))
  best <- min(best, sum((proc.time() - t)[1:2]))
}
cat(best, format(fit$coefficients, digits=17))
"""
PEERS = ("lifelines", "statsmodels", "sksurv")


def rows(people: int, covariates: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariates, days and events: half the people censored."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(people, covariates))
    risk = np.exp(x @ (rng.normal(size=covariates) / np.sqrt(4 * covariates)))
    time_days, censored = rng.exponential(1000 / risk), rng.uniform(0, 2000, people)
    return x, np.ceil(np.minimum(time_days, censored)), (time_days <= censored).astype(float)


def tables(x: np.ndarray, days: np.ndarray, event: np.ndarray, sites: int) -> list[AnalysisTable]:
    """The rows over so many sites."""
    columns = {f"x{j}": np.ascontiguousarray(x[:, j]) for j in range(x.shape[1])}
    columns |= {"os.time": days, "os.event": event}
    hashes = np.zeros(len(days), dtype=np.uint64)
    return [
        AnalysisTable(f"s{i}", part, {k: v[part] for k, v in columns.items()}, fold_hashes=hashes[part])
        for i, part in enumerate(np.array_split(np.arange(len(days)), sites))
    ]


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, and what was found."""
    began = time.process_time()
    found = run()
    return time.process_time() - began, found


def ours(spec: dict[str, Any], sites: list[AnalysisTable]) -> np.ndarray:
    """The coefficients of our fit, arrays simply added."""
    fresh = [table.with_columns({}) for table in sites]  # a table keeps what was derived from it
    found: Any = estimated(spec, fresh)
    return np.asarray(found.coef)


def lifelines(x: np.ndarray, days: np.ndarray, event: np.ndarray) -> np.ndarray:
    """The coefficients of lifelines, five strata."""
    from lifelines import CoxPHFitter

    frame = pd.DataFrame(x, columns=[f"x{j}" for j in range(x.shape[1])])
    frame = frame.assign(days=days, event=event, site=np.arange(len(x)) * SITES // len(x))
    fit = CoxPHFitter().fit(frame, "days", "event", strata=["site"])
    return fit.params_.to_numpy()


def statsmodels(x: np.ndarray, days: np.ndarray, event: np.ndarray) -> np.ndarray:
    """The coefficients of statsmodels, five strata."""
    from statsmodels.duration.hazard_regression import PHReg

    strata = np.arange(len(x)) * SITES // len(x)
    return np.asarray(PHReg(days, x, status=event, strata=strata, ties="efron").fit(disp=0).params)


def sksurv(x: np.ndarray, days: np.ndarray, event: np.ndarray) -> np.ndarray:
    """The coefficients of scikit-survival, one stratum."""
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    fit = CoxPHSurvivalAnalysis(ties="efron").fit(x, Surv.from_arrays(event == 1, days))
    return np.asarray(fit.coef_)


def coxph_fit(x: np.ndarray, days: np.ndarray, event: np.ndarray) -> tuple[float, np.ndarray]:
    """CPU seconds of R's `coxph.fit`, five strata, and its coefficients."""
    strata = np.arange(len(x)) * SITES // len(x)
    with tempfile.TemporaryDirectory() as folder:
        path, script = Path(folder) / "rows", Path(folder) / "cox.R"
        np.column_stack([x, days, event, strata]).T.astype("<f8").tofile(path)
        script.write_text(COXPH_FIT)
        words = ["Rscript", str(script), str(path), str(len(x)), str(x.shape[1])]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    seconds, *coef = (float(word) for word in said.split())
    return seconds, np.array(coef)


def has_coxph() -> bool:
    """Whether R and its survival package are here."""
    asked = ["Rscript", "-e", "library(survival)"]
    return bool(shutil.which("Rscript")) and not subprocess.run(asked, capture_output=True).returncode


def main() -> None:
    """Prints one line of JSON a fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--covariates", type=int, default=100)
    parser.add_argument("--peers", action="store_true", help="also the libraries' pooled fits")
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    x, days, event = rows(given.people, given.covariates)
    names = [f"x{j}" for j in range(given.covariates)]
    spec = {"protocol": "cox", "outcome": "os", "covariates": names}
    study = a_study_of(
        names,
        {"name": "cox", "spec": spec},
        variables={name: {"kind": "measurement", "concept": f"LOCAL:{name}"} for name in names}
        | {"os": {"kind": "survival", "endpoint": "overall"}},
    )
    fits: dict[str, Callable[[], np.ndarray]] = {}
    for sites in (20, SITES):
        fits[f"ours, {sites} sites"] = partial(ours, spec, tables(x, days, event, sites))
        (pooled,) = tables(x, days, event, 1)
        pooled = pooled.with_columns({"site": (np.arange(len(x)) * sites // len(x)).astype(float)})
        fits[f"ours, {sites} strata of one site"] = partial(ours, {**spec, "strata": ["site"]}, [pooled])
    masked = tables(x, days, event, SITES)
    fits["study, 5 sites, masked"] = lambda: (
        run_locally(study, [table.with_columns({}) for table in masked])["cox"].coef
    )
    if given.peers:
        peers: list[Callable[..., np.ndarray]] = [lifelines, statsmodels]
        peers += [sksurv] if importlib.util.find_spec("sksurv") else []
        fits |= {peer.__name__: partial(peer, x, days, event) for peer in peers}
    exact = None

    def say(name: str, seconds: float, apart: float | None) -> None:
        size = {"people": given.people, "covariates": given.covariates}
        print(json.dumps({"fit": name, **size, "cpu_s": round(seconds, 2), "apart": apart}), flush=True)

    for name, fit in fits.items():
        repeat = 1 if name in PEERS else given.repeat
        seconds, coef = min((timed(fit) for _ in range(repeat)), key=lambda run: run[0])
        exact = coef if name in (f"ours, {SITES} sites", "ours, 20 sites") else exact
        apart = None if exact is None else float(np.abs(coef / exact - 1).max())
        say(name, seconds, apart)
    if given.peers and has_coxph():
        seconds, coef = coxph_fit(x, days, event)
        say("R coxph.fit", seconds, float(np.abs(coef / exact - 1).max()))


if __name__ == "__main__":
    main()
