"""Cox models: what they refuse by name, what keeps people hidden, data that plain Newton cannot fit."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from protocols.core.errors import Code, SpecError, StudyError
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Episodes
from protocols.exchange.local import LocalSites, run_locally
from protocols.exchange.rounds import conduct
from protocols.exchange.wire import RoundAnswer, RoundQuestion
from protocols.survival.cox import Cox, CoxSpec
from protocols.survival.life_table import FollowUp, on_intervals
from protocols.survival.partial_likelihood import Stratum
from protocols.survival.shared_baseline import check_intervals, merged_intervals
from tests.lib.drawn_sites import SPLITS, study_of
from tests.lib.shared import shared
from tests.lib.studies import a_study_of
from tests.lib.ungated import estimated, tables_of

TABLES = SPLITS["unequal sites"]
GRID = {"step_days": 30, "until_days": 1500}
COLUMNS = [f"x{j:02d}" for j in range(39) if j != 24]
"""Of FedTCGA-BRCA; too few people differ from the rest in x24."""


def cox(tables: list[AnalysisTable] = TABLES, **spec: Any) -> Any:
    asked = {"protocol": "cox", "outcome": "os", "covariates": ["age", "idh1"], **spec}
    return run_locally(study_of(asked), tables)["a0"]


def survival_study(columns: list[str], spec: dict[str, Any]) -> Study:
    variables: dict[str, Any] = {c: {"kind": "measurement", "concept": f"LOCAL:{c}"} for c in columns}
    variables["os"] = {"kind": "survival", "endpoint": "overall"}
    analysis = {"name": "cox", "spec": {"protocol": "cox", "outcome": "os", "covariates": columns, **spec}}
    return a_study_of(columns, analysis, variables=variables)


def brca() -> pd.DataFrame:
    """Fed-TCGA-BRCA with its 39 covariates as x00 to x38, in the file's order."""
    frame = pd.read_csv(shared("data/stats/fed_tcga_brca.csv"))
    first = list(frame.columns).index("age_at_index")
    names = {column: f"x{j:02d}" for j, column in enumerate(frame.columns[first:])}
    return frame.rename(columns={**names, "T": "os.time", "E": "os.event"})


def test_columns_that_follow_from_others_are_named() -> None:
    frame = brca()
    columns = COLUMNS
    tables = tables_of(frame[[*columns, "os.time", "os.event"]], frame.region)
    with pytest.raises(StudyError, match=r"x3\d") as caught:
        run_locally(survival_study(columns, {}), tables)["cox"]
    assert caught.value.code == Code.RANK_DEFICIENT


@pytest.mark.slow
def test_exact_ridge_reaches_the_published_goal_in_six_evaluations() -> None:
    """FLamby's FedAvg .7354 and FedAdam .8421 take 100 updates; through gate, wire and masked sums."""
    from protocols.survival.concordance import pairs

    frame = brca()
    columns = COLUMNS
    train = frame.fold == "train"
    tables = tables_of(frame[train][[*columns, "os.time", "os.event"]], frame[train].region)
    grid = {"step_days": 7, "until_days": 3700}
    ridge = {"ties": "breslow", "penalty": 10 / int(train.sum()), "stratify": "none", "grid": grid}
    outcome = run_locally(survival_study(columns, ridge), tables)
    test = frame[~train]
    people = FollowUp(None, test["os.time"].to_numpy(), test["os.event"].to_numpy() == 1)
    assert pairs(people, outcome["cox"].linear_predictor(test)).index() >= 0.8425
    assert outcome["cox"].evaluations <= 6
    assert outcome.rounds <= 16  # two an evaluation, and those of people, scales, intervals and the end


def test_a_covariate_that_sets_few_people_of_each_hospital_apart_is_named_before_it_leaves() -> None:
    """x24 sets 11 people of six regions apart, fewer than five of each."""
    frame = brca()
    tables = tables_of(frame[["x00", "x24", "os.time", "os.event"]], frame.region)
    outcome = run_locally(survival_study(["x00", "x24"], {}), tables)
    with pytest.raises(StudyError, match="10 people differ from the rest in x24"):
        outcome["cox"]
    assert outcome.rounds == 1


def test_halved_steps_fit_what_plain_newton_cannot() -> None:
    data = pd.read_csv(shared("data/stats/survival_flchain.csv"))
    frame = pd.DataFrame({"os.time": data.futime, "os.event": data.death, "kappa": data.kappa})
    frame["flc"] = data["lambda"]
    frame["age"], frame["both"] = data.age, (data.kappa + data["lambda"]) ** 2
    tables = tables_of(frame, data["sample.yr"] % 3)
    names = ["kappa", "flc", "both"]
    found: Any = estimated({"protocol": "cox", "outcome": "os", "covariates": names}, tables)
    strata = [
        Stratum(
            (t.matrix(names) - t.matrix(names).mean(axis=0)) / found.scale,
            None,
            t.column("os.time"),
            t.column("os.event") == 1,
        )
        for t in tables
    ]
    coef, plain = found.coef * found.scale, np.zeros(3)
    score = sum(s.derivatives(coef, "efron")[1] for s in strata)
    assert np.abs(score).max() < 1e-7
    furthest = -np.inf
    before = sum(s.derivatives(plain, "efron")[0] for s in strata)
    parts = [s.derivatives(plain, "efron") for s in strata]
    plain = plain + np.linalg.solve(sum(p[2] for p in parts), sum(p[1] for p in parts))
    after = sum(s.derivatives(plain, "efron")[0] for s in strata)
    furthest = max(furthest, before - after)
    assert furthest > 0  # the first full step makes it worse
    assert found.evaluations <= 15


