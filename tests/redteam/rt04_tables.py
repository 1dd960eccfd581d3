"""RT03, RT04, RT06, RT09, RT11, RT12: cells, weights, quantiles, risk sets and batches of honest analyses."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from protocols.core.errors import ShadowgraphError
from protocols.core.study import Study
from protocols.core.suppression import SUPPRESSED, suppressed
from protocols.core.table import Floats, Integers
from protocols.exchange import coordination
from protocols.exchange.envelope import unseal
from protocols.exchange.local import run_locally
from protocols.exchange.secure_sum import Member, decode
from protocols.exchange.wire import RoundAnswer
from protocols.survival import cox_fit, cox_rows
from protocols.survival.life_table import Grid
from protocols.survival.survival_design import Design, design
from tests.lib.agents import Agents, Message, Relayed
from tests.lib.lying_coordinator import drawn, pooled, read_rows, weaken
from tests.lib.overheard import overheard
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack

FLOOR = 10


def _survival(draw: np.random.Generator, people: int) -> dict[str, Floats]:
    x, z = draw.normal(size=(2, people))
    time, event = np.ceil(draw.exponential(600, people).clip(1, 2400)), draw.uniform(size=people) < 0.7
    return {"x": x, "z": z, "w": np.ones(people), "os.time": time, "os.event": event.astype(float)}


@attack("RT04", "a thousand sparse tables with their totals: hidden cells are worked out", works_from=100)
def sparse_tables(folder: Path, weakened: bool) -> Figure:
    """With the total alone a hidden cell may be from 0 to what all hidden ones have together."""
    draw, narrow = np.random.default_rng(4), 0
    for _ in range(1000):
        cells = draw.poisson(draw.gamma(0.7, 20, 8)).astype(np.int64)
        shown = np.where(cells < FLOOR, SUPPRESSED, cells) if weakened else suppressed(cells, FLOOR)
        hidden = shown == SUPPRESSED
        together = int(cells[hidden].sum())
        narrow += bool(hidden.any()) and (hidden.sum() == 1 or together < FLOOR)
    return Figure(narrow, f"of 1000 tables have a hidden cell known to fewer than {FLOOR} people")


def _at_once(asking: Any, *_: object) -> Any:
    """The study without its question about people, which comes first."""
    return asking


@attack("RT03", "a weight that makes one person count like a million", works_from=1, slow=True)
def heavy_person(folder: Path, weakened: bool) -> Figure:
    tables = drawn(_survival, 60)
    weight = np.where(np.arange(60) == 7, 1e6, 1.0)
    tables["b"] = tables["b"].with_columns({"w": weight})
    tables["b"].column("os.event")[7] = 1.0
    spec = {"protocol": "cox", "outcome": "os", "covariates": ["x", "z"], "weight": "w", "stratify": "none"}
    spec |= {"grid": {"step_days": 100, "until_days": 2500}, "robust": True}
    study = a_study_of(["x", "z", "w"], {"name": "a", "spec": spec}, survival=["os"])

    def uncounted(*given: Any, **how: Any) -> Design:
        found = design(*given, **how)
        return replace(found, effective=found.people)

    with (
        weaken(cox_rows, "design", uncounted, weakened),
        weaken(coordination, "people_first", _at_once, weakened),
    ):
        held = overheard(folder, study, tables)
    rows = np.zeros((0, 2))
    for ask, joined in held.asked:
        if ask.step == "risk_sets" and "sum" in joined:
            mean = joined["sum"]["s1"][0] / joined["sum"]["s0"][0]
            rows = (mean * ask.arrays["scale"] + ask.arrays["location"])[None]
    hits, error = read_rows(rows, tables["b"].matrix(["x", "z"])[7:8], 1e-3)
    return Figure(hits, f"of 1 row, error {error:.0e}")


@attack("RT06", "the least and the largest value, as quantiles", works_from=2)
def extremes(folder: Path, weakened: bool) -> Figure:
    def ages(draw: np.random.Generator, people: int) -> dict[str, Floats]:
        return {"age": draw.normal(60, 9, people)}

    def asked(*shares: float) -> Study:
        scale = {"variable": "age", "low": 0, "high": 120, "resolution": 0.1}
        spec = {"protocol": "quantiles", "of": [scale], "shares": shares}
        return a_study_of(["age"], {"name": "a", "spec": spec})

    tables = drawn(ages, 60)
    try:
        study = asked(0.0, 1.0)
    except ValidationError:
        if not weakened:
            return Figure(0, "of 2 values: no study asks for them")
        study = asked(0.25, 0.75)
        spec = study.spec("a").model_copy(update={"shares": (0.0, 1.0)})
        study = study.model_copy(update={"analyses": (study.analyses[0].model_copy(update={"spec": spec}),)})
    found = run_locally(study, list(tables.values()))["a"].quantiles[0]
    age = pooled(tables, "age")
    return Figure(int((np.abs(found - [age.min(), age.max()]) <= 0.1).sum()), "of 2 values")


@attack(
    "RT09",
    "Cox's risk sets on a grid of weeks: those who leave alone in one are subtracted",
    works_from=40,
    slow=True,
)
def risk_sets(folder: Path, weakened: bool) -> Figure:
    def unmerged(left: Integers, *_: object) -> Integers:
        return np.arange(len(left))

    tables = drawn(_survival, 60)
    grid = {"step_days": 7, "until_days": 2800}
    spec = {"protocol": "cox", "outcome": "os", "covariates": ["x", "z"], "stratify": "none", "grid": grid}
    spec |= {"robust": True}
    study = a_study_of(["x", "z"], {"name": "a", "spec": spec}, survival=["os"])
    with weaken(cox_fit.shared, "merged_intervals", unmerged, weakened):
        held = overheard(folder, study, tables, every_cell=weakened)
    rows = np.zeros((0, 2))
    for ask, joined in held.asked:
        if ask.step == "risk_sets":
            left, risk = (-np.diff(joined["sum"][name], append=0) for name in ("at_risk", "s0"))
            of_leavers = -np.diff(joined["sum"]["s1"], axis=0, append=0.0)
            z = (of_leavers / np.where(risk == 0, 1, risk)[:, None])[left == 1]
            rows = z * np.asarray(ask.arrays["scale"]) + np.asarray(ask.arrays["location"])
    hits, error = read_rows(rows, pooled(tables, "x", "z"), 1e-5)
    return Figure(hits, f"of 180 rows, error {error:.0e}")


@attack("RT11", "the days of events, read from a life table", works_from=60)
def event_days(folder: Path, weakened: bool) -> Figure:
    def daily(grid: Grid) -> Floats:
        return np.arange(grid.until_days + 1, dtype=np.float64)

    tables = drawn(_survival, 60)
    grid = {"step_days": 7, "until_days": 2401}
    study = a_study_of(
        [],
        {"name": "a", "spec": {"protocol": "kaplan_meier", "outcome": "os", "grid": grid}},
        survival=["os"],
    )
    with (
        weaken(Grid, "edges", daily, weakened),
        weaken(Grid, "bins", lambda grid: grid.until_days, weakened),
    ):
        held = overheard(folder, study, tables, every_cell=weakened)
        edges = Grid(**grid).edges()
    known = []
    for total in held.sums("a", "life_table"):
        alone = np.flatnonzero(np.asarray(total["events"])[0] == 1)
        known += [edges[k + 1] for k in alone if edges[k + 1] - edges[k] <= 1]
    days = pooled(tables, "os.time")[pooled(tables, "os.event")[:, 0] == 1, 0]
    return Figure(len(set(known) & set(days.tolist())), f"of {len(days)} days of events known exactly")


@attack("RT12", "the mean of a feature at the one small site that has a scanner", works_from=1)
def small_batch(folder: Path, weakened: bool) -> Figure:
    few = 12
    tables = {**drawn(_survival, 60), "c": drawn(_survival, few)["c"]}
    spec = {"protocol": "combat", "features": ["x", "z"]}
    agents = Agents(folder, a_study_of(["x", "z"], {"name": "a", "spec": spec}), tables)
    seen: list[Floats] = []

    def read() -> None:
        seen.extend(decode(sent["y_sum"]) / few for sent in _parts(agents, "c") if "y_sum" in sent)

    def reading(question: Any, relayed: Relayed) -> Message:
        read()
        return question, relayed

    def open_stream(member: Member, peer: str, question: str, position: int, numbers: int) -> Any:
        return np.zeros((numbers, 2), dtype=np.uint64)

    with weaken(Member, "_stream", open_stream, weakened), suppress(ShadowgraphError):
        agents.run(reading)
    read()
    mean = tables["c"].matrix(["x", "z"]).mean(axis=0)
    return Figure(any(np.allclose(found, mean) for found in seen), "of 1 site's means")


def _parts(agents: Agents, site: str) -> list[Any]:
    """What one site sent in the round before, as the coordinator has it."""
    if site not in agents.replies:
        return []
    reply = unseal(agents.replies[site], agents.agents[site].conductor.key, "answer")
    return [answer for answer in RoundAnswer.decode(reply).answers if isinstance(answer, dict)]
