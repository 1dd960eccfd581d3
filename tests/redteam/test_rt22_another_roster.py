"""RT22: a study is run again without one site; the difference of the two sums is that site's part."""

from dataclasses import replace
from pathlib import Path

import pytest

from protocols.core.errors import Code
from protocols.core.protocol import ask
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import a_study

FIRST = replace(ask("sums"), analysis="ages")


@pytest.mark.parametrize(("first", "then"), [("abcd", "abc"), ("abc", "abcd"), ("abcd", "abce")])
def test_a_second_run_does_not_leave_one_site_out(tmp_path: Path, first: str, then: str) -> None:
    site, study = AttackedSite(tmp_path), a_study()
    site.approve(study)
    assert not isinstance(site.ask(study, FIRST, run="r1", roster=first), Code)
    site.restart()
    assert site.ask(study, FIRST, run="r2", roster=then) == Code.ALREADY_ANSWERED


def test_a_second_run_may_have_the_same_sites_or_three_others(tmp_path: Path) -> None:
    site, study = AttackedSite(tmp_path), a_study()
    site.approve(study)
    for run, roster in (("r1", "abc"), ("r2", "abc"), ("r3", "abcdef")):
        assert not isinstance(site.ask(study, FIRST, run=run, roster=roster), Code)
