"""The HL7 FHIR-to-OMOP guide: what `docs/conformance.md` says of each requirement is true and complete."""

import ast
import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Engine, Table, select

from cdm.etl import MAPPERS, Identity, SourceRecord
from cdm.etl.loader.capabilities import RESOURCES, manifest
from cdm.etl.loader.load import load
from cdm.etl.loader.runs import CDM_VERSION, GUIDE_VERSION
from cdm.schema import concept, load_run, metadata, quarantine, source_record, source_row
from cdm.vocabulary.athena import FIRST_LOCAL_CONCEPT, load_athena, load_seed
from cdm.vocabulary.source_map import load_source_map
from tests.lib.hospital_records import coded, fhir_records, record
from tests.lib.shared import shared

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
IDENTITY = Identity(b"a site's secret")
SUBJECT = {"subject": {"reference": "Patient/p0"}}
ROW = re.compile(r"\| (f2o-\d{3}) \| (met|departure) \| (.+) \|")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
REQUIRED = 44
CLINICAL = ("condition_occurrence", "drug_exposure", "procedure_occurrence", "device_exposure", "measurement")
TYPED = (*CLINICAL, "observation", "visit_occurrence", "specimen", "note", "episode", "death")


def statements() -> dict[str, tuple[str, str]]:
    """The id of each requirement -> whether it is met, and by which tests or why not."""
    text = (ROOT / "docs" / "conformance.md").read_text()
    return {found[1]: (found[2], found[3]) for found in ROW.finditer(text)}


def test_each_requirement_is_met_or_a_departure_with_its_reason() -> None:
    with shared("data/omop/fhir_omop_ig_requirements.csv").open(newline="") as file:
        required = [line["id"] for line in csv.DictReader(file)]
    found = statements()
    assert sorted(found) == sorted(required)
    counts = Counter(state for state, _ in found.values())
    assert counts["met"] >= REQUIRED
    for name, (state, words) in found.items():
        assert TEST.search(words) or state == "departure", name
        assert len(words) > 30, name


def test_every_test_that_the_document_names_exists() -> None:
    for _, words in statements().values():
        for file, name in TEST.findall(words):
            functions = {
                node.name
                for node in ast.walk(ast.parse((ROOT / file).read_text()))
                if isinstance(node, ast.FunctionDef)
            }
            assert name in functions, f"{file}::{name}"


def test_every_mapper_says_what_it_leaves_out() -> None:
    modules = {mapper.__module__ for kind, mapper in MAPPERS.items() if kind in RESOURCES}
    for module in modules:
        path = ROOT / (module.replace(".", "/") + ".py")
        assert "Left out on purpose" in (ast.get_docstring(ast.parse(path.read_text())) or ""), module


def test_the_manifest_names_every_resource_and_table() -> None:
    declared = {line["kind"]: set(line["tables"]) for line in manifest()["resources"]}
    fhir = {kind for kind, mapper in MAPPERS.items() if mapper.__module__ != "cdm.etl.person"}
    assert declared.keys() == fhir - {"RadiomicFeatures"}
    assert manifest()["fhir_versions"][0] == "4.0.1"
    assert manifest()["use_cases"]
    for path in HERE.glob("*.in.json"):
        resources = json.loads(path.read_text())
        for case, rows in json.loads((HERE / path.name.replace(".in.", ".out.")).read_text()).items():
            tables = {row["table"] for row in rows} if isinstance(rows, list) else set()
            assert tables <= declared[resources[case]["resourceType"]], (path.name, case)
    json.dumps(manifest())


@pytest.fixture
def loaded(sqlite_engine: Engine) -> Engine:
    """Every resource of the mappers' test cases in one CDM with vocabulary."""
    load_seed(sqlite_engine)
    load_athena(sqlite_engine, shared("data/vocabulary/athena_mini.zip"))
    resources = [
        {**one, "id": f"{one['id']}-{path.name.split('.')[0]}-{number}"}
        for path in sorted(HERE.glob("*.in.json"))
        for number, one in enumerate(json.loads(path.read_text()).values())
    ]
    named = sorted(set(re.findall(r'"Patient/([^"/]+)"', json.dumps(resources))))
    resources += [{"resourceType": "Patient", "id": name} for name in named]
    records = [SourceRecord(one["resourceType"], one["id"], "f:1", one) for one in resources]
    load(sqlite_engine, records, "fhir", IDENTITY)
    return sqlite_engine


def column_values(engine: Engine, table: Table, column: str) -> set[Any]:
    with engine.connect() as connection:
        return set(connection.scalars(select(table.c[column]).distinct()))


