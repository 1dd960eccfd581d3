"""FHIR files: what is whole is read, what is not is reported where it stands."""

import gzip
import json
import random
from pathlib import Path

import pytest

from cdm.etl import SourceRecord, Unreadable
from site_node.sources.fhir import Validate, count_bytes, read, validated

PATIENT = {"resourceType": "Patient", "id": "p1"}
UUID = "urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e"


def lines(*resources: object) -> bytes:
    return b"".join(json.dumps(resource).encode() + b"\n" for resource in resources)


def problems(folder: Path) -> list[tuple[str, str, str]]:
    return [(one.kind, one.position, one.code) for one in read(folder) if isinstance(one, Unreadable)]


def names(folder: Path) -> list[str]:
    return [f"{one.kind}/{one.record_id}" for one in read(folder) if isinstance(one, SourceRecord)]


def test_ndjson_plain_and_gzip_are_read_in_a_folder_and_below(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "Patient.ndjson").write_bytes(lines(PATIENT, {**PATIENT, "id": "p2"}))
    with gzip.open(tmp_path / "below" / "Patient.000.ndjson.gz", "wb") as file:
        file.write(lines({**PATIENT, "id": "p3"}))
    (tmp_path / "README.txt").write_text("not FHIR")
    assert names(tmp_path) == ["Patient/p1", "Patient/p2", "Patient/p3"]
    assert [one.position for one in read(tmp_path)] == [
        "Patient.ndjson:1",
        "Patient.ndjson:2",
        "below/Patient.000.ndjson.gz:1",
    ]
    assert count_bytes(tmp_path) > 0


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "Patient.ndjson").write_bytes(gzip.compress(lines(PATIENT)))
    assert names(tmp_path) == ["Patient/p1"]


def test_a_truncated_line_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    whole = lines(PATIENT, {**PATIENT, "id": "p2"}, {**PATIENT, "id": "p3"})
    (tmp_path / "Patient.ndjson").write_bytes(whole.replace(b'"id": "p2"}', b'"id": "p'))
    assert names(tmp_path) == ["Patient/p1", "Patient/p3"]
    assert problems(tmp_path) == [("Patient", "Patient.ndjson:2", "malformed-json")]


def test_a_file_cut_off_in_its_last_line_gives_the_others(tmp_path: Path) -> None:
    (tmp_path / "Patient.ndjson").write_bytes(lines(PATIENT, {**PATIENT, "id": "p2"})[:-10])
    assert names(tmp_path) == ["Patient/p1"]
    assert problems(tmp_path) == [("Patient", "Patient.ndjson:2", "malformed-json")]


def test_a_gzip_file_cut_off_gives_what_it_still_has(tmp_path: Path) -> None:
    many = lines(*({**PATIENT, "id": f"p{number}"} for number in range(5000)))
    (tmp_path / "Patient.ndjson.gz").write_bytes(gzip.compress(many)[:-2000])
    (tmp_path / "Person.ndjson").write_bytes(lines({"resourceType": "Person", "id": "q"}))
    found = names(tmp_path)
    assert len(found) > 1000
    assert found[-1] == "Person/q"
    assert problems(tmp_path)[-1] == ("Patient", "Patient.ndjson.gz", "truncated-file")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"[1, 2]", "no-resource-type"),
        (b"null", "no-resource-type"),
        (b'{"id": "1"}', "no-resource-type"),
        (b'{"resourceType": "Mrs CANARY", "id": "1"}', "no-resource-type"),
        (b'{"resourceType": "Patient"}', "no-id"),
        (b'{"resourceType": "Patient", "id": 7}', "no-id"),
        (b"\xff\xfe", "malformed-json"),
        (b"[" * 100_000, "malformed-json"),
        (b'{"resourceType": "Bundle", "entry": 3}', "malformed-bundle"),
        (b'{"resourceType": "Bundle", "entry": [3, {}]}', "empty-entry"),
    ],
)
def test_what_is_no_resource_is_reported(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "Patient.ndjson").write_bytes(content + b"\n" + lines(PATIENT))
    assert names(tmp_path) == ["Patient/p1"]
    assert {one[2] for one in problems(tmp_path)} == {code}


