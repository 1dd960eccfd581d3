"""The coordinator: takes submitted studies up, conducts several at once, queries first.

It knows no transport. It is given a `Post`, which carries sealed messages to sites and brings back sealed
replies, and keeps all that it knows in the store: when it is killed, another one goes on.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocols.core.errors import Code, ShadowgraphError, StudyError
from protocols.core.protocol import protocol
from protocols.core.study import Study, parse_study
from protocols.exchange.envelope import seal, unseal
from protocols.exchange.start import EndMessage
from server.coordination.post import Delivery, Post, Ticket
from server.coordination.study_run import StudyRun, Way
from server.home.config import HubConfig
from server.home.store import Store

MAX_DEATHS = 5
"""How often the process may die in the hands of one study; the others at work then are not to blame."""

P = ParamSpec("P")

log = logging.getLogger("shadowgraph.coordinator")

_LOOK = "the center's log has the cause; when it is mended, submit the study again"


class LeadLostError(Exception):
    """Another coordinator has taken over."""


@dataclass
class Work:
    """A study that is at work, and the delivery it waits for; none before its first one."""

    run: StudyRun
    way: Way
    delivery: Delivery | None = None
    waits_for: tuple[str, ...] = ()


@dataclass
class Coordinator:
    """One consortium's coordinator.

    Attributes:
        may_go_on: whether it still leads; asked before anything is sent.
        clock: seconds that only grow, by which messages are late; given by the tests.
        ended: how many studies have ended under it.
    """

    store: Store
    key: Ed25519PrivateKey
    settings: HubConfig
    post: Post
    may_go_on: Callable[[], bool] = lambda: True
    clock: Callable[[], float] = time.monotonic
    ended: int = 0
    _runs: dict[str, StudyRun] = field(default_factory=dict)
    _work: dict[str, Work] = field(default_factory=dict)
    _owner: dict[Ticket, Work] = field(default_factory=dict)

    def step(self) -> int:
        """Takes turns until all that is left to do is to wait; returns how many studies ended meanwhile.

        Raises:
            LeadLostError: another coordinator has taken over.
        """
        before = self.ended
        while self.turn():
            pass
        return self.ended - before

    def turn(self) -> bool:
        """Moves every study at work by at most one message, queries first; whether anything moved.

        A failing study ends with its code and never raises.

        Raises:
            LeadLostError: another coordinator has taken over.
        """
        self._drop_withdrawn()
        self._take_up()
        arrived = self.post.replies()
        for ticket, reply in arrived.items():
            self._hand_out(ticket, reply)
        queries_first = sorted(self._work.values(), key=lambda work: not is_query(work.run.study))
        moved = [self._guarded(work.run.run, self._move, work) for work in queries_first]
        return bool(arrived) or any(moved)

    # Which studies are at work

    def _take_up(self) -> None:
        """Puts the studies that are due to work."""
        for run in self.store.due():
            if run not in self._work:
                self._guarded(run, self._begin, run)

    def _begin(self, run: str) -> bool:
        due = self.store.submission(run)
        if due.deaths >= MAX_DEATHS:
            raise StudyError(
                Code.CENTER_FAILED, f"the coordinator died {MAX_DEATHS} times in this run", _LOOK
            )
        if run not in self._runs:
            study = parse_study(unseal(due.sealed, self.key.public_key(), "study"))
            self._runs[run] = StudyRun(
                self.store, self.key, self.settings, run, study, partial(self._may_begin, study)
            )
        self._work[run] = Work(self._runs[run], self._runs[run].way(due))
        return True

    def _may_begin(self, study: Study) -> bool:
        """Whether a study may begin with its rounds: a query may, another one if few enough are in theirs."""
        in_rounds = [run for run in self._runs.values() if run.in_rounds and not is_query(run.study)]
        return is_query(study) or len(in_rounds) < self.settings.studies_at_once

    def _drop_withdrawn(self) -> None:
        """Lets go of studies that were withdrawn; what their sites still answer is not read."""
        for run in self._runs.keys() - self.store.open_runs():
            self._leave(run)

    def _leave(self, run: str) -> None:
        """Puts a study down: it ended, or waits until its sites are asked again."""
        work = self._work.pop(run, None)
        if work is not None:
            work.way.close()
            self._forget(work)
        if not self.store.is_open(run):
            self._runs.pop(run, None)
            self.ended += 1
            self._say_ended(run)

    def _say_ended(self, run: str) -> None:
        """Tells the sites of a run that it has ended, so that they erase its keys; waits for no reply."""
        found = self.store.submission(run)
        if found.roster is None:
            return
        message = seal(EndMessage(found.study, run).encode(), self.key, "end")
        try:
            tickets = self.post.send("end", dict.fromkeys(found.roster, message))
        except Exception as error:  # the sites erase them in time; the other studies go on
            log.warning("run %s: its end was not sent: %s", run, type(error).__name__)
        else:
            self.post.forget(tickets.values())

    # How a study moves

    def _move(self, work: Work) -> bool:
        """Goes on with a study whose delivery is over, else sends what is unsent; whether it did either."""
        now = self.clock()
        if work.delivery is not None:
            work.delivery.expire(now)
            if not work.delivery.is_over(now):
                return self._send(work, work.delivery, now)
        self._forget(work)
        try:
            with self.store.at_work(work.run.run):
                work.delivery = next(work.way)
        except StopIteration:
            self._leave(work.run.run)
        return True

    def _send(self, work: Work, delivery: Delivery, now: float) -> bool:
        """Sends the message to the sites that have to receive it now, if the study still stands."""
        sites = delivery.unsent(now)
        if not sites:
            return False
        if not self.may_go_on():
            raise LeadLostError
        if not self.store.is_open(work.run.run):
            self._leave(work.run.run)
            return True
        if (silent := delivery.silent) and silent != work.waits_for:
            self.store.note(work.run.run, "waiting for", ", ".join(silent))
        work.waits_for = silent
        tickets = self.post.send(delivery.kind, dict.fromkeys(sites, delivery.sealed))
        delivery.sent(sites, tickets, now)
        self._owner.update(dict.fromkeys(tickets.values(), work))
        return True

    def _hand_out(self, ticket: Ticket, reply: bytes | Code) -> None:
        """Gives a reply to the study that waits for it; one that nobody waits for is dropped."""
        work = self._owner.pop(ticket, None)
        if work is not None and (delivery := work.delivery) is not None:
            self._guarded(work.run.run, delivery.receive, ticket, reply, self.clock())

    def _forget(self, work: Work) -> None:
        if work.delivery is not None:
            self.post.forget(work.delivery.tickets)
            for ticket in work.delivery.tickets:
                self._owner.pop(ticket, None)

    def _guarded(self, run: str, act: Callable[P, bool | None], *given: P.args, **named: P.kwargs) -> bool:
        """Whether the act moved something; what goes wrong in it ends this study and no other."""
        try:
            return bool(act(*given, **named))
        except LeadLostError:
            raise
        except ShadowgraphError as error:
            self._fail(run, error.code, error.text, error.fix)
        except Exception as error:
            log.exception("run %s", run)
            self._fail(run, Code.CENTER_FAILED, f"the coordinator failed: {type(error).__name__}", _LOOK)
        return True

    def _fail(self, run: str, code: Code, text: str, fix: str) -> None:
        if self.store.fail(run, code, text, fix):
            self.store.note(run, "failed", str(code))
        self._leave(run)


def is_query(study: Study) -> bool:
    """Whether a study asks for counts and summaries alone."""
    return all(protocol(analysis.spec.protocol).is_query for analysis in study.analyses)
