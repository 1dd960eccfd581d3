"""What an honest coordinator holds after an honest run over real agents: totals and results."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from protocols.core.errors import ShadowgraphError
from protocols.core.protocol import Arrays, Ask
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange import rounds
from protocols.exchange.rounds import Outcome
from site_node.governance import approvals
from site_node.governance.approvals import State
from site_node.governance.policy import changed
from tests.lib.agents import Agents


@dataclass
class Overheard:
    """The store of a coordinator, in his or a thief's hands.

    Attributes:
        asked: each question with the joined answer to it, in their order.
        outcome: the results; None where the run did not end.
    """

    asked: list[tuple[Ask, Mapping[str, Any]]] = field(default_factory=list)
    outcome: Outcome | None = None

    def sums(self, analysis: str, step: str) -> list[Arrays]:
        """The sums over sites of a step of an analysis, in the order in which they were asked."""
        return [
            joined["sum"]
            for ask, joined in self.asked
            if (ask.analysis, ask.step) == (analysis, step) and "sum" in joined
        ]


def overheard(
    folder: Path, study: Study, tables: Mapping[str, AnalysisTable], *, every_cell: bool = False
) -> Overheard:
    """What is left of one honest run of a study; `every_cell`: of one that asks for cells as they are."""
    if every_cell:
        study = study.model_copy(update={"cells": "exact"})
    agents = Agents(folder, study, tables)
    for home in agents.homes.values() if every_cell else ():
        changed(home, "cells", "exact")
    return overheard_of(agents)


def overheard_of(agents: Agents, study: Study | None = None, roster: str = "") -> Overheard:
    """The same over agents that are there already, of another study, or over some of them."""
    found, join, everyone, keys = Overheard(), rounds.join_round, agents.tables, agents.center.sites

    def noted(study: Study, question: Any, asked: str, answers: Any) -> list[dict[str, Any]]:
        joined = join(study, question, asked, answers)
        found.asked.extend(zip(question.asks, joined, strict=True))
        return joined

    if study is not None:
        agents.study = study
        for site, agent in agents.agents.items():
            agent.handle("propose", agents.center.proposal(study))
            approvals.decide(agents.homes[site], study, State.APPROVED, by="test")
    agents.tables = {site: everyone[site] for site in roster or everyone}
    agents.center.sites = {site: keys[site] for site in agents.tables}
    with patch.object(rounds, "join_round", noted), suppress(ShadowgraphError):
        found.outcome = agents.run()
    agents.tables, agents.center.sites = everyone, keys
    return found
