"""RECIST and ctDNA together: what one adds to the other is found, and so is that it adds nothing."""

from pathlib import Path

import numpy as np
import pytest

import shadowgraph as sg
from protocols.core.errors import StudyError
from protocols.core.table import AnalysisTable
from protocols.estimation.waiting import ACT, LEAVE, WAIT, decisions, waiting_zone
from protocols.exchange.example import run_example
from protocols.exchange.local import Outcome, run_locally

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "recist-ctdna.yaml"
SCAN = np.array([[0.14, 0.33, 0.41, 0.12], [0.04, 0.10, 0.28, 0.58]])
"""Shares of RECIST's categories of people who do not progress, and of those who do."""


def hospital(site: int, says: float, n: int = 300) -> AnalysisTable:
    """A sample is missing of three people in ten, and says as much as `says`."""
    draw = np.random.default_rng([13, site])
    progressed = (draw.uniform(size=n) < 0.35).astype(np.int64)
    recist = np.array([draw.choice(4, p=SCAN[one]) for one in progressed], dtype=float)
    ctdna = draw.normal(says * (progressed - 0.4), 0.6 + 0.2 * says * progressed)
    ctdna[draw.uniform(size=n) < 0.3] = np.nan
    columns = {"progressed": progressed.astype(float), "recist": recist, "ctdna": ctdna}
    return AnalysisTable("abc"[site], 1000 * site + np.arange(n), columns)


def run(says: float) -> Outcome:
    return run_locally(sg.read(EXAMPLE), [hospital(site, says) for site in range(3)])


@pytest.mark.slow
def test_both_tests_say_more_than_either_and_their_chances_are_right() -> None:
    outcome = run(says=1.2)
    both, scan, sample = (outcome[f"judged_{name}"] for name in ("both", "scan", "sample"))
    assert both.auc > max(scan.auc, sample.auc) + 0.03
    assert both.brier < min(scan.brier, sample.brier)
    assert abs(both.calibration_slope - 1) < 0.2
    assert abs(both.calibration_intercept) < 0.2
    model = outcome["both"]
    disagree = np.array([[-0.9], [np.nan]]), np.array([[3], [3]])
    with_sample, alone = model.model().probabilities(*disagree)[:, 1]
    assert with_sample < 0.4 < alone  # a scan says progression, the sample does not
    chosen = model.decisions(*disagree, false_alarm=1, missed=1, wait=0.2)
    assert chosen.tolist() == [LEAVE if with_sample < 0.2 else WAIT, WAIT if alone <= 0.8 else ACT]


@pytest.mark.slow
def test_a_sample_that_says_nothing_adds_nothing() -> None:
    outcome = run(says=0.0)
    both, scan, sample = (outcome[f"judged_{name}"] for name in ("both", "scan", "sample"))
    assert abs(both.auc - scan.auc) < 0.02
    assert sample.auc_lower < 0.5 < sample.auc_upper


def test_one_acts_at_once_where_waiting_is_too_dear() -> None:
    assert waiting_zone(1, 3, 0.3) == pytest.approx((0.1, 0.7))
    assert waiting_zone(1, 3, 2) == (0.25, 0.25)
    found = decisions(np.array([0.05, 0.1, 0.5, 0.7, 0.71]), (0.1, 0.7))
    assert found.tolist() == [LEAVE, WAIT, WAIT, WAIT, ACT]
    with pytest.raises(ValueError, match="costs are positive"):
        waiting_zone(1, 0, 1)


def test_a_decision_is_about_two_classes() -> None:
    model = run_example(protocol="typing", outcome="grade", classes=[0, 1, 2], measured=["age"])
    costs = {"false_alarm": 1.0, "missed": 1.0, "wait": 0.2}
    with pytest.raises(StudyError, match="two classes"):
        model.decisions(np.array([[50.0]]), np.zeros((1, 0), dtype=np.int64), **costs)  # type: ignore[attr-defined]
