"""Real agents in this process: sites with keys, registers and approvals, and the coordinator's carrying."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.envelope import digest, seal
from protocols.exchange.rounds import Outcome, conduct
from protocols.exchange.sides import Center
from protocols.exchange.start import EndMessage
from protocols.exchange.wire import RoundAnswer, RoundQuestion, RoundReply
from site_node.agent.agent import Agent
from site_node.governance import approvals
from site_node.governance.approvals import State
from tests.lib.sites import Coordinator, make_site

Message = tuple[RoundQuestion, Mapping[str, bytes]]
Relayed = dict[str, bytes]
Change = Callable[[RoundQuestion, Relayed], Message]
"""What a coordinator makes of an honest question and of the answers that it relays."""


class Agents:
    """The agents of sites that have each approved one study.

    Attributes:
        center: the coordinator's keys.
        replies: the last reply of each site, sealed.
    """

    def __init__(self, folder: Path, study: Study, tables: Mapping[str, AnalysisTable]) -> None:
        self.study, self.center, self.tables = study, Coordinator(), tables
        self.homes = {site: folder / site for site in tables}
        self._keys = {site: make_site(home, site, self.center) for site, home in self.homes.items()}
        self.replies: dict[str, bytes] = {}
        self.restart()
        for site, agent in self.agents.items():
            agent.handle("propose", self.center.proposal(study))
            approvals.decide(self.homes[site], study, State.APPROVED, by="test")

    def restart(self) -> None:
        """New agents on the same folders, as after kill -9."""
        self.agents = {
            site: Agent(home, lambda study, table=self.tables[site]: table)
            for site, home in self.homes.items()
        }

    def run(self, change: Change = lambda question, relayed: (question, relayed), run: str = "r1") -> Outcome:
        """The outcome of the study; `change` is what the coordinator does to each message."""
        handles = {site: agent.handle for site, agent in self.agents.items()}
        begun = self.center.start(self.study, run, tuple(self.tables), handles)

        def exchange(question: RoundQuestion) -> dict[str, RoundAnswer]:
            changed, relayed = change(question, dict(self.replies if question.round else begun.openings))
            sealed = self.center.plain_question(changed, relayed)
            self.replies = {site: self.agents[site].handle("round", sealed) for site in question.roster}
            answers = {
                site: RoundReply.decode(said).open(self._keys[site].public_key())
                for site, said in self.replies.items()
            }
            self.replies = {site: RoundReply.decode(said).sealed for site, said in self.replies.items()}
            honest = digest(question.encode())  # who changed the question passes the answers for those to it
            return {site: replace(answer, question=honest) for site, answer in answers.items()}

        names, side = tuple(self.tables), Center()
        outcome = conduct(self.study, exchange, run=run, roster=names, started=begun.started, side=side)
        self.end(run)
        return outcome

    def end(self, run: str) -> None:
        """Tells every site that a run has ended."""
        ended = seal(EndMessage(self.study.hash(), run).encode(), self.center.key, "end")
        for agent in self.agents.values():
            agent.handle("end", ended)
