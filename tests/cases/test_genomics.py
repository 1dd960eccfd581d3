"""Genomic files on which the product gave a wrong answer, by the name of the case's folder."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, select

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.etl.record import SourceRecord, Unreadable
from cdm.schema import genomic_test, target_gene, variant_occurrence
from cdm.vocabulary.concepts import Vocabulary
from site_node.sources import fhir, genomics
from site_node.study_table.people import People
from tests.lib.columns_read import columns_read
from tests.lib.shared import shared

IDENTITY = Identity(b"k" * 32)
MUTATED, NOT_MUTATED, MISSING = 1.0, 0.0, np.nan


def value(engine: Engine, variable: dict[str, Any], patient: str) -> float:
    """The variable's number of one patient."""
    return value_and_doubts(engine, variable, patient)[0]


def value_and_doubts(engine: Engine, variable: dict[str, Any], patient: str) -> tuple[float, dict[str, int]]:
    """The variable's number of one patient, and the records that it left open by kind of doubt."""
    ids = np.array([IDENTITY.person_id("", patient)], dtype=np.int64)
    index = np.full(1, np.datetime64(date(2024, 1, 1)), dtype="datetime64[D]")
    with engine.connect() as connection:
        people = People(connection, Vocabulary(engine), ids, index)
        (found,) = columns_read(variable, people)
    return float(found[0]), dict(people.doubts)


def add(engine: Engine, path: Path) -> list[str]:
    """Loads a file as an exome; the place and code of what is reported of it."""
    found = list(genomics.read(path, "exome"))
    load(engine, found, "genomics", IDENTITY)
    return [f"{one.position}: {one.code}" for one in found if isinstance(one, Unreadable)]


def variants(path: Path) -> list[dict[str, Any]]:
    """The variants of all samples of a file."""
    records = [one for one in genomics.read(path, "exome") if isinstance(one, SourceRecord)]
    return [variant for record in records for variant in record.body["variants"]]


# case -> gene and patient -> what is right; EXPECT.txt says why
STATES: dict[str, dict[tuple[str, str], float]] = {
    "40_maf_mutation_status": {
        ("IDH1", "p0"): MUTATED,
        ("IDH1", "p1"): NOT_MUTATED,
        ("IDH1", "p2"): NOT_MUTATED,
        ("IDH1", "p3"): NOT_MUTATED,
    },
    "41_maf_gene_names_made_dates": {
        ("MARCH1", "p0"): MISSING,
        ("MARCHF1", "p0"): MISSING,
        ("MTARC1", "p0"): MISSING,
        ("SEPT9", "p0"): MISSING,
        ("SEPTIN9", "p0"): MISSING,
        ("IDH1", "p0"): NOT_MUTATED,
    },
    "42_maf_earlier_gene_symbol": {
        ("KMT2D", "p0"): MUTATED,
        ("MLL2", "p0"): MUTATED,
        ("IDH1", "p0"): NOT_MUTATED,
        ("KMT2D2", "p0"): MISSING,
    },
    "43_maf_both_alleles_reference": {("IDH1", "p0"): NOT_MUTATED},
    "44_maf_two_genes_in_one_field": {("IDH1", "p0"): MUTATED, ("IDH1-AS1", "p0"): MUTATED},
    "45_vcf_normal_named_by_pedigree": {("IDH1", "T1"): NOT_MUTATED},
    "46_vcf_no_call_with_one_read": {("IDH1", "p0"): MUTATED, ("IDH1", "p1"): MISSING},
    "47_vcf_lower_case_alleles": {("IDH1", "p0"): NOT_MUTATED},
    "48_maf_without_second_tumour_allele": {("IDH1", "p0"): MUTATED},
}


@pytest.mark.parametrize("case", STATES)
def test_a_gene_is_mutated_not_mutated_or_not_known(sqlite_engine: Engine, case: str) -> None:
    (file,) = (one for one in shared(f"cases/{case}").iterdir() if one.name != "EXPECT.txt")
    add(sqlite_engine, file)
    found = {
        asked: value(sqlite_engine, {"kind": "gene", "gene": asked[0]}, asked[1]) for asked in STATES[case]
    }
    assert found == pytest.approx(STATES[case], nan_ok=True)


def test_40_maf_mutation_status_is_counted(sqlite_engine: Engine) -> None:
    reported = add(sqlite_engine, shared("cases/40_maf_mutation_status/x.maf"))
    assert reported == [f"x.maf:{line}: no-mutation" for line in (3, 4, 5)]


