"""RT01: two cohorts that differ by one person, whose values are the difference of two answers."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from tests.lib.attacked_site import HERE, AttackedSite
from tests.lib.lying_coordinator import unaudited
from tests.lib.studies import a_study
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
