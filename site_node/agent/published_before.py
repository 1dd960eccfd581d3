"""What was published before about the people of a study, and how much it would add, for who decides.

The same count as when it is asked (`site_node/governance/numbers_told.py`), before anything is: over as few
sites as the study needs, which is the most that it can come to, and over every result that left, those of
this study's earlier runs included.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from site_node.agent.people_behind import published
from site_node.governance.numbers_told import borne
from site_node.governance.policy import Policy
from site_node.home.register import register

BAND = 0.05
"""How finely a site tells how many numbers were published about somebody."""


@dataclass(frozen=True)
class PublishedBefore:
    """Numbers published about a person: before, by the study at most, and allowed by this site's policy.

    Attributes:
        before: most about anyone of the study's people here, rounded up to twentieths; None where there are
            fewer of these than the policy lets be shown.
        adds: most that the study's analyses add about anyone, rounded up to hundredths.
        allowed: None where results bear all their digits, so that nothing is limited.
        unanswered: the analyses that this site would take no part in.
    """

    before: float | None
    adds: float
    allowed: float | None
    unanswered: tuple[str, ...]


def published_before(home: Path, study: Study, table: AnalysisTable, policy: Policy) -> PublishedBefore:
    """What was published about the people of a study's table at this site, and what it would add."""
    is_limited = policy.digits_of(study) != "full"
    most = policy.numbers_per_person if is_limited else math.inf
    with register(home) as db:
        before = borne(db, table.persons)
    bearing, adding = before.copy(), np.zeros(len(table))
    counted, unanswered = set[str](), []
    for analysis in study.analyses:
        result = published(study, table, analysis.name, (), study.min_sites)
        if not result.numbers or not len(result.people) or result.what in counted:
            continue
        about = np.isin(table.persons, result.people)
        counted.add(result.what)
        adding[about] += result.each
        if bearing[about].max() + result.each > most:
            unanswered.append(analysis.name)
        else:
            bearing[about] += result.each
    is_told = len(table) >= policy.thresholds.min_count
    return PublishedBefore(
        before=_up(before.max(initial=0.0), BAND) if is_told else None,
        adds=_up(adding.max(initial=0.0), 0.01),
        allowed=most if is_limited else None,
        unanswered=tuple(unanswered),
    )


def _up(value: float, step: float) -> float:
    """The next multiple of a step, not below the value but by rounding."""
    return round(math.ceil(value / step - 1e-9) * step, 2)
