"""The site's own copy of each run's coordination: it answers the question that follows, and no other.

A coordination is a pure function of the study and the joined answers. So the site joins the answers itself,
from what every site signed, and computes the next question; the coordinator carries messages and can choose
no number, no rows and no transform (docs/security.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocols.core.errors import Code, SiteError, StudyError
from protocols.core.grid import is_that_question
from protocols.core.protocol import Ask
from protocols.core.study import Study
from protocols.exchange.coordination import StudyCoordination, join_round
from protocols.exchange.envelope import WireError, digest, unseal
from protocols.exchange.secret_basis import seal, turn
from protocols.exchange.sides import Site
from protocols.exchange.site_answer import Shared
from protocols.exchange.wire import RoundAnswer, RoundQuestion
from site_node.agent.starting import Running
from site_node.governance import audit_heads, ledger, peers

MOST_RUNS = 8
"""Runs whose copies stay in memory; another one is made again from what the register keeps of it."""


@dataclass
class Conductor:
    """The copies of one site.

    Attributes:
        home: the site's folder.
        site, key: its name and its public signing key.
    """

    home: Path
    site: str
    key: Ed25519PublicKey
    _copies: dict[tuple[str, str], StudyCoordination] = field(default_factory=dict)

    def follow(
        self, study: Study, question: RoundQuestion, relayed: Mapping[str, bytes], run: Running
    ) -> list[tuple[Ask, Shared]]:
        """The question that follows from all sites' answers to the round before, each with what sites share.

        Args:
            relayed: site -> its sealed answer to the round before; not read in the first.
            run: the question's.

        Raises:
            SiteError: tampered; what is asked is another question, or an answer is not what its site signed.
        """
        answers = self._signed_answers(question, relayed) if question.round else {}
        own = self._copy(study, question, answers, run).asks or ()
        if len(own) != len(question.asks) or not all(map(is_that_question, question.asks, own)):
            raise SiteError(Code.TAMPERED, "the question is not the one that follows from the study")
        return [
            (
                replace(ask, climb=mine.climb, search=mine.search),
                Shared(
                    partial(turn, run.secret, (question.round, place)),
                    run.started.contributors.get(ask.analysis, ()),
                    seal=seal(run.secret, (question.round, place)),
                ),
            )
            for place, (ask, mine) in enumerate(zip(question.asks, own, strict=True))
        ]

    def _copy(
        self, study: Study, question: RoundQuestion, answers: Mapping[str, RoundAnswer], running: Running
    ) -> StudyCoordination:
        """The copy of the question's run, advanced to its round."""
        run, side = (question.study, question.run), Site(running.secret)
        copy = self._copies.pop(run, None)
        if copy is None or copy.rounds >= question.round:  # a second attempt proves its answers anew
            copy = StudyCoordination(study, running.started)
            for joined in ledger.joined_rounds(self.home, question):
                copy.advance(joined, side)
        if copy.rounds == question.round - 1:
            joined = self._join(study, question, copy.asks or (), answers)
            ledger.keep_joined(self.home, question, joined)
            copy.advance(joined, side)
        if copy.rounds != question.round:
            raise SiteError(Code.ALREADY_ANSWERED, "that round is out of order")
        self._copies[run] = copy
        while len(self._copies) > MOST_RUNS:
            self._copies.pop(next(iter(self._copies)))
        return copy

    def _join(
        self,
        study: Study,
        question: RoundQuestion,
        asks: tuple[Ask, ...],
        answers: Mapping[str, RoundAnswer],
    ) -> list[dict[str, object]]:
        """The joined answers to the round before, with the center's replies to its climbs."""
        before = replace(question, round=question.round - 1, asks=asks)
        try:
            return join_round(study, before, ledger.question_of(self.home, before), answers, question.told)
        except StudyError as error:
            raise SiteError(Code.TAMPERED, error.text) from None

    def _signed_answers(
        self, question: RoundQuestion, relayed: Mapping[str, bytes]
    ) -> dict[str, RoundAnswer]:
        """What each site of the roster signed in the round before."""
        before = replace(question, round=question.round - 1)
        if not relayed.keys() == question.previous.keys() == set(question.roster):
            raise SiteError(Code.TAMPERED, "the answers to the round before are not those of the roster")
        keys = peers.signing_keys(self.home, question.roster) | {self.site: self.key}
        answers = {site: self._signed(site, keys, before, relayed[site]) for site in question.roster}
        if any(digest(answer.encode()) != question.previous[site] for site, answer in answers.items()):
            raise SiteError(Code.TAMPERED, "an answer to the round before is not the one that others saw")
        audit_heads.keep(self.home, self.site, answers)
        return answers

    def _signed(
        self, site: str, keys: Mapping[str, Ed25519PublicKey], before: RoundQuestion, sealed: bytes
    ) -> RoundAnswer:
        if site not in keys:
            raise WireError(Code.TAMPERED, f"site {site} is not known here")
        answer = RoundAnswer.decode(unseal(sealed, keys[site], "answer"))
        told = answer.site, answer.study, answer.run, answer.round
        if told != (site, before.study, before.run, before.round):
            raise WireError(Code.TAMPERED, f"the answer of site {site} is one to another round")
        return answer
