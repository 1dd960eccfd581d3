"""The only process with data and key: verify, run the step, gate, seal, remember, audit.

It accepts nothing but sealed bytes, and answers with sealed bytes or a sealed code. What goes wrong inside
leaves as a code; the text of an exception never does.
"""

import base64
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from protocols.core.disclosure import Release, Thresholds
from protocols.core.errors import Code, InputError, ShadowgraphError, SiteError
from protocols.core.protocol import Ask, protocol
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Integers
from protocols.exchange.keys import masking_key, noise_secret
from protocols.exchange.proposal import Proposal
from protocols.exchange.secure_sum import Member
from protocols.exchange.site_answer import answer
from protocols.exchange.wire import RoundAnswer, RoundQuestion, Sent, digest, pack, seal, unseal
from site_node.governance import approvals, audit, ledger, peers
from site_node.governance.approvals import State
from site_node.governance.policy import read_policy
from site_node.home import config

TableOf = Callable[[Study], AnalysisTable]


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
        return build_table(engine, study, settings.name, sealed).table

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
    _members: dict[tuple[str, str], Member] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.site = config.load(self.home).name
        key = load_pem_private_key((self.home / "keys" / "signing.key").read_bytes(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise InputError(Code.INVALID_INPUT, "keys/signing.key is not an Ed25519 key")
        self._key = key
        self._coordinator = _coordinator_key(self.home)

    def handle(self, kind: str, sealed: bytes) -> bytes:
        """The sealed answer to a sealed message of a kind, `propose` or `round`. Never raises."""
        try:
            if kind == "propose":
                return self._propose(sealed)
            if kind == "round":
                return self._round(sealed)
            raise SiteError(Code.MALFORMED_MESSAGE, "a message of an unknown kind")
        except ShadowgraphError as error:
            return self._refusal(kind, error.code, error.text)
        except Exception as error:
            return self._refusal(kind, Code.SITE_FAILED, type(error).__name__)

    def _propose(self, sealed: bytes) -> bytes:
        """Takes a study into the inbox, meets the sites it is for, and says how it stands here."""
        proposal = Proposal.decode(unseal(sealed, self._coordinator, "proposal"))
        study = approvals.receive(self.home, unseal(proposal.study, self._coordinator, "study"))
        peers.meet(self.home, proposal.sites, self.site)
        if faults := read_policy(self.home).faults(study):
            audit.record(self.home, "study-against-policy", study=study.hash(), rules=list(faults))
            return self._status(study.hash(), "refused", Code.REFUSED_BY_POLICY)
        return self._status(study.hash(), str(approvals.state(self.home, study)), None)

    def _round(self, sealed: bytes) -> bytes:
        """Answers one round of an approved study."""
        body = unseal(sealed, self._coordinator, "question")
        question, asked = RoundQuestion.decode(body), digest(body)
        study = approvals.proposed(self.home, question.study)
        self._admit(study, question)
        if (given := ledger.earlier(self.home, question, asked)) is not None:
            audit.record(self.home, "answer-repeated", study=question.study, round=question.round)
            return given
        ledger.admit_run(
            self.home,
            question,
            max_runs=approvals.max_runs(self.home, study),
            standing=approvals.stands(self.home, study),
        )
        member = self._member(question)
        floors = read_policy(self.home).thresholds.stricter(study.thresholds)
        people = self._people_behind(study, floors)
        ledger.refuse_few_apart(self.home, people, floors.min_count)
        said = [self._answer(study, ask, masked=member is not None) for ask in question.asks]
        answers = tuple(_protected(s, member, asked, position) for position, s in enumerate(said))
        body = RoundAnswer(question.study, question.run, question.round, self.site, asked, answers).encode()
        reply = seal(body, self._key, "answer")
        if any(isinstance(s, Release) for s in said):
            ledger.keep_people(self.home, people)
        audit.record(
            self.home,
            "answered",
            study=question.study,
            run=question.run,
            round=question.round,
            left=[_left(ask, s) for ask, s in zip(question.asks, said, strict=True)],
            sha256=digest(reply),
        )
        # After the audit: who is killed in between gives the same bytes again, and no answer is unaudited.
        ledger.remember(self.home, question, asked, reply)
        return reply

    def _admit(self, study: Study, question: RoundQuestion) -> None:
        """Lets a round through to the data, by this site's own record and policy alone."""
        stands = approvals.state(self.home, study)
        if stands is not State.APPROVED:
            raise SiteError(approvals.REFUSAL[stands], f"the study is {stands} here")
        policy = read_policy(self.home)
        policy.admit(study)
        if self.site not in question.roster:
            raise SiteError(Code.REFUSED_BY_POLICY, "this site is not in the run's roster")
        if len(set(question.roster)) < max(study.min_sites, policy.min_sites):
            raise SiteError(Code.TOO_FEW_SITES, "the run has fewer sites than this site wants")
        if question.round >= policy.max_rounds or len(question.asks) > policy.max_questions:
            raise SiteError(Code.BUDGET_SPENT, "more rounds or questions than this site answers")
        alike = Counter((ask.analysis, ask.part, ask.step, ask.rows, ask.per_site) for ask in question.asks)
        if max(alike.values(), default=0) > policy.max_alike:
            raise SiteError(
                Code.BUDGET_SPENT, "one question is asked with more numbers than this site answers"
            )

    def _member(self, question: RoundQuestion) -> Member | None:
        """This site's part in the run's secure sums; None if this site's policy lets the sums be plain.

        Raises:
            SiteError: the sums would be plain. WireError: a key of the question is not the one known here.
        """
        if not question.keys:
            if read_policy(self.home).plain_sums or all(ask.per_site for ask in question.asks):
                return None
            raise SiteError(Code.REFUSED_BY_POLICY, "sums would show this site's part to the coordinator")
        if set(question.keys) != set(question.roster):
            raise SiteError(Code.TAMPERED, "the keys of the sums are not those of the roster")
        run = (question.study, question.run)
        if run not in self._members or self._members[run].keys != question.keys:
            key = masking_key(self.home / "keys" / "masking.key")
            self._members[run] = Member(self.site, key, question.keys, peers.masking_keys(self.home))
        return self._members[run]

    def _people_behind(self, study: Study, floors: Thresholds) -> Integers:
        """The identifiers of the people whom an answer would be about; none where they are in no answer."""
        try:
            persons = self._table(study).persons
        except ShadowgraphError:
            return np.zeros(0, dtype=np.int64)
        return persons if len(persons) >= floors.min_count_in_sum else persons[:0]

    def _answer(self, study: Study, ask: Ask, *, masked: bool) -> Release | Code:
        """One question's release, or the code with which it is withheld."""
        try:
            self._spend(study, ask, masked=masked)
            return answer(study, self._table(study), ask, read_policy(self.home).thresholds)
        except ShadowgraphError as error:
            return error.code

    def _spend(self, study: Study, ask: Ask, *, masked: bool) -> None:
        """Nothing, if the question spends no budget, or what is left of one.

        Raises:
            SiteError: budget-spent; refused-by-policy, a share of the noise alone would hide this site.
        """
        spec = study.spec(ask.analysis, ask.part)
        number = protocol(spec.protocol).once(spec, ask.step, ask.arrays)
        if number is None:
            return
        if not masked or ask.per_site:
            raise SiteError(Code.REFUSED_BY_POLICY, "noise that sites share wants a secure sum")
        table = self._table(study)
        ledger.admit_once(self.home, study.hash(), ask, table.persons[ask.rows.mask(table)], number)

    def _table(self, study: Study) -> AnalysisTable:
        """The study's table, built once an approval: all its rounds see the same people and values."""
        key = study.hash(), approvals.approved_at(self.home, study)
        if key not in self._tables:
            table_of = self.table_of or cdm_tables(self.home)
            secret = noise_secret(self.home / "keys" / "noise.key")
            self._tables[key] = replace(table_of(study), secret=secret)
        return self._tables[key]

    def _refusal(self, kind: str, code: Code, text: str) -> bytes:
        audit.record(self.home, "refused", kind=kind, code=str(code), reason=text)
        return self._status("", "refused", code)

    def _status(self, study: str, state: str, code: Code | None) -> bytes:
        content = {
            "schema_version": 1,
            "study": study,
            "site": self.site,
            "state": state,
            "code": None if code is None else str(code),
        }
        return seal(pack(content), self._key, "status")


def _coordinator_key(home: Path) -> Ed25519PublicKey:
    path = home / "consortium.json"
    if not path.is_file():
        raise InputError(
            Code.NOT_INITIALISED,
            "this site has not joined a consortium",
            "shadowgraph site join INVITATION",
        )
    encoded = json.loads(path.read_text())["coordinator_key"]
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded))


def _protected(said: Release | Code, member: Member | None, asked: str, position: int) -> Sent | Code:
    """What leaves of a release: masked where it is for a secure sum."""
    if isinstance(said, Code):
        return said
    return said.arrays if member is None else member.protect(said, asked, position)


def _left(ask: Ask, said: Release | Code) -> dict[str, Any]:
    """What one question let out, in names and shapes."""
    where = ".".join((ask.analysis, *ask.part, ask.step))
    if isinstance(said, Code):
        return {"question": where, "code": str(said)}
    arrays = {name: list(array.shape) for name, array in said.arrays.items()}
    return {"question": where, "way": said.way, "arrays": arrays}
