"""Wrong input: a clear message each, the right exit code, nothing lost, other work goes on."""

import json
from pathlib import Path

import pytest
import yaml

from protocols.core.errors import ExitCode
from protocols.runtime.daemons import free_port
from server.main import run
from site_node.governance import proposed
from tests.lib.studies import a_study

PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1970"}


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    home = tmp_path / "site"
    assert run(["site", "init", "--name", "oslo", "--home", str(home)], as_json=False) == ExitCode.DONE
    capsys.readouterr()
    return home


def study_file(folder: Path, **changes: object) -> str:
    content = json.loads(a_study().canonical()) | changes
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_an_unknown_protocol_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = study_file(tmp_path, analyses=[{"name": "x", "spec": {"protocol": "oracle"}}])
    assert run(["study", "validate", file], as_json=False) == ExitCode.INVALID_INPUT
    assert "oracle" in (words := said(capsys))
    assert "cox" in words  # what is known instead


def test_a_missing_variable_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analyses = [{"name": "ages", "spec": {"protocol": "summary", "of": ["age", "weight"]}}]
    assert run(["study", "validate", study_file(tmp_path, analyses=analyses)], as_json=False) == (
        ExitCode.INVALID_INPUT
    )
    words = said(capsys)
    assert "the study is not valid: analysis ages: no such variable: weight; the study has age" in words


def test_an_unknown_field_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["study", "validate", study_file(tmp_path, min_count=3)], as_json=False) == (
        ExitCode.INVALID_INPUT
    )
    assert "min_count" in said(capsys)


def test_a_floor_cannot_be_lowered(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = study_file(tmp_path, thresholds={"min_count": 3})
    assert run(["study", "validate", file], as_json=False) == ExitCode.INVALID_INPUT
    words = ["policy", "set", "thresholds.min_count", "3", "--home", str(home)]
    assert run(words, as_json=False) == ExitCode.INVALID_INPUT
    assert "greater than or equal to 10" in said(capsys)


def test_no_study_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["study", "validate", str(tmp_path / "none.yaml")], as_json=True) == ExitCode.INVALID_INPUT
    assert json.loads(capsys.readouterr().out)["error"] == "not-found"


def test_a_folder_that_is_no_site_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "status", "--home", str(tmp_path)], as_json=False) == ExitCode.INVALID_INPUT
    assert "shadowgraph site init" in said(capsys)


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fly"], as_json=False) == ExitCode.USAGE
    assert "fly" in said(capsys)


def test_a_truncated_line_is_reported_and_the_rest_loads(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = json.dumps(PATIENT)
    (tmp_path / "Patient.ndjson").write_text(f"{whole}\n{whole.replace('p1', 'p2')[:40]}")
    run(["data", "add", "fhir", str(tmp_path / "Patient.ndjson"), "--home", str(home)], as_json=True)
    capsys.readouterr()
    run(["data", "status", "--home", str(home)], as_json=True)
    status = json.loads(capsys.readouterr().out)
    assert status["rows"]["person"] == 1
    assert len(status["quarantine"]) == 1


def test_a_file_that_is_no_dicom_is_reported_and_does_not_stop_the_load(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "scan.dcm").write_bytes(b"this is no DICOM file" * 20)
    run(["data", "add", "dicom", str(images), "--home", str(home)], as_json=True)
    capsys.readouterr()
    run(["data", "status", "--home", str(home)], as_json=True)
    status = json.loads(capsys.readouterr().out)
    assert [row["code"] for row in status["quarantine"]] == ["dicom-not-dicom"]


@pytest.mark.parametrize("kind", ["fhir", "dicom", "genomics"])
def test_a_folder_in_which_there_is_nothing_to_load_is_said(
    kind: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "patients").symlink_to(tmp_path / "elsewhere")
    words = ["data", "add", kind, str(tmp_path / "export"), "--home", str(home)]
    assert run(words, as_json=False) == ExitCode.INVALID_INPUT
    assert "nothing that could be loaded was found in export" in said(capsys)


def test_a_study_that_nobody_proposed_cannot_be_approved(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inbox", "approve", "unheard-of", "--home", str(home)], as_json=False) == (
        ExitCode.INVALID_INPUT
    )
    assert "inbox list" in said(capsys)


def test_a_database_that_does_not_answer_is_said_without_its_password(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = (home / "site.toml").read_text()
    elsewhere = f"postgresql://node:s3cret@127.0.0.1:{free_port()}/cdm"
    (home / "site.toml").write_text(settings.replace("sqlite:///cdm.sqlite", elsewhere))
    assert run(["data", "status", "--home", str(home)], as_json=False) == ExitCode.UNREACHABLE
    words = said(capsys)
    assert "database does not answer" in words
    assert "s3cret" not in words


def test_what_the_system_refuses_is_said_with_its_place(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "new", str(tmp_path / "no" / "such" / "folder.yaml")]
    assert run(words, as_json=True) == ExitCode.FAILED
    text = json.loads(capsys.readouterr().out)["text"]
    assert "No such file or directory" in text
    assert "folder.yaml" in text


def test_the_text_of_what_nobody_foresaw_is_not_printed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(home: Path) -> None:
        raise KeyError("Kanarienvogel, 1917-05-29")

    monkeypatch.setattr(proposed, "inbox", failing)
    assert run(["inbox", "list", "--home", str(home)], as_json=False) == ExitCode.FAILED
    words = said(capsys)
    assert "unexpected error: KeyError" in words
    assert "Kanarienvogel" not in words
    monkeypatch.setenv("SHADOWGRAPH_TRACEBACK", "1")
    with pytest.raises(KeyError):
        run(["inbox", "list", "--home", str(home)], as_json=False)