def test_a_line_too_long_is_reported_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("site_node.sources.fhir.files.MAX_LINE", 100)
    (tmp_path / "Patient.ndjson").write_bytes(lines({**PATIENT, "x": "y" * 350}, PATIENT))
    assert names(tmp_path) == ["Patient/p1"]
    assert problems(tmp_path) == [("Patient", "Patient.ndjson:1", "too-long")]


def bundle(kind: str, *entries: dict[str, object]) -> bytes:
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": list(entries)}).encode()


def test_references_inside_a_transaction_become_plain(tmp_path: Path) -> None:
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "7"}]}
    by_uuid = {"resourceType": "Condition", "id": "c1", "subject": {"reference": UUID}}
    by_condition = {
        "resourceType": "Condition",
        "id": "c2",
        "subject": {"reference": "Patient?identifier=urn:mrn|7"},
    }
    content = bundle(
        "transaction",
        {"resource": by_uuid, "request": {"method": "POST", "url": "Condition"}},
        {"resource": by_condition},
        {"fullUrl": UUID, "resource": patient, "request": {"method": "POST", "url": "Patient"}},
    )
    (tmp_path / "bundle.json.gz").write_bytes(gzip.compress(content))
    first, second, third = (one for one in read(tmp_path) if isinstance(one, SourceRecord))
    plain = f"Patient/{UUID.removeprefix('urn:uuid:')}"
    assert f"{third.kind}/{third.record_id}" == plain
    assert first.body["subject"]["reference"] == second.body["subject"]["reference"] == plain
    assert first.position == "bundle.json.gz:1"


@pytest.mark.parametrize("extra", [{}, {"type": "Patient"}])
def test_a_reference_by_an_identifier_alone_becomes_plain(tmp_path: Path, extra: dict[str, str]) -> None:
    known = {"system": "urn:mrn", "value": "7"}
    subject: dict[str, object] = {"identifier": known, **extra}
    condition = {"resourceType": "Condition", "id": "c1", "subject": subject}
    content = bundle("collection", {"resource": condition}, {"resource": {**PATIENT, "identifier": [known]}})
    (tmp_path / "bundle.json").write_bytes(content)
    first = next(read(tmp_path))
    assert isinstance(first, SourceRecord)
    assert first.body["subject"]["reference"] == "Patient/p1"


@pytest.mark.parametrize("kind", ["searchset", "collection", "batch", "history"])
def test_bundles_of_every_type_give_their_resources(tmp_path: Path, kind: str) -> None:
    entry: dict[str, object] = {"fullUrl": "https://fhir.example.org/Patient/p1", "resource": PATIENT}
    (tmp_path / "bundle.json").write_bytes(bundle(kind, entry))
    assert names(tmp_path) == ["Patient/p1"]


def test_an_entry_that_deletes_is_a_deleted_record(tmp_path: Path) -> None:
    deletes = bundle("transaction", {"request": {"method": "DELETE", "url": "Patient/p1"}})
    (tmp_path / "deleted.ndjson").write_bytes(deletes)
    (found,) = read(tmp_path)
    assert isinstance(found, SourceRecord)
    assert (found.kind, found.record_id, found.deleted) == ("Patient", "p1", True)


def version(number: int, **entry: object) -> dict[str, object]:
    """A history's entry: a version of the patient, or what `entry` says."""
    moment = f"2026-01-0{number}T00:00:00Z"
    resource = {**PATIENT, "meta": {"versionId": str(number), "lastUpdated": moment}}
    return {"response": {"status": "200", "lastModified": moment}, **(entry or {"resource": resource})}


