"""RT15, RT37: from a published model or table, what one of its people has, and who they were."""

from pathlib import Path
from typing import Any

import numpy as np

from protocols.core.table import Floats
from protocols.describe.summary import SummaryResult
from protocols.exchange.local import run_locally
from protocols.regression.linear import LinearResult
from site_node.governance import numbers_told
from tests.lib.agents import Agents
from tests.lib.lying_coordinator import drawn, pooled, weaken
from tests.lib.overheard import overheard, overheard_of
from tests.lib.studies import a_study_of
from tests.lib.ungated import estimated
from tests.redteam.attack import Figure, attack

COVARIATES = [f"g{j}" for j in range(20)]


def _with_genes(draw: np.random.Generator, people: int) -> dict[str, Floats]:
    genes = (draw.uniform(size=(20, people)) < 0.4).astype(float)
    y = genes[:5].sum(axis=0) + draw.normal(size=people)
    return {**dict(zip(COVARIATES, genes, strict=True)), "y": y}


@attack(
    "RT15",
    "a person's finding, from all else about that person and the published coefficients",
    works_from=10,
    holds_to=5,
)
def attribute(folder: Path, weakened: bool) -> Figure:
    """How much oftener the guess is right about members than about strangers; the twin has 36 people."""
    spec = {"protocol": "linear", "outcome": "y", "covariates": COVARIATES}
    people, gains = 12 if weakened else 90, []
    for repeat in range(8):
        several = drawn(_with_genes, people * 9)
        parts = {
            site: table.select(np.arange(len(table)) // people == repeat) for site, table in several.items()
        }
        if weakened:
            found = estimated(spec, list(parts.values()), min_count=1)
        else:
            study = a_study_of([*COVARIATES, "y"], {"name": "a", "spec": spec})
            found = run_locally(study, list(parts.values()))["a"]
        strangers = pooled({"a": several["a"].select(np.arange(people * 9) // people == 8)}, *COVARIATES, "y")
        gains.append(_right(found, pooled(parts, *COVARIATES, "y")) - _right(found, strangers))
    return Figure(100 * float(np.mean(gains)), "points over what is guessed of strangers")


def _right(found: Any, rows: Floats) -> float:
    """The share of the 0/1 findings guessed from the others, by the smaller residual."""
    x, y, right = np.column_stack([np.ones(len(rows)), rows[:, :-1]]), rows[:, -1], []
    coef = np.nan_to_num(np.asarray(found.coef))
    for j in range(1, x.shape[1]):
        rest = y - x @ coef + x[:, j] * coef[j]
        right.append((np.abs(rest - coef[j]) < np.abs(rest)) == (x[:, j] == 1))
    return float(np.mean(right))


@attack(
    "RT37",
    "who is in a table of allele frequencies (Homer; likelihood ratio, power at 5 % false positives)",
    works_from=30,
    holds_to=10,
    undefended="each frequency stands on enough people; only noise (`privacy`) or fewer of them hide members",
    slow=True,
)
def allele_frequencies(folder: Path, weakened: bool) -> Figure:
    names = [f"v{j}" for j in range(300)]
    share = np.random.default_rng(7).uniform(0.2, 0.5, 300)

    def carriers(draw: np.random.Generator, people: int) -> dict[str, Floats]:
        found = (draw.uniform(size=(people, 300)) < share).astype(float)
        return dict(zip(names, found.T, strict=True))

    tables = drawn(carriers, 60)
    study = a_study_of(names, {"name": "a", "spec": {"protocol": "summary", "of": names}})
    outcome = overheard(folder, study, tables).outcome
    shown = outcome and outcome.results["a"]
    if not isinstance(shown, SummaryResult):
        return Figure(0, "% of members found, nothing is shown")
    there = np.clip(shown.total.mean[0], 0.01, 0.99)
    for_one, for_none = np.log(there / share), np.log((1 - there) / (1 - share))

    def ratio(rows: Floats) -> Floats:
        return rows @ for_one + (1 - rows) @ for_none

    strangers = (np.random.default_rng(8).uniform(size=(2000, 300)) < share).astype(float)
    edge = np.quantile(ratio(strangers), 0.95)
    return Figure(100 * float((ratio(pooled(tables, *names)) > edge).mean()), "% of members found")


@attack(
    "RT68",
    "many models of one set of people: numbers published per person, of which a table may be read",
    works_from=2,
    holds_to=0.33,
    slow=True,
)
def many_models(folder: Path, weakened: bool) -> Figure:
    """In two studies, each with a title of its own."""
    people, numbers = 64, 0  # at each site, so that every table of two stands on enough
    tables = drawn(_with_genes, people)
    studies = [a_study_of([*COVARIATES, "y"], *_models(at), title=f"Part {at}") for at in (0, 8)]
    agents = Agents(folder, studies[0], tables)
    with weaken(numbers_told, "admit", lambda *_: True, weakened):
        for study in studies:
            outcome = overheard_of(agents, study).outcome
            found = outcome.results.values() if outcome else ()
            sizes = [result.coef.size for result in found if isinstance(result, LinearResult)]
            numbers += sum(size + size * (size + 1) // 2 for size in sizes)
    return Figure(numbers / (len(tables) * people), "numbers per person")


def _models(first: int) -> list[dict[str, Any]]:
    """Eight models, each of five of the covariates."""
    return [
        {
            "name": f"m{at}",
            "spec": {"protocol": "linear", "outcome": "y", "covariates": COVARIATES[at : at + 5]},
        }
        for at in range(first, first + 8)
    ]
