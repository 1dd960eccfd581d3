"""Competing risks: which event counts, where few people are, variances, mean times."""

from typing import Any

import numpy as np
import pytest

from protocols.core.errors import StudyError
from protocols.core.figure import Bars, Curves
from protocols.core.protocol import parse_spec
from protocols.core.table import AnalysisTable, Floats
from protocols.exchange.example import run_example
from protocols.exchange.local import run_locally
from protocols.survival.competing_risks import CompetingRisksResult, grouped
from protocols.survival.competing_risks_spec import CompetingRisksSpec
from protocols.survival.incidence import incidence, restricted_mean, time_lost
from protocols.survival.life_table import curve
from tests.lib.drawn_sites import study_of

GRID = {"step_days": 90, "until_days": 1080}


def a_table(site: str, first: int, **columns: Floats) -> AnalysisTable:
    n = len(next(iter(columns.values())))
    return AnalysisTable(site, first + np.arange(n), {k.replace("__", "."): v for k, v in columns.items()})


def drawn(rare: float = 1.0, n: int = 200) -> list[AnalysisTable]:
    """Three sites: progression and death with constant hazards; the second is `rare`."""
    found = []
    for k, site in enumerate("abc"):
        draw = np.random.default_rng(k)
        one, two = draw.exponential(500, n), draw.exponential(900 / rare, n)
        last = draw.uniform(300, 1500, n)
        end = np.minimum.reduce([one, two, last])
        found.append(
            a_table(
                site,
                1000 * k,
                pfs__time=end,
                pfs__event=(end < last).astype(float),
                os__time=np.where(one < np.minimum(two, last), np.minimum(two, last), end),
                os__event=(two < last).astype(float),
                idh1=(draw.uniform(size=n) < 0.5).astype(float),
            )
        )
    return found


def run(sites: list[AnalysisTable], cells: str = "coarse", **spec: Any) -> CompetingRisksResult:
    written = {"protocol": "competing_risks", "outcomes": ["pfs", "os"], "grid": GRID, **spec}
    found = run_locally(study_of(written, cells=cells), sites)["a0"]
    assert isinstance(found, CompetingRisksResult)
    return found


def test_the_first_event_counts_and_of_one_day_the_later_named() -> None:
    table = a_table(
        "a",
        0,
        pfs__time=np.array([100.0, 200, 300, 50, 70]),
        pfs__event=np.array([1.0, 1, 0, 0, 1]),
        os__time=np.array([400.0, 200, 300, 80, 90]),
        os__event=np.array([1.0, 1, 0, 1, 0]),
    )
    spec = parse_spec({"protocol": "competing_risks", "outcomes": ["pfs", "os"]})
    assert isinstance(spec, CompetingRisksSpec)
    ((anyone, (progressed, died)),) = grouped(table, spec)
    assert anyone.time.tolist() == [100, 200, 300, 50, 70]
    assert progressed.event.tolist() == [True, False, False, False, True]
    assert died.event.tolist() == [False, True, False, False, False]  # the fourth is not followed so long


def test_shares_and_those_without_an_event_are_everybody() -> None:
    found = run(drawn(), by="idh1", restrict_days=720)
    total = found.survival + found.incidence.sum(axis=1)
    np.testing.assert_allclose(total[~np.isnan(total)], 1, rtol=1e-12)
    np.testing.assert_allclose(found.mean + found.lost.sum(axis=1), 720, rtol=1e-12)


def test_constant_hazards_give_the_incidence_that_they_imply() -> None:
    found = run(drawn(n=2000), cells="exact", days=[720])
    both = 1 / 500 + 1 / 900
    truth = np.array([1 / 500, 1 / 900]) / both * -np.expm1(-both * 720)
    k = int(np.searchsorted(found.days, 720))
    assert (np.abs(found.incidence[0, :, k] - truth) < 3 * found.se[0, :, k]).all()
    naive = -np.expm1(-720 / 500)  # one less Kaplan-Meier of progression, as if nobody could die
    assert naive - truth[0] > 0.15


def test_with_one_cause_it_is_kaplan_meier_and_greenwood() -> None:
    at_risk, events = np.array([50, 41, 30, 12, 3]), np.array([[4, 0, 9, 3, 3]])
    theirs = curve(at_risk, events[0], level=0.95, min_count=1)
    ours = incidence(at_risk, events, level=0.95, min_count=1)
    np.testing.assert_allclose(ours.survival, theirs.survival)
    np.testing.assert_allclose(ours.se[0, :4], theirs.se[:4])
    np.testing.assert_allclose(1 - ours.upper[0, :4], theirs.lower[:4])
    np.testing.assert_allclose(1 - ours.lower[0, :4], theirs.upper[:4])


def test_errors_of_complete_follow_up_are_binomial() -> None:
    at_risk, events = np.array([100, 70, 40]), np.array([[20, 10, 5], [10, 20, 5]])
    found = incidence(at_risk, events, level=0.95, min_count=1)
    shares = np.cumsum(events, axis=1) / 100
    np.testing.assert_allclose(found.incidence, shares)
    np.testing.assert_allclose(found.se, np.sqrt(shares * (1 - shares) / 100))


def test_mean_times_are_areas() -> None:
    edges = np.array([0.0, 10, 30])
    survival = np.array([0.8, 0.5])
    mean, se = restricted_mean(edges, survival, np.array([10, 8]), np.array([2, 3]))
    assert mean == 10 + 0.8 * 20
    assert se == pytest.approx(np.sqrt(16**2 * 2 / (10 * 8)))  # what happens on the last day changes no area
    assert time_lost(edges, np.array([[0.2, 0.5]])).tolist() == [4.0]


def test_a_mean_beyond_the_curves_end_is_not_known() -> None:
    ended = np.array([0.9, np.nan, np.nan])
    mean, se = restricted_mean(np.arange(4.0), ended, np.array([10, 4, 1]), np.array([1, 1, 0]))
    assert np.isnan([mean, se]).all()
    found = run([table.select(np.arange(200) < 45) for table in drawn()], restrict_days=1080, cells="exact")
    assert np.isnan(found.mean).all()
    assert "the curve ends before" in str(found.figure())


def test_an_outcome_of_few_people_is_refused_by_name() -> None:
    for cells in ("coarse", "exact"):
        with pytest.raises(StudyError, match="fewer than 10 people have os as their first event"):
            run(drawn(rare=0.01), cells=cells)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"outcomes": ["os"]}, "at least 2"),
        ({"outcomes": ["os", "os"]}, "listed twice"),
        ({"days": [100]}, "not a day of the grid"),
        ({"restrict_days": 1170}, "not a day of the grid"),
    ],
)
def test_a_wrong_study_is_refused(changes: dict[str, Any], words: str) -> None:
    spec = {"protocol": "competing_risks", "outcomes": ["pfs", "os"], "grid": GRID, **changes}
    with pytest.raises(ValueError, match=words):
        parse_spec(spec)


def test_the_figure_has_a_panel_a_group_and_the_mean_times() -> None:
    found = run_example(protocol="competing_risks", outcomes=["pfs", "os"], by="idh1", grid=GRID)
    figure = found.figure()
    assert [type(panel) for panel in figure.panels] == [Curves, Curves, Bars]  # type: ignore[union-attr]
    assert "days more without an event in idh1=1 than in idh1=0, p < 0.001" in figure.caption  # type: ignore[union-attr]
