"""RT04, RT06, RT11: cells of few people in what an honest coordinator keeps of tables and life tables."""

from pathlib import Path

import numpy as np

from protocols.core.cells import shown_cells
from protocols.core.table import Floats, Integers
from protocols.describe import histogram
from tests.lib.lying_coordinator import drawn, pooled, weaken
from tests.lib.overheard import overheard
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack

FLOOR = 10


def _columns(draw: np.random.Generator, people: int) -> dict[str, Floats]:
    stage = draw.choice([0.0, 1, 2, 3, 4], people, p=[0.5, 0.3, 0.15, 0.03, 0.02])
    rare = (draw.uniform(size=people) < 0.1).astype(float)
    time = np.ceil(draw.exponential(600, people).clip(1, 2400))
    event = (draw.uniform(size=people) < 0.7).astype(float)
    return {
        "stage": stage,
        "rare": rare,
        "age": draw.normal(60, 9, people),
        "os.time": time,
        "os.event": event,
    }


def read_cells(said: Integers, whole: int, truth: Integers) -> int:
    """How many cells of 1 to 9 people are said, or follow from the whole where one alone is not said."""
    told = said.copy()
    if (unsaid := np.flatnonzero(said == 0)).size == 1:
        told[unsaid] = whole - said.sum()
    return int(((told == truth) & (truth > 0) & (truth < FLOOR)).sum())


def _small(truth: Integers) -> int:
    return int(((truth > 0) & (truth < FLOOR)).sum())


@attack("RT04", "cells of one to nine people over all sites, in the kept total of a table", works_from=3)
def kept_cells(folder: Path, weakened: bool) -> Figure:
    tables = drawn(_columns, 80)
    levels = [0.0, 1, 2, 3, 4]
    spec = {"protocol": "crosstab", "rows": "stage", "columns": "rare", "row_levels": levels}
    study = a_study_of(["stage", "rare"], {"name": "a", "spec": spec})
    held = overheard(folder, study, tables, every_cell=weakened)
    stage, rare = pooled(tables, "stage")[:, 0], pooled(tables, "rare")[:, 0]
    truth = np.array([np.sum((stage == a) & (rare == b)) for a in levels for b in (0, 1)])
    hits = sum(read_cells(a["counts"].ravel(), int(a["n"]), truth) for a in held.sums("a", "count"))
    return Figure(hits, f"of {_small(truth)} cells of one to nine people")


@attack(
    "RT04", "bins by group that are not shown, as what the other groups leave of everybody's", works_from=1
)
def bins_of_everybody(folder: Path, weakened: bool) -> Figure:
    """The weakened sites hide cells by group, whatever another analysis shows of all groups together."""

    def columns(draw: np.random.Generator, people: int) -> dict[str, Floats]:
        sex = (draw.uniform(size=people) < 0.4).astype(float)
        return {"age": draw.normal(57 + 13 * sex, 9 - 3 * sex), "sex": sex}

    tables, edges = drawn(columns, 150), [45.0, 50.0, 55.0, 60.0, 65.0, 70.0, 75.0]
    spec = {"protocol": "histogram", "of": "age", "edges": edges}
    by_sex = {"name": "by", "spec": {**spec, "by": "sex"}}
    study = a_study_of(["age", "sex"], by_sex, {"name": "all", "spec": spec})
    with weaken(histogram, "shown_beside_margins", lambda f, enough: shown_cells(f, enough, 1), weakened):
        held = overheard(folder, study, tables)
    age, sex = pooled(tables, "age")[:, 0], pooled(tables, "sex")[:, 0]
    bins = np.searchsorted(edges, age, side="right")
    truth = np.array([np.bincount(bins[sex == one], minlength=len(edges) + 1) for one in (0, 1)])
    (by_group,), (everybody,) = held.sums("by", "count"), held.sums("all", "count")
    columns = zip(by_group["counts"].T, everybody["counts"][0], truth.T, strict=True)
    hits = sum(read_cells(said, int(whole), true) for said, whole, true in columns)
    return Figure(hits, f"of {_small(truth.ravel())} cells of one to nine people")


