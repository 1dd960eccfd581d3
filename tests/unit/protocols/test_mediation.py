"""Mediation: the distribution of a product, what something unmeasured would do, and what is refused."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from protocols.core.errors import StudyError
from protocols.core.figure import Curves, Figure
from protocols.core.table import AnalysisTable
from protocols.evidence.mediation import MediationResult, MediationSpec
from protocols.exchange.local import run_locally
from tests.lib.drawn_sites import study_of

SPEC = {"protocol": "mediation", "exposure": "idh1", "mediator": "f_one", "outcome": "f_two"}


def _hospitals(through: float, beside: float, hidden: float, people: int = 400) -> list[AnalysisTable]:
    """Three hospitals; `hidden` is what something unmeasured does to mediator and outcome."""
    tables = []
    for k, site in enumerate("abc"):
        rng = np.random.default_rng(k)
        exposure = (rng.random(people) < 0.4).astype(float)
        both = hidden * rng.normal(size=people)
        mediator = 0.7 * exposure + both + rng.normal(size=people)
        outcome = through * mediator + beside * exposure + both + rng.normal(size=people)
        columns = {"idh1": exposure, "f_one": mediator, "f_two": outcome, "f_three": mediator + exposure}
        tables.append(AnalysisTable(site, 1000 * k + np.arange(people), columns))
    return tables


def _found(tables: list[AnalysisTable], **changes: Any) -> MediationResult:
    found = run_locally(study_of(SPEC | changes, min_sites=3), tables)["a0"]
    assert isinstance(found, MediationResult)
    return found


def test_the_interval_is_that_of_a_product() -> None:
    found = _found(_hospitals(0.4, 0.3, 0.0))
    rng = np.random.default_rng(9)
    drawn = (found.a + found.a_se * rng.normal(size=2_000_000)) * (
        found.b + found.b_se * rng.normal(size=2_000_000)
    )
    ends = np.quantile(drawn, [0.025, 0.975])
    # five standard errors of two million draws
    np.testing.assert_allclose([found.lower[0], found.upper[0]], ends, atol=5 * found.se[0] * 0.002)
    assert found.lower[0] < 0.28 < found.upper[0]
    assert found.p[0] < 1e-6


@pytest.mark.slow
def test_without_a_link_the_p_value_is_seldom_small() -> None:
    rng = np.random.default_rng(3)
    p = []
    for _ in range(60):
        x, m, y = (rng.random(90) < 0.5).astype(float), rng.normal(size=90), rng.normal(size=90)
        tables = [
            AnalysisTable(s, 100 * k + np.arange(30), {"idh1": x[i], "f_one": m[i], "f_two": y[i]})
            for k, (s, i) in enumerate(zip("abc", np.split(np.arange(90), 3), strict=True))
        ]
        p.append(_found(tables).p[0])
    assert np.mean(np.array(p) < 0.05) < 0.05  # where both are 0 the test errs on the safe side


def test_what_something_unmeasured_does_is_taken_off_at_its_correlation() -> None:
    found = _found(_hospitals(through=0.0, beside=0.3, hidden=1.0, people=4000))
    assert found.lower[0] > 0.2  # wrong: nothing goes through the mediator, and it says how fragile that is:
    # what is left of both is correlated by 1 / sqrt(2 * 2)
    assert found.rho_at_zero == pytest.approx(0.5, abs=0.03)
    assert found.indirect_at(np.array([0.5]))[0] == pytest.approx(0.0, abs=0.03)
    low, high = found.bounds(0.6)
    assert low < 0 < high
    assert found.indirect_at(np.array([0.0]))[0] == pytest.approx(found.effect[0], rel=1e-12)


def test_a_share_is_said_only_of_a_total_that_is_not_0() -> None:
    assert _found(_hospitals(0.4, 0.3, 0.0)).proportion == pytest.approx(0.28 / 0.58, abs=0.15)
    against = _found(_hospitals(0.4, -0.28, 0.0))
    assert np.isnan(against.proportion)
    assert against.upper[0] > 0.15
    figure = against.figure()
    assert isinstance(figure, Figure)
    assert "%" not in figure.caption
    assert isinstance(figure.panels[1], Curves)


def test_a_mediator_that_follows_from_the_others_is_refused() -> None:
    with pytest.raises(StudyError, match="follow from the others: f_one"):
        _found(_hospitals(0.4, 0.3, 0.0), outcome="f_two", covariates=["f_three"], mediator="f_one")
    with pytest.raises(ValidationError, match="listed twice"):
        MediationSpec(exposure="idh1", mediator="idh1", outcome="f_two")
