"""`doctor` says what is missing, here and in a center's folder, and its exit code says whether it matters."""

import json
from pathlib import Path

import pytest

from protocols.core.errors import ExitCode
from server.administration import machine
from server.administration.enrolment import make_center
from server.main import run


@pytest.fixture
def center(tmp_path: Path) -> Path:
    make_center(tmp_path / "center", "Glioma", port=0)
    return tmp_path / "center"


def _states(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, str]]:
    code = run(["doctor", *words], as_json=True)
    said = json.loads(capsys.readouterr().out)
    return code, {one["what"]: _state(one) for one in said["checks"]}


def _state(one: dict[str, object]) -> str:
    return "ok" if one["is_well"] else "failed" if one["is_required"] else "missing"


def test_a_required_check_that_fails_is_in_the_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _states(capsys)[0] == ExitCode.DONE
    monkeypatch.setattr(machine, "FLOWER", "9.")
    code, states = _states(capsys)
    assert (code, states["Flower"]) == (ExitCode.FAILED, "failed")


def test_a_new_center_is_well_and_what_it_still_lacks_is_optional(
    center: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, states = _states(capsys, "--home", str(center))
    assert code == ExitCode.DONE
    assert (states["keys"], states["store"], states["sites"], states["processes"]) == (
        *("ok", "ok"),
        *("missing", "missing"),
    )


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda home: (home / "keys" / "coordinator.key").chmod(0o644), "keys"),
        (lambda home: (home / "keys" / "server.key").unlink(), "keys"),
        (lambda home: (home / "keys" / "server.pem").write_text("not a certificate"), "certificate"),
        (lambda home: (home / "store.sqlite").write_bytes(b"not a database" * 100), "store"),
        (lambda home: (home / "hub.toml").write_text("port = 'x'"), "settings"),
    ],
)
def test_what_is_damaged_in_a_center_is_named(
    center: Path, capsys: pytest.CaptureFixture[str], damage: object, what: str
) -> None:
    damage(center)  # type: ignore[operator]
    code, states = _states(capsys, "--home", str(center))
    assert (code, states[what]) == (ExitCode.FAILED, "failed")


def test_a_folder_with_neither_side_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--home", str(tmp_path)], as_json=True) == ExitCode.INVALID_INPUT
    assert json.loads(capsys.readouterr().out)["error"] == "not-initialised"


def test_people_read_the_fix_of_what_is_not_well(center: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (center / "keys" / "coordinator.key").chmod(0o644)
    run(["doctor", "--home", str(center)], as_json=False)
    assert "chmod 600" in " ".join(capsys.readouterr().out.split())
