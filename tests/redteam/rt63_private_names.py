"""RT08, RT38, RT63: what single people have, asked for by name: of vectors, of findings, of genes."""

from pathlib import Path

import numpy as np

from protocols.core.protocol import Arrays
from protocols.core.table import AnalysisTable, Floats
from protocols.describe import summary
from protocols.exchange import site_answer
from tests.lib.blocks import listed, study_of_block, with_block
from tests.lib.lying_coordinator import drawn, pooled, weaken
from tests.lib.overheard import overheard
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack
from tests.redteam.rt47_honest_sums import _with_a_floor_of_one

NAMES = 20


def _guessed(there: list[bool], truth: list[bool]) -> Figure:
    """How much better than by chance the names that somebody has are told from those that nobody has."""
    right = sum(guess == held for guess, held in zip(there, truth, strict=True))
    return Figure(right, f"of {len(truth)} names told, {len(truth) // 2} by chance")


@attack(
    "RT63",
    "genes that one to four people of one hospital have measured: which of forty names are there",
    works_from=38,
    holds_to=20,
)
def private_genes(folder: Path, weakened: bool) -> Figure:
    """The list is public, so whoever asks may guess names; half of these nobody has."""
    tables, truth = {}, [j % 2 == 0 for j in range(2 * NAMES)]
    for at, site in enumerate("abc"):
        draw = np.random.default_rng(at)
        values = np.full((60, 2 * NAMES), np.nan)
        if site == "b":
            for j in range(0, 2 * NAMES, 2):
                values[: 1 + j % 4, j] = draw.normal(size=1 + j % 4)
        columns = dict(zip(listed(2 * NAMES), values.T, strict=True))
        age, y = draw.normal(60, 9, 60), draw.normal(size=60)
        table = AnalysisTable(site, np.arange(60) + 100 * at, {**columns, "age": age, "y": y})
        tables[site] = with_block(table, listed(2 * NAMES))
    spec = {"protocol": "associate", "features": {"block": "rna"}, "outcomes": ["y"], "confounders": ["age"]}
    study = study_of_block(2 * NAMES, ["age", "y"], {"name": "a", "spec": spec})
    with weaken(site_answer, "release", _with_a_floor_of_one, weakened):
        held = overheard(folder, study, tables)
    told = [joined["sum"] for _, joined in held.asked if "sum" in joined]
    return _guessed([_tells(told, j, 2 * NAMES) for j in range(2 * NAMES)], truth)


def _tells(told: list[Arrays], j: int, count: int) -> bool:
    """Whether any number by name of what was heard is not zero at a name."""
    found = False
    for sums in told:
        for array in sums.values():
            by_name = np.asarray(array)
            if by_name.ndim and by_name.shape[-1] in (count, count + 2):  # the confounder and the outcome too
                column = (
                    by_name.reshape(-1, by_name.shape[-1])[:, -count - 1 : -1]
                    if by_name.shape[-1] > count
                    else by_name
                )
                found |= bool((np.nan_to_num(np.atleast_2d(column)[:, j]) != 0).any())
    return found


@attack(
    "RT38",
    "findings that one person of one hospital has: which of forty are there, by a summary",
    works_from=38,
    holds_to=24,
)
def catalogue(folder: Path, weakened: bool) -> Figure:
    names, truth = [f"f{j}" for j in range(2 * NAMES)], [j % 2 == 0 for j in range(2 * NAMES)]

    def columns(draw: np.random.Generator, people: int) -> dict[str, Floats]:
        return {name: np.zeros(people) for name in names}

    tables = drawn(columns, 60)
    one = {name: (np.arange(60) == j).astype(float) for j, name in enumerate(names) if truth[j]}
    tables["b"] = tables["b"].with_columns(one)
    study = a_study_of(names, {"name": "a", "spec": {"protocol": "summary", "of": names}})
    with weaken(summary, "set_apart", lambda x: (len(x),) * 3, weakened):
        held = overheard(folder, study, tables)
    sums = [joined["sum"]["sum"] for _, joined in held.asked if "sum" in joined.get("sum", {})]
    there = [any(float(np.ravel(total)[j]) > 0.5 for total in sums) for j in range(2 * NAMES)]
    return _guessed(there, truth)


@attack(
    "RT08",
    "sums of an outcome times vectors that the attacker knows, one for each person, are solved for it",
    works_from=0.99,
    holds_to=0.1,
)
def crafted_vectors(folder: Path, weakened: bool) -> Figure:
    """Huth et al., 2022: the twin's tables have columns that the analyst made; no study can make one."""
    people, number = 20, 66
    vectors = np.random.default_rng(5).normal(size=(3 * people, number))
    names = [f"v{j}" for j in range(number)]
    tables = drawn(_outcome, people)
    if weakened:
        for at, (site, table) in enumerate(tables.items()):
            rows = vectors[at * people : (at + 1) * people]
            tables[site] = table.with_columns(dict(zip(names, rows.T.copy(), strict=True)))
    spec = {"protocol": "associate", "features": names, "outcomes": ["y"]}
    held = overheard(folder, a_study_of([*names, "y"], {"name": "a", "spec": spec}), tables)
    truth = pooled(tables, "y")[:, 0]
    return Figure(_explained(_solved(held.sums("a", "moments"), vectors), truth), "of the outcome's variance")


def _outcome(draw: np.random.Generator, people: int) -> dict[str, Floats]:
    return {"y": draw.normal(50, 10, people)}


def _solved(sums: list[Arrays], vectors: Floats) -> Floats:
    """The outcome of each person that the sums of its products with known vectors leave."""
    if not sums:
        return np.zeros(len(vectors))
    products = np.asarray(sums[0]["products"])[:, 0]
    return np.asarray(np.linalg.lstsq(vectors.T, products, rcond=None)[0])


def _explained(found: Floats, truth: Floats) -> float:
    """R² of what was found; 0 where nothing was."""
    return 0.0 if not found.any() else float(np.corrcoef(found, truth)[0, 1] ** 2)