def test_only_standard_concepts_stand_in_concept_ids(loaded: Engine) -> None:
    """Except 0, and the numbers from 2,000,000,000 on, which are not of the standard."""
    with loaded.connect() as connection:
        standard = set(
            connection.scalars(select(concept.c.concept_id).where(concept.c.standard_concept == "S"))
        )
    for name in (*TYPED, "person", "image_occurrence"):
        table = metadata.tables[name]
        for column in (one.name for one in table.c):
            if column.endswith("_concept_id") and not column.endswith(
                ("source_concept_id", "field_concept_id")
            ):
                found = column_values(loaded, table, column) - {0, None} - standard
                unknown = {one for one in found if one < FIRST_LOCAL_CONCEPT} - NOT_IN_THE_TEST_VOCABULARY
                assert not unknown, (name, column)


# "more than one race", the observation of a race, yes and no, comparisons, episodes: written by number
NOT_IN_THE_TEST_VOCABULARY = {
    *(1546847, 4013886, 4188539, 4188540, 4171756, 4171754, 4171755, 4172704),
    *(32677, 32530, 32531, 722455, 581476),
}


def test_every_row_has_a_standard_type_concept(loaded: Engine) -> None:
    with loaded.connect() as connection:
        of_domain = select(concept.c.concept_id).where(
            concept.c.domain_id == "Type Concept", concept.c.standard_concept == "S"
        )
        types = set(connection.scalars(of_domain))
    for name in TYPED:
        table = metadata.tables[name]
        (column,) = (one.name for one in table.c if one.name.endswith("_type_concept_id"))
        found = column_values(loaded, table, column)
        assert found, name
        assert found <= types, name


def test_every_required_date_is_there(loaded: Engine) -> None:
    for name in TYPED:
        table = metadata.tables[name]
        dates = [one.name for one in table.c if one.name.endswith("_date") and not one.nullable]
        assert dates
        for column in dates:
            assert None not in column_values(loaded, table, column), (name, column)


def test_keys_come_from_the_logical_id_and_no_identifier(sqlite_engine: Engine) -> None:
    found = []
    for value in ("MRN-1", "MRN-2"):
        patient = record("Patient", "p1", identifier=[{"system": "urn:mrn", "value": value}])
        load(sqlite_engine, [patient], "fhir", IDENTITY)
        found.append(column_values(sqlite_engine, metadata.tables["person"], "person_id"))
    assert found[0] == found[1]


def test_each_row_leads_back_to_the_resource_that_made_it(engine: Engine) -> None:
    load(engine, fhir_records(1), "fhir", IDENTITY)
    path = select(source_record.c.kind, source_record.c.record_id).join(
        source_row, source_row.c.source_record_id == source_record.c.source_record_id
    )
    with engine.connect() as connection:
        for name in ("condition_occurrence", "drug_exposure", "measurement", "visit_occurrence", "person"):
            table = metadata.tables[name]
            for key in connection.scalars(select(table.c[f"{name}_id"])):
                rows = connection.execute(
                    path.where(source_row.c.table_name == name, source_row.c.row_id == key)
                )
                assert rows.first() is not None, name


def test_a_run_records_its_five_versions(engine: Engine) -> None:
    load_athena(engine, shared("data/vocabulary/athena_mini.zip"))
    load(engine, fhir_records(1), "fhir", IDENTITY)
    with engine.connect() as connection:
        (run,) = connection.execute(select(load_run)).all()
    assert (run.cdm_version, run.guide_version) == (CDM_VERSION, GUIDE_VERSION)
    assert run.vocabulary_version
    assert run.software_version
    assert run.started_at <= run.finished_at
    assert orjson.loads(run.settings)["medication_intent"] == "orders-as-prescriptions"


@pytest.mark.parametrize(
    "nested",
    [
        {"component": [{"modifierExtension": [{"url": "https://here/not"}], "valueInteger": 1}]},
        {"contained": [{"resourceType": "Device", "modifierExtension": [{"url": "x"}]}]},
    ],
)
def test_a_modifier_deep_inside_is_not_passed_over(engine: Engine, nested: dict[str, Any]) -> None:
    told = {"status": "final", "effectiveDateTime": "2010-01-05", "code": coded("http://loinc.org", "1-1")}
    summary = load(engine, [record("Observation", "o1", **{**SUBJECT, **told, **nested})], "fhir", IDENTITY)
    assert summary.quarantined == 1
    with engine.connect() as connection:
        assert connection.scalars(select(quarantine.c.code)).all() == ["modifier-extension"]


def test_a_race_that_is_of_another_domain_is_not_a_race(sqlite_engine: Engine, tmp_path: Path) -> None:
    load_seed(sqlite_engine)
    path = tmp_path / "map.csv"
    path.write_text("source_code,source_vocabulary_id,target_concept_id\n2106-3,CDCREC,9202\n")
    load_source_map(sqlite_engine, path)  # a visit, by mistake
    code = {
        "url": "ombCategory",
        "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3"},
    }
    race = {"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race", "extension": [code]}
    load(sqlite_engine, [record("Patient", "p1", extension=[race])], "fhir", IDENTITY)
    assert column_values(sqlite_engine, metadata.tables["person"], "race_concept_id") == {0}
