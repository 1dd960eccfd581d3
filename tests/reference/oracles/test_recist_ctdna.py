"""A scan and a sample that are weighed together: the update of an odds, zones by thresholds and by costs."""

import json
from typing import Any

import numpy as np
import pytest

from protocols.applications.class_model import ABSENT, ClassModel
from protocols.estimation.waiting import ACT, LEAVE, WAIT, decisions, waiting_zone
from tests.lib.shared import shared
from tests.reference.oracles.conftest import Holds

ZONES = {"no progression": LEAVE, "indeterminate": WAIT, "progression": ACT}


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    found = json.loads(shared("oracles/reference/bayes_give.json").read_text())["recist_ctdna"]
    return dict(found)


def posterior(oracle: dict[str, Any], case: dict[str, Any]) -> float:
    """By the class-conditional model with the oracle's numbers: class 1 progresses."""
    shares = np.array(list(oracle["likelihood_P_cat_given_prog_noprog"].values())).T[::-1]
    normal = [oracle["ctdna_log_change"][name] for name in ("no_progression", "progression")]
    mean, sd = np.array(normal).T
    prior = np.array([1 - case["prior"], case["prior"]])
    model = ClassModel(prior, mean[:, None], (sd**2)[:, None, None], shares, np.array([4]))
    value, name = case["ctdna_log_change"], case["recist"]
    names = list(oracle["likelihood_P_cat_given_prog_noprog"])
    code = ABSENT if name is None else names.index(name)
    x = np.array([[np.nan if value is None else value]])
    return float(model.probabilities(x, np.array([[code]]))[0, 1])


def test_odds_are_those_of_both_and_of_the_scan_where_there_is_no_sample(
    oracle: dict[str, Any], holds: Holds
) -> None:
    found = np.array([posterior(oracle, case) for case in oracle["cases"]])
    holds("RECIST and ctDNA, probability", found, [c["posterior"] for c in oracle["cases"]], rtol=1e-9)
    zones = [ZONES[case["zone"]] for case in oracle["cases"]]
    holds("RECIST and ctDNA, zone", decisions(found, (0.2, 0.8)), zones, rtol=0)


def test_the_zone_in_which_one_waits_follows_from_costs(oracle: dict[str, Any], holds: Holds) -> None:
    cost, (truth,) = oracle["costs"], oracle["defer_zone_of_costs"]
    zone = waiting_zone(cost["false_progression"], cost["missed_progression"], cost["defer"])
    holds("RECIST and ctDNA, zone of costs", zone, [truth["defer_from"], truth["defer_to"]], rtol=1e-12)


def test_ctdna_cuts_are_where_the_probability_is_the_threshold(oracle: dict[str, Any], holds: Holds) -> None:
    for name, cuts in oracle["ctdna_cut_at_prior_0.4"].items():
        category, border = name.split()
        cases = [{"prior": 0.4, "recist": category, "ctdna_log_change": cut} for cut in cuts]
        found = [posterior(oracle, case) for case in cases]
        holds("RECIST and ctDNA, cuts", found, [float(border.split("_")[1])] * len(cuts), rtol=1e-9)
