"""RT05, RT07, RT47, RT54, RT58, RT65, RT66, RT67: what an honest coordinator's store tells of people.

Nobody cheats: a study was approved and ran, and somebody reads the joined totals, or the result.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from protocols.core.disclosure import Release, Thresholds, release
from protocols.core.secret import Climb, Turn
from protocols.core.table import AnalysisTable, Floats
from protocols.describe import summary
from protocols.exchange import coordination, people_first, sides, site_answer
from protocols.regression.logistic import LogisticResult
from site_node.agent import agent, conduct
from site_node.governance import numbers_told
from site_node.governance.policy import changed
from tests.lib.agents import Agents
from tests.lib.lying_coordinator import drawn, pooled, read_rows, unaudited, weaken
from tests.lib.overheard import Overheard, overheard, overheard_of
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack


def _figure(found: Floats, truth: Floats) -> Figure:
    hits, error = read_rows(found, truth, 1e-6)
    return Figure(hits, f"of {len(truth)} rows, error {error:.0e}")


def _people_unasked(weakened: bool) -> AbstractContextManager[object]:
    """A study that asks for sums before it is known that their entries stand on enough people."""
    return weaken(coordination, "people_first", lambda asking, *_: asking, weakened)


def _numbers(draw: np.random.Generator, people: int) -> dict[str, Floats]:
    x, z = draw.normal(size=(2, people))
    return {"x": x, "z": z, "y": x + draw.normal(size=people)}


@attack(
    "RT47",
    "one carrier of a rare variant over all sites: its row of the products is that person's",
    works_from=1,
)
def rare_entry(folder: Path, weakened: bool) -> Figure:
    tables = drawn(_numbers, 80)
    for site, table in tables.items():
        tables[site] = table.with_columns({"rare": (np.arange(80) == 7) * (site == "b") * 1.0})
    spec = {"protocol": "linear", "outcome": "y", "covariates": ["x", "z", "rare"]}
    with _people_unasked(weakened):
        held = overheard(folder, a_study_of(["x", "z", "y", "rare"], {"name": "a", "spec": spec}), tables)
    rows = np.array([a["products"][2, [0, 1, 3]] for a in held.sums("a", "moments")[:1]]).reshape(-1, 3)
    truth = pooled(tables, "x", "z", "y")[pooled(tables, "rare")[:, 0] == 1]
    return _figure(rows, truth)


@attack(
    "RT07",
    "a regression with a 0/1 covariate for each person",
    works_from=24,
)
def saturated_sum(folder: Path, weakened: bool) -> Figure:
    names = [f"d{i}" for i in range(24)]
    tables = drawn(_numbers, 8)
    for k, (site, table) in enumerate(tables.items()):
        single = {name: (np.arange(8) + 8 * k == i).astype(float) for i, name in enumerate(names)}
        tables[site] = table.with_columns(single)
    spec = {"protocol": "linear", "outcome": "y", "covariates": ["x", "z", *names]}
    with _people_unasked(weakened), weaken(numbers_told, "admit", lambda *_: True, weakened):
        held = overheard(folder, a_study_of(["x", "z", "y", *names], {"name": "a", "spec": spec}), tables)
    rows = np.array([a["products"][2:-1, [0, 1, -1]] for a in held.sums("a", "moments")[:1]]).reshape(-1, 3)
    return _figure(rows, pooled(tables, "x", "z", "y"))


@attack(
    "RT05",
    "a sum of which one person has nearly everything",
    works_from=4,
    slow=True,
)
def dominance(folder: Path, weakened: bool) -> Figure:
    hits = 0
    for k in range(4):
        tables = drawn(_numbers, 60)
        huge = 1e4 * (1 + k)
        cost = np.append(np.abs(tables["b"].column("x")[1:]), huge)
        tables = {site: t.with_columns({"x": np.abs(t.column("x"))}) for site, t in tables.items()}
        tables["b"] = tables["b"].with_columns({"x": cost})
        study = a_study_of(["x"], {"name": "a", "spec": {"protocol": "summary", "of": ["x"]}})
        with weaken(summary, "is_dominated", lambda _: False, weakened):
            held = overheard(folder / str(k), study, tables)
        said = held.sums("a", "sums")
        hits += bool(said) and abs(float(said[0]["sum"][0, 0]) - huge) < 0.1 * huge
    return Figure(hits, "of 4 values guessed to a tenth")


@attack(
    "RT65",
    "a scan of features of which each lacks a few people: the sums of two differ by these few",
    works_from=6,
)
def complete_by_feature(folder: Path, weakened: bool) -> Figure:
    """The weakened sites sum each feature over its own complete cases."""
    lacking, names = 6, [f"g{j}" for j in range(7)]
    tables = drawn(lambda draw, n: {"y": draw.normal(size=n), **{g: draw.normal(size=n) for g in names}}, 80)
    whole = {site: table.column("y") for site, table in tables.items()}
    for j, name in enumerate(names[:lacking]):
        own = tables["b"].column(name)
        tables["b"] = tables["b"].with_columns({name: np.where(np.arange(80) == j, np.nan, own)})
    analyses: list[dict[str, Any]] = [
        {"name": g, "spec": {"protocol": "associate", "features": [g], "outcomes": ["y"]}} for g in names
    ]
    rule = "analysis" if weakened else "study"
    study = a_study_of(["y", *names], *analyses, complete_cases=rule)
    with unaudited(weakened):
        held = overheard(folder, study, tables)
    sums = [held.sums(g, "moments") for g in names]
    hits = 0
    if all(sums):
        of_all = sums[-1][0]["sum"][-1]
        read = [of_all - said[0]["sum"][-1] for said in sums[:lacking]]
        hits = int(np.isclose(read, whole["b"][:lacking], atol=1e-6).sum())
    return Figure(hits, f"of {lacking} outcomes")


@attack(
    "RT58",
    "two sites with too few people send masked zeros: the sum is the third one's part",
    works_from=1,
)
def vanished(folder: Path, weakened: bool) -> Figure:
    tables = {"a": drawn(_numbers, 60)["a"], **{s: t for s, t in drawn(_numbers, 3).items() if s != "a"}}
    spec = {"protocol": "linear", "outcome": "y", "covariates": ["x", "z"]}
    with weaken(agent, "people_of", lambda *_: 10, weakened):  # each site says that it contributes
        held = overheard(folder, a_study_of(["x", "z", "y"], {"name": "a", "spec": spec}), tables)
    own = tables["a"].matrix(["x", "z", "y"]).sum(axis=0)
    hits = [np.allclose(a["sum"], own, atol=1e-6) for a in held.sums("a", "moments")[:1]]
    return Figure(sum(hits), "of 1 site's own sums")


@attack(
    "RT54", "the center together with one hospital: what is left of the sum are too few people", works_from=1
)
def center_and_one(folder: Path, weakened: bool) -> Figure:
    """The rest is of two sites at least, each with the floor of a sum or nothing."""
    few = 4
    tables = {"a": drawn(_numbers, 60)["a"], **{s: t for s, t in drawn(_numbers, few).items() if s != "a"}}
    spec = {"protocol": "linear", "outcome": "y", "covariates": ["x", "z"]}
    contributes = weaken(agent, "people_of", lambda *_: 10, weakened)
    with contributes, weaken(site_answer, "release", _with_a_floor_of_one, weakened):
        held = overheard(folder, a_study_of(["x", "z", "y"], {"name": "a", "spec": spec}), tables)
    rest = [int(a["n"]) - 60 for a in held.sums("a", "moments")[:1]]
    floor = Thresholds().min_count
    return Figure(
        sum(0 < n < floor for n in rest), f"of 1 sum, over {floor} people at least unless nobody is left"
    )


@attack(
    "RT54",
    "of a finding that one hospital has often and the others once: it takes its own part from the totals",
    works_from=4,
)
def own_part_taken_away(folder: Path, weakened: bool) -> Figure:
    """Weakened sites ask whether people are enough over all sites, and not beside each hospital's own."""
    tables = drawn(_numbers, 80)
    for site, table in tables.items():
        rare = (np.arange(80) < {"a": 20, "b": 1, "c": 0}[site]) * 1.0
        tables[site] = table.with_columns({"rare": rare, "often": (np.arange(80) % 2 == 0) * 1.0})
    specs: dict[str, dict[str, Any]] = {
        "row": {"protocol": "linear", "outcome": "y", "covariates": ["x", "z", "rare"]},
        "pairs": {"protocol": "correlation", "of": ["x", "z", "rare", "y"]},
        "cell": {"protocol": "crosstab", "rows": "rare", "columns": "often"},
        "mean": {"protocol": "summary", "of": ["rare"]},
    }
    alone = Thresholds.enough
    held = {}
    for name, spec in specs.items():
        study = a_study_of(["x", "z", "y", "rare", "often"], {"name": "a", "spec": spec})
        with weaken(Thresholds, "enough", lambda rules, _: alone(rules, 1), weakened):
            held[name] = overheard(folder / name, study, tables)
    own, other = tables["a"].matrix(["x", "z", "rare", "y"]), tables["b"].matrix(["x", "z", "rare", "y"])[0]
    hits = 0
    for name in ("row", "pairs"):
        said = held[name].sums("a", "moments")[:1]
        hits += any(np.allclose((a["products"] - own.T @ own)[2], other, atol=1e-6) for a in said)
    hits += any(np.array_equal(a["counts"][1] - [10, 10], [0, 1]) for a in held["cell"].sums("a", "count"))
    hits += any(abs(a["sum"][0, 0] - 20 - 1) < 1e-6 for a in held["mean"].sums("a", "sums")[:1])
    return Figure(hits, "of 4 totals leave the one other carrier")


