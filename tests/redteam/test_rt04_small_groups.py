"""RT04: a site's own table by group, and the same without groups: the difference is a group of few people."""

from pathlib import Path

import numpy as np

from protocols.core.errors import Code
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from tests.lib.attacked_site import AttackedSite, numbers_here
from tests.lib.studies import a_study_of

FEW = 3
PER_SITE = {"protocol": "summary", "of": ["age"], "per_site": True}


def the_table(study: Study) -> AnalysisTable:
    age, rare = np.random.default_rng(1).normal(60, 9, 200), np.arange(200) < FEW
    return AnalysisTable("a", np.arange(200), {"age": age, "rare": rare.astype(float)})


def test_the_mean_of_three_people_does_not_follow_from_two_tables(tmp_path: Path) -> None:
    site = AttackedSite(tmp_path, the_table, obedient=True)
    study = a_study_of(
        ["age", "rare"],
        {"name": "whole", "spec": PER_SITE},
        {"name": "parted", "spec": PER_SITE | {"by": "rare"}},
    )
    site.approve(study)
    whole, parted = site.ask(study, numbers_here("whole"), numbers_here("parted", groups=2))  # type: ignore[misc]
    assert whole["n"][0, 0] == 200
    assert parted is Code.WITHHELD


def test_how_many_have_a_finding_that_few_lack_is_no_secret(tmp_path: Path) -> None:
    site = AttackedSite(tmp_path, the_table, obedient=True)
    study = a_study_of(["age", "rare"], {"name": "whole", "spec": PER_SITE | {"of": ["age", "rare"]}})
    site.approve(study)
    (whole,) = site.ask(study, numbers_here("whole", variables=2))  # type: ignore[misc]
    assert whole["n"].tolist() == [[200, 200]]
    assert np.isfinite(whole["mean"]).tolist() == [[True, False]]
