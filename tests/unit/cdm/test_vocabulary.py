"""How codes are named, and what they mean once an Athena export and a site's own map are loaded."""

import zipfile
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from cdm.database import upsert, writing
from cdm.schema import concept, concept_ancestor, concept_relationship, source_to_concept_map, vocabulary
from cdm.vocabulary.athena import load_athena, load_seed
from cdm.vocabulary.concepts import Vocabulary
from cdm.vocabulary.names import (
    UNMAPPED,
    ConceptCode,
    Resolution,
    StandardConcept,
    VocabularyFileError,
    vocabulary_id_of,
)
from cdm.vocabulary.seed import administrative_map, seed
from cdm.vocabulary.source_map import load_source_map
from tests.lib.shared import shared

LOINC, CM, ACT = (
    "http://loinc.org",
    "http://unitsofmeasure.org",
    "http://terminology.hl7.org/CodeSystem/v3-ActCode",
)
LOCAL = "https://hospital.example/fhir/lab-codes"
HEIGHT, CENTIMETER = 3036277, 8582

CONCEPT_HEADER = [
    "concept_id",
    "concept_name",
    "domain_id",
    "vocabulary_id",
    "concept_class_id",
    "standard_concept",
    "concept_code",
    "valid_start_date",
    "valid_end_date",
    "invalid_reason",
]


def concept_line(
    concept_id: int, vocabulary_id: str, code: str, *, domain: str = "Condition", standard: str = "S"
) -> str:
    """A line of CONCEPT.csv."""
    row = [concept_id, "a name", domain, vocabulary_id, "A Class", standard, code, "19700101", "20991231", ""]
    return "\t".join(map(str, row))


def relationship_line(one: int, other: int, relationship_id: str, invalid: str = "") -> str:
    """A line of CONCEPT_RELATIONSHIP.csv."""
    return "\t".join([str(one), str(other), relationship_id, "19700101", "20991231", invalid])


def export(folder: Path, concepts: list[str], relationships: list[str] | None = None) -> Path:
    """A small Athena export."""
    path = folder / "athena.zip"
    header = "concept_id_1\tconcept_id_2\trelationship_id\tvalid_start_date\tvalid_end_date\tinvalid_reason"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "vocabulary_download/CONCEPT.csv", "\n".join(["\t".join(CONCEPT_HEADER), *concepts]) + "\n"
        )
        archive.writestr(
            "vocabulary_download/CONCEPT_RELATIONSHIP.csv", "\n".join([header, *(relationships or [])])
        )
    return path


def icd_export(folder: Path) -> Path:
    """ICD codes that map to nothing, to one concept, to two domains, and to a concept with a value."""
    return export(
        folder,
        [
            concept_line(101, "SNOMED", "s1"),
            concept_line(102, "SNOMED", "s2", domain="Measurement"),
            concept_line(103, "SNOMED", "s3", domain="Meas Value"),
            concept_line(104, "SNOMED", "s4", standard=""),
            concept_line(201, "ICD10CM", "C71.1", standard=""),
            concept_line(202, "ICD10CM", "C71.9", standard=""),
            concept_line(203, "ICD10CM", "R80.0", standard=""),
            concept_line(204, "ICD10CM", "Z99.9", standard=""),
            concept_line(205, "ICD10CM", "c71.lower", standard=""),
        ],
        [
            relationship_line(101, 101, "Maps to"),
            relationship_line(201, 101, "Maps to"),
            relationship_line(202, 101, "Maps to"),
            relationship_line(202, 102, "Maps to"),
            relationship_line(203, 102, "Maps to"),
            relationship_line(203, 103, "Maps to value"),
            relationship_line(204, 101, "Maps to", invalid="D"),
            relationship_line(204, 104, "Maps to"),
        ],
    )


def source_map(folder: Path, *lines: str) -> Path:
    """A site's own map with the three needed columns."""
    path = folder / "map.csv"
    path.write_text("\n".join(["source_code,source_vocabulary_id,target_concept_id", *lines]) + "\n")
    return path


# Names