@attack(
    "RT54",
    "a hospital takes its own part from a sum of probabilities by run: what few others have is left",
    works_from=1,
)
def few_other_probabilities(folder: Path, weakened: bool) -> Figure:
    """Weakened sites ask whether a run has enough people over all sites, and not beside each one's own."""
    high = {"a": 30, "b": 7, "c": 0}
    tables = drawn(lambda draw, n: {"y": np.arange(n) % 2.0, "p": draw.uniform(0.1, 0.7, n)}, 80)
    for site, table in tables.items():
        p = table.column("p") + 0.25 * (np.arange(80) < high[site])
        tables[site] = table.with_columns({"p": np.where(np.arange(80) < high[site], p.clip(0.71), p)})
    spec = {"protocol": "posterior", "gene": "y", "finding": "p", "cuts": [0.705], "is_probability": True}
    alone = Thresholds.enough
    with weaken(Thresholds, "enough", lambda rules, _: alone(rules, 1), weakened):
        held = overheard(folder, a_study_of(["y", "p"], {"name": "a", "spec": spec}), tables)
    (said,) = held.sums("a", "count")
    of_few, own = (tables[site].column("p")[: high[site]].sum() for site in "ba")
    return Figure(int((abs(said["sums"] - own - of_few) < 1e-6).any()), "of 1 sum over seven people")


