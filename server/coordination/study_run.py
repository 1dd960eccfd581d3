"""The way of one study: its sites are asked for approval, then round after round for answers.

Each way is a generator that yields the deliveries it waits for, so that one process conducts many studies.
"""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocols.core.block_kinds import lists_of
from protocols.core.errors import Code, StudyError
from protocols.core.lockstep import Failure
from protocols.core.study import Study
from protocols.exchange.envelope import seal
from protocols.exchange.keyed_draws import derived
from protocols.exchange.membership import SiteKeys, admitted
from protocols.exchange.proposal import Proposal
from protocols.exchange.rounds import Conduct, Outcome, conducted
from protocols.exchange.sides import Center
from protocols.exchange.wire import RoundAnswer, RoundMessage, RoundQuestion, RoundReply
from server.coordination.post import Delivery
from server.coordination.record import outcome_record
from server.coordination.replies import Replies
from server.coordination.run_start import SILENT, RunStart
from server.home.config import HubConfig
from server.home.policies import Policies
from server.home.store import Store
from server.home.submissions import Submission

APPROVED, HELD = "approved", "held"
OPEN = ("pending", "unreachable")

_TOO_FEW = (
    "`shadowgraph study show` says why each site refused; where people have not decided, ask them and submit "
    "again, or ask for fewer sites (min_sites)"
)
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 60.0

Way = Generator[Delivery, None, None]
"""What one study waits for, one delivery at a time; it ends when the study has ended or waits."""