def test_a_history_is_read_from_its_oldest_version(tmp_path: Path) -> None:
    deletion = version(3, request={"method": "DELETE", "url": "Patient/p1"})
    (tmp_path / "history.json").write_bytes(bundle("history", deletion, version(2), version(1)))
    found = [one for one in read(tmp_path) if isinstance(one, SourceRecord)]
    assert [one.body["meta"]["lastUpdated"][9] for one in found] == ["1", "2", "3"]
    assert [one.deleted for one in found] == [False, False, True]
    assert [one.position for one in found] == ["history.json:3", "history.json:2", "history.json:1"]


def test_an_entry_nested_too_deep_is_reported_alone(tmp_path: Path) -> None:
    deep = b'{"x":' * 1000 + b"1" + b"}" * 1000
    content = bundle("batch", {"resource": {**PATIENT, "id": "p2", "text": "DEEP"}}, {"resource": PATIENT})
    (tmp_path / "bundle.json").write_bytes(content.replace(b'"DEEP"', deep))
    assert names(tmp_path) == ["Patient/p1"]
    assert problems(tmp_path) == [("Bundle", "bundle.json:1", "too-deep")]


def test_a_bundle_s_resources_share_its_size(tmp_path: Path) -> None:
    content = bundle("batch", {"resource": PATIENT}, {"resource": {**PATIENT, "id": "p2"}})
    (tmp_path / "bundle.json").write_bytes(content)
    assert {one.size for one in read(tmp_path) if isinstance(one, SourceRecord)} == {len(content) // 2}


@pytest.mark.parametrize("indent", [None, 2])
def test_a_large_bundle_is_read_entry_by_entry_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indent: int | None
) -> None:
    """Whole, and with anything wrong anywhere: never more than the whole file would give."""
    chance = random.Random(indent)
    by_uuid = {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": UUID},
        "note": "\u00e9\u4e00",
    }
    patient = {"fullUrl": UUID, "resource": {**PATIENT, "identifier": [{"value": "]}"}]}}
    whole = json.loads(bundle("collection", {"resource": by_uuid}, {}, patient, version(2)))
    content = json.dumps({**whole, "total": 3, "link": [{"url": "x"}]}, indent=indent).encode()
    for number in range(150):
        place = chance.randrange(len(content))
        odd = chance.choice((b"", b",", b"]", b"}", b'"', b"\\", b"\xff", b" ", b"NaN", b"7"))
        changed = content[:place] + odd + content[place + chance.randrange(2) :] if number else content
        (tmp_path / "bundle.json").write_bytes(changed)
        monkeypatch.setattr("site_node.sources.fhir.files.LARGE", len(changed))
        at_once = list(read(tmp_path))
        monkeypatch.setattr("site_node.sources.fhir.files.LARGE", 0)
        assert list(read(tmp_path)) == at_once, changed


def test_a_single_resource_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "patient.json").write_text(json.dumps(PATIENT, indent=2))
    assert names(tmp_path / "patient.json") == ["Patient/p1"]


def test_validation_reports_the_element_and_not_its_value(tmp_path: Path) -> None:
    (tmp_path / "Patient.ndjson").write_bytes(lines(PATIENT, {**PATIENT, "birthDate": "CANARY"}))
    good, bad = validated(read(tmp_path), Validate.ALL)
    assert isinstance(good, SourceRecord)
    assert isinstance(bad, Unreadable)
    assert (bad.code, bad.position) == ("invalid-fhir", "Patient.ndjson:2")
    assert bad.reason.startswith("birthDate")
    assert "CANARY" not in repr(bad)


def test_a_validated_sample_is_the_same_every_time(tmp_path: Path) -> None:
    wrong = ({**PATIENT, "id": f"p{number}", "birthDate": 7} for number in range(200))
    (tmp_path / "Patient.ndjson").write_bytes(lines(*wrong))
    once = [one.position for one in validated(read(tmp_path), Validate.SAMPLE) if isinstance(one, Unreadable)]
    again = [
        one.position for one in validated(read(tmp_path), Validate.SAMPLE) if isinstance(one, Unreadable)
    ]
    assert once == again
    assert 2 <= len(once) <= 30
