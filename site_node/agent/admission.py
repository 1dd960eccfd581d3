"""Whether a round may reach the data: decided once, by this site's own record and policy alone."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from protocols.core.disclosure import Thresholds
from protocols.core.errors import Code, SiteError
from protocols.core.study import Study
from protocols.exchange.wire import RoundQuestion
from site_node.governance import approvals, peers
from site_node.governance.approvals import Approval, State
from site_node.governance.policy import Policy, read_policy


@dataclass(frozen=True)
class Admission:
    """What this site has decided about the study of a round, read once and passed on.

    Attributes:
        floors: the stricter of the policy's and the study's, rule by rule.
        approval: the state, the moment of the decision, which names the study's table, and how many runs
            are answered.
    """

    study: Study
    policy: Policy
    floors: Thresholds
    approval: Approval


def admit(home: Path, site: str, study_hash: str, roster: tuple[str, ...]) -> Admission:
    """The admission of a run's start, or of a round, over these sites.

    Raises:
        SiteError: the study is not approved here, or the policy does not admit it or the run's sites.
    """
    study, approval = approvals.proposed(home, study_hash)
    if approval.state is not State.APPROVED:
        raise SiteError(approvals.REFUSAL[approval.state], f"the study is {approval.state} here")
    policy = read_policy(home)
    policy.admit(study)
    _check_roster(roster, site, max(study.min_sites, policy.min_sites))
    peers.refuse_strangers(home, roster)
    return Admission(study, policy, policy.thresholds.stricter(study.thresholds), approval)


def _check_roster(roster: tuple[str, ...], site: str, min_sites: int) -> None:
    if site not in roster:
        raise SiteError(Code.REFUSED_BY_POLICY, "this site is not in the run's roster")
    if len(set(roster)) < min_sites:
        raise SiteError(Code.TOO_FEW_SITES, "the run has fewer sites than this site requires")


def check_size(question: RoundQuestion, policy: Policy) -> None:
    """Raises unless the round asks as little as the policy allows.

    Raises:
        SiteError: budget-spent.
    """
    if question.round >= policy.max_rounds or len(question.asks) > policy.max_questions:
        raise SiteError(Code.BUDGET_SPENT, "more rounds or questions than this site answers")
    alike = Counter((ask.analysis, ask.part, ask.step, ask.rows, ask.per_site) for ask in question.asks)
    if max(alike.values(), default=0) > policy.max_alike:
        raise SiteError(
            Code.BUDGET_SPENT,
            "the same question is repeated with more parameter values than this site's policy allows",
        )
