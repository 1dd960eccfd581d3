"""What an analyst can ask before a study is signed: who has its variables, who would refuse it, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocols.core.errors import Code
from protocols.core.feasibility import Doubt, doubts
from protocols.core.study import Study, read_study
from protocols.describe.availability import AvailabilityResult
from protocols.describe.query import availability_study
from protocols.results.reading import read_result
from server.actions import studies
from server.actions.studies import StudyView
from server.coordination.submission import submit_query
from server.home.config import load
from server.home.policies import Policies
from server.home.store import Store
from server.home.submissions import State

EVERYWHERE = "all sites"
_SAID = {
    "approved": "answered",
    "pending": "no standing approval of availability there",
    "unreachable": "did not answer",
}
"""How a site stands to the question -> what that means."""


@dataclass(frozen=True)
class AskedPreflight:
    """A preflight that was asked, under the study's hash; `run` counts people, if any can be."""

    hash: str
    run: str
    schema_version: int = 1


@dataclass(frozen=True)
class SiteReadiness:
    """What one site would do with a study.

    Attributes:
        refuses: why its policy does not admit it; empty where it does, or is not known yet.
        is_known: whether it ever said what its policy admits.
        counts: `answered`, or why it told no counts.
    """

    site: str
    refuses: tuple[str, ...]
    is_known: bool
    counts: str


@dataclass(frozen=True)
class VariableBand:
    """At least so many people of a site, or of all, have a variable; None: too few to be told."""

    variable: str
    site: str
    at_least: int | None

    @classmethod
    def all_in(cls, results: Mapping[str, Any]) -> "tuple[VariableBand, ...]":
        """The bands in the results of an availability query; none where it failed."""
        found = results["availability"]
        if "failure" in found:
            return ()
        told = read_result("availability", found["result"])
        assert isinstance(told, AvailabilityResult)
        by_site = {EVERYWHERE: told.total, **told.by_site}
        return tuple(
            cls(variable, site, int(numbers[place]) if numbers[place] > 0 else None)
            for place, variable in enumerate(told.of)
            for site, numbers in by_site.items()
        )


@dataclass(frozen=True)
class Preflight:
    """What sites would do with a study, and what they have for it.

    Attributes:
        is_over: whether the sites were asked, and all that will answer did.
        people: bands of people by variable and site; empty before it is over, and where no site answered.
    """

    name: str
    hash: str
    run: str
    is_over: bool
    doubts: tuple[Doubt, ...]
    sites: tuple[SiteReadiness, ...]
    people: tuple[VariableBand, ...]
    schema_version: int = 1


def ask(home: Path, given: Study | Path) -> AskedPreflight:
    """The preflight of a study, asked under the sites' standing approvals; the same one is asked once.

    Args:
        given: the study, or its file.

    Raises:
        InputError: the file is not a valid study, or fewer sites are enrolled than a query needs.
    """
    study = _study(given)
    if not study.variables or any(doubt.is_certain for doubt in doubts(study)):
        return AskedPreflight(study.hash(), "")
    one = submit_query(home, _counts(home, study))
    return AskedPreflight(study.hash(), one.run)


def answer(home: Path, given: Study | Path) -> Preflight:
    """What is known of a study, or of a file's, before it is signed, as it stands now.

    Raises:
        InputError: the file is not a valid study.
    """
    study = _study(given)
    counts = _counts(home, study) if study.variables else None
    earlier = Store(home).entries(counts.hash()) if counts is not None else []
    view = studies.shown(home, earlier[0].run) if earlier else None
    return Preflight(
        name=study.name,
        hash=study.hash(),
        run=view.run if view else "",
        is_over=view is None or view.state not in (State.SUBMITTED, State.WAITING, State.RUNNING),
        doubts=doubts(study),
        sites=_sites(home, study, view),
        people=VariableBand.all_in(view.results) if view and view.results else (),
    )


def _study(given: Study | Path) -> Study:
    return given if isinstance(given, Study) else read_study(given)


def _counts(home: Path, study: Study) -> Study:
    """The query that asks for the people behind each variable of a study."""
    return availability_study(study.cohort, study.variables, consortium=load(home).consortium)


def _sites(home: Path, study: Study, view: StudyView | None) -> tuple[SiteReadiness, ...]:
    store = Store(home)
    policies = Policies(home)
    known, refusals = policies.all(), policies.refusals(study)
    names = [site.name for site in store.sites() if site.takes_part]
    said = {one.site: _said(one.state, one.code) for one in view.sites} if view else {}
    return tuple(
        SiteReadiness(name, refusals.get(name, ()), name in known, said.get(name, "not asked"))
        for name in names
    )


def _said(state: str, code: Code | None) -> str:
    return _SAID.get(state, f"{state} ({code})" if code else state)
