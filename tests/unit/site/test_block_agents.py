"""Blocks at real agents: keys, conduct, secure sums, approvals; and what the approver reads of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocols.core import block
from protocols.core.axis import axis_of, names_on
from protocols.core.errors import Code
from protocols.core.protocol import Ask
from protocols.core.study import Study
from protocols.exchange.envelope import WireError, seal, unpack, unseal
from protocols.exchange.local import run_locally
from protocols.exchange.proposal import Proposal
from protocols.exchange.wire import RoundQuestion
from site_node.actions import inbox
from site_node.agent.agent import Agent
from site_node.cli.words import inbox as words
from site_node.governance import approvals
from site_node.governance.approvals import State
from tests.lib.agents import Agents, Message, Relayed
from tests.lib.agreement import differences
from tests.lib.blocks import expression, listed, study_of_block, with_block
from tests.lib.sites import Coordinator, make_site
from tests.lib.studies import a_study

G = 12
VARIABLES = {
    **{n: {"kind": "measurement", "concept": f"LOCAL:{n}"} for n in ("age", "mutated", "volume")},
    "scanner": {"kind": "scanner", "modality": "MR"},
}
HARMONIZE = {"protocol": "combat", "features": {"block": "rna"}, "batch": "scanner", "covariates": ["age"]}
SCAN = {"protocol": "associate", "features": {"block": "rna"}, "outcomes": ["volume"], "confounders": ["age"]}
STUDY = study_of_block(
    G,
    (),
    {"name": "harmonized", "spec": HARMONIZE},
    {"name": "scan", "after": ["harmonized"], "spec": SCAN},
    variables=VARIABLES,
)
TABLES = [with_block(table, listed(G)) for table in expression((60, 40, 80), G)]


@pytest.fixture
def agents(tmp_path: Path) -> Agents:
    return Agents(tmp_path, STUDY, {table.site: table for table in TABLES})


@pytest.mark.slow
def test_sites_conduct_a_study_of_a_block_in_chunks(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_locally(STUDY, TABLES)
    monkeypatch.setattr(block, "NUMBERS_IN_A_ROUND", 40)
    found = agents.run()
    assert found.rounds > whole.rounds + 3
    for name in ("harmonized", "scan"):
        assert max(differences(found[name], whole[name]).values()) < 1e-8


def other_names(ask: Ask) -> Ask:
    if "at" not in ask.arrays:
        return ask
    arrays: dict[str, Any] = {**ask.arrays, "at": ask.arrays["at"][::-1].copy()}
    return replace(ask, arrays=arrays)


def test_a_coordinator_cannot_choose_the_names(agents: Agents) -> None:
    def change(question: RoundQuestion, relayed: Relayed) -> Message:
        return replace(question, asks=tuple(map(other_names, question.asks))), relayed

    with pytest.raises(WireError):
        agents.run(change)
    for site, sealed in agents.replies.items():
        key = agents.agents[site].conductor.key
        assert unpack(unseal(sealed, key, "status"))["code"] == Code.TAMPERED


def test_the_approver_reads_the_rule_and_how_many_names_it_means(agents: Agents) -> None:
    shown = words.study(inbox.shown(agents.homes["a"], STUDY.name))
    axis = STUDY.blocks["rna"].on
    assert shown["blocks"]["rna"].endswith(f": 12 names of the public list {axis.sha256[:16]}")
    assert shown["blocks"]["rna"].startswith("expression (genes ")
    assert "harmonized: ComBat of 12 features over scanner, keeping age." in shown["what would leave"]


@pytest.mark.parametrize(("variables", "state"), [(15, State.PENDING), (16, State.APPROVED)])
def test_each_name_of_a_block_counts_for_a_standing_approval(
    tmp_path: Path, variables: int, state: State
) -> None:
    """Four variables and twelve names; a block would else pass as no variable at all."""
    center = Coordinator()
    make_site(tmp_path / "a", "a", center)
    for protocol in ("combat", "associate"):
        inbox.approve_standing(tmp_path / "a", protocol, variables=variables)
    approvals.receive(tmp_path / "a", STUDY.canonical())
    assert approvals.approval(tmp_path / "a", STUDY).state is state


def listed_study(names: tuple[str, ...]) -> Study:
    """A study of a list that no rule gives."""
    probes = {"kind": "methylation", "probes": "listed", "axis": axis_of(names).model_dump()}
    return a_study(blocks={"cpgs": probes})


@pytest.mark.parametrize("lie", [None, ("cg1", "cg2", "other"), ("cg1", "cg2")])
def test_a_list_comes_with_the_study_and_is_compared_with_its_hash(
    tmp_path: Path, lie: tuple[str, ...] | None
) -> None:
    """The names are drawn for this test, so that nothing else in this process has published them."""
    names = tuple(f"cg{tmp_path.name}{i}" for i in range(3))
    study, center = listed_study(names), Coordinator()
    keys = make_site(tmp_path / "a", "a", center)
    agent = Agent(tmp_path / "a")
    lists = {"cpgs": "\n".join(lie or names).encode()}
    proposal = Proposal(seal(study.canonical(), center.key, "study"), center.sites, lists=lists)
    reply = agent.handle("propose", seal(proposal.encode(), center.key, "proposal"))
    said = unpack(unseal(reply, keys.public_key(), "status"))
    if lie:
        assert said["code"] == Code.TAMPERED
        assert not (tmp_path / "a" / "lists").exists()
    else:
        assert said["state"] == "pending"
        assert names_on(study.blocks["cpgs"].on) == names
        assert Proposal.decode(proposal.encode()) == proposal
