"""RT02, RT42, RT46, RT52, RT56: answers that are each harmless, and of few people once they are combined."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from protocols.core.errors import Code
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.exchange.coordination import StudyCoordination
from site_node.governance import approvals, auditor
from tests.lib.agents import Agents
from tests.lib.attacked_site import HERE, AttackedSite
from tests.lib.lying_coordinator import drawn, pooled, read_rows, unaudited, weaken
from tests.lib.overheard import overheard, overheard_of
from tests.lib.studies import a_study, a_study_of
from tests.redteam.attack import Figure, attack

AGE = np.random.default_rng(1).normal(60, 9, 200)
SPEC = {"protocol": "summary", "of": ["age"], "per_site": True}


def _sums(folder: Path, cohorts: Mapping[str, Integers], weakened: bool, **changes: Any) -> dict[str, float]:
    """The sums of ages of a named site's cohorts, each a study of its own under one standing approval."""

    def table(study: Study) -> AnalysisTable:
        return AnalysisTable("a", cohorts[study.title], {"age": AGE[cohorts[study.title]]})

    site, sums = AttackedSite(folder, table, obedient=True), {}
    approvals.approve_standing(folder, "summary", by="test", max_studies=99, max_variables=5, days=1)
    with unaudited(weakened):
        for title in cohorts:
            study = a_study(title=title, analyses=[{"name": "ages", "spec": SPEC}])
            site.propose(study)
            said = site.ask(study, HERE)
            if isinstance(said, tuple) and isinstance(said[-1], Mapping):
                sums[title] = float(said[-1]["n"][0, 0] * said[-1]["mean"][0, 0])
            site.restart()
    return sums


@attack(
    "RT02",
    "three harmless cohorts under one standing approval, whose sums are one person's values",
    works_from=10,
    slow=True,
)
def set_algebra(folder: Path, weakened: bool) -> Figure:
    everybody, hits = np.arange(200), 0
    for target in range(10):
        part = np.setdiff1d(everybody[target : target + 100], [target])
        cohorts = {"whole": everybody, "part": part, "rest": np.setdiff1d(everybody, [*part, target])}
        sums = _sums(folder / str(target), cohorts, weakened)
        if len(sums) == 3:
            hits += abs(sums["whole"] - sums["part"] - sums["rest"] - AGE[target]) < 1e-6
    return Figure(hits, "of 10 ages")


@attack("RT42", "the same study before and after one person came", works_from=1)
def one_person_more(folder: Path, weakened: bool) -> Figure:
    count = [150]
    site = AttackedSite(
        folder,
        lambda study: AnalysisTable("a", np.arange(count[0]), {"age": AGE[: count[0]]}),
        obedient=True,
    )
    study = a_study(analyses=[{"name": "ages", "spec": SPEC}])
    site.approve(study)
    sums = []
    with unaudited(weakened):
        for run in ("r1", "r2"):
            said = site.ask(study, HERE, run=run)
            if isinstance(said, tuple) and isinstance(said[-1], Mapping):
                sums.append(float(said[-1]["n"][0, 0] * said[-1]["mean"][0, 0]))
            count[0] += 1
            site.restart()
    return Figure(len(sums) == 2 and abs(sums[1] - sums[0] - AGE[150]) < 1e-6, "of 1 age")


@attack(
    "RT56",
    "the same study before and after one person's value was corrected",
    works_from=1,
)
def value_corrected(folder: Path, weakened: bool) -> Figure:
    age = AGE.copy()
    site = AttackedSite(
        folder, lambda study: AnalysisTable("a", np.arange(200), {"age": age.copy()}), obedient=True
    )
    study = a_study(analyses=[{"name": "ages", "spec": SPEC}])
    site.approve(study)
    sums = []
    for run in ("r1", "r2"):
        with weaken(auditor, "_by_values", lambda behind, _: [behind], weakened):
            said = site.ask(study, HERE, run=run)
        if isinstance(said, tuple) and isinstance(said[-1], Mapping):
            sums.append(float(said[-1]["n"][0, 0] * said[-1]["mean"][0, 0]))
        age[17] = 20.0
        site.restart()
    return Figure(len(sums) == 2 and abs(sums[0] - sums[1] - AGE[17] + 20) < 1e-6, "of 1 age")