def _with_a_floor_of_one(*args: Any, thresholds: Thresholds, **others: Any) -> Release:
    """What a site would release that takes part in sums with any number of people."""
    lower = Thresholds.model_construct(**thresholds.model_dump() | {"min_count_in_sum": 1})
    return release(*args, thresholds=lower, **others)


def genes(count: int, share: float) -> Callable[[np.random.Generator, int], dict[str, Floats]]:
    """How a site's 0/1 covariates and an outcome that depends on them are drawn."""

    def columns(draw: np.random.Generator, people: int) -> dict[str, Floats]:
        genes = (draw.uniform(size=(count, people)) < share).astype(float)
        y = draw.uniform(size=people) < expit(genes.sum(axis=0) - 1)
        return {f"g{j}": gene for j, gene in enumerate(genes)} | {"y": y.astype(float)}

    return columns


def small_cells(tables: Mapping[str, AnalysisTable], names: list[str], read: Floats | None) -> Figure:
    """How many of the cells of one to nine people of the joint table were read."""
    found = patterns(len(names))
    truth = np.array([(pooled(tables, *names) == p).all(axis=1).sum() for p in found])
    small = (truth > 0) & (truth < 10)
    hits = 0 if read is None else int((np.rint(read) == truth)[small].sum())
    return Figure(hits, f"of {small.sum()} cells of one to nine people")


