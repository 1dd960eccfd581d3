"""What leaves of an answer: masked for a secure sum, sealed or apart where the sum is not for everybody."""

from protocols.core.disclosure import Release
from protocols.core.errors import Code, SiteError
from protocols.core.protocol import Ask
from protocols.exchange.secure_sum import Member
from protocols.exchange.wire import Answered, RoundQuestion, as_sent
from site_node.agent.starting import Running
from site_node.governance.policy import Policy


def member_of(question: RoundQuestion, policy: Policy, run: Running) -> Member | None:
    """This site's part in the run's secure sums; None if this site's policy lets the sums be plain.

    Raises:
        SiteError: the sums would be plain, or the question's keys are not those of the run's start.
    """
    if not question.keys:
        if policy.plain_sums or all(ask.per_site for ask in question.asks):
            return None
        raise SiteError(Code.REFUSED_BY_POLICY, "sums would show this site's part to the coordinator")
    if question.keys != run.started.keys:
        raise SiteError(Code.TAMPERED, "the keys of the sums are not those with which the run started")
    return run.member


def protected(
    ask: Ask, said: Release | Code, member: Member | None, place: tuple[str, int], key: bytes
) -> Answered:
    """What leaves of a release: masked for a secure sum, apart where it is for the center alone.

    A sum that the sites alone open has a seal of that key.
    """
    if isinstance(said, Code):
        return said
    try:
        own = key if ask.secret == "sealed" else b""
        sent = said.arrays if member is None else member.protect(said, *place, own)
    except SiteError as error:  # a number that no sum holds: of this question alone
        return error.code
    return as_sent(ask, sent)