@pytest.mark.parametrize(
    ("system", "vocabulary_id"),
    [
        ("http://snomed.info/sct", "SNOMED"),
        ("http://snomed.info/sct|http://snomed.info/sct/731000124108", "SNOMED"),
        ("http://loinc.org", "LOINC"),
        ("https://loinc.org/", "LOINC"),
        ("urn:oid:2.16.840.1.113883.6.1", "LOINC"),
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "RxNorm"),
        ("http://hl7.org/fhir/sid/cvx", "CVX"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "ICD10CM"),
        ("http://terminology.hl7.org/CodeSystem/icd-o-3", "ICDO3"),
        ("http://unitsofmeasure.org", "UCUM"),
        ("http://www.genenames.org/geneId", "HGNC"),
        ("http://dicom.nema.org/resources/ontology/DCM", "DICOM"),
        ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "v3-ActCode"),
        ("http://hl7.org/fhir/administrative-gender", "Gender"),
        ("urn:oid:2.16.840.1.113883.6.238", "CDCREC"),
        ("RxNorm Extension", "RxNorm Extension"),
    ],
)
def test_a_code_system_has_a_vocabulary(system: str, vocabulary_id: str) -> None:
    assert vocabulary_id_of(system) == vocabulary_id


def test_a_hospitals_own_system_has_a_short_stable_name() -> None:
    name = vocabulary_id_of(LOCAL)
    assert name.startswith("local-")
    assert len(name) <= 20
    assert name == vocabulary_id_of(LOCAL + "/") == vocabulary_id_of(LOCAL + "|2.0")
    assert name != vocabulary_id_of(LOCAL + "2")


def test_a_concept_string_is_parsed_at_its_first_colon() -> None:
    assert ConceptCode.parse("HGNC:HGNC:5382") == ConceptCode("HGNC", "HGNC:5382")
    assert str(ConceptCode.parse("LOINC:89243-0")) == "LOINC:89243-0"


def test_a_prefix_matches_what_begins_so() -> None:
    glioma = ConceptCode.parse("ICD10CM:C71%")
    assert glioma.is_prefix
    assert glioma.matches("ICD10CM", "C71.9")
    assert not glioma.matches("ICD10CM", "C72.0")
    assert not glioma.matches("ICD10", "C71.9")
    assert not ConceptCode.parse("ICD10CM:C71").matches("ICD10CM", "C71.9")


@pytest.mark.parametrize(
    "text", ["", "C71", "ICD10CM:", ":C71", "ICD10CM:%", "ICD10CM:C%1", "http://loinc.org:1"]
)
def test_what_is_no_concept_string_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"a concept is|a vocabulary has|% stands"):
        ConceptCode.parse(text)


# What ships with us


def test_the_seed_is_small_and_of_vocabularies_that_may_be_passed_on() -> None:
    assert len(seed()) + len(administrative_map()) <= 200
    assert not {row["vocabulary_id"] for row in seed().values()} & {"SNOMED", "LOINC", "RxNorm", "CPT4"}


def test_the_seed_agrees_with_an_athena_export(sqlite_engine: Engine) -> None:
    loaded = load_athena(sqlite_engine, shared("data/vocabulary/athena_mini.zip"))
    assert loaded["seed_differs"] == 0


def test_without_any_vocabulary_the_administrative_codes_resolve(engine: Engine) -> None:
    found = Vocabulary(engine)
    assert found.resolve("http://hl7.org/fhir/administrative-gender", "female").concept_id == 8532
    assert found.resolve(ACT, "IMP").standard == (StandardConcept(9201, "Visit"),)
    assert found.resolve("http://dicom.nema.org/resources/ontology/DCM", "MR").concept_id == 2128009230
    assert found.resolve("urn:oid:2.16.840.1.113883.6.238", "2106-3").standard == (
        StandardConcept(8527, "Race"),
    )
    assert found.resolve(CM, "cm") == Resolution(CENTIMETER, (StandardConcept(CENTIMETER, "Unit"),))
    assert found.resolve(LOINC, "8302-2") == UNMAPPED


def test_seeding_twice_changes_nothing(engine: Engine) -> None:
    for _ in range(2):
        assert load_seed(engine) == 0
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(concept)) == len(seed())


# An Athena export


