"""The only process with data and key: verify, run the step, gate, seal, remember, audit.

It accepts nothing but sealed bytes, and answers with sealed bytes or a sealed code. What goes wrong inside
leaves as a code; the text of an exception never does.
"""

import base64
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from protocols.core.axis import is_list, keep_list, look_in
from protocols.core.disclosure import Release
from protocols.core.errors import Code, ShadowgraphError, SiteError
from protocols.core.privacy import asks_for_noise
from protocols.core.protocol import Ask, protocol
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Integers
from protocols.exchange.envelope import digest, pack, seal, unseal
from protocols.exchange.keys import kept_signing_key, noise_secret, verifying_key
from protocols.exchange.proposal import Proposal
from protocols.exchange.site_answer import Shared, answer, asked_table, bears_all_digits, people_of
from protocols.exchange.start import Chance, EndMessage, StartMessage
from protocols.exchange.wire import (
    RoundAnswer,
    RoundMessage,
    RoundQuestion,
    RoundReply,
)
from site_node.agent.admission import Admission, admit, check_size
from site_node.agent.conduct import Conductor
from site_node.agent.held import keep_for_people, left_by
from site_node.agent.masking import member_of, protected
from site_node.agent.people_behind import PeopleBehind
from site_node.agent.starting import RunStarts
from site_node.governance import (
    approvals,
    audit,
    audit_check,
    audit_heads,
    holds,
    ledger,
    peers,
    privacy_budget,
)
from site_node.governance.approvals import State
from site_node.governance.policy import read_policy
from site_node.home import config
from site_node.home.membership import consortium

TableOf = Callable[[Study], AnalysisTable]

log = logging.getLogger("shadowgraph.agent")


def cdm_tables(home: Path) -> TableOf:
    """A function that builds the table of a study's sealed people from this site's CDM."""
    from site_node.home.cdm import open_cdm
    from site_node.study_table import sealing
    from site_node.study_table.build import build_table

    settings = config.load(home)
    engine = open_cdm(settings)

    def table_of(study: Study) -> AnalysisTable:
        # Under a standing approval nobody looked at the study: its first question seals it.
        sealed = sealing.sealed(home, study) or sealing.seal(home, study)
        return build_table(engine, study, settings.name, sealed, folder=home).table

    return table_of


