"""A study tried on dummy people in this process: gate, floors and secure sum on, and no hospital asked."""

import time
from dataclasses import dataclass
from pathlib import Path

from protocols.core.feasibility import Doubt, doubts
from protocols.core.lockstep import Failure
from protocols.core.study import Study, read_study
from protocols.exchange.dummy import PEOPLE, dummy_tables
from protocols.exchange.local import run_locally


@dataclass(frozen=True)
class TriedAnalysis:
    """How one analysis went; code, why and fix are empty where it found something."""

    name: str
    protocol: str
    code: str = ""
    why: str = ""
    fix: str = ""


@dataclass(frozen=True)
class TriedStudy:
    """A study over dummy people, whose numbers mean nothing.

    Attributes:
        people: site -> how many people were drawn.
        doubts: what in it could not work in hospitals, or that nobody knows.
        report: where its report was written; None where none was asked for.
    """

    name: str
    hash: str
    people: dict[str, int]
    rounds: int
    seconds: float
    analyses: tuple[TriedAnalysis, ...]
    doubts: tuple[Doubt, ...]
    report: Path | None = None
    schema_version: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether every analysis found something, and nothing is in doubt."""
        return not self.doubts and not any(one.code for one in self.analyses)


def attempt(
    file: Path, *, people: int = PEOPLE, sites: int = 0, seed: int = 1, out: Path | None = None
) -> TriedStudy:
    """A study file, run over dummy people who meet its cohort.

    Args:
        people: of a hospital, on average.
        sites: hospitals; as many as the study needs, and 3 at least, where it is 0.
        out: a folder for the report, if one is wanted.

    Raises:
        InputError: the file is not a valid study. StudyError: it cannot go on.
    """
    began = time.monotonic()
    study = read_study(file)
    hospitals = min(max(sites or study.min_sites, 3), 8)
    tables = dummy_tables(study, sites=hospitals, people=people, seed=seed)
    outcome = run_locally(study, tables, full=study.digits == "full")
    report = None
    if out is not None:
        from server.report import write_report  # matplotlib

        report = write_report(study, outcome, [], out, facts=[("dummy", "people: the numbers mean nothing")])
    return TriedStudy(
        name=study.name,
        hash=study.hash(),
        people={table.site: len(table) for table in tables},
        rounds=outcome.rounds,
        seconds=round(time.monotonic() - began, 2),
        analyses=tuple(_tried(study, name, found) for name, found in outcome.results.items()),
        doubts=doubts(study),
        report=report,
    )


def _tried(study: Study, name: str, found: object) -> TriedAnalysis:
    protocol = study.analysis(name).spec.protocol
    if isinstance(found, Failure):
        return TriedAnalysis(name, protocol, str(found.code), found.text, found.fix)
    return TriedAnalysis(name, protocol)