def test_institutions_of_few_people_stay_out_of_the_sum() -> None:
    data = pd.read_csv(shared("data/stats/survival_lung_inst.csv")).rename(columns={"ph.ecog": "ecog"})
    frame = data.assign(**{"os.time": data.time, "os.event": data.status - 1})
    known = frame[frame.inst.notna()].dropna(subset=["age", "sex", "ecog"])
    tables = tables_of(known[["age", "sex", "ecog", "os.time", "os.event"]], known.inst)
    found = run_locally(survival_study(["age", "sex", "ecog"], {}), tables)["cox"]
    enough: Any = estimated(
        {"protocol": "cox", "outcome": "os", "covariates": ["age", "sex", "ecog"]},
        [table for table in tables if len(table) >= 5],
    )
    assert found.n == enough.n < len(known)
    np.testing.assert_allclose(found.coef, enough.coef, rtol=1e-8)


def test_a_separating_covariate_is_named() -> None:
    tables = [t.with_columns({"f_one": t.column("os.event")}) for t in TABLES]
    separated = [
        t.with_columns({"os.time": np.where(t.column("os.event") == 1, 10.0, 900.0) + t.column("sex")})
        for t in tables
    ]
    with pytest.raises(StudyError, match="f_one") as caught:
        cox(separated, covariates=["age", "f_one"])
    assert caught.value.code == Code.SEPARATION
    assert np.isfinite(cox(separated, covariates=["age", "f_one"], penalty=0.1).coef).all()


def test_nobody_with_an_event_is_said() -> None:
    alive = [t.with_columns({"os.event": np.zeros(len(t))}) for t in TABLES]
    with pytest.raises(StudyError, match="10 people differ from the rest in os"):
        cox(alive)


