"""`doctor --home SITE` finds what is wrong with a site's folder, and its exit code says so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from protocols.core.errors import ExitCode
from protocols.runtime.checks import Check, well
from server.administration.enrolment import invite, make_center
from server.main import run
from site_node.actions import site
from site_node.administration.checks import checks
from site_node.governance import audit


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A site that has joined a consortium."""
    make_center(tmp_path / "center", "Glioma", port=0)
    invitation = tmp_path / "oslo.invitation.json"
    invite(tmp_path / "center", "oslo").write(invitation)
    site.init(tmp_path / "oslo", "oslo", port=0)
    site.join(tmp_path / "oslo", invitation, out=tmp_path / "answer")
    return tmp_path / "oslo"


def _failed(home: Path) -> dict[str, Check]:
    return {one.what: one for one in checks(home) if one.state == "failed"}


def test_a_sound_site_that_is_stopped_is_well(home: Path) -> None:
    found = list(checks(home))
    assert well(found)
    # none of these is wrong on the day a site joins
    assert [one.what for one in found if one.state == "missing"] == [
        *("vocabulary", "last backup", "members", "way to the center", "processes"),
    ]


def test_a_site_that_has_not_joined_yet_is_well(tmp_path: Path) -> None:
    site.init(tmp_path, "oslo", port=0)
    assert well(checks(tmp_path))


def _loosen(home: Path) -> None:
    home.chmod(0o755)


def _lose_a_key(home: Path) -> None:
    (home / "keys" / "signing.key").unlink()


def _show_a_key(home: Path) -> None:
    (home / "keys" / "masking.key").chmod(0o644)


def _lower_a_floor(home: Path) -> None:
    (home / "policy.toml").write_text("[thresholds]\nmin_count = 1\n")


def _alter_the_audit(home: Path) -> None:
    path = home / audit.FILE
    path.write_text(path.read_text().replace("oslo", "olso", 1))


def _break_the_register(home: Path) -> None:
    (home / "register.sqlite").write_text("no database " * 100)


def _move_the_database(home: Path) -> None:
    path = home / "site.toml"
    path.write_text(path.read_text().replace("sqlite:///cdm.sqlite", "mysql://somebody:secret@nowhere/cdm"))


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (_loosen, "folder"),
        (_lose_a_key, "keys members"),
        (_show_a_key, "keys"),
        (_lower_a_floor, "policy"),
        (_alter_the_audit, "audit"),
        (_break_the_register, "register audit members"),  # what the audit is compared with is in the register
        (_move_the_database, "database"),
    ],
)
def test_what_is_wrong_is_named_with_its_fix(home: Path, damage: Callable[[Path], None], what: str) -> None:
    damage(home)
    failed = _failed(home)
    assert set(failed) == set(what.split())
    for check in failed.values():
        assert check.fix
        assert "secret" not in check.found + check.fix


def test_the_doctor_of_a_broken_site_exits_with_1(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--home", str(home)], as_json=False) == ExitCode.DONE
    _lose_a_key(home)
    assert run(["doctor", "--home", str(home)], as_json=False) == ExitCode.FAILED
    assert "signing.key" in capsys.readouterr().out
