"""What a person can do with the studies that ask this site to take part: look, try, approve, refuse."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cdm.cohorts.cohort import AtlasCohort
from protocols.core.numbers_published import people_needed
from protocols.core.protocol import protocol as known_protocol
from protocols.core.study import Digits, Requester, Study
from protocols.runtime.accounts.machine import unix_user
from site_node.agent import simulation
from site_node.agent.published_before import PublishedBefore
from site_node.agent.simulation import Simulation
from site_node.governance import approvals, proposed
from site_node.governance.approvals import StandingApproval, State
from site_node.governance.policy import Policy, read_policy
from site_node.governance.proposed import ProposedStudy
from site_node.study_table import sealing
from site_node.study_table.sealing import SealedCohort


@dataclass(frozen=True)
class Inbox:
    """The proposed studies, the newest first, and how many more passed under standing approvals."""

    studies: tuple[ProposedStudy, ...]
    passed: int = 0
    schema_version: int = 1


@dataclass(frozen=True)
class Sealing:
    """Who is in a study, in counts: `attrition` maps each rule to the people whom it left."""

    sealed_at: datetime
    people: int
    attrition: Mapping[str, int]
    sha256: str


@dataclass(frozen=True)
class StudyView:
    """A study as the person who decides sees it.

    Attributes:
        requester: who asks, from where and under which vote; None where the study does not say.
        cohort: the study's own definition; one of ATLAS as its rules in words.
        variables: each one's definition, with its kind.
        blocks: each one's rule, with the length and hash of its list of names.
        leaves: what would leave the site, a line per array.
        floors: the study's own; the stricter of these and the policy's hold.
        digits: "full" where the study wishes its results so and this site's policy allows it, else "earned".
        people_needed: how many each site needs, so that its results are at most `numbers_per_person`, which
            this site lets be published about each over all studies; 0 where they may bear all digits.
        published: what was published about its people here before, as last simulated; None if it was not.
        sealing: None before the study is approved.
        faults: why this site's policy does not admit it; empty if it does.
    """

    name: str
    title: str
    requester: Requester | None
    purpose: str
    state: State
    cohort: Mapping[str, object]
    variables: Mapping[str, Mapping[str, object]]
    blocks: Mapping[str, Mapping[str, object]]
    leaves: tuple[str, ...]
    min_sites: int
    floors: Mapping[str, float]
    digits: Digits
    people_needed: int
    numbers_per_person: float
    published: PublishedBefore | None
    hash: str
    sealing: Sealing | None
    faults: tuple[str, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class Decision:
    """What was decided about a study; `sealing` where it was approved."""

    study: str
    hash: str
    state: State
    by: str
    days: int | None = None
    sealing: Sealing | None = None
    schema_version: int = 1


@dataclass(frozen=True)
class StandingApprovals:
    """The protocols whose studies pass without a look, within limits."""

    approvals: tuple[StandingApproval, ...]
    schema_version: int = 1


def listed(home: Path, *, passed: bool = False) -> Inbox:
    """The studies that were proposed, with their state; with `passed` also those of standing approvals."""
    found = proposed.inbox(home)
    shown = tuple(one for one in found if passed or not one.passed)
    return Inbox(shown, len(found) - len(shown))


def shown(home: Path, study: str) -> StudyView:
    """The proposed study of that name or hash: whom it counts, what it reads, what would leave.

    Raises:
        InputError: no study in the inbox is called that, or more than one.
    """
    found = approvals.find(home, study)
    content, policy = json.loads(found.canonical()), read_policy(home)
    kept, simulated = sealing.sealed(home, found), simulation.kept(home, found.hash())
    return StudyView(
        name=found.name,
        title=found.title,
        requester=found.requester,
        purpose=found.purpose,
        state=approvals.approval(home, found).state,
        cohort=_cohort(found, content),
        variables=content["variables"],
        blocks=content.get("blocks", {}),
        leaves=tuple(found.describe()),
        min_sites=found.min_sites,
        floors=content["thresholds"],
        digits=policy.digits_of(found),
        people_needed=_people_needed(found, policy),
        numbers_per_person=policy.numbers_per_person,
        published=None if simulated is None else simulated.found.published,
        hash=found.hash(),
        sealing=None if kept is None else _sealing(kept),
        faults=tuple(policy.faults(found)),
    )


def simulate(home: Path, study: str, *, by: str = "") -> Simulation:
    """What the study would find on this site's data alone. Nothing leaves.

    Raises:
        InputError: no study in the inbox is called that, or more than one.
    """
    return simulation.simulate(home, study, by=by)


def approve(
    home: Path, study: str, *, days: int = 90, runs: int = 3, by: str = "", note: str = ""
) -> Decision:
    """The approval of one study, exactly as it stands, with its people sealed: no later load adds anybody.

    Where the policy needs two persons, the first one's leaves the study pending; the shorter days and the
    fewer runs of both count.

    Args:
        days: how long the approval holds.
        runs: how often the study may be run.
        by: who decides; the Unix user, who is kept in any case, where it is empty.

    Raises:
        InputError: no study in the inbox is called that. SiteError: the site's policy does not admit it.
    """
    found = approvals.find(home, study)
    policy, who = read_policy(home), by or unix_user()
    policy.admit(found)
    if policy.two_persons:
        if not approvals.is_second(home, found, by=who, days=days, max_runs=runs, note=note):
            return Decision(found.name, found.hash(), State.PENDING, who, days)
        _, first = approvals.verdicts(home, found.hash())
        assert first is not None
        days = min(days, (first.expires_at - first.decided_at).days)
        runs = min(runs, first.max_runs)
    sealed = sealing.seal(home, found)
    approvals.decide(home, found, State.APPROVED, by=who, days=days, max_runs=runs, note=note)
    return Decision(found.name, found.hash(), State.APPROVED, who, days, _sealing(sealed))


def refuse(home: Path, study: str, *, by: str = "", note: str = "") -> Decision:
    """The refusal of a study. The coordinator learns that it was refused, not why."""
    return _decide(home, study, State.REFUSED, by, note)


def revoke(home: Path, study: str, *, by: str = "", note: str = "") -> Decision:
    """The end of an approval: from now on no question of the study is answered."""
    return _decide(home, study, State.REVOKED, by, note)


def standing(home: Path) -> StandingApprovals:
    """The standing approvals, with how many studies passed by any of them so far."""
    return StandingApprovals(tuple(approvals.standing(home)))


def approve_standing(
    home: Path,
    protocol: str,
    *,
    studies: int = 100,
    variables: int = 20,
    days: int = 90,
    epsilon: float | None = None,
    by: str = "",
) -> StandingApprovals:
    """The standing approvals, now also for studies of this one protocol alone.

    With `epsilon` only for those that ask for differential privacy of at most that.

    Raises:
        SpecError: there is no such protocol.
    """
    known_protocol(protocol)
    limits = {"max_studies": studies, "max_variables": variables, "days": days}
    approvals.approve_standing(home, protocol, by=by or unix_user(), max_epsilon=epsilon, **limits)
    return standing(home)


def withdraw_standing(home: Path, protocol: str, *, by: str = "") -> StandingApprovals:
    """The standing approvals that are left without this protocol's.

    Raises:
        InputError: it has none.
    """
    approvals.withdraw_standing(home, protocol, by=by or unix_user())
    return standing(home)


def _people_needed(study: Study, policy: Policy) -> int:
    if policy.digits_of(study) == "full":
        return 0
    specs = (analysis.spec for analysis in study.analyses)
    return people_needed(specs, study.min_sites, study.thresholds.min_count, policy.numbers_per_person)


def _decide(home: Path, study: str, state: State, by: str, note: str) -> Decision:
    found = approvals.find(home, study)
    who = by or unix_user()
    approvals.decide(home, found, state, by=who, note=note)
    return Decision(found.name, found.hash(), state, who)


def _sealing(kept: SealedCohort) -> Sealing:
    return Sealing(datetime.fromisoformat(kept.sealed_at), len(kept), dict(kept.attrition), kept.digest)


def _cohort(study: Study, content: dict[str, dict[str, object]]) -> Mapping[str, object]:
    """A cohort of ATLAS by its rules, since its JSON has hundreds of lines; one of ours as it stands."""
    if isinstance(study.cohort, AtlasCohort):
        return dict(study.cohort.described())
    return content["cohort"]