def patterns(count: int) -> Floats:
    return ((np.arange(2**count)[:, None] >> np.arange(count)) & 1).astype(float)


@attack(
    "RT66",
    "the joint table of 0/1 covariates from the totals of an honest logistic regression",
    works_from=5,
    slow=True,
)
def joint_table(folder: Path, weakened: bool) -> Figure:
    """No site asks before whether joint cells stand on enough people, so that the basis alone is tried."""
    names = [f"g{j}" for j in range(4)]
    tables = drawn(genes(4, 0.3), 80)
    spec = {"protocol": "logistic", "outcome": "y", "covariates": names}
    study = a_study_of([*names, "y"], {"name": "a", "spec": spec})
    with (
        weaken(people_first, "_of_tables", lambda *_: (), True),
        weaken(conduct, "turn", no_turn, weakened),
        weaken(sides, "turn", no_turn, weakened),
    ):
        held = overheard(folder, study, tables)
    return small_cells(tables, names, by_information(held, names))


def no_turn(secret: bytes, place: tuple[int, int], climb: Climb) -> Turn:
    """That of sites which show their derivatives as they are."""
    return Turn.none(climb.size, climb.factors)


def by_information(held: Overheard, names: list[str], penalty: float = 0.0) -> Floats | None:
    """Counts of patterns from the information at several coefficients, which is linear in them.

    The coefficients follow from the center's own replies, if these are in the basis of the covariates. A
    ridge of this penalty is taken off.
    """
    z = np.column_stack([np.ones(2 ** len(names)), patterns(len(names))])
    rows, right, coef = [], [], np.zeros(z.shape[1])
    for ask, joined in held.asked:
        if ask.secret == "climb" and "sum" in joined:
            shift, scale = (np.asarray(ask.arrays[name]) for name in ("shift", "scale"))
            x = np.column_stack([z[:, 0], (z[:, 1:] - shift) / scale])
            weight = expit(x @ coef) * expit(-x @ coef)
            ridge = int(joined["sum"]["n"]) * penalty * np.diag(np.append(0.0, np.ones(len(names))))
            information = joined["sum"]["information"] - ridge
            for j in range(len(coef)):
                for k in range(j, len(coef)):
                    rows.append(weight * x[:, j] * x[:, k])
                    right.append(information[j, k])
            coef = coef + joined["reply"]["arrays"]["step"]
    return np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0] if rows else None


@attack(
    "RT67",
    "the joint table of three 0/1 covariates from the published coefficients and covariance alone",
    works_from=3,
    holds_to=0.5,  # in the mean of four runs: noise is drawn anew in each, and a guess is right now and then
    slow=True,
)
def from_the_paper(folder: Path, weakened: bool) -> Figure:
    """No site asks before whether joint cells stand on enough people, so that the digits alone are tried."""
    names = [f"g{j}" for j in range(3)]
    tables = drawn(genes(3, 0.2), 80)
    spec = {"protocol": "logistic", "outcome": "y", "covariates": names}
    digits = "full" if weakened else "earned"
    study = a_study_of([*names, "y"], {"name": "a", "spec": spec}, digits=digits)
    runs = []
    for number in range(1 if weakened else 4):
        agents = Agents(folder / str(number), study, tables)
        for home in agents.homes.values():
            changed(home, "digits", digits)
        with weaken(people_first, "_of_tables", lambda *_: (), True):
            held = overheard_of(agents)
        runs.append(small_cells(tables, names, held.outcome and by_covariance(held.outcome["a"])))
    return replace(runs[0], got=float(np.mean([run.got for run in runs])))


def by_covariance(found: LogisticResult) -> Floats:
    """Counts of patterns of 0/1 covariates from coefficients and covariance, by least squares."""
    count = len(found.coef) - 1
    z = np.column_stack([np.ones(2**count), patterns(count)])
    weight = expit(z @ found.coef) * expit(-z @ found.coef)
    information = np.linalg.inv(found.covariance)
    pairs = [(j, k) for j in range(count + 1) for k in range(j + 1, count + 1)] + [(0, 0)]
    rows = [np.ones(len(z)), *(weight * z[:, j] * z[:, k] for j, k in pairs)]
    right = [found.n, *(information[j, k] for j, k in pairs)]
    return np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
