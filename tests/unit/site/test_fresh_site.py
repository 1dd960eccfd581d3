"""RT41: a fresh site is strict, and nobody else on its machine reads it."""

import os
from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError
from site_node.administration.setup import make_site
from site_node.governance.policy import Policy, changed, read_policy
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import a_study


def test_a_fresh_site_has_the_shipped_policy(tmp_path: Path) -> None:
    make_site(tmp_path / "site", "a", runtime_port=0)
    assert read_policy(tmp_path / "site") == Policy()
    assert Policy().thresholds.min_count == 10
    assert (Policy().min_sites, Policy().plain_sums) == (3, False)


def test_a_fresh_site_answers_nothing(tmp_path: Path) -> None:
    assert AttackedSite(tmp_path).propose(a_study())["state"] == "pending"


@pytest.mark.parametrize("rule", ["thresholds.min_count", "thresholds.min_count_in_sum"])
def test_a_floor_is_not_lowered(tmp_path: Path, rule: str) -> None:
    make_site(tmp_path / "site", "a", runtime_port=0)
    with pytest.raises(InputError) as caught:
        changed(tmp_path / "site", rule, "4")
    assert caught.value.code == Code.INVALID_INPUT


def test_a_folder_that_was_open_to_all_is_closed(tmp_path: Path) -> None:
    home = tmp_path / "site"
    home.mkdir(mode=0o755)
    make_site(home, "a", runtime_port=0)
    assert home.stat().st_mode & 0o777 == 0o700


def test_register_audit_and_keys_are_the_owners_alone(tmp_path: Path) -> None:
    mask = os.umask(0o000)
    try:
        AttackedSite(tmp_path).approve(a_study())
    finally:
        os.umask(mask)
    files = [tmp_path / "register.sqlite", tmp_path / "audit.jsonl", *(tmp_path / "keys").iterdir()]
    assert {path.name: path.stat().st_mode & 0o077 for path in files} == {path.name: 0 for path in files}
