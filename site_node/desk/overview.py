"""What a site's people see first: what waits for them, and how the site stands."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdm.etl.loader import report
from site_node.actions import site
from site_node.actions.site import SiteStatus
from site_node.governance import approvals, ledger, proposed
from site_node.governance.approvals import State
from site_node.governance.proposed import ProposedStudy
from site_node.home.cdm import opened_cdm
from site_node.home.config import load

SOON = timedelta(days=7)


@dataclass(frozen=True)
class Overview:
    """The first page.

    Attributes:
        status: consortium, processes, reach of the center.
        pending: the studies that wait for a decision.
        ending: approvals that end within a week: the study's name, and when.
        quarantined: places that could not be loaded.
        doubtful: records that were read and not wholly understood.
        last_load: source, time and outcome of the newest load; None before one.
        last_answer: when an answer last left; None before one.
        answers: how many answers have left.
        disk_free: bytes.
    """

    status: SiteStatus
    pending: tuple[ProposedStudy, ...]
    ending: tuple[tuple[str, datetime], ...]
    quarantined: int
    doubtful: int
    last_load: tuple[str, str, str] | None
    last_answer: datetime | None
    answers: int
    disk_free: int
    schema_version: int = 1


def shown(home: Path) -> Overview:
    """What waits for somebody, and how the site stands."""
    settings, studies = load(home), proposed.inbox(home)
    with opened_cdm(settings) as engine:
        loads = report.loads(engine, last=1)
        quarantined = sum(one["places"] for one in report.quarantined(engine))
        doubtful = sum(one["records"] for one in report.doubts(engine))
    released = ledger.released(home)
    return Overview(
        status=site.status(home),
        pending=tuple(one for one in studies if one.waits),
        ending=tuple(_ending(home, studies)),
        quarantined=quarantined,
        doubtful=doubtful,
        last_load=(loads[0]["source"], loads[0]["started"], loads[0]["status"]) if loads else None,
        last_answer=released[-1].answered_at if released else None,
        answers=len(released),
        disk_free=shutil.disk_usage(home).free,
    )


def _ending(home: Path, studies: list[ProposedStudy]) -> list[tuple[str, datetime]]:
    soon = datetime.now(UTC) + SOON
    found = [
        (one.name, verdict.expires_at)
        for one in studies
        if one.state is State.APPROVED and (verdict := approvals.verdicts(home, one.hash)[0]) is not None
    ]
    return [(name, at) for name, at in found if at < soon]
