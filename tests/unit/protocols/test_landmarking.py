"""Landmarks: a marker that moves is found at every one, one that says nothing is not; who is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import shadowgraph as sg
from protocols.core.errors import SpecError, StudyError
from protocols.core.figure import Figure
from protocols.core.protocol import parse_spec
from protocols.core.table import AnalysisTable, Episodes
from protocols.exchange.local import Outcome, run_locally
from protocols.survival.landmarking import Landmarking, LandmarkingResult, LandmarkingSpec
from protocols.survival.landmarking_rows import stacked
from tests.lib.studies import a_study_of

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "dynamic-forecast.yaml"
STEP = 90
SPEC: dict[str, Any] = {
    "protocol": "landmarking",
    "outcome": "os",
    "covariates": ["age", "kps"],
    "landmarks": [0, 180],
    "window_days": 360,
}


def hospital(site: int, matters: float, n: int = 220) -> AnalysisTable:
    """People whose `kps` is measured every 90 days; the hazard is that of its last value."""
    draw = np.random.default_rng([11, site])
    age, idh1 = draw.normal(55, 10, n), (draw.uniform(size=n) < 0.4).astype(float)
    kps, alive = draw.normal(80, 8, n), np.ones(n, dtype=bool)
    time, event = draw.uniform(700, 1400, n), np.zeros(n)
    last = np.ceil(time)
    rows: list[tuple[Any, ...]] = []
    for start in range(0, 1440, STEP):
        hazard = 0.0009 * np.exp(0.02 * (age - 55) - 0.5 * idh1 - matters * (kps - 80) / 8)
        death = start + np.ceil(draw.exponential(1 / hazard))
        for person in np.flatnonzero(alive):
            stop = min(start + STEP, death[person], last[person])
            died = death[person] <= min(start + STEP, last[person])
            rows.append((person, start, stop, died, kps[person]))
            if stop < start + STEP or died or stop == last[person]:
                alive[person], last[person], event[person] = False, stop, died
        kps = kps + draw.normal(0, 5, n)
    owner, begin, end, died, value = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    columns = {"age": age, "idh1": idh1, "kps": value[begin == 0], "os.time": last, "os.event": event}
    episodes = Episodes(owner.astype(np.int64), begin, end, died, {"kps": value})
    return AnalysisTable("abc"[site], 1000 * site + np.arange(n), columns, episodes={"os": episodes})


@pytest.fixture(scope="module")
def planted() -> list[AnalysisTable]:
    return [hospital(site, matters=0.8) for site in range(3)]


def study_of_example(tables: list[AnalysisTable]) -> Outcome:
    return run_locally(sg.read(EXAMPLE), tables)


def found(tables: list[AnalysisTable], **changes: Any) -> LandmarkingResult:
    study = a_study_of(["age", "kps"], {"name": "a0", "spec": {**SPEC, **changes}}, survival=["os"])
    result = run_locally(study, tables)["a0"]
    assert isinstance(result, LandmarkingResult)
    return result


@pytest.mark.slow
def test_the_example_finds_a_marker_that_moves(planted: list[AnalysisTable]) -> None:
    outcome = study_of_example(planted)
    moving, fixed = outcome["moving"], outcome["fixed"]
    truth = np.exp(-0.8 / 8)
    kps = moving.covariates.index("kps")
    assert (moving.lower[kps] < truth).all()
    assert (truth < moving.upper[kps]).all()
    assert (moving.upper[kps] < 1).all()
    assert (moving.auc > fixed.auc + 0.05).all()
    assert (moving.skill > fixed.skill).all()
    assert moving.p[moving.terms.index("kps:time")] > 0.05  # its effect is the same on every day
    assert (np.abs(moving.expected - moving.observed) < 0.05).all()
    assert "better than by chance on day 0, 180, 360, 540" in moving.figure().caption


@pytest.mark.slow
def test_and_nothing_where_nothing_is() -> None:
    outcome = study_of_example([hospital(site, matters=0.0) for site in range(3)])
    moving, fixed = outcome["moving"], outcome["fixed"]
    assert ((moving.lower[2] < 1) & (moving.upper[2] > 1)).all()
    assert (moving.auc < fixed.auc + 0.03).all()
    alone = found([hospital(site, matters=0.0) for site in range(3)], covariates=["kps"], landmarks=[0, 180])
    assert isinstance(figure := alone.figure(), Figure)
    assert "At no landmark was the order of events predicted better than by chance." in figure.caption


def test_people_are_those_of_the_first_landmark_with_what_is_known_on_each_day() -> None:
    owner = np.array([0, 0, 1, 1, 2, 3])
    start, stop = np.array([0.0, 50, 0, 100, 0, 0]), np.array([50.0, 400, 100, 150, 300, 90])
    event = np.array([0.0, 1, 0, 0, 1, 1])
    kps = np.array([10.0, 20, np.nan, 30, 40, 50])
    columns = {
        "age": np.array([1.0, 2, 3, 4]),
        "kps": np.array([10.0, 30, 40, 50]),
        "os.time": np.array([400.0, 150, 300, 90]),
        "os.event": np.array([1.0, 0, 1, 1]),
    }
    episodes = {"os": Episodes(owner, start, stop, event, {"kps": kps})}
    table = AnalysisTable("a", np.arange(4), columns, episodes=episodes)
    spec = LandmarkingSpec.model_validate(
        {**SPEC, "landmarks": [0, 90], "window_days": 210, "with_time": ["kps"]}
    )
    stack = stacked(spec, table)
    assert len(stack.table) == 3  # the second has no value on day 0, and does not come in later
    first, second = stack.landmarks
    assert first.x.tolist() == [[1, 10, 0], [3, 40, 0], [4, 50, 0]]
    assert second.x.tolist() == [[1, 20, 20], [3, 40, 40]]  # the fourth died on day 90
    assert second.owner.tolist() == [0, 1]
    assert first.follow.event.tolist() == [False, False, True]
    assert second.follow.event.tolist() == [False, True]  # the first dies after the window
    assert stack.events == 2


def test_a_patients_chance_moves_with_what_becomes_known() -> None:
    result = found(
        [hospital(site, matters=0.8) for site in range(3)], folds=2, step_days=90, with_time=["kps"]
    )
    well, ill = result.risk(np.array([[55.0, 90], [55, 60]]), 180)
    assert 0 < well < ill < 1
    with pytest.raises(StudyError, match="day 90 is no landmark"):
        result.risk(np.array([[55.0, 90]]), 90)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"landmarks": [180, 0]}, "ascend"),
        ({"landmarks": [0, 100]}, "whole numbers of `step_days`"),
        ({"window_days": 100}, "whole numbers of `step_days`"),
        ({"with_time": ["idh1"]}, "names covariates"),
        ({"with_time": ["kps"], "landmarks": [0]}, "single landmark"),
        ({"covariates": ["age", "age"]}, "listed twice"),
    ],
)
def test_a_wrong_study_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        parse_spec({**SPEC, **changes})


def test_runs_that_part_the_grid_elsewhere_are_refused(planted: list[AnalysisTable]) -> None:
    spec = LandmarkingSpec.model_validate(SPEC)
    last = np.full(len(spec.edges()) - 1, len(spec.edges()) - 2)
    with pytest.raises(SpecError, match="do not end where the windows do"):
        Landmarking.life_table(spec, planted[0], last=last)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"landmarks": [0, 30]}, "fewer than 10 people leave between day 0 and day 30"),
        ({"landmarks": [0, 1080]}, "are followed beyond day 1440"),
    ],
)
def test_days_between_which_few_people_leave_are_refused(changes: dict[str, Any], words: str) -> None:
    few = [hospital(site, matters=0.0, n=60) for site in range(3)]
    with pytest.raises(StudyError, match=words):
        found(few, **changes)
