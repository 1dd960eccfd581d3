"""All that a person needs on one page to decide about a study."""

import difflib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from protocols.core.study import Study
from protocols.exchange.policy import BrokenRule
from site_node.actions import inbox
from site_node.actions.inbox import StudyView
from site_node.agent import simulation
from site_node.agent.simulation import KeptSimulation
from site_node.governance import approvals
from site_node.governance.approvals import Verdict
from site_node.governance.policy import read_policy

CONTEXT = 2


@dataclass(frozen=True)
class EarlierVersion:
    """The study of the same name that came before; `lines` begin with + where added, - where taken out."""

    hash: str
    received_at: datetime
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Dossier:
    """A study as the person who decides sees it.

    Attributes:
        broken: the rules of this site's policy that it breaks, each with the way out.
        needs_two: whether a second person has to approve after the first.
        verdict: what was decided; None before.
        first: what the first of two persons decided; None where nobody did, or both have.
        runs: how many runs of it began here.
        columns: variable -> the columns of numbers that it becomes, under which a simulation counts them.
        simulated: the last simulation here; None before one was made.
        earlier: how it differs from the version before; None where there is none.
    """

    study: StudyView
    broken: tuple[BrokenRule, ...]
    needs_two: bool
    verdict: Verdict | None
    first: Verdict | None
    runs: int
    columns: dict[str, tuple[str, ...]]
    simulated: KeptSimulation | None
    earlier: EarlierVersion | None
    schema_version: int = 1


def shown(home: Path, study: str) -> Dossier:
    """The proposed study of that name or hash, with all that bears on the decision.

    Raises:
        InputError: not-found; no study in the inbox is called that, or more than one.
    """
    found = approvals.find(home, study)
    policy, (verdict, first) = read_policy(home), approvals.verdicts(home, found.hash())
    return Dossier(
        study=inbox.shown(home, found.hash()),
        broken=tuple(policy.broken(found)),
        needs_two=policy.two_persons,
        verdict=verdict,
        first=first,
        runs=approvals.runs(home, found.hash()),
        columns={name: tuple(one.columns(name)) for name, one in found.variables.items()},
        simulated=simulation.kept(home, found.hash()),
        earlier=_earlier(home, found),
    )


def _earlier(home: Path, study: Study) -> EarlierVersion | None:
    before = approvals.earlier_version(home, study)
    if before is None:
        return None
    old, received_at = before
    compared = difflib.unified_diff(_lines(old), _lines(study), n=CONTEXT, lineterm="")
    return EarlierVersion(old.hash(), received_at, tuple(compared)[2:])


def _lines(study: Study) -> list[str]:
    content = study.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100).splitlines()