def test_the_whole_export_is_loaded_and_twice_changes_nothing(engine: Engine) -> None:
    path = shared("data/vocabulary/athena_mini.zip")
    first = load_athena(engine, path)
    assert load_athena(engine, path) == first
    assert (first["concept"], first["concept_relationship"], first["concept_ancestor"]) == (2436, 5210, 657)
    assert str(first["vocabulary_version"]).startswith("v5.0 09-APR-22")
    with engine.connect() as connection:
        in_file = concept.c.vocabulary_id.in_(["LOINC", "SNOMED"])
        assert connection.scalar(select(func.count()).select_from(concept).where(in_file)) == 300 + 722
        assert connection.scalar(select(func.count()).select_from(concept_ancestor)) == 657
    found = Vocabulary(engine)
    assert found.resolve(LOINC, "8302-2") == Resolution(HEIGHT, (StandardConcept(HEIGHT, "Measurement"),))
    assert found.resolve("SNOMED", "44054006").standard == (StandardConcept(201826, "Condition"),)


def test_every_mapping_of_the_export_is_followed(sqlite_engine: Engine) -> None:
    load_athena(sqlite_engine, shared("data/vocabulary/athena_mini.zip"))
    target = concept.alias()
    pairs = (
        select(concept.c.vocabulary_id, concept.c.concept_code, target.c.concept_id)
        .join(concept_relationship, concept_relationship.c.concept_id_1 == concept.c.concept_id)
        .join(target, target.c.concept_id == concept_relationship.c.concept_id_2)
        .where(
            concept_relationship.c.relationship_id == "Maps to",
            concept_relationship.c.invalid_reason.is_(None),
            concept.c.invalid_reason.is_(None),
            target.c.standard_concept == "S",
        )
    )
    found = Vocabulary(sqlite_engine)
    with sqlite_engine.connect() as connection:
        mapped = connection.execute(pairs).all()
    assert len(mapped) > 2000
    lost = [
        row
        for row in mapped
        if row.concept_id not in {it.concept_id for it in found.resolve(*row[:2]).standard}
    ]
    assert lost == []


def test_one_code_may_mean_concepts_of_two_domains(engine: Engine, tmp_path: Path) -> None:
    load_athena(engine, icd_export(tmp_path))
    found = Vocabulary(engine)
    assert found.resolve("ICD10CM", "C71.1") == Resolution(201, (StandardConcept(101, "Condition"),))
    assert found.resolve("ICD10CM", "C71.9").standard == (
        StandardConcept(101, "Condition"),
        StandardConcept(102, "Measurement"),
    )


def test_a_code_may_mean_a_concept_with_a_value(engine: Engine, tmp_path: Path) -> None:
    load_athena(engine, icd_export(tmp_path))
    proteinuria = Vocabulary(engine).resolve("ICD10CM", "R80.0")
    assert proteinuria.standard == (
        StandardConcept(102, "Measurement"),
        StandardConcept(103, "Meas Value", is_value=True),
    )
    assert (proteinuria.concept_id, proteinuria.value_concept_id) == (102, 103)


def test_a_mapping_that_was_withdrawn_or_leads_to_no_standard_is_not_followed(
    engine: Engine, tmp_path: Path
) -> None:
    load_athena(engine, icd_export(tmp_path))
    assert Vocabulary(engine).resolve("ICD10CM", "Z99.9") == Resolution(204, ())


def test_concept_ids_are_the_codes_their_targets_and_what_is_below(engine: Engine, tmp_path: Path) -> None:
    load_athena(engine, icd_export(tmp_path))
    below = {"ancestor_concept_id": 101, "descendant_concept_id": 999}
    with writing(engine) as connection:
        levels = {"min_levels_of_separation": 1, "max_levels_of_separation": 1}
        upsert(connection, concept_ancestor, [{**below, **levels}])
    found = Vocabulary(engine)
    assert found.concept_ids(ConceptCode.parse("ICD10CM:C71%")) == {201, 202, 101, 102, 999}
    assert found.concept_ids(ConceptCode.parse("ICD10CM:C71.1"), descendants=False) == {201, 101}
    assert found.concept_ids(ConceptCode.parse("ICD10CM:X%")) == frozenset()
    assert found.concept_ids(ConceptCode.parse("DICOM:CT")) == {2128009190}


def test_an_export_replaces_the_older_and_leaves_the_sites_own(engine: Engine, tmp_path: Path) -> None:
    load_athena(engine, icd_export(tmp_path))
    own = {
        **next(iter([dict(row) for row in _concepts(engine) if row["concept_id"] == 101])),
        "concept_id": 2_000_000_001,
    }
    with writing(engine) as connection:
        upsert(connection, concept, [{**own, "vocabulary_id": "Ours", "concept_code": "own"}])
    load_athena(engine, export(tmp_path, [concept_line(101, "SNOMED", "s1")]))
    found = Vocabulary(engine)
    assert found.resolve("ICD10CM", "C71.1") == UNMAPPED
    assert found.resolve("Ours", "own").concept_id == 2_000_000_001


