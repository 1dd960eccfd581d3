"""What a site's sealed reply says: an answer to a round, or how the site stands to a study."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, ValidationError

from protocols.core.errors import Code, StudyError
from protocols.exchange.wire import RoundAnswer, RoundQuestion, WireError, unpack, unseal

_WHY = {
    Code.WITHHELD: ": it may have answered about nearly the same people before, and does not say about which",
    Code.BUDGET_SPENT: ": its approval allows no more runs, rounds or questions",
    Code.ALREADY_ANSWERED: ": it answered this study before, for other sites or questions",
    Code.AUDIT_DAMAGED: ": its audit is not as it was written; people there have to look and to mend it",
    Code.SITE_FAILED: ": something failed there, and its own audit and log say what; submit the study again",
}
"""What a refusal's code may mean; the site's own audit says more, to the site alone."""


class SiteStatus(BaseModel):
    """How a site stands to a study, in its own sealed words; the answer to a proposal, or a refusal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1]
    study: str
    site: str
    state: Literal["pending", "approved", "refused", "expired", "revoked"]
    code: Code | None


@dataclass(frozen=True)
class Replies:
    """Opens the sealed replies of enrolled sites.

    Attributes:
        key_of: the public signing key of an enrolled site. Raises WireError where it is not enrolled.
    """

    key_of: Callable[[str], Ed25519PublicKey]

    def standing(self, site: str, reply: bytes | Code, study: str) -> tuple[str, Code | None]:
        """What a site's reply to a proposal says: a state, and a code where it gave one."""
        if isinstance(reply, Code):
            return "refused", reply
        try:
            said = self._status(site, reply)
        except WireError as error:
            return "refused", error.code
        return (said.state, said.code) if said.study in ("", study) else ("refused", Code.MALFORMED_MESSAGE)

    def answer(self, site: str, reply: bytes | Code, question: RoundQuestion) -> RoundAnswer:
        """The answer in a site's reply to a round.

        Raises:
            StudyError: the site failed or refused, or its reply is not its own or not to this question.
        """
        if isinstance(reply, Code):
            raise StudyError(reply, f"site {site} failed in round {question.round}")
        try:
            answer = RoundAnswer.decode(unseal(reply, self.key_of(site), "answer"))
        except WireError:
            raise self._refusal(site, reply, question) from None
        asked = (site, question.study, question.run, question.round)
        if (answer.site, answer.study, answer.run, answer.round) != asked:
            raise StudyError(Code.MALFORMED_MESSAGE, f"site {site} answered another question")
        return answer

    def _refusal(self, site: str, reply: bytes, question: RoundQuestion) -> StudyError:
        """The error for a reply that is not an answer: then it is a refusal, which is sealed as a status."""
        code = self._status(site, reply).code
        why = _WHY.get(code, "") if code else ""
        return StudyError(code or Code.SITE_FAILED, f"site {site} refused round {question.round}{why}")

    def _status(self, site: str, reply: bytes) -> SiteStatus:
        content = unpack(unseal(reply, self.key_of(site), "status"))
        try:
            said = SiteStatus.model_validate(content)
        except ValidationError:
            said = None
        if said is None or said.site != site:
            raise WireError(Code.MALFORMED_MESSAGE, f"site {site} sent something else than its status")
        return said
