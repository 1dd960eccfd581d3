"""The coordinator: takes submitted studies, asks sites for approval, runs them, keeps what they find.

It knows no transport. It is given `carry`, which takes sealed messages to sites and brings back sealed
replies, and keeps all that it knows in the store: when it is killed, another one goes on.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, ValidationError

from protocols.core.errors import Code, ShadowgraphError, StudyError
from protocols.core.study import Study, parse_study
from protocols.exchange.keys import verifying_key
from protocols.exchange.proposal import Proposal, SiteKeys
from protocols.exchange.rounds import Exchange, conduct
from protocols.exchange.wire import RoundAnswer, RoundQuestion, WireError, seal, unpack, unseal
from server.coordination.record import outcome_record
from server.home.config import HubConfig
from server.home.store import Store, Submission

Carry = Callable[[str, Mapping[str, bytes]], Mapping[str, bytes | Code]]
"""(kind, sealed message of each site) -> each site's sealed reply, or the code of why there is none."""

APPROVED = "approved"
OPEN = ("pending", "unreachable")
MAX_ATTEMPTS = 5
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 60.0
ANSWERS_AGAIN = {Code.SITE_UNREACHABLE, Code.DEADLINE}

_WHY = {
    Code.WITHHELD: ": it may have answered about nearly the same people before, and does not say about which",
    Code.BUDGET_SPENT: ": its approval allows no more runs, rounds or questions",
    Code.ALREADY_ANSWERED: ": it answered this study before, for other sites or questions",
    Code.SITE_FAILED: ": something failed there, and its own audit and log say what; submit the study again",
}
"""What a refusal's code may mean; the site's own audit says more, to the site alone."""

log = logging.getLogger("shadowgraph.coordinator")


