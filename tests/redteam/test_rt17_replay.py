"""RT17: replay and rollback: one approval is made to serve for many runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from protocols.core.errors import Code
from protocols.core.protocol import ask
from tests.lib.attacked_site import AttackedSite
from tests.lib.sites import a_round
from tests.lib.studies import a_study

FIRST = replace(ask("sums"), analysis="ages")


@pytest.mark.parametrize("alias", ["", "mean-age", 1, 8, 63])
def test_a_study_is_asked_by_its_whole_hash_alone(tmp_path: Path, alias: str | int) -> None:
    site, study = AttackedSite(tmp_path), a_study()
    site.approve(study, max_runs=1)
    assert not isinstance(site.ask(study, FIRST), Code)
    name = study.hash()[:alias] if isinstance(alias, int) else alias
    assert site.send(replace(a_round(study, FIRST), study=name)) == Code.NOT_APPROVED


def test_runs_are_counted_across_restarts(tmp_path: Path) -> None:
    site, study = AttackedSite(tmp_path), a_study()
    site.approve(study, max_runs=1)
    site.ask(study, FIRST)
    site.restart()
    assert site.ask(study, FIRST, run="r2") == Code.BUDGET_SPENT
