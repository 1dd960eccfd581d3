"""Cumulative incidences and restricted means on daily counts, against R's survival and survRM2."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from protocols.core.table import Floats, Integers
from protocols.survival.incidence import incidence, restricted_mean
from tests.lib.shared import shared
from tests.reference.oracles.conftest import Holds


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shared("oracles/reference/survival_give.json").read_text())
    return found


def life_table(time: Floats, status: Floats, causes: int) -> tuple[Integers, Integers]:
    """People at risk (days,) and events (causes, days) on each day from the first."""
    days = int(time.max())
    at_risk = np.array([(time >= day).sum() for day in range(1, days + 1)])
    events = [
        np.bincount(time[status == cause].astype(int), minlength=days + 1)[1:]
        for cause in range(1, causes + 1)
    ]
    return at_risk, np.array(events)


@pytest.mark.parametrize("group", [None, 0, 1])
def test_incidences_and_their_errors_are_those_of_survfit(
    oracle: dict[str, Any], holds: Holds, group: int | None
) -> None:
    people = pd.read_csv(shared("oracles/data/competing_pbc.csv"))
    if group is None:
        truth = pd.DataFrame(oracle["competing_pbc"]["aalen_johansen"])
    else:
        truth = pd.DataFrame(oracle["competing_pbc"]["aalen_johansen_by_group"])
        truth, people = truth[truth["group"] == f"g={group}"], people[people["high"] == group]
    time, status = people["time"].to_numpy(float), people["status"].to_numpy(float)
    at_risk, events = life_table(time, status, 2)
    found = incidence(at_risk, events, level=0.95, min_count=1)
    at = truth["time"].to_numpy() - 1
    holds("Aalen-Johansen, people at risk", at_risk[at], truth["n_risk"], rtol=0)
    for j, cause in enumerate(("1", "2")):
        holds("Aalen-Johansen, survfit", found.incidence[j, at], truth[f"cif_{cause}"], rtol=1e-9, atol=1e-12)
        holds("Aalen-Johansen errors, survfit", found.se[j, at], truth[f"se_{cause}"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["rmst_colon", "rmst_colon_short"])
def test_restricted_means_are_those_of_survrm2(oracle: dict[str, Any], holds: Holds, name: str) -> None:
    truth = oracle[name]
    tau = truth["tau"]
    people = pd.read_csv(shared("data/stats/survival_colon.csv"))
    people = people[(people["etype"] == 2) & people["rx"].isin(["Obs", "Lev+5FU"])]
    means = {}
    for arm, rx in (("arm1", "Lev+5FU"), ("arm0", "Obs")):
        rows = people[people["rx"] == rx]
        at_risk, events = life_table(rows["time"].to_numpy(float), rows["status"].to_numpy(float), 1)
        found = incidence(at_risk, events, level=0.95, min_count=1)
        edges = np.arange(tau + 1, dtype=float)
        mean, se = restricted_mean(edges, found.survival[:tau], at_risk[:tau], events[0, :tau])
        means[arm] = mean, se
        expected = [truth[arm]["rmst"], truth[arm]["se"], truth[arm]["rmtl"]]
        holds("restricted mean times, survRM2", [mean, se, tau - mean], expected, rtol=1e-8)
    difference = means["arm1"][0] - means["arm0"][0]
    holds("restricted mean times, survRM2", difference, truth["difference_ratio_lossratio"][0][0], rtol=1e-8)
