"""A consortium in this process: the real coordinator and agents, a carrier that can lose messages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from protocols.core.errors import Code
from protocols.core.study import Study
from server.actions.studies import submit
from server.administration.enrolment import enrol, invite, make_center
from server.coordination.coordinator import Coordinator
from server.home.identity import coordinator_key
from server.home.store import Store, Submission
from site_node.administration.enrolment import join
from site_node.administration.setup import make_site
from site_node.agent.agent import Agent
from site_node.governance import approvals
from tests.lib.table_agent import table_of

Tamper = Callable[[str, str, bytes], bytes | Code]
"""(site, kind, reply) -> what arrives instead."""


@dataclass
class Consortium:
    """A center and its sites in one folder.

    Attributes:
        tamper: changes or loses what a site replies.
        asked: (kind, site) of every message, in order.
    """

    folder: Path
    names: tuple[str, ...] = ("a", "b", "c")
    tamper: Tamper = lambda site, kind, reply: reply
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home = self.folder / "center"
        self.settings = make_center(self.home, "Test", port=0)
        self.agents = {name: self._agent(name) for name in self.names}
        self.store = Store(self.home)

    def _agent(self, name: str) -> Agent:
        make_site(self.folder / name, name, runtime_port=0)
        invitation, answer = self.folder / f"{name}.invitation", self.folder / f"{name}.enrolment"
        invite(self.home, name).write(invitation)
        join(self.folder / name, invitation).write(answer)
        enrol(self.home, answer)
        return Agent(self.folder / name, table_of=table_of(name))

    def carry(self, kind: str, messages: Mapping[str, bytes]) -> dict[str, bytes | Code]:
        """What the agents reply, as it arrives."""
        self.asked += [(kind, site) for site in messages]
        return {
            site: self.tamper(site, kind, self.agents[site].handle(kind, sealed))
            for site, sealed in messages.items()
        }

    def coordinator(self, **settings: float) -> Coordinator:
        """A coordinator, which never sleeps."""
        changed = self.settings.model_copy(update=settings)
        key = coordinator_key(self.home)
        return Coordinator(self.store, key, changed, self.carry, pause=lambda seconds: None)

    def propose(self, study: Study, **options: float) -> Submission:
        """Submits a study."""
        return submit(self.home, study, **options)

    def decide(self, study: Study, decision: str, *names: str) -> None:
        """Proposes a study to these sites by hand, and decides there; at all where none is named."""
        for name in names or self.names:
            approvals.receive(self.folder / name, study.canonical())
            approvals.decide(self.folder / name, study, approvals.State(decision), by="test")
