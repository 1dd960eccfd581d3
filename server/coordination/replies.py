"""What a site's sealed reply says: an answer to a round, or how the site stands to a study."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Base64Bytes, BaseModel, ConfigDict, ValidationError

from protocols.core.errors import Code, InputError, StudyError
from protocols.exchange.envelope import WireError, unpack, unseal
from protocols.exchange.membership import Statement
from protocols.exchange.policy import PublishedPolicy
from protocols.exchange.wire import RoundAnswer, RoundQuestion, RoundReply
from server.home.store import Phase

_WHY = {
    Code.WITHHELD: ": it may have answered about nearly the same people before, and does not say about which,"
    " or people there looked at its answer and did not let it go: ask about exactly the people behind an"
    " earlier answer, about ten others, or without this site",
    Code.BUDGET_SPENT: ": its approval allows no more runs, rounds or questions",
    Code.ALREADY_ANSWERED: ": it answered this study before, for other sites or questions",
    Code.AUDIT_DAMAGED: ": its audit is not as it was written; people there have to look and to mend it",
    Code.SITE_FAILED: ": something failed there, and its own audit and log say what; submit the study again",
}
"""What a refusal's code may mean; the site's own audit says more, to the site alone."""


class SiteStatus(BaseModel):
    """How a site stands to a study, in its own sealed words: the answer to a proposal, or a refusal.

    It is "held" where the answer to a round waits for people there.
    `hello` is what it says first in the run, sealed, in base64, once it has approved; `policy` what it
    admits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1]
    study: str
    site: str
    state: Literal["pending", "approved", "refused", "expired", "revoked", "held"]
    code: Code | None
    hello: Base64Bytes = b""
    statements: tuple[Statement, ...] = ()
    policy: PublishedPolicy | None = None


@dataclass(frozen=True)
class Replies:
    """Opens the sealed replies of enrolled sites.

    Attributes:
        key_of: the public signing key of an enrolled site. Raises WireError where it is not enrolled.
    """

    key_of: Callable[[str], Ed25519PublicKey]

    def standing(self, site: str, reply: bytes | Code, study: str) -> tuple[str, Code | None, bytes]:
        """What a site's reply to a proposal says: a state, a code where it gave one, and its sealed hello."""
        if isinstance(reply, Code):
            return "refused", reply, b""
        try:
            said = self._status(site, reply)
            if said.hello:
                unseal(said.hello, self.key_of(site), "hello")
        except WireError as error:
            return "refused", error.code, b""
        if said.study not in ("", study):
            return "refused", Code.MALFORMED_MESSAGE, b""
        return said.state, said.code, said.hello

    def begun(self, site: str, reply: bytes | Code, phase: Phase) -> bytes:
        """A site's reply to a message of a run's start, as it signed it.

        Raises:
            StudyError: the site failed or refused, or its reply is not its own.
        """
        if isinstance(reply, Code):
            raise StudyError(reply, f"site {site} failed at the run's start")
        try:
            unseal(reply, self.key_of(site), phase)
        except WireError:
            raise self._refusal(site, reply, "the run's start") from None
        return reply

    def is_held(self, site: str, reply: bytes) -> bool:
        """Whether a site says, under its signature, that people there look at its answer first."""
        try:
            return self._status(site, reply).state == "held"
        except WireError:
            return False

    def statements(self, site: str, reply: bytes | Code) -> tuple[Statement, ...]:
        """What people at a site said about other sites, in its reply to a proposal."""
        if isinstance(reply, Code):
            return ()
        try:
            said = [one for one in self._status(site, reply).statements if one.by == site]
            for one in said:
                one.check()
        except (WireError, InputError):
            return ()
        return tuple(said)

    def policy(self, site: str, reply: bytes | Code) -> PublishedPolicy | None:
        """What a site says in its reply that its policy admits; None where it does not say."""
        if isinstance(reply, Code):
            return None
        try:
            return self._status(site, reply).policy
        except WireError:
            return None

    def answer(self, site: str, reply: bytes | Code, question: RoundQuestion) -> RoundAnswer:
        """The answer in a site's reply to a round.

        Raises:
            StudyError: the site failed or refused, or its reply is not its own or not to this question.
        """
        if isinstance(reply, Code):
            raise StudyError(reply, f"site {site} failed in round {question.round}")
        try:
            answer = RoundReply.decode(reply).open(self.key_of(site))
        except WireError:
            raise self._refusal(site, reply, f"round {question.round}") from None
        asked = (site, question.study, question.run, question.round)
        if (answer.site, answer.study, answer.run, answer.round) != asked:
            raise StudyError(Code.MALFORMED_MESSAGE, f"site {site} answered another question")
        return answer

    def _refusal(self, site: str, reply: bytes, what: str) -> StudyError:
        """The error for a reply that is not an answer: then it is a refusal, which is sealed as a status."""
        code = self._status(site, reply).code
        why = _WHY.get(code, "") if code else ""
        return StudyError(code or Code.SITE_FAILED, f"site {site} refused {what}{why}")

    def _status(self, site: str, reply: bytes) -> SiteStatus:
        content = unpack(unseal(reply, self.key_of(site), "status"))
        try:
            said = SiteStatus.model_validate(content)
        except ValidationError:
            said = None
        if said is None or said.site != site:
            raise WireError(Code.MALFORMED_MESSAGE, f"site {site} sent something else than its status")
        return said