def test_a_constant_covariate_is_named() -> None:
    with pytest.raises(StudyError, match="still"):
        cox(covariates=["age", "still"])


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"stratify": "none"}, "need a `grid`"),
        ({"proportional_hazards": "km"}, "need a `grid`"),
        ({"grid": {"step_days": 1, "until_days": 100}}, "greater than or equal to 7"),
        ({"penalty": 0.1, "robust": True}, "no robust standard errors"),
        ({"stratify": "none", "grid": GRID, "strata": ["sex"]}, "stratify: site"),
        ({"episodes": True, "entry": "age"}, "episodes have their own entry"),
    ],
)
def test_a_spec_that_makes_no_sense_says_why(spec: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        CoxSpec.model_validate({"outcome": "os", "covariates": ["age"], **spec})


def test_a_weight_that_is_not_positive_is_named_at_the_site() -> None:
    table = TABLES[0].with_columns({"sex": np.zeros(len(TABLES[0]))})
    spec = CoxSpec(outcome="os", covariates=("age",), weight="sex")
    with pytest.raises(SpecError, match="weight sex is not positive"):
        Cox.derivatives(spec, table, coef=np.zeros(1), scale=np.ones(1))


def test_one_person_with_all_the_weight_is_no_crowd() -> None:
    """RT03: a site whose weights leave fewer than five people's worth adds nothing to any sum."""
    heavy = [t.with_columns({"f_two": np.where(np.arange(len(t)) == 0, 1e6, 1.0)}) for t in TABLES]
    with pytest.raises(StudyError) as caught:
        cox(heavy, weight="f_two")
    assert caught.value.code == Code.WITHHELD
    one_site = [heavy[0], *(t.with_columns({"f_two": np.ones(len(t))}) for t in TABLES[1:])]
    assert cox(one_site, weight="f_two").n == sum(len(t) for t in TABLES[1:])


def test_episodes_that_are_not_there_are_named() -> None:
    spec = CoxSpec(outcome="os", covariates=("age",), episodes=True)
    with pytest.raises(SpecError, match="os has no episodes"):
        Cox.moments(spec, replace(TABLES[0], episodes={}))


def test_episodes_of_one_value_are_the_people_themselves() -> None:
    def split(table: AnalysisTable) -> AnalysisTable:
        time, event = table.column("os.time"), table.column("os.event")
        n, half = len(table), time / 2
        rows = np.arange(n)
        episodes = Episodes(
            np.concatenate([rows, rows]),
            np.concatenate([np.zeros(n), half]),
            np.concatenate([half, time]),
            np.concatenate([np.zeros(n), event]),
            {"age": np.tile(table.column("age"), 2)},
        )
        return AnalysisTable(
            table.site,
            table.persons,
            table.columns,
            table.labels,
            table.fold_hashes,
            episodes={"os": episodes},
        )

    whole, halves = cox(robust=True), cox([split(t) for t in TABLES], episodes=True, robust=True)
    for name in ("coef", "se", "model_se"):
        np.testing.assert_allclose(getattr(halves, name), getattr(whole, name), rtol=1e-8)
    assert halves.n == whole.n


def test_clusters_no_more_than_covariates_are_refused() -> None:
    table = SPLITS["one site"]
    with pytest.raises(StudyError, match="scanner has no more clusters"):
        cox(table, cluster="scanner")


def test_survival_is_foretold_by_the_baseline_hazard() -> None:
    found = cox(stratify="none", grid=GRID)
    x = np.array([[50.0, 0.0], [50.0, 1.0]])
    foretold = found.survival(x, [0, 360, 720])
    assert (foretold[:, 0] == 1).all()
    assert (np.diff(foretold, axis=1) < 0).all()
    ratio = np.log(foretold[1, 1:]) / np.log(foretold[0, 1:])
    np.testing.assert_allclose(ratio, found.hazard_ratio[1], rtol=1e-9)
    with pytest.raises(StudyError, match="no baseline hazard"):
        cox().survival(x, [360])


class Watched:
    """Sites in this process that keep the joined answers of the steps that went by."""

    def __init__(self, study: Study, tables: list[AnalysisTable]) -> None:
        self.sites = LocalSites(study, {table.site: table for table in tables})
        self.questions: list[RoundQuestion] = []

    def __call__(self, question: RoundQuestion) -> dict[str, RoundAnswer]:
        self.questions.append(question)
        return self.sites(question)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_at_least_ten_people_leave_between_two_risk_sets(ties: str) -> None:
    """RT09: what can be subtracted from joined risk sets is a sum over ten people or more."""
    spec = {"protocol": "cox", "outcome": "os", "covariates": ["age", "f_one"], "ties": ties}
    study = study_of({**spec, "stratify": "none", "grid": {"step_days": 7, "until_days": 1500}})
    watched = Watched(study, TABLES)
    conduct(study, watched, run="t", roster=("a", "b", "c"))
    asked = [ask for q in watched.questions for ask in q.asks if ask.step == "risk_sums"]
    number, coef = asked[0].arrays["number"], np.zeros(2)
    assert all((ask.arrays["number"] == number).all() for ask in asked if "number" in ask.arrays)
    where = {name: asked[0].arrays[name] for name in ("scale", "location", "number")}
    parsed = study.analyses[0].spec
    answers = [Cox.risk_sets(parsed, table, coef=coef, **where) for table in TABLES]
    at_risk = sum(a["at_risk"] for a in answers)[: number[-1] + 1]
    dead = sum(a["deaths"] for a in answers)
    left = -np.diff(np.append(at_risk, 0))
    assert ((left == 0) | (left >= 10)).all()
    assert ties == "breslow" or (dead[dead > 0] >= 10).all()


def test_a_site_answers_no_finer_intervals_than_the_grid() -> None:
    check_intervals(np.array([0, 0, 1, 1, 2]), 5)
    for number in ([0, 2, 3, 4, 5], [0, 1, 2, 3], [1, 1, 2, 3, 4], [0, 1, 0, 1, 2]):
        with pytest.raises(SpecError):
            check_intervals(np.array(number), 5)


def test_intervals_are_merged_until_enough_people_leave() -> None:
    left, dead = np.array([3, 0, 9, 12, 0, 4, 7, 2]), np.array([1, 0, 2, 11, 0, 0, 3, 1])
    assert merged_intervals(left, dead, 0, "breslow", 10).tolist() == [0, 0, 0, 1, 2, 3, 3, 3]
    assert merged_intervals(left, dead, 0, "efron", 10).tolist() == [0] * 8  # four events remain
    assert merged_intervals(left, dead * 3, 0, "efron", 10).tolist() == [0, 0, 0, 0, 1, 2, 2, 2]
    assert merged_intervals(left, dead, 0, "breslow", 1).tolist() == list(range(8))


def test_few_people_at_the_end_are_not_alone_in_a_risk_set() -> None:
    left, dead = np.array([12, 0, 0, 15, 0, 3]), np.array([5, 0, 0, 2, 0, 1])
    assert merged_intervals(left, dead, 0, "breslow", 10).tolist() == [0, 1, 2, 3, 3, 3]
    assert merged_intervals(left[:5], dead[:5], 3, "breslow", 10).tolist() == [0, 1, 2, 3, 3]
    assert merged_intervals(left[:5], dead[:5], 30, "breslow", 10).tolist() == [0, 1, 2, 3, 4]


def test_somebody_who_left_on_day_zero_was_never_at_risk() -> None:
    people = FollowUp(None, np.array([0.0, 0.0, 10.0, 99.0]), np.array([False, True, True, True]))
    on = on_intervals(people, np.array([0.0, 30.0, 60.0]), np.array([0, 1]))
    assert on.time.tolist() == [0.0, 1.0, 1.0, 2.0]
    assert on.event.tolist() == [False, True, True, False]
