"""RT22: a study may run again over the same sites or three others; the attack stands in rt16_approvals.py."""

from dataclasses import replace
from pathlib import Path

from protocols.core.errors import Code
from protocols.core.protocol import ask
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import a_study

FIRST = replace(ask("counts"), analysis="ages")


def test_a_second_run_may_have_the_same_sites_or_three_others(tmp_path: Path) -> None:
    site, study = AttackedSite(tmp_path), a_study()
    site.approve(study)
    for run, roster in (("r1", "abc"), ("r2", "abc"), ("r3", "abcdef")):
        assert not isinstance(site.ask(study, FIRST, run=run, roster=roster), Code)