@attack("RT06", "edges of a histogram so near that one person alone lies between two", works_from=80)
def narrow_bins(folder: Path, weakened: bool) -> Figure:
    tables = drawn(_columns, 60)
    edges = [float(edge) for edge in np.linspace(35, 85, 201)]
    study = a_study_of(["age"], {"name": "a", "spec": {"protocol": "histogram", "of": "age", "edges": edges}})
    held = overheard(folder, study, tables, every_cell=weakened)
    at = np.searchsorted(edges, pooled(tables, "age")[:, 0], side="right")
    truth = np.bincount(at, minlength=len(edges) + 1)
    hits = sum(read_cells(a["counts"][0], int(a["n"]), truth) for a in held.sums("a", "count"))
    return Figure(hits, f"of {_small(truth)} bins of one to nine people")


@attack("RT06", "cuts of a finding so near that one person with the gene lies between two", works_from=14)
def near_cuts(folder: Path, weakened: bool) -> Figure:
    tables = drawn(_columns, 60)
    cuts = [float(cut) for cut in np.linspace(40, 80, 40)]
    spec = {"protocol": "posterior", "gene": "rare", "finding": "age", "cuts": cuts}
    study = a_study_of(["rare", "age"], {"name": "a", "spec": spec})
    held = overheard(folder, study, tables, every_cell=weakened)
    at = np.searchsorted(cuts, pooled(tables, "age")[:, 0], side="right")
    truth = np.bincount(at[pooled(tables, "rare")[:, 0] == 1], minlength=len(cuts) + 1)
    hits = sum(read_cells(a["counts"][1], int(a["people"][1]), truth) for a in held.sums("a", "count"))
    return Figure(hits, f"of {_small(truth)} intervals with one to nine people with the gene")


@attack("RT11", "the weeks in which few people leave, read from a life table", works_from=60)
def lone_leavers(folder: Path, weakened: bool) -> Figure:
    """Who leaves is what people at risk in two intervals differ by."""
    tables = drawn(_columns, 60)
    grid = {"step_days": 7, "until_days": 2401}
    spec = {"protocol": "kaplan_meier", "outcome": "os", "grid": grid}
    study = a_study_of([], {"name": "a", "spec": spec}, survival=["os"])
    held = overheard(folder, study, tables, every_cell=weakened)
    week = np.ceil(pooled(tables, "os.time")[:, 0] / 7).astype(int)
    truth = np.bincount(week, minlength=345)[1:344]
    hits = sum(_leavers(a["at_risk"][0], truth) for a in held.sums("a", "life_table"))
    return Figure(hits, f"of {_small(truth)} weeks in which one to nine people leave")


@attack(
    "RT11",
    "the weeks in which few people leave, read from what is counted between landmarks",
    works_from=60,
    slow=True,
)
def leavers_between_landmarks(folder: Path, weakened: bool) -> Figure:
    tables, weeks = drawn(_columns, 100), 156
    spec = {"protocol": "landmarking", "outcome": "os", "covariates": ["age"], "landmarks": [0, 364]}
    spec |= {"window_days": 728, "step_days": 7, "folds": 2}
    study = a_study_of(["age"], {"name": "a", "spec": spec}, survival=["os"])
    held = overheard(folder, study, tables, every_cell=weakened)
    week = np.ceil(pooled(tables, "os.time")[:, 0] / 7).astype(int)
    truth = np.bincount(week, minlength=weeks + 2)[1 : weeks + 1]
    hits = sum(
        max(_leavers(a["at_risk"], truth), int(((a["left"] == truth) & (truth > 0) & (truth < FLOOR)).sum()))
        for a in held.sums("a", "life_table")
    )
    return Figure(hits, f"of {_small(truth)} weeks in which one to nine people leave")


def _leavers(at_risk: Integers, truth: Integers) -> int:
    """Weeks whose leavers are known: two neighbouring weeks tell how many are at risk."""
    told = at_risk > 0
    left = np.where(told[:-1] & told[1:], at_risk[:-1] - at_risk[1:], 0)
    return int(((left == truth[: len(left)]) & (left > 0) & (left < FLOOR)).sum())
