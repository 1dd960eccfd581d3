"""A consortium in this process: the real coordinator and agents, a carrier that can lose messages."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocols.core.errors import Code
from protocols.core.study import Study
from server.administration.enrolment import enrol, invite, make_center
from server.coordination.coordinator import Coordinator
from server.coordination.post import ANSWERS_AGAIN, Ticket
from server.coordination.submission import submit
from server.home.identity import coordinator_key
from server.home.store import Store
from server.home.submissions import Submission
from site_node.administration.enrolment import join
from site_node.administration.setup import make_site
from site_node.agent.agent import Agent
from site_node.governance import approvals
from tests.lib.founding import confirm_each_other
from tests.lib.table_agent import table_of

Tamper = Callable[[str, str, bytes], bytes | Code]
"""(site, kind, reply) -> what arrives instead; `SITE_UNREACHABLE` means offline, `DEADLINE` a lost reply."""


@dataclass
class Consortium:
    """A center and its sites in one folder.

    Attributes:
        tamper: changes or loses what a site replies.
        asked: (kind, site) of every message, in order.
        seconds: what the coordinators' clock shows.
    """

    folder: Path
    names: tuple[str, ...] = ("a", "b", "c")
    tamper: Tamper = lambda site, kind, reply: reply
    asked: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    _replies: dict[Ticket, bytes | Code] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home = self.folder / "center"
        self.settings = make_center(self.home, "Test", port=0)
        self.agents = {name: self._agent(name) for name in self.names}
        confirm_each_other(self.home, {name: self.folder / name for name in self.names}, self.folder)
        self.store = Store(self.home)

    def _agent(self, name: str) -> Agent:
        make_site(self.folder / name, name, runtime_port=0)
        invitation, answer = self.folder / f"{name}.invitation", self.folder / f"{name}.enrolment"
        invite(self.home, name).write(invitation)
        join(self.folder / name, invitation).write(answer)
        enrol(self.home, answer)
        return Agent(self.folder / name, table_of=table_of(name))

    def send(self, kind: str, messages: Mapping[str, bytes]) -> dict[str, Ticket]:
        """Hands messages to the agents; what they reply arrives with the next look."""
        self.asked += [(kind, site) for site in messages]
        tickets = {}
        for site, sealed in messages.items():
            reply = self.tamper(site, kind, self.agents[site].handle(kind, sealed))
            if reply is not Code.SITE_UNREACHABLE:
                tickets[site] = f"{len(self.asked)}-{site}"
            if reply not in ANSWERS_AGAIN:
                self._replies[tickets[site]] = reply
        return tickets

    def replies(self) -> dict[Ticket, bytes | Code]:
        """What has arrived since the last look."""
        arrived, self._replies = self._replies, {}
        return arrived

    def forget(self, tickets: Iterable[Ticket]) -> None:
        """Nothing: a late reply is not kept here."""

    def coordinator(self, **settings: float) -> Coordinator:
        """A coordinator whose clock goes on when `ends` lets it."""
        changed = self.settings.model_copy(update=settings)
        key = coordinator_key(self.home)
        return Coordinator(self.store, key, changed, self, clock=lambda: self.seconds)

    def ends(self, run: str, coordinator: Coordinator | None = None) -> Submission:
        """The submission when it has ended, however long its coordinator has to wait for silent sites."""
        coordinator = coordinator or self.coordinator()
        for _ in range(1000):
            coordinator.step()
            if not self.store.is_open(run):
                return self.store.submission(run)
            self.seconds += 1
        raise TimeoutError(f"run {run} does not end")

    def propose(self, study: Study, **options: Any) -> Submission:
        """Submits a study."""
        return submit(self.home, study, **options)

    def decide(self, study: Study, decision: str, *names: str) -> None:
        """Proposes a study to these sites by hand, and decides there; at all where none is named."""
        for name in names or self.names:
            approvals.receive(self.folder / name, study.canonical())
            approvals.decide(self.folder / name, study, approvals.State(decision), by="test")
