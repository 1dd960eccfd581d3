"""RT01: two cohorts that differ by one person, whose values are the difference of two answers."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from protocols.core.spec import Spec
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.evidence.evidence_spec import EvidenceSpec
from tests.lib.attacked_site import HERE, AttackedSite
from tests.lib.lying_coordinator import drawn, unaudited, weaken
from tests.lib.overheard import overheard
from tests.lib.studies import a_study, a_study_of
from tests.redteam.attack import Figure, attack

PEOPLE, TARGETS = 120, 40
AGE = np.random.default_rng(1).normal(60, 9, PEOPLE)
SPEC = {"protocol": "summary", "of": ["age"], "per_site": True}


def _without_one(study: Study) -> AnalysisTable:
    """The cohort of a study whose title is the number of the person that it excludes, or no number."""
    persons = np.arange(PEOPLE)
    kept = persons[persons != int(study.title)] if study.title.isdigit() else persons
    return AnalysisTable("a", kept, {"age": AGE[kept]})


def _total(answer: object) -> tuple[float, float]:
    """People and the sum of their ages, by the site's own table; NaN where the site did not say."""
    if not isinstance(answer, tuple) or not isinstance(answer[-1], Mapping):
        return np.nan, np.nan
    n, mean = (float(answer[-1][name][0, 0]) for name in ("n", "mean"))
    return n, n * mean


@attack("RT01", "two cohorts that differ by one person are subtracted", works_from=TARGETS, slow=True)
def one_person_less(folder: Path, weakened: bool) -> Figure:
    site = AttackedSite(folder, _without_one, obedient=True)
    with unaudited(weakened):
        totals = []
        for title in ["all", *map(str, range(TARGETS))]:
            study = a_study(title=title, analyses=[{"name": "ages", "spec": SPEC}])
            site.approve(study)
            totals.append(_total(site.ask(study, HERE)))
    (n, whole), *less = totals
    read = np.array([whole - rest if n - m == 1 else np.nan for m, rest in less])
    error = np.abs(read - AGE[:TARGETS])
    hits = error < 1e-6
    return Figure(int(hits.sum()), f"of {TARGETS} ages, error {error[hits].max(initial=0):.0e}")


@attack(
    "RT01",
    "evidence with and without a scanner: a hospital's two numbers differ by its people on a small scanner",
    works_from=3,
)
def people_on_a_small_scanner(folder: Path, weakened: bool) -> Figure:
    """The weakened sites note evidence as if it were about everybody, whatever their scanner."""

    def columns(draw: np.random.Generator, people: int) -> dict[str, np.ndarray]:
        return dict(zip("xy", draw.normal(size=(2, people)), strict=True))

    few = {"a": 3, "b": 2, "c": 4}
    tables = {
        site: replace(
            table, labels={"scanner": np.where(np.arange(80) < few[site], "old", "new").astype(object)}
        )
        for site, table in drawn(columns, 80).items()
    }
    links = {"link": {"feature": "x", "outcome": "y", "sign": "positive"}}
    plain = {"name": "plain", "spec": {"protocol": "evidence", "links": links}}
    scanned = {"name": "scanned", "spec": {"protocol": "evidence", "links": links, "scanner": "scanner"}}
    variables: dict[str, dict[str, str]] = {
        name: {"kind": "measurement", "concept": f"LOCAL:{name}"} for name in "xy"
    }
    study = a_study_of(
        [], plain, scanned, variables={**variables, "scanner": {"kind": "scanner", "modality": "MR"}}
    )
    with weaken(EvidenceSpec, "sets_of_people", Spec.sets_of_people, weakened):
        held = overheard(folder, study, tables)
    said = {ask.analysis: joined["per_site"] for ask, joined in held.asked if ask.step == "correlations"}
    both = said["plain"].keys() & said["scanned"].keys()
    found = {site: int(said["plain"][site]["n"] - said["scanned"][site]["n"]) for site in both}
    hits = sum(found.get(site) == people for site, people in few.items())
    return Figure(hits, "of 3 hospitals' people on a scanner of two to four")
