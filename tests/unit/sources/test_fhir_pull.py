"""The command that pulls from a FHIR server: what changed since, what was refused, what it asks for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cdm.etl import MAPPERS
from protocols.core.errors import ExitCode
from server.main import run
from site_node.ingest.fhir_servers import fhir_kinds
from site_node.sources.fhir.smart import read_keys
from tests.lib.fhir_site import CLIENT_ID, DELETED, VISIT, FhirSite, pem

Command = Callable[..., tuple[int, Any]]


@pytest.fixture
def data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `shadowgraph data WORDS --json` at a new site."""
    (tmp_path / "site.toml").write_text('name = "clinic"\n')

    def command(*words: object) -> tuple[int, Any]:
        code = run(["data", *map(str, words), "--home", str(tmp_path)], as_json=True)
        return code, json.loads(capsys.readouterr().out)

    return command


def test_the_command_pulls_an_export_and_then_only_what_changed(
    site: FhirSite, data: Command, tmp_path: Path
) -> None:
    site.polls = 0
    key = ec.generate_private_key(ec.SECP384R1())
    (tmp_path / "key.pem").write_bytes(pem(key))
    site.keys = {read_keys(tmp_path / "key.pem")[0].kid: key.public_key()}
    words = ("add", "fhir", f"{site.url}/$export", "--client-id", CLIENT_ID, "--key", tmp_path / "key.pem")
    code, summary = data(*words)
    assert code == ExitCode.DONE
    assert {line["kind"]: line["loaded"] for line in summary["kinds"]} == {"Patient": 5, "Encounter": 1}
    assert not (tmp_path / "exports" / "fhir").exists()
    site.resources = {}
    site.deleted = [DELETED]
    code, summary = data(*words)
    assert [query["_since"] for _, path, query in site.asked if path == "$export" and "_since" in query] == [
        ["2026-11-20T08:00:00Z"]
    ]
    assert {line["kind"]: line["removed"] for line in summary["kinds"]} == {"Patient": 1}
    _, status = data("status")
    assert status["rows"]["person"] == 4


def test_the_command_pulls_by_search(site: FhirSite, data: Command) -> None:
    code, summary = data("add", "fhir", site.url, "--type", "Patient,Encounter", "--since", "all")
    assert code == ExitCode.DONE
    assert {line["kind"]: line["loaded"] for line in summary["kinds"]} == {"Patient": 5, "Encounter": 1}
    data("add", "fhir", site.url, "--type", "Patient")
    assert sum("_lastUpdated" in query for _, _, query in site.asked) == 1


def since(site: FhirSite, kind: str) -> list[list[str] | None]:
    """From which instant each question for a kind was."""
    return [
        query.get("_lastUpdated") for _, path, query in site.asked if path == kind and "page" not in query
    ]


def test_what_one_pull_did_not_ask_for_the_next_still_finds(site: FhirSite, data: Command) -> None:
    data("add", "fhir", site.url, "--type", "Patient")
    _, summary = data("add", "fhir", site.url)
    assert {line["kind"]: line["loaded"] for line in summary["kinds"]}["Encounter"] == 1
    assert [one is None for one in since(site, "Patient")] == [True, False]


def test_a_pull_from_a_later_day_does_not_move_where_the_next_begins(site: FhirSite, data: Command) -> None:
    data("add", "fhir", site.url, "--since", "2026-06-01")
    data("add", "fhir", site.url)
    data("add", "fhir", site.url, "--since", "2026-06-01")
    data("add", "fhir", site.url)
    first, second, third, fourth = since(site, "Encounter")
    assert (first, second, third) == (["ge2026-06-01T00:00:00Z"], None, ["ge2026-06-01T00:00:00Z"])
    assert fourth is not None


def test_another_server_is_read_from_its_beginning(site: FhirSite, data: Command) -> None:
    other = FhirSite()
    other.resources = {"Encounter": [{**VISIT, "id": "e2"}]}
    try:
        data("add", "fhir", site.url)
        _, summary = data("add", "fhir", other.url)
    finally:
        other.stop()
    assert {line["kind"]: line["loaded"] for line in summary["kinds"]} == {"Encounter": 1}


def test_a_kind_that_was_refused_is_read_from_its_beginning(site: FhirSite, data: Command) -> None:
    site.fail("Encounter", 501)
    code, _ = data("add", "fhir", site.url)
    assert code == ExitCode.PARTIAL
    _, summary = data("add", "fhir", site.url)
    assert {line["kind"]: line["loaded"] for line in summary["kinds"]}["Encounter"] == 1


def test_only_kinds_of_fhir_are_asked_for() -> None:
    assert not {"MAF", "VCF", "Fusions", "Segments", "Profile", "SampleNumbers"} & set(fhir_kinds())
    assert set(fhir_kinds()) < set(MAPPERS)


def test_the_command_asks_for_what_the_server_says_it_has(site: FhirSite, data: Command) -> None:
    code, summary = data("add", "fhir", site.url)
    assert code == ExitCode.DONE
    assert {line["kind"] for line in summary["kinds"]} == {"Patient", "Encounter"}
    assert set(site.paths()) == {"metadata", "Patient", "Encounter"}


def test_a_token_is_not_sent_in_the_clear(data: Command, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(pem(ec.generate_private_key(ec.SECP384R1())))
    code, error = data(
        *("add", "fhir", "http://fhir.example/r4", "--client-id", "x", "--key", tmp_path / "key.pem")
    )
    assert (code, error["error"]) == (ExitCode.INVALID_INPUT, "invalid-input")


@pytest.mark.parametrize("words", [("--since", "yesterday"), ("--key", "nowhere.pem", "--client-id", "x")])
def test_wrong_options_are_wrong_input(site: FhirSite, data: Command, words: tuple[str, ...]) -> None:
    code, _ = data("add", "fhir", site.url, *words)
    assert code == ExitCode.INVALID_INPUT
