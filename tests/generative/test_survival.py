"""Follow-up that is odd but legal: ties, people who leave on the day that they come, who come late, sites
without an event; curves, the log-rank test and Cox regression as lifelines has them of all rows in one place.
"""

from typing import Any

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from numpy.random import Generator

from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from tests.generative.draws import DRAWS, chance, one
from tests.lib.studies import a_study_of

STEP, UNTIL = 30, 900
GRID = {"step_days": STEP, "until_days": UNTIL}
TOO_FEW = (Code.WITHHELD, Code.TOO_FEW_SITES, Code.SEPARATION, Code.RANK_DEFICIENT)


def drawn(rng: Generator) -> pd.DataFrame:
    """People of three hospitals, their days on the grid's, so that no rounding stands between the readers."""
    site = np.repeat(np.arange(3), rng.integers(30, 90, 3))
    n = len(site)
    group, age = (rng.random(n) < rng.uniform(0.3, 0.7)).astype(float), rng.normal(60, 10, n)
    rate = np.exp(rng.normal(0, 0.7) * group + 0.02 * (age - 60) + 0.3 * site)
    died, left = rng.exponential(500, n) / rate, rng.uniform(0, 1500, n)
    coarse = int(one(rng, 1, 1, 5))  # type: ignore[call-overload]
    time = STEP * coarse * np.ceil(np.minimum(died, left) / (STEP * coarse))
    event = (died <= left) & (time <= UNTIL)
    if rng.random() < 0.3:  # some leave on the day that they come
        at_once = rng.random(n) < 0.1
        time, event = np.where(at_once, 0.0, time), event & ~at_once
    if rng.random() < 0.2:
        event &= site != 2
    late = rng.random(n) < (0.3 if rng.random() < 0.5 else 0.0)
    entry = np.where(late, STEP * rng.integers(0, 8, n), 0.0)
    frame = pd.DataFrame({"site": site, "group": group, "age": age, "entry": entry})
    return frame.assign(time=time, event=event.astype(float))


def tables(people: pd.DataFrame) -> list[AnalysisTable]:
    return [
        AnalysisTable(
            f"s{site}",
            rows.index.to_numpy(dtype=np.int64),
            {name: rows[name].to_numpy() for name in ("group", "age", "entry")}
            | {f"os.{name}": rows[name].to_numpy() for name in ("time", "event")},
        )
        for site, rows in people.groupby("site")
    ]


def found(people: pd.DataFrame, *, secure: bool) -> dict[str, Any]:
    cox = {"protocol": "cox", "outcome": "os", "covariates": ["group", "age"], "entry": "entry"}
    specs = {
        "curves": {"protocol": "kaplan_meier", "outcome": "os", "by": "group", "grid": GRID},
        "test": {
            "protocol": "log_rank", "outcome": "os", "by": "group", "stratify": "none", "grid": GRID
        },
        "model": cox,
    }  # fmt: skip
    analyses = ({"name": name, "spec": spec} for name, spec in specs.items())
    study = a_study_of(["group", "age", "entry"], *analyses, survival=["os"], cells="exact")
    return dict(run_locally(study, tables(people), secure=secure).results)


def differs(people: pd.DataFrame, results: dict[str, Any]) -> dict[str, object]:
    """What of the results is not as lifelines has it; those that are withheld are not compared."""
    wrong: dict[str, object] = {}
    told = {name: one for name, one in results.items() if not isinstance(one, Failure)}
    wrong |= {
        name: one.text
        for name, one in results.items()
        if isinstance(one, Failure) and one.code not in TOO_FEW
    }
    time, event, group = people["time"], people["event"], people["group"]
    if "curves" in told:
        ours = told["curves"]
        for g in (0, 1):
            theirs = KaplanMeierFitter().fit(time[group == g], event[group == g])
            there = theirs.survival_function_at_times(ours.days).to_numpy()
            known = ~np.isnan(ours.survival[g])
            if not np.allclose(ours.survival[g][known], there[known], rtol=1e-10, atol=1e-12):
                wrong[f"curve {g}"] = ours.survival[g] - there
    if "test" in told:
        theirs = multivariate_logrank_test(time, group, event)
        if not np.isclose(told["test"].chi_square, theirs.test_statistic, rtol=1e-8):
            wrong["test"] = (told["test"].chi_square, theirs.test_statistic)
    if "model" in told:
        rows = people[people["time"] > people["entry"]]
        options = {"precision": 1e-10, "r_precision": 1e-14, "max_steps": 200}
        theirs = CoxPHFitter().fit(
            rows.assign(age=rows["age"]), "time", "event", strata=["site"], entry_col="entry",
            fit_options=options,
        )  # fmt: skip
        both = [told["model"].coef, theirs.params_[["group", "age"]]]
        spread = [told["model"].se, theirs.standard_errors_[["group", "age"]]]
        if not (np.allclose(*both, rtol=1e-5, atol=1e-7) and np.allclose(*spread, rtol=1e-5)):
            wrong["model"] = (both, spread)
    return wrong


@DRAWS
def test_survival_is_that_of_lifelines(draws: range) -> None:
    wrong: dict[int, object] = {}
    withheld = 0
    for draw in draws[::4]:  # lifelines takes a second for six
        people = drawn(chance("survival", draw))
        results = found(people, secure=draw % 8 == 0)
        withheld += any(isinstance(one, Failure) for one in results.values())
        if told := differs(people, results):
            wrong[draw] = told
    assert wrong == {}
    assert withheld <= len(draws) / 16
