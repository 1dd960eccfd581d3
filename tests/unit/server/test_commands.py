"""The commands of center and site, as a person types them; nothing is started here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protocols.core.errors import Code, ExitCode
from server.home.store import Store
from server.main import run

Shell = Callable[..., tuple[int, Any]]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Runs a command in an empty folder: its exit code, and what it says as JSON."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHADOWGRAPH_HUB", str(tmp_path / "center"))

    def type_(*words: str) -> tuple[int, Any]:
        code = run(list(words), as_json=True)
        said = capsys.readouterr().out
        return code, json.loads(said) if said else None

    return type_


@pytest.fixture
def consortium(shell: Shell) -> Shell:
    """Three enrolled sites."""
    shell("network", "init", "--name", "Glioma", "--port", "0")
    for site in ("oslo", "bergen", "tromso"):
        shell("network", "invite", site)
        shell("site", "init", "--home", site, "--name", site, "--port", "0")
        shell("site", "join", f"{site}.invitation.json", "--home", site)
        assert shell("network", "enrol", f"{site}.enrolment.json")[0] == ExitCode.DONE
    return shell


def test_both_sides_show_each_others_fingerprint(shell: Shell) -> None:
    shell("network", "init", "--name", "Glioma", "--port", "0")
    _, invited = shell("network", "invite", "oslo")
    shell("site", "init", "--home", "oslo", "--name", "oslo", "--port", "0")
    _, joined = shell("site", "join", "oslo.invitation.json", "--home", "oslo")
    _, enrolled = shell("network", "enrol", "oslo.enrolment.json")
    assert invited["coordinator_fingerprint"] == joined["coordinator_fingerprint"]
    assert joined["fingerprint"] == enrolled["fingerprint"]


def test_a_study_goes_from_example_to_submission_and_back(consortium: Shell) -> None:
    assert consortium("study", "new", "s.yaml")[0] == ExitCode.DONE
    _, valid = consortium("study", "validate", "s.yaml")
    _, signed = consortium("study", "sign", "s.yaml")
    assert signed["hash"] == valid["hash"]
    _, submitted = consortium("study", "submit", signed["path"])
    _, listed = consortium("study", "list")
    assert [(row["name"], row["state"]) for row in listed["studies"]] == [("idh1-survival", "submitted")]
    _, withdrawn = consortium("study", "withdraw", submitted["run"])
    assert withdrawn["state"] == "withdrawn"


def test_a_study_that_has_ended_is_not_withdrawn(consortium: Shell) -> None:
    consortium("study", "new", "s.yaml")
    _, submitted = consortium("study", "submit", "s.yaml")
    Store(Path("center")).fail(submitted["run"], Code.TOO_FEW_SITES, "a pending")
    code, said = consortium("study", "withdraw", submitted["run"])
    assert (code, said["text"]) == (
        ExitCode.INVALID_INPUT,
        f"run {submitted['run']} has ended already: it is failed",
    )


@pytest.mark.parametrize("how", ["a changed byte", "no signature"])
def test_a_study_whose_signature_is_not_the_coordinators_is_not_submitted(
    consortium: Shell, how: str
) -> None:
    consortium("study", "new", "s.yaml")
    consortium("study", "sign", "s.yaml")
    content = Path("idh1-survival.signed").read_bytes().replace(b'"min_sites":3', b'"min_sites":2')
    unsigned = Path("s.yaml").read_bytes()
    Path("idh1-survival.signed").write_bytes(content if how == "a changed byte" else unsigned)
    code, said = consortium("study", "submit", "idh1-survival.signed")
    assert (code, said["error"]) == (ExitCode.INVALID_INPUT, "bad-signature")
    assert said["text"].startswith("idh1-survival.signed: ")
    assert "shadowgraph study sign" in said["fix"]


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("network", "sites", "--home", "nowhere"), ExitCode.INVALID_INPUT, "not-initialised"),
        (("site", "start", "--home", "nowhere"), ExitCode.INVALID_INPUT, "not-initialised"),
        (("site", "status", "--home", "nowhere"), ExitCode.INVALID_INPUT, "not-initialised"),
        (("network", "enrol", "nothing.json"), ExitCode.INVALID_INPUT, "not-found"),
        (("study", "validate", "nothing.yaml"), ExitCode.INVALID_INPUT, "not-found"),
        (("study", "watch", "nothing"), ExitCode.INVALID_INPUT, "not-found"),
        (("study", "report", "nothing"), ExitCode.INVALID_INPUT, "not-found"),
        (("query", "nothing"), ExitCode.INVALID_INPUT, "invalid-input"),
        (("query", "condition:ICD10CM:C71%", "--variables", "x"), ExitCode.INVALID_INPUT, "unknown-variable"),
    ],
)
def test_wrong_input_ends_with_its_code(
    consortium: Shell, words: tuple[str, ...], code: ExitCode, error: str
) -> None:
    found, said = consortium(*words)
    assert (found, said["error"]) == (code, error)


def test_a_study_that_wants_more_sites_than_there_are_is_not_submitted(shell: Shell) -> None:
    shell("network", "init", "--name", "Glioma", "--port", "0")
    shell("study", "new", "s.yaml")
    code, said = shell("study", "submit", "s.yaml")
    assert (code, said["error"]) == (ExitCode.INVALID_INPUT, "too-few-sites")


def test_status_of_a_side_that_is_not_running(consortium: Shell) -> None:
    _, center = consortium("network", "status")
    said = [center[key] for key in ("superlink_answers", "is_coordinated", "processes")]
    assert said == [False, False, []]
    _, site = consortium("site", "status", "--home", "oslo")
    assert (site["consortium"], site["is_running"], site["center"]) == ("Glioma", False, "not-connected")
    assert consortium("site", "stop", "--home", "oslo")[1]["was_running"] is False