def test_a_broken_export_changes_nothing_and_names_the_line(engine: Engine, tmp_path: Path) -> None:
    load_athena(engine, icd_export(tmp_path))
    good, bad = concept_line(1, "SNOMED", "s1"), concept_line(2, "SNOMED", "s2").replace("19700101", "canary")
    with pytest.raises(VocabularyFileError, match=r"CONCEPT.csv, line 3: cannot be read") as caught:
        load_athena(engine, export(tmp_path, [good, bad]))
    assert "canary" not in str(caught.value)
    assert Vocabulary(engine).resolve("ICD10CM", "C71.1").concept_id == 101


def test_a_key_that_stands_twice_is_said(engine: Engine, tmp_path: Path) -> None:
    line = concept_line(1, "SNOMED", "s1")
    with pytest.raises(VocabularyFileError, match=r"CONCEPT.csv: "):
        load_athena(engine, export(tmp_path, [line, line]))


def test_what_is_no_export_is_said(sqlite_engine: Engine, tmp_path: Path) -> None:
    text = tmp_path / "notes.zip"
    text.write_text("no zip")
    with pytest.raises(VocabularyFileError, match="is not a zip file"):
        load_athena(sqlite_engine, text)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "")
    with pytest.raises(VocabularyFileError, match=r"has no CONCEPT.csv"):
        load_athena(sqlite_engine, tmp_path / "other.zip")


def test_progress_counts_rows(sqlite_engine: Engine, tmp_path: Path) -> None:
    told: list[int] = []
    lines = [concept_line(number, "SNOMED", f"s{number}") for number in range(1, 25_001)]
    load_athena(sqlite_engine, export(tmp_path, lines), told.append)
    assert told == [10_000, 10_000]


# A site's own map


def test_a_local_code_is_mapped_by_the_site(engine: Engine, tmp_path: Path) -> None:
    load_athena(engine, icd_export(tmp_path))
    assert load_source_map(engine, source_map(tmp_path, f"HGB-7,{LOCAL},102", f"HGB-7,{LOCAL},101")) == 2
    found = Vocabulary(engine).resolve(LOCAL, "HGB-7")
    assert found == Resolution(0, (StandardConcept(101, "Condition"), StandardConcept(102, "Measurement")))
    with engine.connect() as connection:
        name = select(vocabulary.c.vocabulary_reference).where(
            vocabulary.c.vocabulary_id == vocabulary_id_of(LOCAL)
        )
        assert connection.scalar(name) == LOCAL


def test_the_sites_map_wins_over_the_vocabulary_and_over_ours(engine: Engine, tmp_path: Path) -> None:
    load_athena(engine, icd_export(tmp_path))
    load_source_map(engine, source_map(tmp_path, "C71.1,ICD10CM,102", "male,Gender,8532"))
    found = Vocabulary(engine)
    assert found.resolve("http://hl7.org/fhir/sid/icd-10-cm", "C71.1").concept_id == 102
    assert found.resolve("http://hl7.org/fhir/administrative-gender", "male").concept_id == 8532


def test_a_code_may_be_mapped_to_nothing(engine: Engine, tmp_path: Path) -> None:
    load_athena(engine, icd_export(tmp_path))
    load_source_map(engine, source_map(tmp_path, "C71.1,ICD10CM,0"))
    assert Vocabulary(engine).resolve("ICD10CM", "C71.1") == UNMAPPED


def test_a_map_to_what_is_no_standard_concept_is_refused_with_its_lines(
    engine: Engine, tmp_path: Path
) -> None:
    load_athena(engine, icd_export(tmp_path))
    with pytest.raises(
        VocabularyFileError, match=r"not a standard concept of the vocabulary here, line 3, 4, 5$"
    ):
        load_source_map(engine, source_map(tmp_path, "a,x,101", "b,x,104", "c,x,7", "d,x,canary"))
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(source_to_concept_map)) == 0


def test_a_map_without_its_columns_is_refused(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("code,target\n")
    with pytest.raises(VocabularyFileError, match="has no column source_code, source_vocabulary_id"):
        load_source_map(sqlite_engine, path)


def _concepts(engine: Engine) -> list[dict[str, object]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(concept)).mappings()]
