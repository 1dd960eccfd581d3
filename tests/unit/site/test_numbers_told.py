"""How many numbers about each person a site lets be published, over studies, cohorts and sites."""

from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path

import numpy as np
import pytest

from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.core.protocol import Result
from site_node.agent.people_behind import published
from site_node.agent.published_before import PublishedBefore, published_before
from site_node.governance.numbers_told import Published, admit, name_of
from site_node.governance.policy import Policy, changed, read_policy
from tests.lib.agents import Agents
from tests.lib.lying_coordinator import drawn
from tests.lib.studies import a_study_of

PEOPLE = np.arange(100, dtype=np.int64)
MOST = 0.33


def a_result(what: str, numbers: int, people: np.ndarray = PEOPLE, sites: int = 3) -> Published:
    return Published(name_of(what.encode(), people, ("a", "b", "c")), people, numbers, len(people) * sites)


def test_results_about_the_same_people_add_up_to_the_most_that_each_may_bear(tmp_path: Path) -> None:
    assert [admit(tmp_path, a_result(name, 40), MOST) for name in "abc"] == [True, True, False]
    assert admit(tmp_path, a_result("d", 19), MOST)
    assert not admit(tmp_path, a_result("e", 1), MOST)


def test_a_result_that_left_before_is_no_news(tmp_path: Path) -> None:
    assert all(admit(tmp_path, a_result("a", 90), MOST) for _ in range(3))
    assert admit(tmp_path, a_result("b", 9), MOST)


def test_a_result_is_another_one_over_other_sites_or_people() -> None:
    names = {
        name_of(b"a", PEOPLE, ("a", "b")),
        name_of(b"a", PEOPLE, ("a", "c")),
        name_of(b"a", PEOPLE[1:], ("a", "b")),
        name_of(b"b", PEOPLE, ("a", "b")),
    }
    assert len(names) == 4
    assert name_of(b"a", PEOPLE[::-1], ("b", "a")) in names


def test_nearly_the_same_people_bear_both_and_others_neither(tmp_path: Path) -> None:
    assert admit(tmp_path, a_result("a", 60), MOST)
    assert not admit(tmp_path, a_result("b", 50, PEOPLE[15:]), MOST)
    assert admit(tmp_path, a_result("c", 90, PEOPLE + 100), MOST)


def test_the_same_result_over_fewer_sites_weighs_more(tmp_path: Path) -> None:
    """Which sites contribute is known when all have said so, after a site has counted all of the roster."""
    assert admit(tmp_path, a_result("a", 60, sites=5), MOST)
    assert not admit(tmp_path, a_result("b", 65), MOST)
    assert admit(tmp_path, a_result("a", 60, sites=3), MOST)
    assert not admit(tmp_path, a_result("b", 41), MOST)
    assert not admit(tmp_path, a_result("a", 60, sites=1), MOST)


def test_what_a_person_allows_is_counted_too(tmp_path: Path) -> None:
    assert admit(tmp_path, a_result("a", 900), inf)
    assert not admit(tmp_path, a_result("b", 6), MOST)


def test_scans_beside_the_same_values_count_once(tmp_path: Path) -> None:
    sites = [*drawn(with_genes, 64).values()]
    scan = {"protocol": "associate", "features": ["y"], "outcomes": ["g0"], "confounders": ["g1", "g2"]}
    other = {**scan, "outcomes": ["g3"]}
    beside_more = {**scan, "confounders": ["g1", "g2", "g4"]}
    named = {"first": scan, "other": other, "more": beside_more}
    study = a_study_of([*GENES, "y"], *({"name": name, "spec": spec} for name, spec in named.items()))
    first, second, third = (published(study, sites[0], name, ("a", "b", "c"), 3) for name in named)
    assert first.numbers == second.numbers == 9
    assert third.numbers == 14
    assert first.what == second.what != third.what
    turned = replace(sites[0], columns={**sites[0].columns, "g1": 1 - sites[0].columns["g1"]})
    assert published(study, turned, "first", ("a", "b", "c"), 3).what != first.what


def test_who_decides_sees_what_was_published_before_in_steps_and_never_about_few(tmp_path: Path) -> None:
    spec = {"protocol": "linear", "outcome": "y", "covariates": GENES[:5]}
    study = a_study_of([*GENES, "y"], {"name": "m", "spec": spec})
    table = drawn(with_genes, 64)["a"]
    assert published_before(tmp_path, study, table, Policy()) == PublishedBefore(0.0, 0.15, 0.33, ())
    assert admit(tmp_path, a_result("a", 40, table.persons[:20]), 1.0)  # 40 numbers over 60 people
    found = published_before(tmp_path, study, table, Policy())
    assert (found.before, found.unanswered) == (0.7, ("m",))
    assert published_before(tmp_path, study, table.select(np.arange(64) < 9), Policy()).before is None
    full = study.model_copy(update={"digits": "full"})
    whole = published_before(tmp_path, full, table, Policy(digits="full"))
    assert (whole.allowed, whole.unanswered) == (None, ())


GENES = [f"g{j}" for j in range(6)]


def with_genes(draw: np.random.Generator, people: int) -> dict[str, np.ndarray]:
    genes = (draw.uniform(size=(len(GENES), people)) < 0.4).astype(float)
    return {**dict(zip(GENES, genes, strict=True)), "y": draw.normal(size=people)}


@pytest.mark.slow
def test_models_beyond_are_not_answered_until_a_person_allows_more(tmp_path: Path) -> None:
    """Two models of five 0/1 covariates over 192 people are 54 numbers, three are 81: 0.28 and 0.42 each."""
    specs = [
        {"protocol": "linear", "outcome": "y", "covariates": [g for g in GENES if g != out]}
        for out in GENES[:3]
    ]
    study = a_study_of([*GENES, "y"], *({"name": f"m{i}", "spec": spec} for i, spec in enumerate(specs)))
    sites = drawn(with_genes, 64)
    agents = Agents(tmp_path, study, sites)
    site, home = next(iter(agents.homes.items()))
    told = partial(published_before, home, study, sites[site])
    assert told(read_policy(home)) == PublishedBefore(0.0, 0.43, 0.33, ("m2",))
    outcome = agents.run()
    assert told(read_policy(home)).before == 0.3
    refused = outcome.results["m2"]
    assert isinstance(refused, Failure)
    assert refused.code == Code.WITHHELD
    assert all(isinstance(outcome.results[name], Result) for name in ("m0", "m1"))
    for home in agents.homes.values():
        changed(home, "numbers_per_person", "0.5")
    assert told(read_policy(home)).allowed == 0.5
    again = agents.run(run="r2")
    assert not any(isinstance(found, Failure) for found in again.results.values())
