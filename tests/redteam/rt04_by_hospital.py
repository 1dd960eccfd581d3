"""RT04, RT46: what one hospital does not show, as what the others leave of a total; two sets of one table."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from protocols.applications import typing
from protocols.core import beside_total
from protocols.core.cells import gathered
from protocols.core.protocol import Total
from protocols.core.table import Integers
from protocols.describe import summary_by_site
from protocols.describe.attrition import AttritionResult
from protocols.describe.left_out import LeftOutResult
from protocols.describe.summary import SummaryResult
from protocols.validation import discrimination
from tests.lib.lying_coordinator import drawn, read_rows, weaken
from tests.lib.overheard import overheard
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack


@attack(
    "RT04",
    "Table 1 by hospital: carriers at a hospital that hides them are the total less the others'",
    works_from=6,
    slow=True,
)
def table_1_by_hospital(folder: Path, weakened: bool) -> Figure:
    """The weakened sites show their numbers wherever their own people are enough."""
    names = [f"g{j}" for j in range(6)]
    tables = drawn(lambda draw, n: {g: (draw.uniform(size=n) < 0.4).astype(float) for g in names}, 80)
    few = {g: (np.arange(80) < j + 1).astype(float) for j, g in enumerate(names)}
    tables["c"] = tables["c"].with_columns(few)
    spec = {"protocol": "summary", "of": names, "per_site": True}
    everything = {
        "people": np.ones(1),
        "known": np.ones((1, 6)),
        "apart": np.ones((1, 6)),
        "cells": np.ones(0),
    }
    shown = {name: ones.astype(np.int64) for name, ones in everything.items()}
    with weaken(summary_by_site, "may_show", lambda _: shown, weakened):
        held = overheard(folder, a_study_of(names, {"name": "a", "spec": spec}), tables)
    assert held.outcome is not None
    found = held.outcome["a"]
    assert isinstance(found, SummaryResult)
    others = np.array([own.n * own.mean for site, own in found.by_site.items() if site != "c"])
    left = found.total.n * found.total.mean - others.sum(axis=0)
    return Figure(
        int(np.isclose(left[0], np.arange(6) + 1).sum()), "of 6 numbers of carriers of one hospital"
    )


@attack(
    "RT04",
    "attrition and missing values by hospital: what one hospital hides is the total less the others'",
    works_from=2,
    slow=True,
)
def counts_by_hospital(folder: Path, weakened: bool) -> Figure:
    """The weakened sites show their counts wherever their own people are enough."""
    tables = drawn(lambda draw, n: {"x": draw.normal(size=n)}, 80)
    taken = {"a": 30, "b": 25, "c": 3}
    measured = {"a": 80, "b": 80, "c": 7}
    for site, table in tables.items():
        x = np.where(np.arange(80) < measured[site], table.column("x"), np.nan)
        kept = {"index event": 80 + taken[site], "rule": 80}
        tables[site] = replace(table.with_columns({"x": x}), attrition=kept)
    specs: list[dict[str, Any]] = [
        {"protocol": "attrition", "steps": ["index event", "rule"], "per_site": True},
        {"protocol": "left_out", "needed": {"mean": ["x"]}, "per_site": True},
    ]
    study = a_study_of(["x"], *({"name": spec["protocol"], "spec": spec} for spec in specs))

    def everything(total: Total, names: Collection[str]) -> dict[str, Integers]:
        return {name: np.ones_like(total[f"few_{name}"]) for name in names}

    with weaken(beside_total, "may_show", everything, weakened):
        held = overheard(folder, study, tables)
    assert held.outcome is not None
    rules, missing = held.outcome["attrition"], held.outcome["left_out"]
    assert isinstance(rules, AttritionResult)
    assert isinstance(missing, LeftOutResult)
    left = rules.total - rules.by_site["a"] - rules.by_site["b"]
    known = missing.known - missing.by_site["a"][2] - missing.by_site["b"][2]
    hits = int(left[0] - left[1] == taken["c"]) + int(known[0] == measured["c"])
    return Figure(hits, "of 2 counts that one hospital hides")


@attack(
    "RT04",
    "validation by hospital: people by score at a hospital that hides them are the total less the others'",
    works_from=2,
    slow=True,
)
def validation_by_hospital(folder: Path, weakened: bool) -> Figure:
    """The weakened sites show cells of scores wherever their own people are enough."""

    def columns(draw: np.random.Generator, people: int) -> dict[str, np.ndarray]:
        x = draw.integers(0, 4, people) / 3.0
        return {"x": x, "y": (draw.uniform(size=people) < 0.2 + 0.6 * x).astype(float)}

    tables = drawn(columns, 240)
    x, y = tables["c"].column("x"), tables["c"].column("y")
    few = (x == 1) & (np.cumsum(x == 1) > 14)
    tables["c"] = tables["c"].with_columns({"x": np.where(few, 0.0, x), "y": y})
    model = {"protocol": "logistic", "outcome": "y", "covariates": ["x"]}
    spec = {"protocol": "discrimination", "model": model, "scheme": {"kind": "sites"}, "bins": 20}
    study = a_study_of(["x", "y"], {"name": "a", "spec": spec})
    each = {"last": np.arange(20)}
    with weaken(discrimination, "runs_of_all", lambda _: each, weakened):
        held = overheard(folder, study, tables)
    ((asked, said),) = ((ask, joined) for ask, joined in held.asked if ask.step == "left_out")
    (total,) = held.sums("a", "scores")
    own = {site: np.maximum(shown["cells"], 0) for site, shown in said["per_site"].items()}
    read = gathered(total["histogram"], asked.arrays["last"]) - own["a"] - own["b"]
    return Figure(int(((read >= 5) & (read < 10) & (own["c"] == 0)).sum()), "cells that one hospital hides")


@attack(
    "RT46",
    "a model of classes: sums over whoever has a feature, and over those who have all, differ by one person",
    works_from=1,
    slow=True,
)
def two_sets_of_typing(folder: Path, weakened: bool) -> Figure:
    """The weakened sites sum each feature over all who have it, beside the products of those who have all."""

    def columns(draw: np.random.Generator, people: int) -> dict[str, np.ndarray]:
        x, z = draw.normal(size=(2, people))
        return {"x": x, "z": z, "y": (draw.uniform(size=people) < 0.5).astype(float)}

    tables = drawn(columns, 80)
    row = tables["b"].matrix(["x"])[7:8]
    of_class = int(tables["b"].column("y")[7])
    tables["b"] = tables["b"].with_columns(
        {"z": np.where(np.arange(80) == 7, np.nan, tables["b"].column("z"))}
    )
    spec = {"protocol": "typing", "outcome": "y", "measured": ["x", "z"], "covariance": "own"}
    with weaken(typing, "summed", typing.features, weakened):
        held = overheard(folder, a_study_of(["x", "z", "y"], {"name": "a", "spec": spec}), tables)
    (asked,) = (ask for ask, joined in held.asked if ask.step == "moments" and "sum" in joined)
    (said,) = held.sums("a", "moments")
    apart = said["rest"][of_class, 0] - said["together"][of_class, 0]
    read = apart * asked.arrays["scale"][0] + asked.arrays["mean"][0]
    hits, error = read_rows(np.array([[read]]), row, 1e-6)
    return Figure(hits, f"of 1 value, error {error:.0e}")