def test_41_maf_gene_names_made_dates_is_reported(sqlite_engine: Engine) -> None:
    reported = add(sqlite_engine, shared("cases/41_maf_gene_names_made_dates/x.maf"))
    assert reported == ["x.maf:2: gene-name-date", "x.maf:3: gene-name-date"]


def test_45_vcf_normal_named_by_pedigree_is_germline_and_nobody(sqlite_engine: Engine) -> None:
    add(sqlite_engine, shared("cases/45_vcf_normal_named_by_pedigree/x.vcf"))
    with sqlite_engine.connect() as connection:
        people = set(connection.scalars(select(genomic_test.c.person_id)))
        origins = list(connection.scalars(select(variant_occurrence.c.genetic_origin)))
    assert people == {IDENTITY.person_id("", "T1")}
    assert origins == ["germline"]


def test_48_maf_without_second_tumour_allele_keeps_the_allele() -> None:
    (variant,) = variants(shared("cases/48_maf_without_second_tumour_allele/x.maf"))
    assert variant["alternate_allele"] == "T"


def test_cr_only_maf_has_its_line() -> None:
    """Lines that end in a carriage return alone, as old spreadsheets write them."""
    (variant,) = variants(shared("cases/cdm/cr_only.maf"))
    assert (variant["target_gene1_symbol"], variant["alternate_allele"]) == ("EGFR", "G")


def test_no_gt_many_vcf_carries_by_likelihood() -> None:
    """GL says 0/0 of S1 and 0/1 of S2; no sample carries a line only because the line is there."""
    path = shared("cases/cdm/no_gt_many.vcf")
    records = [one for one in genomics.read(path, "exome") if isinstance(one, SourceRecord)]
    assert {one.body["sample"]: len(one.body["variants"]) for one in records} == {"S1": 0, "S2": 1}


# patient -> variable -> what is right of EGFR; of `region` KRAS was tested too
REPORTED: dict[str, dict[str, float]] = {
    "vafpct": {"gene": MUTATED, "fusion": MISSING, "copy_number": MISSING},
    "silent": {"gene": NOT_MUTATED, "fusion": MISSING, "copy_number": MISSING},
    "gain": {"gene": MISSING, "fusion": MISSING, "copy_number": 2.0},
    "fused": {"gene": MISSING, "fusion": 1.0, "copy_number": MISSING},
    "coords": {"gene": MUTATED, "fusion": MISSING, "copy_number": MISSING},
    "ncbi": {"gene": MUTATED, "fusion": MISSING, "copy_number": MISSING},
    "region": {"gene": NOT_MUTATED, "fusion": MISSING, "copy_number": MISSING},
}


@pytest.mark.parametrize("patient", REPORTED)
def test_genomics_reporting_says_what_kind_of_change_it_is(sqlite_engine: Engine, patient: str) -> None:
    load(sqlite_engine, fhir.read(shared("cases/cdm/genomics_reporting.ndjson")), "fhir", IDENTITY)
    found = {
        kind: value(sqlite_engine, {"kind": kind, "gene": "EGFR"}, patient) for kind in REPORTED[patient]
    }
    assert found == pytest.approx(REPORTED[patient], nan_ok=True)


def test_genomics_reporting_fraction_place_and_gene(sqlite_engine: Engine) -> None:
    load(sqlite_engine, fhir.read(shared("cases/cdm/genomics_reporting.ndjson")), "fhir", IDENTITY)
    variant, target = variant_occurrence.c, target_gene.c
    place = (variant.chromosome, variant.position, variant.end_position, variant.reference_genome)
    of = variant.person_id == IDENTITY.person_id("", "coords")
    with sqlite_engine.connect() as connection:
        fractions = list(connection.scalars(select(variant.vaf).where(variant.vaf.is_not(None))))
        (where,) = connection.execute(select(*place, variant.genotype).where(of))
        genes = set(connection.execute(select(target.hgnc_symbol, target.hgnc_id)))
    assert fractions == pytest.approx([0.574])
    assert tuple(where) == ("7", 55191822, 55191822, "GRCh38", "heterozygous")
    assert genes == {("EGFR", "HGNC:3236"), ("KRAS", "HGNC:6407")}


def test_a_gene_left_open_by_a_date_for_a_name_is_in_doubt(sqlite_engine: Engine) -> None:
    add(sqlite_engine, next(shared("cases/41_maf_gene_names_made_dates").glob("*.maf*")))
    for gene, doubts in (("SEPT9", {"gene-open": 1}), ("IDH1", {})):
        found = value_and_doubts(sqlite_engine, {"kind": "gene", "gene": gene}, "p0")
        assert found[1] == doubts