@dataclass
class Agent:
    """The site's answering half; keeps the tables of the studies that it answers in memory.

    Attributes:
        home: the site's folder, with its keys, register, policy and audit.
        table_of: builds the table of a study; from the CDM unless told otherwise.
    """

    home: Path
    table_of: TableOf | None = None
    _tables: dict[tuple[str, str], AnalysisTable] = field(default_factory=dict)
    _drawn_tables: dict[tuple[str, str, Chance], AnalysisTable] = field(default_factory=dict)
    _audit_is_whole: bool = False

    def __post_init__(self) -> None:
        self.site = config.load(self.home).name
        look_in(self.home)
        self._coordinator = verifying_key(consortium(self.home).coordinator_key)
        self._key = kept_signing_key(self.home / "keys" / "signing.key")
        self.conductor = Conductor(self.home, self.site, self._key.public_key())
        self.people = PeopleBehind(self.home)
        self.starts = RunStarts(self.home, self.site, self._key)

    def handle(self, kind: str, sealed: bytes) -> bytes:
        """The sealed answer to a sealed message of a kind (a method of this name). Never raises."""
        kinds = {"propose": self._propose, "start": self._start, "round": self._round, "end": self._end}
        try:
            if kind in kinds:
                return kinds[kind](sealed)
            raise SiteError(Code.MALFORMED_MESSAGE, "a message of an unknown kind")
        except ShadowgraphError as error:
            return self._refusal(kind, error.code, error.text)
        except Exception as error:
            return self._refusal(kind, Code.SITE_FAILED, type(error).__name__)

    def _propose(self, sealed: bytes) -> bytes:
        """Takes a study into the inbox, meets the sites it is for, and says how it stands here."""
        proposal = Proposal.decode(unseal(sealed, self._coordinator, "proposal"))
        study = approvals.receive(self.home, unseal(proposal.study, self._coordinator, "study"))
        peers.meet(self.home, proposal.sites, proposal.statements)
        _keep_lists(self.home, study, proposal.lists)
        if faults := read_policy(self.home).faults(study):
            audit.record(self.home, "study-against-policy", study=study.hash(), rules=list(faults))
            return self._status(study.hash(), "refused", Code.REFUSED_BY_POLICY)
        state = approvals.approval(self.home, study).state
        approved = state is State.APPROVED and proposal.run
        hello = self.starts.hello(study.hash(), proposal.run) if approved else b""
        return self._status(study.hash(), str(state), None, hello)

    def _start(self, sealed: bytes) -> bytes:
        """Says hello in a run of an approved study, or opens it once all sites have."""
        self._look_at_audit()
        message = StartMessage.decode(unseal(sealed, self._coordinator, "start"))
        admission = admit(self.home, self.site, message.study, message.roster)
        if not message.hellos:
            return self.starts.hello(message.study, message.run)
        ledger.admit_run(self.home, message, admission.approval)
        opening = self.starts.opening(message, self._contributes(admission, message))
        audit.record(
            self.home, "run-opened", study=message.study, run=message.run, sites=list(message.roster)
        )
        return opening

    def _end(self, sealed: bytes) -> bytes:
        """Erases what the masks of a run hang on: it has ended."""
        message = EndMessage.decode(unseal(sealed, self._coordinator, "end"))
        self.starts.end(message.study, message.run)
        return self._status(message.study, "approved", None)

    def _contributes(self, admission: Admission, message: StartMessage) -> dict[str, bool]:
        """Analysis -> whether this site takes part: it has enough people, beside all that it told before.

        No, where its table cannot be built.
        """
        study, floor = admission.study, admission.floors.min_count_in_sum
        try:
            table = self._table(study, admission.approval.decided_at)
        except ShadowgraphError:
            return {analysis.name: False for analysis in study.analyses}
        return {
            a.name: people_of(study, a.name, table) >= floor
            and (
                bool(a.after)
                or asks_for_noise(a.spec)
                or self._may_be_told(admission, table, message, Ask("", analysis=a.name))
            )
            and self._may_be_published(admission, table, message, a.name, len(message.roster))
            for a in study.analyses
        }

    def _round(self, sealed: bytes) -> bytes:
        """Answers one round of an approved study."""
        self._look_at_audit()
        message = RoundMessage.decode(unseal(sealed, self._coordinator, "question"))
        question, asked = RoundQuestion.decode(message.question), digest(message.question)
        admission = admit(self.home, self.site, question.study, question.roster)
        check_size(question, admission.policy)
        if (given := ledger.earlier(self.home, question, asked)) is not None:
            audit.record(self.home, "answer-repeated", study=question.study, round=question.round)
            return given
        if holds.is_waiting(self.home, question, asked):
            return self._status(question.study, "held", None)
        ledger.admit_round(self.home, question)
        run = self.starts.running(question, message.relayed)
        asks = self.conductor.follow(admission.study, question, message.relayed, run)
        member = member_of(question, admission.policy, run)
        people = self._people_behind(admission)
        ledger.refuse_few_apart(self.home, people, admission.floors.min_count)
        table = partial(self._drawn, admission.study, admission.approval.decided_at, run.started.chance)
        masked = member is not None
        digits = self._digits(admission, [ask for ask, _ in asks])
        asks = [(ask, replace(known, full=full)) for (ask, known), full in zip(asks, digits, strict=True)]
        said = [self._answer(admission, question, *ask, table, masked=masked) for ask in asks]
        answers = tuple(
            protected(ask, s, member, (asked, position), known.seal)
            for position, ((ask, known), s) in enumerate(zip(asks, said, strict=True))
        )
        heads = audit_heads.told(self.home, question, self.site)
        where = question.study, question.run, question.round, self.site, asked
        body = RoundAnswer(*where, answers, heads, full=digits)
        reply = RoundReply.of(seal(body.encode(), self._key, "answer"), body).encode()
        if any(isinstance(s, Release) for s in said):
            ledger.keep_people(self.home, people)
        look = admission.policy.people_who_look(admission.study)
        if look and any(isinstance(s, Release) and s.way != "agreed" for s in said):
            keep_for_people(self.home, admission.study, question, asked, reply, said, look)
            return self._status(question.study, "held", None)
        self._audit_answer(question, said, reply)
        # After the audit: who is killed in between gives the same bytes again, and no answer is unaudited.
        ledger.remember(self.home, question, asked, reply)
        return reply

    def _look_at_audit(self) -> None:
        """Raises unless the audit that this agent found when it began is whole; every line since follows it.

        Raises:
            StudyError: audit-damaged.
        """
        if not self._audit_is_whole:
            audit_check.refuse_damaged(self.home)
            self._audit_is_whole = True

    def _people_behind(self, admission: Admission) -> Integers:
        """The identifiers of the people whom an answer would be about; none where they are in no answer."""
        try:
            persons = self._table(admission.study, admission.approval.decided_at).persons
        except ShadowgraphError:
            return np.zeros(0, dtype=np.int64)
        return persons if len(persons) >= admission.floors.min_count_in_sum else persons[:0]

    def _answer(
        self,
        admission: Admission,
        question: RoundQuestion,
        ask: Ask,
        shared: Shared,
        table_of: Callable[[], AnalysisTable],
        *,
        masked: bool,
    ) -> Release | Code:
        """One question's release, or the code with which it is withheld.

        Where the auditor lets nothing out, the site adds nothing to a masked sum, as one does that has too
        few people: nobody can tell the reasons apart.
        """
        study = admission.study
        try:
            number = _noise_number(study, ask, masked=masked)
            table = table_of()
            if number is not None:
                people = table.persons[ask.rows.mask(table)]
                ledger.admit_once(self.home, study.hash(), ask, people, number)
                _spend(self.home, admission, ask, table, number)
            noisy = asks_for_noise(study.spec(ask.analysis, ask.part))
            sites = shared.contributors or question.roster
            counted = self._may_be_published(admission, table, question, ask.analysis, len(sites))
            if not counted or (not noisy and not self._may_be_told(admission, table, question, ask)):
                if ask.per_site or not masked or (not counted and self.site in sites):
                    return Code.WITHHELD
                table = table.select(np.zeros(len(table), dtype=bool))
            return answer(study, table, ask, admission.floors, shared)
        except ShadowgraphError as error:
            return error.code

    def _digits(self, admission: Admission, asks: list[Ask]) -> tuple[bool, ...]:
        """Whether this site lets the result of each question bear all its digits."""
        if admission.policy.digits_of(admission.study) == "full":
            return (True,) * len(asks)
        try:
            table = self._table(admission.study, admission.approval.decided_at)
        except ShadowgraphError:
            return (False,) * len(asks)
        return tuple(ask.climb is not None and bears_all_digits(table, ask) for ask in asks)

    def _may_be_told(
        self, admission: Admission, table: AnalysisTable, asked: RoundQuestion | StartMessage, ask: Ask
    ) -> bool:
        """Whether what is asked, together with all that left before, stands on enough people."""
        if admission.policy.combinations == "allow":
            return True
        told = self.people.may_be_told(
            admission.study, table, (asked.run, asked.roster), ask, admission.floors
        )
        if not told:
            where = ".".join((ask.analysis, *ask.part, ask.step))
            audit.record(self.home, "combination-of-few", study=asked.study, question=where)
        return told

    def _may_be_published(
        self,
        admission: Admission,
        table: AnalysisTable,
        asked: RoundQuestion | StartMessage,
        analysis: str,
        sites: int,
    ) -> bool:
        """Whether nobody here would bear more numbers than the policy lets be published about a person."""
        policy, study = admission.policy, admission.study
        most = math.inf if policy.digits_of(study) == "full" else policy.numbers_per_person
        run = asked.run, asked.roster
        counted = self.people.may_be_published(study, table, run, analysis, sites, most)
        if not counted:
            audit.record(self.home, "numbers-per-person", study=asked.study, analysis=analysis)
        return counted

    def _table(self, study: Study, decided_at: str) -> AnalysisTable:
        """The study's table, built once per approval: all its rounds see the same people and values."""
        key = study.hash(), decided_at
        if key not in self._tables:
            table_of = self.table_of or cdm_tables(self.home)
            secret = noise_secret(self.home / "keys" / "noise.key")
            self._tables[key] = replace(table_of(study), secret=secret)
        return self._tables[key]

    def _drawn(self, study: Study, decided_at: str, chance: Chance) -> AnalysisTable:
        """The study's table with the folds of a run; the last run's is kept."""
        key = study.hash(), decided_at, chance
        if key not in self._drawn_tables:
            self._drawn_tables = {k: t for k, t in self._drawn_tables.items() if k[0] != study.hash()}
            self._drawn_tables[key] = self._table(study, decided_at).drawn_by(chance)
        return self._drawn_tables[key]

    def _audit_answer(self, question: RoundQuestion, said: list[Release | Code], reply: bytes) -> None:
        audit.record(
            self.home,
            "answered",
            study=question.study,
            run=question.run,
            round=question.round,
            left=[left_by(ask, s) for ask, s in zip(question.asks, said, strict=True)],
            sha256=digest(reply),
        )

    def _refusal(self, kind: str, code: Code, text: str) -> bytes:
        """The sealed code; it leaves also where the audit cannot be written, as nothing else then does."""
        try:
            audit.record(self.home, "refused", kind=kind, code=str(code), reason=text)
        except ShadowgraphError as error:
            log.error("not audited: refused %s with %s; %s", kind, code, error)
            code = error.code
        except OSError as error:
            log.error("not audited: refused %s with %s; %s", kind, code, type(error).__name__)
        return self._status("", "refused", code)

    def _status(self, study: str, state: str, code: Code | None, hello: bytes = b"") -> bytes:
        content = {
            "schema_version": 1,
            "study": study,
            "site": self.site,
            "state": state,
            "code": None if code is None else str(code),
            "hello": base64.b64encode(hello).decode(),
            "policy": read_policy(self.home).published().model_dump(mode="json"),
            "statements": [said.model_dump() for said in peers.own_statements(self.home).statements],
        }
        return seal(pack(content), self._key, "status")


