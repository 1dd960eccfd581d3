"""What is not learned is of the people who are judged: censoring weights and the observed share."""

import numpy as np
import pytest
from lifelines import KaplanMeierFitter

from protocols.core.table import AnalysisTable, Floats
from protocols.exchange.local import run_locally
from protocols.survival.life_table import FollowUp, counted, ended
from protocols.survival.survival_scores import censoring_and_survival, measures
from tests.lib.studies import a_study

GRID = {"step_days": 30, "until_days": 900}
EDGES = np.arange(0, 901, 30, dtype=np.float64)
JUDGES = ("d", "e", "f")


def a_hospital(number: int, n: int = 80) -> AnalysisTable:
    """A hospital whose people live shorter and are followed longer where it judges; some leave on day 0."""
    rng = np.random.default_rng(number)
    site, x = "abcdef"[number], rng.normal(size=n)
    death = rng.exponential(np.exp(6.6 - 0.7 * x - (0.9 if site in JUDGES else 0.0)))
    leaves = rng.uniform(0, 1500 if site in JUDGES else 400, n)
    leaves[:6] = 0.0
    time = np.ceil(np.minimum(death, leaves))
    columns = {"x": x, "os.time": time, "os.event": (death <= leaves).astype(np.float64)}
    return AnalysisTable(site, np.arange(n, dtype=np.int64) + 1000 * number, columns)


def follow_up_of(tables: list[AnalysisTable]) -> tuple[Floats, Floats]:
    """Days, rounded up to the grid, and events of the tables' people who are ever at risk."""
    time = np.concatenate([table.column("os.time") for table in tables])
    event = np.concatenate([table.column("os.event") for table in tables])
    at_risk = (time > 0) | (event == 1)
    return np.maximum(np.ceil(time / 30), event)[at_risk] * 30, event[at_risk]


def test_an_external_validation_observes_the_judging_hospitals() -> None:
    """lifelines 0.30: KaplanMeierFitter on the three judging hospitals' people alone."""
    tables = [a_hospital(number) for number in range(6)]
    model = {"protocol": "cox", "outcome": "os", "covariates": ["x"], "grid": GRID}
    spec = {
        "protocol": "survival_validation",
        "model": model,
        "days": [180, 360],
        "scheme": {"kind": "external", "sites": list(JUDGES)},
    }
    variables = {
        "x": {"kind": "measurement", "concept": "LOCAL:x"},
        "os": {"kind": "survival", "endpoint": "overall"},
    }
    found = run_locally(a_study(variables=variables, analyses=[{"name": "it", "spec": spec}]), tables)["it"]
    time, event = follow_up_of(tables[3:])
    theirs = KaplanMeierFitter().fit(time, event).survival_function_at_times([180, 360]).to_numpy()
    assert found.n == len(time)
    np.testing.assert_allclose(found.observed, 1 - theirs, rtol=1e-9)
    everybody = follow_up_of(tables)
    of_all = KaplanMeierFitter().fit(*everybody).survival_function_at_times([180, 360]).to_numpy()
    assert (np.abs(found.observed - (1 - of_all)) > 0.05).all()  # the hospitals do differ


@pytest.mark.parametrize("seed", range(5))
def test_the_weights_of_censoring_add_up_to_the_people(seed: int) -> None:
    """Of Graf et al. (1999), eq. 8: cases by 1 / G(T-) and controls by 1 / G(t) are everybody."""
    table = a_hospital(seed, 200)
    people = FollowUp(None, table.column("os.time"), table.column("os.event") == 1)
    people = people.select(people.on(EDGES).ever_at_risk())
    at_risk, events = counted(people, EDGES)
    counts = {"at_risk": at_risk, "events": events, "left": ended(people, EDGES)}
    followed, _ = censoring_and_survival(counts)
    n, days = len(people.time), np.array([6, 12])
    found = measures(people, EDGES, days, np.zeros(n), np.zeros((n, 2)), followed)
    weights = found["cases"].sum(axis=1) + found["controls"].sum(axis=1) / followed[days]
    np.testing.assert_allclose(weights, n, rtol=1e-12)
