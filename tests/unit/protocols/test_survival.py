"""Survival curves, log-rank tests and validation: what is hidden, what is refused, small cases by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from protocols.core.errors import Code, SpecError, StudyError
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.survival.concordance import pairs
from protocols.survival.kaplan_meier import KaplanMeier, KaplanMeierSpec
from protocols.survival.life_table import FollowUp, Grid, counted, crossing, curve
from protocols.survival.log_rank import LogRankSpec
from tests.lib.drawn_sites import SPLITS, study_of
from tests.lib.shared import shared
from tests.lib.ungated import tables_of

TABLES = SPLITS["unequal sites"]
GRID = {"step_days": 30, "until_days": 1500}
MODEL = {"protocol": "cox", "outcome": "os", "covariates": ["age", "idh1"], "grid": GRID}


def found(tables: list[AnalysisTable] = TABLES, **spec: Any) -> Any:
    return run_locally(study_of(spec), tables)["a0"]


def test_a_curve_ends_where_fewer_than_ten_people_are_at_risk() -> None:
    km = found(protocol="kaplan_meier", outcome="os", grid=GRID)
    shown = ~np.isnan(km.survival[0])
    assert (km.at_risk[0][shown] >= 10).all()
    assert (km.at_risk[0][~shown] == -1).all()
    assert (km.events[0][~shown] == -1).all()
    assert not shown.all()


def test_event_times_are_no_finer_than_the_grid() -> None:
    """RT11: moving every event within its week changes nothing of what leaves."""
    rng = np.random.default_rng(1)
    moved = []
    for table in TABLES:
        time = table.column("os.time")
        within = np.ceil(time / 7) * 7 - rng.uniform(0, 7, len(time))
        moved.append(table.with_columns({"os.time": np.where(time > 0, within, time)}))
    spec = {"protocol": "kaplan_meier", "outcome": "os", "grid": {"step_days": 7, "until_days": 1400}}
    assert found(moved, **spec).as_dict() == found(**spec).as_dict()


def test_a_daily_grid_is_refused() -> None:
    with pytest.raises(ValidationError, match="step_days"):
        KaplanMeierSpec.model_validate({"outcome": "os", "grid": {"step_days": 1}})


def test_a_group_of_few_people_has_no_curve() -> None:
    few = [t.with_columns({"sex": np.where(np.arange(len(t)) < 3, 1.0, 0.0)}) for t in TABLES]
    km = found(few, protocol="kaplan_meier", outcome="os", by="sex", grid=GRID)
    assert km.n.tolist() == [sum(len(t) for t in few) - 9, -1]
    assert np.isnan(km.survival[1]).all()
    assert np.isnan(km.quantile_days[1]).all()


def test_censored_on_day_zero_is_never_at_risk() -> None:
    """Twelve people of Fed-TCGA-BRCA were last seen on day 0."""
    data = pd.read_csv(shared("data/stats/fed_tcga_brca.csv"))
    people = FollowUp(None, data["T"].to_numpy(), data.E.to_numpy() == 1)
    assert (data["T"] == 0).sum() == 12
    at_risk, events = counted(people, np.arange(0.0, 9001.0, 30))
    assert at_risk[0] == len(data) - 12
    assert events.sum() == data.E.sum()


def test_small_regions_take_part_in_a_sum() -> None:
    """Canada has 51 people and 3 events: neither is shown, both count."""
    data = pd.read_csv(shared("data/stats/fed_tcga_brca.csv"))
    frame = pd.DataFrame({"os.time": data["T"], "os.event": data.E, "sex": data.age_at_index > 58})
    tables = tables_of(frame, data.region)
    km = found(tables, protocol="kaplan_meier", outcome="os", grid={"step_days": 90, "until_days": 8700})
    assert km.n[0] == len(data)
    test = found(tables, protocol="log_rank", outcome="os", by="sex")
    assert test.n_events.sum() == data.E.sum()


def test_the_median_of_a_flat_piece_is_its_middle() -> None:
    days = np.array([1.0, 2.0, 3.0, 4.0])
    assert crossing(days, np.array([0.8, 0.5, 0.5, 0.2]), 0.5) == 3.0
    assert crossing(days, np.array([0.8, 0.6, 0.4, 0.2]), 0.5) == 3.0
    assert np.isnan(crossing(days, np.array([0.9, 0.8, 0.7, np.nan]), 0.5))


def test_nobody_left_is_a_curve_of_zero_without_an_interval() -> None:
    at = curve(np.array([20, 10]), np.array([10, 10]), level=0.95, min_count=1)
    assert at.survival.tolist() == [0.5, 0.0]
    assert np.isnan(at.lower[1])
    np.testing.assert_allclose(at.hazard, [0.5, 1.5])


def test_late_entry_is_at_risk_from_its_interval_on() -> None:
    people = FollowUp(
        np.array([0.0, 35.0, 60.0]), np.array([20.0, 70.0, 100.0]), np.array([True, True, False])
    )
    at_risk, events = counted(people, np.array([0.0, 30.0, 60.0, 90.0]))
    assert at_risk.tolist() == [1, 1, 2]
    assert events.tolist() == [1, 0, 1]


def test_an_event_that_is_not_zero_or_one_is_named_at_the_site() -> None:
    table = TABLES[0].with_columns({"os.event": np.full(len(TABLES[0]), 2.0)})
    with pytest.raises(SpecError, match=r"os\.event is not 0 or 1"):
        KaplanMeier.leaving(KaplanMeierSpec(outcome="os"), table)


def test_a_time_before_the_index_date_is_named_at_the_site() -> None:
    table = TABLES[0].with_columns({"os.time": np.full(len(TABLES[0]), -2.0)})
    with pytest.raises(SpecError, match=r"os\.time is before the index date"):
        KaplanMeier.leaving(KaplanMeierSpec(outcome="os"), table)


def test_a_small_group_of_a_log_rank_test_is_named() -> None:
    few = [t.with_columns({"sex": np.where(np.arange(len(t)) < 3, 1.0, 0.0)}) for t in TABLES]
    with pytest.raises(StudyError, match="sex=1") as caught:
        found(few, protocol="log_rank", outcome="os", by="sex")
    assert caught.value.code == Code.WITHHELD


def test_no_event_time_leaves_with_a_stratified_log_rank_test() -> None:
    spec = LogRankSpec(outcome="os", by="sex")
    with pytest.raises(ValidationError, match="stratify: none"):
        LogRankSpec.model_validate({"outcome": "os", "by": "sex", "grid": GRID})
    later = [t.with_columns({"os.time": 3 * t.column("os.time") + 1}) for t in TABLES]
    same = found(later, protocol="log_rank", outcome="os", by="sex")
    assert same.as_dict() == found(**spec.model_dump(mode="json")).as_dict()


def test_c_counts_pairs() -> None:
    people = FollowUp(None, np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, False, True]))
    by_hand = pairs(people, np.array([3.0, 1.0, 2.0, 1.0]))
    # 1 is right against 2, 3, 4; of 2, 3 is still there (wrong), 4 has the same score.
    assert (by_hand.concordant, by_hand.discordant, by_hand.tied_score) == (3, 1, 1)
    assert by_hand.index() == 0.7


def test_c_in_blocks_is_c_in_one() -> None:
    rng = np.random.default_rng(2)
    n = 1300
    time, score = np.ceil(rng.exponential(50, n)), np.round(rng.normal(size=n), 1)
    people = FollowUp(np.floor(time * rng.uniform(0, 0.9, n)) - 1, time, rng.uniform(size=n) < 0.6)
    assert people.entry is not None
    later = (time[None] > time[:, None]) | ((time[None] == time[:, None]) & ~people.event[None])
    later &= (people.entry[None] < time[:, None]) & people.event[:, None]
    found = pairs(people, score)
    assert found.concordant == (later & (score[None] < score[:, None])).sum()
    assert found.discordant == (later & (score[None] > score[:, None])).sum()
    assert found.tied_score == (later & (score[None] == score[:, None])).sum()


def test_a_good_model_predicts_better_than_none() -> None:
    spec = {"protocol": "survival_validation", "model": MODEL, "days": [180, 360, 720]}
    good = found(**spec)
    assert good.harrell > 0.55
    assert (good.auc - good.auc_bound > 0.5).all()
    assert (good.auc_bound < 0.02).all()
    assert (good.brier < 0.25).all()
    assert good.brier.min() < good.integrated_brier < good.brier.max()
    np.testing.assert_allclose(good.expected, good.observed, atol=0.06)


def test_a_site_of_few_events_is_not_left_out() -> None:
    tables = SPLITS["a site of nine"]
    spec = {"protocol": "survival_validation", "model": MODEL, "days": [360], "scheme": {"kind": "sites"}}
    by_site = found(tables, **spec)
    assert set(by_site.by_site) == {"a", "b"}
    assert by_site.not_judged == {"c": Code.WITHHELD}
    assert by_site.n == 140


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"days": [45]}, "edges of the model's grid"),
        ({"model": {**MODEL, "grid": None}}, "needs a `grid`"),
        ({"model": {**MODEL, "episodes": True}}, "remove `episodes`"),
    ],
)
def test_a_validation_that_makes_no_sense_says_why(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        study_of({"protocol": "survival_validation", "model": MODEL, "days": [360], **changes})


def test_a_grid_covers_its_last_day() -> None:
    assert Grid(step_days=30, until_days=100).edges().tolist() == [0, 30, 60, 90, 120]