def _keep_lists(home: Path, study: Study, lists: Mapping[str, bytes]) -> None:
    """Keeps the lists of names that a study's blocks stand on, and that no rule gives.

    Raises:
        SiteError: tampered; a list is not the one whose hash the study bears.
    """
    for block, data in lists.items():
        names = tuple(data.decode("utf-8", "replace").splitlines())
        kind = study.blocks.get(block)
        if kind is None or not is_list(kind.on, names):
            raise SiteError(Code.TAMPERED, "a list of names is not the one that the study names")
        keep_list(home, names)


def _spend(home: Path, admission: Admission, ask: Ask, table: AnalysisTable, number: int) -> None:
    """Notes what a noisy question spends of the people whom it is about.

    Raises:
        SiteError: budget-spent.
    """
    spec = admission.study.spec(ask.analysis, ask.part)
    if (plan := protocol(spec.protocol).spends(spec)) is not None:
        asked = asked_table(admission.study, table, ask)
        where = home, admission.study.hash(), spec, ask, asked
        privacy_budget.spend(*where, plan, number, admission.policy)


def _noise_number(study: Study, ask: Ask, *, masked: bool) -> int | None:
    """Which of a spec's draws of noise the question spends; None if it spends none.

    Raises:
        SiteError: refused-by-policy; a share of the noise alone would not hide this site.
    """
    spec = study.spec(ask.analysis, ask.part)
    number = protocol(spec.protocol).once(spec, ask.step, ask.arrays)
    if number is not None and (not masked or ask.per_site):
        raise SiteError(Code.REFUSED_BY_POLICY, "noise shared between sites requires a secure sum")
    return number