@dataclass
class StudyRun:
    """Conducts one submission, from its proposal to its outcome.

    Attributes:
        may_begin: whether its rounds may begin now; false lets it wait for those of other studies.
        pause: seconds until its sites are asked for approval again; grows each time.
        in_rounds: whether its rounds have begun.
        is_queued: whether it could begin, were there not other studies in their rounds.
        told: site -> how many statements about members it was sent.
        unconfirmed: the sites that approved and that are not members to the others.
    """

    store: Store
    key: Ed25519PrivateKey
    settings: HubConfig
    run: str
    study: Study
    may_begin: Callable[[], bool]
    pause: float = FIRST_PAUSE_SECONDS
    in_rounds: bool = False
    is_queued: bool = False
    told: dict[str, int] = field(default_factory=dict)
    unconfirmed: tuple[str, ...] = ()

    def way(self, due: Submission) -> Way:
        """The way of this submission from where it stands; replays the rounds that were joined before.

        Raises:
            ShadowgraphError: the study cannot go on.
        """
        sites = tuple(due.roster or ()) or (yield from self._roster(due))
        if not sites:
            return
        self.in_rounds = True
        start = RunStart(self.store, self.key, self.settings, self.run, self.study, self.store.key_of)
        roster = yield from start.hellos(sites)
        self.store.begin(self.run, roster)
        self.store.note(self.run, "running", ", ".join(roster))
        started = yield from start.openings(roster)
        memory = self.store.memory(self.run)
        center, names = Center(derived(self.key.private_bytes_raw(), "dither")), tuple(roster)
        rounds = conducted(
            self.study, run=self.run, roster=names, started=started, memory=memory, side=center
        )
        outcome = yield from self._rounds(rounds)
        self._finish(outcome, outcome_record(self.study, outcome, memory, self.key.public_key()))

    def _finish(self, outcome: Outcome, record: bytes) -> None:
        failed = {name: found for name, found in outcome.results.items() if isinstance(found, Failure)}
        said = ", ".join(f"{name} ({found.code})" for name, found in failed.items())
        if self.store.finish(self.run, record, failed=said):
            ended = "done with failures" if failed else "done"
            self.store.note(self.run, ended, said or f"{outcome.rounds} rounds")

    # Approvals

    def _roster(self, due: Submission) -> Generator[Delivery, None, tuple[str, ...]]:
        """The sites that approved, once it is settled who takes part; until then empty."""
        standing = yield from self._ask_for_approval(due)
        approved = tuple(sorted(site for site, state in standing.items() if state == APPROVED))
        undecided = sorted(site for site, state in standing.items() if state in OPEN)
        members = self._admitted(approved)
        may_be_enough = len(members) + len(undecided) >= self.study.min_sites
        awaits_people = len(members) < self.study.min_sites <= len(approved)
        if (awaits_people or (undecided and may_be_enough)) and time.time() < due.deadline:
            self._wait()
            return ()
        if len(members) < self.study.min_sites:
            others = {s: state for s, state in standing.items() if s not in members}
            raise self._too_few(
                len(members), others | dict.fromkeys(set(approved) - set(members), "not confirmed")
            )
        if not self.may_begin():
            self._wait(is_queued=True)
            return ()
        return members

    def _admitted(self, approved: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the sites who are members to each other; people there have to confirm the others."""
        keys = {site: keys.signing_key for site, keys in self.store.site_keys().items()}
        found = admitted(approved, keys, self.store.statements())
        if (others := tuple(site for site in approved if site not in found)) and others != self.unconfirmed:
            self.store.note(self.run, "not confirmed by people at two sites", ", ".join(others))
        self.unconfirmed = others
        return found

    def _wait(self, *, is_queued: bool = False) -> None:
        """Puts the study aside: its sites have not decided, or other studies are in their rounds."""
        if is_queued and not self.is_queued:
            self.store.note(self.run, "queued", "other studies are in their rounds")
        self.is_queued = is_queued
        self.store.wait(self.run, time.time() + (FIRST_PAUSE_SECONDS if is_queued else self.pause))
        self.pause = min(self.pause * 1.2, LONGEST_PAUSE_SECONDS)

    def _too_few(self, approved: int, others: Mapping[str, str]) -> StudyError:
        stand = ", ".join(f"{site} {state}" for site, state in others.items()) or "no other"
        text = f"{approved} sites approved, the study needs {self.study.min_sites}; {stand}"
        return StudyError(Code.TOO_FEW_SITES, text, _TOO_FEW)

    def _ask_for_approval(self, due: Submission) -> Generator[Delivery, None, dict[str, str]]:
        """How each site stands to the study; those that have not decided are asked, until it is queued."""
        keys = {n: k for n, k in self.store.site_keys().items() if not due.invited or n in due.invited}
        known = self.store.standing(self.run)
        may_change = (*OPEN, APPROVED) if self.unconfirmed else OPEN
        ask = tuple(name for name in sorted(keys) if known.get(name, ("pending", None))[0] in may_change)
        for _ in range(2):  # again, where replies brought what people said about other sites
            if ask and not self.is_queued:
                yield from self._propose(due, keys, ask)
            said = len(self.store.statements())
            ask = tuple(name for name, told in sorted(self.told.items()) if told != said)
        now = self.store.standing(self.run)
        return {name: now.get(name, ("unreachable", None))[0] for name in sorted(keys)}

    def _propose(
        self, due: Submission, keys: Mapping[str, SiteKeys], ask: tuple[str, ...]
    ) -> Generator[Delivery, None, None]:
        """Proposes the study to these sites, and notes what they say, or that they say nothing."""
        said = self.store.statements()
        names = lists_of(self.study.blocks, of_rules=False)
        lists = {block: "\n".join(listed).encode() for block, listed in names.items()}
        proposal = Proposal(due.sealed, keys, self.run, said, lists)
        sealed = seal(proposal.encode(), self.key, "proposal")
        replies = Replies(self.store.key_of)

        def read(site: str, reply: bytes | Code) -> None:
            self.told[site] = len(said)
            self.store.keep_statements(replies.statements(site, reply))
            if (policy := replies.policy(site, reply)) is not None:
                Policies(self.settings.home).keep(site, policy)
            state, code, hello = replies.standing(site, reply, due.study)
            if hello:
                self.store.keep_begun(self.run, "hello", {site: hello})
            self._stand(site, state, code)

        delivery = Delivery("propose", sealed, ask, self.settings.round_seconds, 0, read)
        yield delivery
        for site in delivery.silent:
            self._stand(site, "unreachable", None)

    def _stand(self, site: str, state: str, code: Code | None) -> None:
        if self.store.stand(self.run, site, state, code):
            self.store.note(self.run, state, site if code is None else f"{site} ({code})")

    # Rounds

    def _rounds(self, rounds: Conduct) -> Generator[Delivery, None, Outcome]:
        """The outcome, once every round has been asked and answered."""
        try:
            question = next(rounds)
            while True:
                question = rounds.send((yield from self._answers(question)))
        except StopIteration as done:
            outcome: Outcome = done.value
            return outcome

    def _answers(self, question: RoundQuestion) -> Generator[Delivery, None, dict[str, RoundAnswer]]:
        """Every site's answer to one round; a silent site is asked again, and gives the same answer.

        Raises:
            StudyError: a site refused, failed, or stayed silent for too long.
        """
        answers: dict[str, RoundAnswer] = {}
        replies = Replies(self.store.key_of)

        def read(site: str, reply: bytes | Code) -> None:
            answers[site] = replies.answer(site, reply, question)
            if self.store.standing(self.run).get(site) == (HELD, None):
                self._stand(site, APPROVED, None)
            if not isinstance(reply, Code):
                self.store.received(self.run, question.round, site, reply, RoundReply.decode(reply).sealed)
                self.store.keep_head(self.run, site, answers[site].audit.get(site, ""))

        def is_held(site: str, reply: bytes) -> bool:
            if held := replies.is_held(site, reply):
                self._stand(site, HELD, None)
            return held

        first = question.round == 0
        relayed = (
            self.store.begun(self.run, "opening")
            if first
            else self.store.sealed_answers(self.run, question.round - 1)
        )
        sealed = seal(RoundMessage(question.encode(), relayed).encode(), self.key, "question")
        patience = self.settings.patience_seconds
        delivery = Delivery(
            "round", sealed, question.roster, self.settings.round_seconds, patience, read, is_held
        )
        self.store.note(self.run, "asked", f"round {question.round}")
        yield delivery
        if delivery.silent:
            silent = ", ".join(delivery.silent)
            raise StudyError(
                Code.SITE_UNREACHABLE, f"round {question.round}: no answer from {silent}", SILENT
            )
        self.store.note(self.run, "answered", f"round {question.round}")
        return answers