def _linear(draw: np.random.Generator, people: int) -> dict[str, Floats]:
    x, z, w = draw.normal(size=(3, people))
    return {"x": x, "z": z, "w": w, "y": x + draw.normal(size=people)}


@attack(
    "RT46",
    "two regressions of one study, one with a variable that one person lacks",
    works_from=1,
)
def missing_linear(folder: Path, weakened: bool) -> Figure:
    tables = drawn(_linear, 80)
    w = tables["b"].column("w")
    tables["b"] = tables["b"].with_columns({"w": np.where(np.arange(80) == 7, np.nan, w)})
    both = {"covariates": ["x", "z"], "outcome": "y", "protocol": "linear"}
    study = a_study_of(
        ["x", "z", "w", "y"],
        {"name": "one", "spec": both},
        {"name": "other", "spec": both | {"covariates": ["x", "z", "w"]}},
        complete_cases="analysis",
    )
    with unaudited(weakened):
        held = overheard(folder, study, tables)
    truth = pooled(tables, "x", "z", "y")[np.isnan(pooled(tables, "w"))[:, 0]]
    one, other = held.sums("one", "moments"), held.sums("other", "moments")
    rows = np.zeros((0, 3))
    if one and other:
        rows = (one[0]["sum"] - other[0]["sum"][[0, 1, 3]])[None]
    hits, error = read_rows(rows, truth, 1e-6)
    return Figure(hits, f"of {len(truth)} rows, error {error:.0e}")


@attack(
    "RT52",
    "the same question under another title, over one site more: the difference is its part",
    works_from=1,
)
def another_title(folder: Path, weakened: bool) -> Figure:
    studies = {"one": "abc", "other": "abcd"}
    tables, held = drawn(_linear, 60, sites="abcd"), {}
    spec = {"protocol": "linear", "outcome": "y", "covariates": ["x", "z"]}
    agents = Agents(folder, a_study_of(["x", "z", "y"], {"name": "a", "spec": spec}), tables)
    for title, roster in studies.items():
        study = a_study_of(["x", "z", "y"], {"name": "a", "spec": spec}, title=title)
        with unaudited(weakened):
            held[title] = overheard_of(agents, study, roster).sums("a", "moments")
    hits = 0
    if all(held.values()):
        part = held["other"][0]["sum"] - held["one"][0]["sum"]
        hits = int(np.allclose(part, tables["d"].matrix(["x", "z", "y"]).sum(axis=0)))
    return Figure(hits, "of 1 site's part")


@attack(
    "RT48",
    "who refuses a second cohort has one to nine of those whom it leaves out",
    works_from=20,
    holds_to=14,
    slow=True,
    undefended="a rule that looks at people tells by its outcome: who took part before has a reason",
)
def refusal_oracle(folder: Path, weakened: bool) -> Figure:
    draw, guessed = np.random.default_rng(3), 0
    for k in range(20):
        few = int(draw.integers(1, 10)) if k % 2 else 0

        def table(study: Study, few: int = few) -> AnalysisTable:
            persons = np.arange(few, 100) if study.title == "without" else np.arange(100)
            return AnalysisTable("a", persons, {"age": AGE[persons]})

        site = AttackedSite(folder / str(k), table)
        said = []
        for title in ("whole", "without"):
            study = a_study(title=title)
            site.approve(study)
            said.append(site.ask(study, *(StudyCoordination(study).asks or ())))
        guessed += isinstance(said[1], Code) == (few > 0)
    return Figure(guessed, "of 20 sites guessed, 10 by chance")
