"""The tables against the official field lists of OMOP CDM 5.4, MI-CDM and G-CDM."""

import csv
from collections import defaultdict

import pytest
from sqlalchemy import BigInteger, Column, Date, DateTime, Double, Integer, String, Table, Text

import cdm.schema
from cdm.schema import metadata
from tests.lib.shared import shared

LISTS = ("omop54_fields", "mi_cdm_fields", "genomic_cdm_fields")

# G-CDM requires what a MAF file cannot know (cdm/schema/genomics.py), and once types a key as text.
OPTIONAL_HERE = {
    ("genomic_test", "care_site_id"),
    ("target_gene", "hgnc_id"),
    ("variant_occurrence", "procedure_occurrence_id"),
    ("variant_occurrence", "specimen_id"),
}
SAME = {"int": "integer"}
KEYS_TYPED_AS_TEXT = {("variant_occurrence", "target_gene1_id"), ("variant_occurrence", "target_gene2_id")}


def official(name: str) -> dict[str, list[dict[str, str]]]:
    """Table -> its fields in the official order; the names without the list's quotes (one is `"offset"`)."""
    tables: dict[str, list[dict[str, str]]] = defaultdict(list)
    with shared(f"data/omop/{name}.csv").open() as file:
        for field in csv.DictReader(file):
            tables[field["table"]].append({**field, "field": field["field"].strip('"')})
    return tables


def official_type(column: Column[object]) -> str:
    """The type of a column in the words of the official lists."""
    match column.type:
        case Text():
            return "varchar(max)"
        case String(length=length):
            return f"varchar({length})"
        case BigInteger() | Integer():
            return "integer"
        case DateTime():
            return "datetime"
        case Date():
            return "date"
        case Double():
            return "float"
    raise AssertionError(f"no official word for the type of {column}")


@pytest.mark.parametrize(
    ("name", "tables", "fields"), [(LISTS[0], 39, 432), (LISTS[1], 2, 23), (LISTS[2], 4, 52)]
)
def test_every_official_field_is_there_in_its_order(name: str, tables: int, fields: int) -> None:
    lists = official(name)
    assert len(lists) == tables
    assert sum(map(len, lists.values())) == fields
    for table, wanted in lists.items():
        names = [column.name for column in metadata.tables[table].c][: len(wanted)]
        assert names == [field["field"] for field in wanted], table


@pytest.mark.parametrize("name", LISTS)
def test_types_are_the_official_ones(name: str) -> None:
    for table, fields in official(name).items():
        for field in fields:
            if (table, field["field"]) not in KEYS_TYPED_AS_TEXT:
                column = metadata.tables[table].c[field["field"]]
                assert official_type(column) == SAME.get(field["type"], field["type"]), column


@pytest.mark.parametrize("name", LISTS)
def test_required_fields_and_keys_are_the_official_ones(name: str) -> None:
    for table, fields in official(name).items():
        for field in fields:
            column = metadata.tables[table].c[field["field"]]
            assert column.primary_key == (field["pk"] == "1"), column
            required = field["required"] == "1" and (table, field["field"]) not in OPTIONAL_HERE
            assert column.nullable != required, column


@pytest.mark.parametrize("name", LISTS)
def test_references_are_the_official_ones(name: str) -> None:
    for table, fields in official(name).items():
        for field in fields:
            info = metadata.tables[table].c[field["field"]].info
            assert info.get("references", "") == field["fk_table"].lower(), (table, field["field"])
            assert info.get("domain", "") == field.get("fk_domain", ""), (table, field["field"])
            assert info.get("concept_class", "") == field.get("fk_class", ""), (table, field["field"])


def test_every_reference_names_a_table_that_exists() -> None:
    named = {
        column.info["references"] for table in metadata.tables.values() for column in table.c if column.info
    }
    assert named <= metadata.tables.keys()


def test_every_table_is_exported_under_its_omop_name() -> None:
    exported = {name: table for name, table in vars(cdm.schema).items() if isinstance(table, Table)}
    names = {"metadata" if name == "omop_metadata" else name: table.name for name, table in exported.items()}
    assert names == {name: name for name in metadata.tables}
