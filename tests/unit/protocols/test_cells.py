"""Cells that stand on enough people: which are shown, which are joined, and what a run then keeps."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protocols.core.cells import (
    first_of_runs,
    gathered,
    last_of_runs,
    parts,
    parts_of,
    shown_beside_margins,
    shown_cells,
)
from protocols.core.disclosure import Thresholds
from protocols.core.errors import StudyError
from protocols.core.suppression import SUPPRESSED
from protocols.core.table import AnalysisTable, Integers, Mask
from protocols.exchange.local import LocalSites, run_locally
from protocols.exchange.rounds import conduct
from protocols.learning.trees import in_runs
from protocols.survival.life_table import FollowUp, counted, counted_in_runs, in_the_middle
from tests.lib.drawn_sites import study_of
from tests.lib.watched import Watched

RULES = Thresholds()
FLOOR, ENOUGH = RULES.min_count, RULES.enough(1)


def floors_of(counts: np.ndarray) -> np.ndarray:
    """What sites of these (sites, ...) counts say together, in whole floors."""
    return np.asarray(RULES.band(counts).sum(axis=0))


@pytest.mark.parametrize("seed", range(40))
def test_hidden_cells_hold_the_floor_and_shown_ones_reach_it(seed: int) -> None:
    draw = np.random.default_rng(seed)
    counts = draw.poisson(draw.gamma(0.8, 6, (1, 4, 3)), (3, 4, 3))
    shown = shown_cells(floors_of(counts), ENOUGH, axes=2)
    total, hidden = counts.sum(axis=0), shown == 0
    assert (total[shown == 1] >= FLOOR).all()
    assert not hidden.any() or not shown.any() or (hidden.sum() > 1 and total[hidden].sum() >= FLOOR)


def test_of_a_table_of_large_cells_all_are_shown() -> None:
    assert shown_cells(np.full((2, 2), 3), ENOUGH, axes=2).all()


@pytest.mark.parametrize("cells", [1, 2, 3, 7, 33, 60])
@pytest.mark.parametrize("seed", range(10))
def test_every_run_of_neighbours_has_enough_people(cells: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    counts = draw.poisson(draw.gamma(0.5, 8, cells), (3, cells)).astype(np.int64)
    floors = floors_of(np.array([parts_of(of_site) for of_site in counts]))
    assert floors.shape == (parts(cells),)
    last = last_of_runs(floors, ENOUGH)
    total = counts.sum(axis=0)
    in_runs = gathered(total, last)
    assert in_runs.sum() == total.sum()
    assert (last >= np.arange(cells)).all()
    assert (np.diff(last) >= 0).all()
    if floors[0] >= ENOUGH:
        assert (in_runs[np.unique(last)] >= FLOOR).all()
    assert not np.delete(in_runs, np.unique(last)).any()


def test_where_every_cell_has_enough_none_is_joined() -> None:
    floors = floors_of(np.array([parts_of(np.full(13, 20))]))
    assert last_of_runs(floors, ENOUGH).tolist() == list(range(13))


@pytest.mark.parametrize("delayed", [False, True])
def test_a_life_table_of_runs_is_that_of_times_rounded_to_their_ends(delayed: bool) -> None:
    draw = np.random.default_rng(3)
    time = np.ceil(draw.exponential(300, 200)) + 1
    entry = np.floor(draw.uniform(size=200) * time) if delayed else None
    people, edges = FollowUp(entry, time, draw.uniform(size=200) < 0.6), np.arange(21.0) * 50
    last = np.array([1, 1, 2, 3, 8, 8, 8, 8, 8, 9, 10, 12, 12, 19, 19, 19, 19, 19, 19, 19])
    ends = np.unique(last)
    coarse = counted(people, np.append(0.0, edges[ends + 1]))
    for fine, rough in zip(counted_in_runs(people, edges, last), coarse, strict=True):
        assert fine[ends].tolist() == rough.tolist()
        assert not np.delete(fine, ends).any()


def test_events_of_a_run_stand_in_its_middle() -> None:
    last = np.array([0, 3, 3, 3, 5, 5])
    assert in_the_middle(np.array([7, 0, 0, 5, 0, 2]), last).tolist() == [7, 0, 5, 0, 0, 2]


def tables(people: int = 90) -> list[AnalysisTable]:
    draw = np.random.default_rng(8)
    return [
        AnalysisTable(
            site,
            np.arange(people) + 1000 * k,
            {
                "age": draw.normal(50, 12, people),
                "sex": (draw.uniform(size=people) < 0.5).astype(float),
                "idh1": (draw.uniform(size=people) < 0.04).astype(float),
                "f_one": (draw.uniform(size=people) < 0.5).astype(float),
                "os.time": np.ceil(draw.exponential(500, people)),
                "os.event": (draw.uniform(size=people) < 0.6).astype(float),
            }
            | {"pfs.time": np.ceil(draw.exponential(300, people)), "pfs.event": np.ones(people)},
            attrition={"index event": people + 60, "rare rule": people + 59, "age": people},
        )
        for k, site in enumerate("abc")
    ]


SPECS: dict[str, dict[str, Any]] = {
    "crosstab": {"rows": "sex", "columns": "idh1"},
    "histogram": {"of": "age", "edges": [10, 20, 30, 40, 50, 60, 70, 80, 90]},
    "attrition": {"steps": ["index event", "rare rule", "age"]},
    "summary": {"of": ["age"], "cross": [["sex", "idh1"]]},
    "posterior": {"gene": "idh1", "finding": "age", "cuts": [30, 40, 50, 60, 70]},
    "kaplan_meier": {"outcome": "os", "by": "sex"},
    "competing_risks": {"outcomes": ["pfs", "os"], "by": "sex"},
    "log_rank": {"outcome": "os", "by": "sex", "stratify": "none", "grid": {"step_days": 30}},
}


@pytest.mark.parametrize("name", SPECS)
def test_no_total_of_a_run_has_a_cell_of_few_people(name: str) -> None:
    study = study_of({"protocol": name, **SPECS[name]}, cells="coarse")
    watched = Watched(study, tables())
    conduct(study, watched, run="test", roster=("a", "b", "c"))
    for question, answers in zip(watched.questions, watched.answers, strict=True):
        for i, ask in enumerate(question.asks):
            if ask.step in ("count", "crossed", "life_table", "on_grid"):
                for array in ("counts", "cross", "people", "at_risk"):
                    said = [answer.answers[i] for answer in answers.values()]
                    if array in said[0]:  # type: ignore[operator]
                        total = np.sum([one[array] for one in said], axis=0)  # type: ignore[index, call-overload]
                        assert not ((total > 0) & (total < FLOOR)).any(), array


@pytest.mark.parametrize("name", ["crosstab", "summary"])
def test_cells_of_few_people_are_not_shown_and_do_not_follow(name: str) -> None:
    found = run_locally(study_of({"protocol": name, **SPECS[name]}, cells="coarse"), tables())["a0"]
    cells = found.counts if name == "crosstab" else found.total.cross[0]
    assert (cells == SUPPRESSED).sum() > 1


def test_a_rule_that_takes_out_few_people_is_not_told() -> None:
    found = run_locally(study_of({"protocol": "attrition", **SPECS["attrition"]}, cells="coarse"), tables())
    assert found["a0"].total.tolist() == [SUPPRESSED, 447, 270]


def test_what_one_hospital_hides_no_other_one_shows_beside_the_total() -> None:
    few = dict(zip("abc", tables(), strict=True))
    few["c"] = replace(few["c"], attrition={"index event": 210, "age": 197})
    few["a"] = replace(few["a"], attrition={"index event": 190, "age": 170})
    few["b"] = replace(few["b"], attrition={"index event": 209, "age": 200})
    spec = {"protocol": "attrition", "steps": ["index event", "age"], "per_site": True}
    found = run_locally(study_of(spec), list(few.values()))["a0"]
    assert found.total.tolist() == [609, 567]
    assert {site: left.tolist() for site, left in found.by_site.items()} == {
        "a": [SUPPRESSED, 170],
        "b": [SUPPRESSED, 200],
        "c": [SUPPRESSED, 197],
    }


def test_where_nothing_is_small_coarse_and_exact_tables_are_the_same() -> None:
    specs = [
        {"protocol": "crosstab", "rows": "sex", "columns": "f_one"},
        {"protocol": "histogram", "of": "age", "edges": [45, 55], "by": "sex"},
        {"protocol": "summary", "of": ["age"], "cross": [["sex", "f_one"]]},
    ]
    coarse, exact = (run_locally(study_of(*specs, cells=cells), tables()) for cells in ("coarse", "exact"))
    for name in coarse.results:
        assert coarse[name].as_dict() == exact[name].as_dict()


def test_a_table_of_few_people_alone_is_withheld() -> None:
    few = [AnalysisTable(t.site, t.persons[:8], {n: c[:8] for n, c in t.columns.items()}) for t in tables()]
    with pytest.raises(StudyError, match="fewer than 10 people in cells of sex by idh1"):
        run_locally(study_of({"protocol": "crosstab", **SPECS["crosstab"]}, cells="coarse"), few)["a0"]


def test_a_question_about_other_runs_than_neighbours_is_refused() -> None:
    people = FollowUp(None, np.array([40.0, 90.0]), np.array([True, False]))
    for last in ([1, 0, 2], [2, 1, 2], [0, 1]):
        with pytest.raises(Exception, match="not runs of the study's grid"):
            counted_in_runs(people, np.arange(4.0) * 30, np.array(last))


def test_the_sites_of_one_process_answer_in_whole_floors() -> None:
    study = study_of({"protocol": "crosstab", **SPECS["crosstab"]}, cells="coarse")
    sites = LocalSites(study, {table.site: table for table in tables()})
    assert conduct(study, sites, run="r", roster=("a", "b", "c"))["a0"].n == 270


def test_missing_values_that_few_people_have_go_with_the_last_bins() -> None:
    last = np.array([0, 1, 3, 3, 5, 5])  # five bins, and people without a value
    assert in_runs(np.array([12, 30, 4, 9, 20, 3]), last).tolist() == [12, 30, 0, 13, 23, 0]
    alone = np.array([0, 1, 3, 3, 4, 5])
    assert in_runs(np.array([12, 30, 4, 9, 20, 15]), alone).tolist() == [12, 30, 0, 13, 20, 15]


def test_a_cut_lies_before_a_run() -> None:
    assert first_of_runs(np.array([1, 1, 2, 5, 5, 5])).tolist() == [0, 0, 2, 3, 3, 3]


@pytest.mark.parametrize("name", ["boosting", "forest"])
def test_no_split_of_trees_parts_people_that_were_asked_for_together(name: str) -> None:
    draw = np.random.default_rng(2)
    hospitals = []
    for k, site in enumerate("abc"):
        x = np.where(draw.uniform(size=150) < 0.04, np.nan, np.round(draw.normal(50, 12, 150)))
        y = (draw.uniform(size=150) < 1 / (1 + np.exp((np.nan_to_num(x, nan=50) - 50) / 8))).astype(float)
        hospitals.append(AnalysisTable(site, np.arange(150) + 1000 * k, {"age": x, "idh1": y}))
    spec = {"protocol": name, "outcome": "idh1", "covariates": ["age"], "trees": 3, "depth": 3, "bins": 16}
    study = study_of(spec, cells="coarse")
    watched = Watched(study, hospitals)
    outcome = conduct(study, watched, run="test", roster=("a", "b", "c"))
    assert (outcome["a0"].splits > 0).all()
    for question, answers in zip(watched.questions, watched.answers, strict=True):
        for i, ask in enumerate(question.asks):
            for array in ("people", "cells"):
                said = [answer.answers[i] for answer in answers.values()]
                if ask.step in ("level", "cells") and array in said[0]:  # type: ignore[operator]
                    total = np.sum([one[array] for one in said], axis=0)  # type: ignore[index, call-overload]
                    assert not ((total > 0) & (total < FLOOR)).any(), ask.step


@pytest.mark.parametrize("shape", [(2, 2), (2, 6), (4, 8), (5, 10), (1, 6)])
def test_no_hidden_cell_follows_from_what_is_shown_and_the_margins(shape: tuple[int, int]) -> None:
    draw = np.random.default_rng(0)
    for _ in range(60):
        counts = draw.negative_binomial(1.2, 0.04, shape)
        floors = np.minimum(counts // 5, ENOUGH + 3)
        shown = shown_beside_margins(floors, ENOUGH)
        assert not shown[floors < ENOUGH].any()
        if shape[0] > 1:
            assert not solved(counts, shown == 1).any()


def solved(counts: Integers, shown: Mask) -> Mask:
    """The hidden cells that follow from the sums of all rows and columns: those without which the sums of the
    other hidden cells have a smaller rank."""
    hidden = np.argwhere(~shown)
    sums = np.zeros((sum(counts.shape), len(hidden)))
    for place, (row, cell) in enumerate(hidden):
        sums[row, place] = sums[len(counts) + cell, place] = 1
    rank = np.linalg.matrix_rank(sums) if len(hidden) else 0
    found = np.zeros(counts.shape, dtype=bool)
    for place, (row, cell) in enumerate(hidden):
        found[row, cell] = np.linalg.matrix_rank(np.delete(sums, place, axis=1)) < rank
    return found


def test_beside_its_margins_a_table_of_many_is_whole() -> None:
    assert shown_beside_margins(np.full((3, 4), ENOUGH), ENOUGH).all()
