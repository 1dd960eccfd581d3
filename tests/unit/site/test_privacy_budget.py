"""What each person has spent of differential privacy: over studies, once for the same noise, no further."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protocols.core.errors import StudyError
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from site_node.governance import approvals, privacy_budget
from site_node.governance.approvals import State
from site_node.governance.policy import changed, read_policy
from tests.lib.agents import Agents
from tests.lib.studies import a_study_of

BUDGET = {"epsilon": 2.0, "delta": 1e-5}


def a_study(name: str = "one", edges: tuple[float, ...] = (40.0, 50.0, 60.0), **changes: Any) -> Study:
    spec = {"protocol": "histogram", "of": "age", "edges": edges, "privacy": BUDGET, **changes}
    return a_study_of(["age"], {"name": "a", "spec": spec}, name=name)


def people(site: int, n: int = 60) -> AnalysisTable:
    draw = np.random.default_rng(site)
    return AnalysisTable("abc"[site], np.arange(n) + 1000 * site, {"age": draw.normal(50, 10, n)})


def answered(agents: Agents, study: Study, run: str) -> Any:
    """The result of a study that all sites have approved, over the same agents."""
    agents.study = study
    for site, agent in agents.agents.items():
        agent.handle("propose", agents.center.proposal(study))
        approvals.decide(agents.homes[site], study, State.APPROVED, by="test")
    return agents.run(run=run)["a"]


def test_a_person_spends_over_studies_and_no_further_than_the_policy_lets(tmp_path: Path) -> None:
    agents = Agents(tmp_path, a_study(), {"abc"[k]: people(k) for k in range(3)})
    home = agents.homes["a"]
    first = answered(agents, a_study(), "r1")
    assert privacy_budget.largest(home, read_policy(home)) == pytest.approx(2.0, rel=1e-3)
    again = answered(agents, a_study("under-another-title"), "r2")
    assert again.counts.tolist() == first.counts.tolist()
    assert privacy_budget.largest(home, read_policy(home)) == pytest.approx(2.0, rel=1e-3)
    answered(agents, a_study("other-edges", (41.0, 51.0)), "r3")
    assert 2.5 < privacy_budget.largest(home, read_policy(home)) < 3.0
    with pytest.raises(StudyError, match="did not answer step 'private_sums'"):
        answered(agents, a_study("more-edges", (42.0, 52.0)), "r4")
    changed(home, "privacy_epsilon", "8")
    with pytest.raises(StudyError, match="site b did not answer"):
        answered(agents, a_study("yet-more-edges", (43.0, 53.0)), "r5")
    spent = privacy_budget.spent(home, read_policy(home))
    assert [one.people for one in spent] == [60, 60, 60]
    assert [round(one.epsilon, 2) for one in spent] == [2.0, 2.0, 2.0]


def test_a_standing_approval_may_demand_privacy(tmp_path: Path) -> None:
    agents = Agents(tmp_path, a_study(), {"abc"[k]: people(k) for k in range(3)})
    home = agents.homes["a"]
    approvals.approve_standing(
        home, "histogram", by="t", max_studies=9, max_variables=9, days=1, max_epsilon=2.0
    )
    assert approvals.standing(home)[0].max_epsilon == 2.0
    states = {
        "noisy": a_study("noisy", (1.0, 2.0)),
        "exact": a_study("exact", (1.0, 3.0), privacy=None),
        "too-little-noise": a_study("too-little-noise", (1.0, 4.0), privacy={**BUDGET, "epsilon": 2.5}),
    }
    found = {name: approvals.approval(home, study).state for name, study in states.items()}
    assert found == {"noisy": State.APPROVED, "exact": State.PENDING, "too-little-noise": State.PENDING}