class SiteStatus(BaseModel):
    """How a site stands to a study, in its own sealed words; the answer to a proposal, or a refusal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1]
    study: str
    site: str
    state: Literal["pending", "approved", "refused", "expired", "revoked"]
    code: Code | None


class LeadLostError(Exception):
    """Another coordinator has taken over."""


@dataclass
class Coordinator:
    """One consortium's coordinator.

    Attributes:
        may_go_on: whether it still leads; asked before anything is sent.
        pause: sleeps; given by the tests.
    """

    store: Store
    key: Ed25519PrivateKey
    settings: HubConfig
    carry: Carry
    may_go_on: Callable[[], bool] = lambda: True
    pause: Callable[[float], None] = time.sleep
    _pauses: dict[str, float] = field(default_factory=dict)

    def step(self) -> bool:
        """Works on the submission that is due; true when one ended. A failing study never raises.

        Raises:
            LeadLostError: another coordinator has taken over.
        """
        due = self.store.due()
        if due is None:
            return False
        try:
            self._work_on(due)
        except LeadLostError:
            raise
        except ShadowgraphError as error:
            self._fail(due.run, error.code, error.text)
        except Exception as error:
            log.exception("run %s", due.run)
            self._fail(due.run, Code.CENTER_FAILED, f"the coordinator failed: {type(error).__name__}")
        return self.store.submission(due.run).ended_at is not None

    def _fail(self, run: str, code: Code, text: str) -> None:
        self.store.fail(run, code, text)
        self.store.note(run, "failed", str(code))

    def _work_on(self, due: Submission) -> None:
        study = parse_study(unseal(due.sealed, self.key.public_key(), "study"))
        roster = due.roster or self._roster(due, study)
        if roster is None:
            return
        run, sites = due.run, tuple(roster)
        if due.attempts >= MAX_ATTEMPTS:
            raise StudyError(Code.CENTER_FAILED, f"the coordinator died {MAX_ATTEMPTS} times in this run")
        self.store.begin(due.run, roster)
        self.store.note(due.run, "running", ", ".join(roster))
        memory = self.store.memory(due.run)
        outcome = conduct(study, self._exchange(run), run=run, roster=sites, keys=roster, memory=memory)
        self.store.finish(due.run, outcome_record(study, outcome, memory, self.key.public_key()))
        self.store.note(due.run, "done", f"{outcome.rounds} rounds")

    # Approvals

    def _roster(self, due: Submission, study: Study) -> dict[str, str] | None:
        """The sites that approved, with their masking keys, once it is settled who takes part; else None."""
        standing = self._ask_for_approval(due)
        approved = tuple(sorted(site for site, state in standing.items() if state == APPROVED))
        undecided = sorted(site for site, state in standing.items() if state in OPEN)
        if undecided and len(approved) + len(undecided) >= study.min_sites and time.time() < due.deadline:
            pause = self._pauses.get(due.run, FIRST_PAUSE_SECONDS)
            self._pauses[due.run] = min(pause * 1.2, LONGEST_PAUSE_SECONDS)
            self.store.wait(due.run, time.time() + pause)
            return None
        if len(approved) < study.min_sites:
            others = ", ".join(f"{site} {standing[site]}" for site in standing if site not in approved)
            raise StudyError(
                Code.TOO_FEW_SITES,
                f"{len(approved)} sites approved, the study wants {study.min_sites}; {others or 'no other'}",
            )
        return {site: keys.masking_key for site, keys in self._keys().items() if site in approved}

    def _keys(self) -> dict[str, SiteKeys]:
        """The public keys of every enrolled site."""
        return {
            site.name: SiteKeys(e.signing_key, e.masking_key, e.masking_signature)
            for site in self.store.sites()
            if (e := site.enrolment) is not None
        }

    def _ask_for_approval(self, due: Submission) -> dict[str, str]:
        """How each site stands to the study; those that have not decided are asked."""
        keys = {name: k for name, k in self._keys().items() if not due.invited or name in due.invited}
        asked = sorted(keys)
        known = self.store.standing(due.run)
        ask = [name for name in asked if known.get(name, ("pending", None))[0] in OPEN]
        self._check_lead()
        proposal = seal(Proposal(due.sealed, keys).encode(), self.key, "proposal")
        for site, reply in self.carry("propose", dict.fromkeys(ask, proposal)).items():
            state, code = self._status(site, reply, due.study)
            if self.store.stand(due.run, site, state, code):
                self.store.note(due.run, state, site if code is None else f"{site} ({code})")
        now = self.store.standing(due.run)
        return {name: now.get(name, ("unreachable", None))[0] for name in asked}

    def _status(self, site: str, reply: bytes | Code, study: str) -> tuple[str, Code | None]:
        """What a site's reply to a proposal says: a state, and a code where it gave one."""
        if isinstance(reply, Code):
            return ("unreachable", None) if reply in ANSWERS_AGAIN else ("refused", reply)
        try:
            said = self._open_status(site, reply)
        except WireError as error:
            return "refused", error.code
        return (said.state, said.code) if said.study in ("", study) else ("refused", Code.MALFORMED_MESSAGE)

    # Rounds

    def _exchange(self, run: str) -> Exchange:
        def exchange(question: RoundQuestion) -> dict[str, RoundAnswer]:
            self.store.note(run, "asked", f"round {question.round}")
            answers = self._ask_until_all_answered(question)
            self.store.note(run, "answered", f"round {question.round}")
            return answers

        return exchange

    def _ask_until_all_answered(self, question: RoundQuestion) -> dict[str, RoundAnswer]:
        """Every site's answer; who does not reply is asked again, and gives the same answer or its first."""
        sealed = seal(question.encode(), self.key, "question")
        answers: dict[str, RoundAnswer] = {}
        give_up = time.monotonic() + self.settings.patience_seconds
        while True:
            self._check_lead()
            silent = [site for site in question.roster if site not in answers]
            for site, reply in self.carry("round", dict.fromkeys(silent, sealed)).items():
                if not isinstance(reply, Code):
                    answers[site] = self._answer(site, reply, question)
                    self.store.received(question.run, question.round, site, reply)
                elif reply not in ANSWERS_AGAIN:
                    raise StudyError(reply, f"site {site} failed in round {question.round}")
            silent = [site for site in question.roster if site not in answers]
            if not silent:
                return answers
            if time.monotonic() >= give_up:
                raise StudyError(
                    Code.SITE_UNREACHABLE, f"round {question.round}: no answer from {', '.join(silent)}"
                )
            self.store.note(question.run, "waiting for", ", ".join(silent))
            self.pause(FIRST_PAUSE_SECONDS)

    def _answer(self, site: str, reply: bytes, question: RoundQuestion) -> RoundAnswer:
        """The answer in a site's reply.

        Raises:
            StudyError: the site refused, or its reply is not its own or not to this question.
        """
        try:
            answer = RoundAnswer.decode(unseal(reply, self._site_key(site), "answer"))
        except WireError:
            # Not an answer: then it is a refusal, which is sealed as a status.
            code = self._open_status(site, reply).code
            why = _WHY.get(code, "") if code else ""
            raise StudyError(
                code or Code.SITE_FAILED, f"site {site} refused round {question.round}{why}"
            ) from None
        if (answer.site, answer.study, answer.run, answer.round) != (
            *(site, question.study, question.run),
            question.round,
        ):
            raise StudyError(Code.MALFORMED_MESSAGE, f"site {site} answered another question")
        return answer

    def _open_status(self, site: str, reply: bytes) -> SiteStatus:
        content = unpack(unseal(reply, self._site_key(site), "status"))
        try:
            said = SiteStatus.model_validate(content)
        except ValidationError:
            said = None
        if said is None or said.site != site:
            raise WireError(Code.MALFORMED_MESSAGE, f"site {site} sent something else than its status")
        return said

    def _site_key(self, name: str) -> Ed25519PublicKey:
        for site in self.store.sites():
            if site.name == name and site.enrolment is not None:
                return verifying_key(site.enrolment.signing_key)
        raise WireError(Code.BAD_SIGNATURE, f"site {name} is not enrolled")

    def _check_lead(self) -> None:
        if not self.may_go_on():
            raise LeadLostError
