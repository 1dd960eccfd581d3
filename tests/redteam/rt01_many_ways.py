"""RT01, RT16, RT41, RT43, RT47, RT59: many ways of one attack at once, of which none may work."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from protocols.core.disclosure import Thresholds
from protocols.core.errors import Code, InputError
from protocols.core.grid import on_grid
from protocols.core.protocol import Ask, ask, protocol
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Integers, Rows
from protocols.exchange import coordination
from protocols.exchange.envelope import WireError
from protocols.exchange.wire import RoundQuestion
from site_node.administration import setup
from site_node.agent.conduct import Conductor
from site_node.governance import approvals
from site_node.governance.policy import Policy, changed
from tests.lib.agents import Agents, Message, Relayed
from tests.lib.attacked_site import AttackedSite, Obedient
from tests.lib.lying_coordinator import unaudited, weaken
from tests.lib.studies import a_study, a_study_of
from tests.redteam.attack import Figure, attack
from tests.unit.protocols.test_people_first import SPECS, run, tables

EVERYBODY = np.arange(60)
OTHERS: tuple[Integers, ...] = (
    EVERYBODY[:-1],
    EVERYBODY[9:],
    np.arange(61),
    np.arange(4, 64),
    EVERYBODY[EVERYBODY != 30],
)


@attack(
    "RT01",
    "cohorts apart by one, nine or eight people, on either side, approved one by one or standing",
    slow=True,
    works_from=10,
)
def few_apart(folder: Path, weakened: bool) -> Figure:
    answered = 0
    for number, others in enumerate(OTHERS * 2):
        people = {"first": EVERYBODY, "then": others}

        def table_of(study: Study, people: dict[str, Integers] = people) -> AnalysisTable:
            persons = people[study.title]
            return AnalysisTable("a", persons, {"age": persons.astype(float)})

        site = AttackedSite(folder / str(number), table_of)
        standing = number >= len(OTHERS)
        if standing:
            approvals.approve_standing(
                site.home, "summary", by="test", max_studies=9, max_variables=5, days=1
            )
        said: object = None
        with unaudited(weakened):
            for title in people:
                study = a_study(title=title)
                site.propose(study) if standing else site.approve(study)
                said = site.ask(study, replace(ask("counts"), analysis="ages"))
                site.restart()
        answered += not isinstance(said, Code)
    return Figure(answered, f"of {2 * len(OTHERS)} second cohorts answered")


MODEL = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age"]}
INSIDE: tuple[dict[str, Any], ...] = (
    {"protocol": "discrimination", "model": MODEL, "prepare": [{"protocol": "impute", "mean": ["age"]}]},
    {"protocol": "decision_curve", "models": {"one": MODEL}},
    {"protocol": "influence", "model": MODEL},
)


@attack("RT16", "a protocol that a site's policy does not admit, inside one that it admits", works_from=3)
def inside_another(folder: Path, weakened: bool) -> Figure:
    variables, taken = {"age": {"kind": "age"}, "idh1": {"kind": "gene", "gene": "IDH1"}}, 0
    for number, spec in enumerate(INSIDE):
        site = AttackedSite(folder / str(number))
        outer = spec["protocol"]
        (site.home / "policy.toml").write_text(f'[protocols]\n{outer} = "{protocol(outer).version}"\n')
        with weaken(Policy, "faults", lambda *_: [], weakened):
            said = site.propose(a_study(variables=variables, analyses=[{"name": "inside", "spec": spec}]))
        taken += said["code"] != Code.REFUSED_BY_POLICY
    return Figure(taken, f"of {len(INSIDE)} studies taken into the inbox")


@attack("RT41", "floors that a site's own command lowers, and a folder that was open to all", works_from=3)
def lowered(folder: Path, weakened: bool) -> Figure:
    home, got = folder / "site", 0
    home.mkdir(mode=0o755)
    with weaken(Path, "chmod", lambda *_: None, weakened):
        setup.make_site(home, "a", runtime_port=0)
    got += bool(home.stat().st_mode & 0o077)
    with weaken(Policy, "model_validate", _unchecked, weakened):
        for rule in ("thresholds.min_count", "thresholds.min_count_in_sum"):
            with suppress(InputError):
                changed(home, rule, "4")
                got += 1
    return Figure(got, "of 3 ways")


def _unchecked(content: dict[str, Any]) -> Policy:
    """A policy of whatever it is said to hold."""
    floors = {name: type(DEFAULTS[name])(value) for name, value in content["thresholds"].items()}
    kinds = {"thresholds": Thresholds.model_construct(**floors), "model_gate": tuple(content["model_gate"])}
    return Policy.model_construct(**{**content, **kinds})


DEFAULTS = Thresholds().model_dump()
SCAN: dict[str, Any] = {
    "protocol": "associate",  # its questions bear coefficients; those of climbs and sealed searches bear none
    "model": "logistic",
    "features": ["x"],
    "outcomes": ["y"],
    "confounders": ["z"],
}
STUDY = a_study_of(["x", "z", "y"], {"name": "model", "spec": SCAN})


def _site(name: str) -> AnalysisTable:
    draw = np.random.default_rng(ord(name))
    x, z, u = draw.normal(size=(3, 90))
    return AnalysisTable(
        name, np.arange(90) + 1000 * ord(name), {"x": x, "z": z, "y": (u + x - 0.5 * z > 0.3).astype(float)}
    )


def _coef(ask: Ask, coef: Any) -> Ask:
    return replace(ask, arrays={**ask.arrays, "coef": coef})


CHOSEN: dict[str, Callable[[Ask], Ask]] = {
    "coefficients at an edge": lambda ask: _coef(ask, np.array([[[-1e5, 0.0, 1e5]]])),
    "one number a billionth off": lambda ask: _coef(ask, ask.arrays["coef"] * [1, 1 + 1e-9, 1]),
    "one number off the grid": lambda ask: _coef(ask, ask.arrays["coef"] * [1, 1 + 1e-15, 1]),
    "more than a step of the grid": lambda ask: _coef(ask, on_grid(ask.arrays["coef"] * (1 + 3e-11))),
    "a fold": lambda ask: replace(ask, rows=Rows(keep="test", fold=0, of=5)),
    "another center": lambda ask: replace(ask, arrays={**ask.arrays, "shift": np.array([1.0, 1.0])}),
}


@attack("RT43", "a question in the middle of a run is changed in six ways", slow=True, works_from=4)
def changed_questions(folder: Path, weakened: bool) -> Figure:
    """A site that obeys still refuses a fold, which the study does not name."""
    answered = 0
    for number, change in enumerate(CHOSEN.values()):
        agents = _agents(folder / str(number), weakened)
        asked: list[int] = []

        def chosen(
            question: RoundQuestion,
            relayed: Relayed,
            change: Callable[[Ask], Ask] = change,
            asked: list[int] = asked,
        ) -> Message:
            asked.append(question.round)
            if question.round != 2:
                return question, relayed
            return replace(question, asks=tuple(map(change, question.asks))), relayed

        with suppress(WireError):
            agents.run(chosen)
        answered += max(asked) > 2
    return Figure(answered, f"of {len(CHOSEN)} changed questions answered")


@attack(
    "RT59",
    "answers are relayed that their sites did not give: another site's, none, another run's",
    slow=True,
    works_from=3,
)
def swapped_answers(folder: Path, weakened: bool) -> Figure:
    kept: dict[str, bytes] = {}
    ways: tuple[Callable[[Relayed], Relayed], ...] = (
        lambda relayed: relayed | {"b": relayed["c"]},
        lambda relayed: {},
        lambda relayed: dict(kept),
    )
    answered = 0
    for number, way in enumerate(ways):
        agents = _agents(folder / str(number), weakened)
        runs: list[int] = []

        def swapped(
            question: RoundQuestion,
            relayed: Relayed,
            way: Callable[[Relayed], Relayed] = way,
            runs: list[int] = runs,
        ) -> Message:
            if question.run == "r2":
                runs.append(question.round)
                return question, way(relayed) if question.round == 1 else relayed
            if question.round == 1:
                kept.update(relayed)
            return question, relayed

        agents.run(swapped)
        with suppress(WireError):
            agents.run(swapped, run="r2")
        answered += max(runs, default=0) > 1
    return Figure(answered, f"of {len(ways)} relays taken")


def _agents(folder: Path, weakened: bool) -> Agents:
    agents = Agents(folder, STUDY, {name: _site(name) for name in "abc"})
    if weakened:
        for site, agent in agents.agents.items():
            found: Conductor = agent.conductor
            agent.conductor = Obedient(agents.homes[site], site, found.key)
    return agents


@attack(
    "RT47",
    "one carrier of a finding over all sites, in each of fourteen analyses: their sums hold that row",
    works_from=14,
    slow=True,
)
def rare_in_each(folder: Path, weakened: bool) -> Figure:
    held = 0
    with weaken(coordination, "people_first", lambda asking, *_: asking, weakened):
        for name, spec in SPECS.items():
            _, kept = run({"protocol": name, **spec}, tables())
            held += any(arrays.keys().isdisjoint({"apart", "dominated"}) for arrays in kept)
    return Figure(held, f"of {len(SPECS)} analyses keep sums with the carrier")
