"""`shadowgraph data` on the command line: what it prints, its exit codes, and that no patient is in it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protocols.core.errors import ExitCode
from server.main import run

PATIENT = {"resourceType": "Patient", "id": "CANARY-p1", "gender": "female", "birthDate": "1970"}
VISIT = {
    "resourceType": "Encounter",
    "id": "CANARY-e1",
    "status": "finished",
    "class": {"system": "https://hospital.example/classes", "code": "day-clinic"},
    "subject": {"reference": "Patient/CANARY-p1"},
    "period": {"start": "2010-01-05"},
}
Command = Callable[..., tuple[int, Any]]


@pytest.fixture
def data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `shadowgraph data WORDS --json` at a new site: its exit code and what it printed."""
    home = tmp_path / "site"
    home.mkdir()
    (home / "site.toml").write_text('name = "clinic"\n')

    def command(*words: object) -> tuple[int, Any]:
        code = run(["data", *map(str, words), "--home", str(home)], as_json=True)
        printed = capsys.readouterr()
        assert "CANARY" not in printed.out + printed.err
        return code, json.loads(printed.out)

    return command


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A folder with two patients' NDJSON, one line of it cut off."""
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "Patient.ndjson").write_text(
        json.dumps(PATIENT) + '\n{"resourceType": "Patient", "id": "CANARY'
    )
    (folder / "Encounter.ndjson").write_text(json.dumps(VISIT) + "\n")
    return folder


def test_a_load_says_what_became_of_every_record(data: Command, export: Path) -> None:
    code, summary = data("add", "fhir", export)
    assert code == ExitCode.PARTIAL
    assert summary["partial"]
    kinds = {line["kind"]: line for line in summary["kinds"]}
    assert (kinds["Patient"]["loaded"], kinds["Patient"]["quarantined"]) == (1, 1)
    assert kinds["Encounter"]["loaded"] == 1


def test_status_lists_rows_loads_and_quarantine(data: Command, export: Path) -> None:
    data("add", "fhir", export)
    code, status = data("status")
    assert code == ExitCode.DONE
    assert status["rows"] == {"observation_period": 1, "person": 1, "visit_occurrence": 1}
    assert [(load["source"], load["status"], load["loaded"]) for load in status["loads"]] == [
        ("fhir", "done", 2)
    ]
    (line,) = status["quarantine"]
    assert (line["code"], line["places"], line["first"]) == ("malformed-json", 1, "Patient.ndjson:2")
    _, status = data("status", "--places")
    assert status["quarantine"][0]["position"] == "Patient.ndjson:2"


def test_a_local_code_is_listed_mapped_and_gone(data: Command, export: Path, tmp_path: Path) -> None:
    data("add", "fhir", export)
    _, found = data("unmapped")
    (line,) = found["codes"]
    assert (line["system"], line["code"], line["people"]) == (
        "https://hospital.example/classes",
        "day-clinic",
        1,
    )
    mapping = tmp_path / "map.csv"
    mapping.write_text(
        "source_code,source_vocabulary_id,target_concept_id\n"
        f"{line['code']},{line['system']},9202\n"  # Outpatient Visit, which the seed has
    )
    code, mapped = data("map", mapping)
    assert (code, mapped["mapped"]) == (ExitCode.DONE, {"mapped": 1})
    assert mapped["sources"] == [{"source": "fhir", "remapped": 2, "quarantined": 0}]
    assert data("unmapped")[1]["codes"] == []
    _, summary = data("add", "fhir", export)
    assert {line["kind"]: line["unchanged"] for line in summary["kinds"]} == {"Encounter": 1, "Patient": 1}
    _, again = data("remap")
    assert again["sources"] == [{"source": "fhir", "remapped": 0, "quarantined": 0}]


def test_a_load_without_any_fault_is_done(data: Command, tmp_path: Path) -> None:
    (tmp_path / "Patient.ndjson").write_text(json.dumps(PATIENT) + "\n")
    code, summary = data("add", "fhir", tmp_path / "Patient.ndjson")
    assert (code, summary["partial"]) == (ExitCode.DONE, False)


def test_the_list_of_codes_is_filled_in_and_loaded(data: Command, export: Path, tmp_path: Path) -> None:
    other = {
        **VISIT,
        "id": "CANARY-e2",
        "class": {"system": "https://hospital.example/classes", "code": "2nd"},
    }
    (export / "Encounter.ndjson").write_text(json.dumps(VISIT) + "\n" + json.dumps(other) + "\n")
    data("add", "fhir", export)
    codes = tmp_path / "codes.csv"
    data("unmapped", "--csv", codes)
    head, *lines = codes.read_text().splitlines()
    assert head == "source_code,source_vocabulary_id,target_concept_id,people"
    assert sorted(lines) == [
        "2nd,https://hospital.example/classes,,1",
        "day-clinic,https://hospital.example/classes,,1",
    ]
    codes.write_text(
        "\n".join([head, *lines]).replace(
            "day-clinic,https://hospital.example/classes,", "day-clinic,https://hospital.example/classes,9202"
        )
    )
    _, mapped = data("map", codes)
    assert mapped["mapped"] == {"mapped": 1}
    assert [line["code"] for line in data("unmapped")[1]["codes"]] == ["2nd"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add", "fhir", "nowhere"), ExitCode.INVALID_INPUT),
        (("add", "fhir", ".", "--validate", "some"), ExitCode.INVALID_INPUT),
        (("add", "dicom", "nowhere"), ExitCode.INVALID_INPUT),
        (("add", "genomics", "nowhere"), ExitCode.INVALID_INPUT),
        (("add", "image-features", "nowhere"), ExitCode.INVALID_INPUT),
        (("map", "nowhere.csv"), ExitCode.INVALID_INPUT),
        (("vocabulary", "load", "pyproject.toml"), ExitCode.INVALID_INPUT),
    ],
)
def test_wrong_input_is_an_error_with_a_code(data: Command, words: tuple[str, ...], code: ExitCode) -> None:
    left, error = data(*words)
    assert left == code
    assert error["error"] in ("not-found", "invalid-input")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("postgresql://CANARY@127.0.0.1:9/cdm", ExitCode.UNREACHABLE),
        ("sqlite:////dev/null/cdm.sqlite", ExitCode.UNREACHABLE),
        ("mysql://CANARY@127.0.0.1/cdm", ExitCode.INVALID_INPUT),
        ("CANARY", ExitCode.INVALID_INPUT),
    ],
)
def test_a_database_that_cannot_be_opened_is_an_error_with_a_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, code: ExitCode
) -> None:
    """Whether a new site is given it, or one whose settings name it from now on."""
    home = tmp_path / "site"
    init = ["site", "init", "--name", "oslo", "--home", str(home)]
    refused = [run([*init, "--database", url], as_json=False)]
    assert run(init, as_json=False) == ExitCode.DONE
    settings = home / "site.toml"
    settings.write_text(settings.read_text().replace("sqlite:///cdm.sqlite", url))
    refused.append(run(["data", "status", "--home", str(home)], as_json=False))
    assert refused == [code, code]
    said = capsys.readouterr().err
    assert said.count("site.toml") >= len(refused)
    assert "CANARY" not in said


def test_a_folder_that_is_no_site_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["data", "status", "--home", str(tmp_path)], as_json=False)
    assert code == ExitCode.INVALID_INPUT
    assert "shadowgraph site init" in capsys.readouterr().err
