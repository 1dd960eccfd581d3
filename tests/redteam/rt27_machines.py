"""RT27, RT35, RT41: what errors and kills of a site give away, and what a fresh site lets through."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from protocols.core.errors import Code
from protocols.core.table import AnalysisTable
from protocols.exchange.coordination import StudyCoordination
from site_node.administration.setup import make_site
from site_node.agent import agent as answering
from site_node.agent.agent import Agent
from site_node.governance import approvals, audit, ledger
from site_node.governance.policy import changed, read_policy
from tests.lib.attacked_site import AttackedSite
from tests.lib.lying_coordinator import weaken
from tests.lib.sites import a_round
from tests.lib.studies import a_study
from tests.redteam.attack import Figure, attack

CANARY = "Canary-Patient-1917-05-29"


class _Talkative(Agent):
    """A weakened agent, whose refusals carry the text of whatever went wrong."""

    def handle(self, kind: str, sealed: bytes) -> bytes:
        kinds = {"propose": self._propose, "start": self._start, "round": self._round, "end": self._end}
        try:
            return kinds[kind](sealed)
        except Exception as error:
            return self._refusal(kind, Code.SITE_FAILED, str(error))


def _fails(*_: object, **__: object) -> Any:
    raise ValueError(f"could not convert {CANARY} to float")


@attack("RT27", "a patient's name in the text of an error, at three places of a round", works_from=3)
def canaries(folder: Path, weakened: bool) -> Figure:
    found = 0
    places = {
        "table": (AnalysisTable, "present"),
        "step": (answering, "answer"),
        "ledger": (ledger, "remember"),
    }
    for name, place in places.items():
        site, study = AttackedSite(folder / name), a_study()
        site.approve(study)
        if weakened:
            site.agent = _Talkative(site.home, site.table_of)
            site.center.agent = "a", site.agent.handle
        question = a_round(study, *(StudyCoordination(study).asks or ()))
        with patch.object(*place, _fails):
            reply = site.center.reply(question)
        written = b"".join(path.read_bytes() for path in site.home.rglob("*") if path.is_file())
        found += CANARY.encode() in reply + written
    return Figure(found, f"of {len(places)} errors tell the name")


class KilledError(BaseException):
    """The process is gone at this point."""


def _killed(*_: object, **__: object) -> Any:
    raise KilledError


MOMENTS = {
    "before the run is admitted": (ledger, "admit_run"),
    "before the audit's line is on the disk": (os, "fsync"),
    "before the people are kept": (ledger, "keep_people"),
    "before the answer is kept": (ledger, "remember"),
    "before the answer is sealed": (answering, "seal"),
}


@attack(
    "RT35",
    "killed at each write of a round: two answers to one question, or one that no audit has",
    works_from=5,
)
def killed(folder: Path, weakened: bool) -> Figure:
    wrong = 0
    for name, moment in MOMENTS.items():
        site, study = AttackedSite(folder / name.replace(" ", "-")), a_study()
        site.approve(study)
        question = a_round(study, *(StudyCoordination(study).asks or ()))
        with weaken(audit, "record", lambda *_, **__: None, weakened):
            with suppress(KilledError), patch.object(*moment, _killed):
                site.center.reply(question)
            site.restart()
            replies = {site.center.reply(question) for _ in range(2)}
        audited = {line["sha256"] for line in audit.lines(site.home) if line["event"] == "answered"}
        wrong += len(replies) > 1 or len(audited) != 1
    return Figure(wrong, f"of {len(MOMENTS)} kills")


@attack(
    "RT41",
    "a fresh site: floors of one person, plain sums, two sites, open folders, approval by nobody",
    works_from=4,
)
def fresh_site(folder: Path, weakened: bool) -> Figure:
    mask = os.umask(0o000)
    try:
        make_site(folder / "site", "a", runtime_port=0)
        site = AttackedSite(folder / "attacked")
        state = site.propose(a_study())["state"]
    finally:
        os.umask(mask)
    if weakened:  # what an administrator can do, each with a line in the audit; floors stay
        changed(folder / "site", "plain_sums", "true")
        changed(folder / "site", "min_sites", "1")
        (folder / "site").chmod(0o755)
        approvals.approve_standing(site.home, "summary", by="test", max_studies=9, max_variables=9, days=1)
        state = site.propose(a_study())["state"]
    policy = read_policy(folder / "site")
    faults = [
        policy.thresholds.min_count < 10 or policy.thresholds.min_count_in_sum < 5,
        policy.plain_sums,
        policy.min_sites < 3,
        bool((folder / "site").stat().st_mode & 0o077),
        state != "pending",
    ]
    return Figure(sum(faults), "of 5 defaults are unsafe")
