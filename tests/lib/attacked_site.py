"""A site in a folder and a coordinator who owns everything else: his key, the other sites, the questions."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from protocols.core.errors import Code
from protocols.core.protocol import Ask, ask
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.envelope import WireError, unpack, unseal
from protocols.exchange.site_answer import Shared
from protocols.exchange.wire import Answered, RoundQuestion, RoundReply
from site_node.agent.agent import Agent
from site_node.agent.conduct import Conductor
from site_node.agent.starting import Running
from site_node.governance import approvals
from site_node.governance.approvals import State
from tests.lib.sites import Coordinator, a_round, make_site
from tests.lib.studies import a_table


def numbers_here(analysis: str, groups: int = 1, variables: int = 1) -> Ask:
    """What asks for a site's own numbers of a summary without cross tables, where no site hides any."""
    each = np.ones((groups, variables), int)
    shown = {"people": np.ones(groups, int), "known": each, "apart": each, "cells": np.ones(0, int)}
    return replace(ask("here", per_site=True, **shown), analysis=analysis)


HERE = numbers_here("ages")


class Obedient(Conductor):
    """A weakened conductor: it follows whatever the coordinator asks, as sites did before they conducted."""

    def follow(
        self, study: Study, question: RoundQuestion, relayed: Mapping[str, bytes], run: Running
    ) -> list[tuple[Ask, Shared]]:
        """Compares nothing."""
        return [(ask, Shared()) for ask in question.asks]


class AttackedSite:
    """Site `a` of a consortium whose coordinator is the attacker.

    An `obedient` site does not compute the questions itself: it shows that an attack is real, and what the
    gate and the ledger stop by themselves.
    """

    def __init__(
        self,
        home: Path,
        table_of: Callable[[Study], AnalysisTable] | None = None,
        *,
        obedient: bool = False,
    ) -> None:
        self.home, self.obedient = home, obedient
        self.center = Coordinator()
        self.key = make_site(home, "a", self.center)
        self.center.meet("b", "c", "d", "e", "f", "g")
        self.table_of = table_of or (lambda study: a_table())
        self.restart()

    def restart(self) -> None:
        """A new agent on the same folder, as after kill -9."""
        self.agent = Agent(self.home, self.table_of)
        self.center.agent = "a", self.agent.handle
        if self.obedient:
            self.agent.conductor = Obedient(self.home, "a", self.key.public_key())

    def propose(self, study: Study) -> dict[str, object]:
        """What the site says to a proposal."""
        return self._status(self.agent.handle("propose", self.center.proposal(study)))

    def approve(self, study: Study, **terms: int) -> None:
        """Proposes a study; a person at the site approves it."""
        self.propose(study)
        approvals.decide(self.home, study, State.APPROVED, by="test", **terms)

    def ask(self, study: Study, *asks: Ask, number: int = 0, run: str = "r1", roster: str = "abc") -> object:
        """What each question of an honest round gives: arrays, or a code; one code where all is refused."""
        return self.send(a_round(study, *asks, number=number, run=run, roster=roster))

    def send(self, question: RoundQuestion) -> tuple[Answered, ...] | Code:
        """The same of any question."""
        sealed = self.center.reply(question)
        try:
            return RoundReply.decode(sealed).open(self.key.public_key()).answers
        except WireError:
            return Code(str(self._status(sealed)["code"]))

    def _status(self, sealed: bytes) -> dict[str, object]:
        return dict(unpack(unseal(sealed, self.key.public_key(), "status")))
