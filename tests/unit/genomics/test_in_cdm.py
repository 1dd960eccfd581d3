"""Genomic files in the CDM: the same tables as FHIR's variants, idempotent, on SQLite and PostgreSQL."""

import random
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, func, select

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.etl.record import SourceRecord
from cdm.schema import genomic_test, quarantine, target_gene, variant_occurrence
from cdm.vocabulary.concepts import Vocabulary
from site_node.sources import genomics
from site_node.study_table import genomic_records
from site_node.study_table.people import People
from tests.lib.patients import patient
from tests.lib.shared import shared
from tests.unit.genomics.test_maf import HEADER, IDH1, TP53, write
from tests.unit.genomics.test_vcf import COLUMNS, CSQ, HEAD, MISSENSE

IDENTITY = Identity(b"k" * 32)


def states(engine: Engine, gene: str, *patients: str) -> list[float]:
    """The state of the gene in each patient."""
    ids = np.array([IDENTITY.person_id("", patient) for patient in patients], dtype=np.int64)
    order = np.argsort(ids)
    index = np.full(len(ids), np.datetime64(date(2020, 1, 1)), dtype="datetime64[D]")
    with engine.connect() as connection:
        found = genomic_records.gene_states(People(connection, Vocabulary(engine), ids[order], index), gene)
    back = np.empty_like(found)
    back[order] = found
    return list(back)


def observation(patient: str, gene: str, answer: str) -> SourceRecord:
    """A genomics-reporting variant Observation."""
    loinc = "http://loinc.org"
    body: dict[str, Any] = {
        "resourceType": "Observation",
        "id": f"{patient}-{gene}",
        "status": "final",
        "code": {"coding": [{"system": loinc, "code": "69548-6"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2020-01-01",
        "valueCodeableConcept": {"coding": [{"system": loinc, "code": answer}]},
        "component": [
            {
                "code": {"coding": [{"system": loinc, "code": "48018-6"}]},
                "valueCodeableConcept": {"coding": [{"code": "HGNC:5382", "display": gene}]},
            }
        ],
    }
    return SourceRecord("Observation", body["id"], "o.ndjson:1", body)


def test_laml_loads_whole_and_twice_changes_nothing(engine: Engine) -> None:
    path = shared("data/genomics/tcga_laml/tcga_laml.maf.gz")
    samples = shared("data/genomics/tcga_laml/tcga_laml_annot.tsv")
    first = load(engine, genomics.read(path, "exome", samples), "genomics", IDENTITY)
    again = load(engine, genomics.read(path, "exome", samples), "genomics", IDENTITY)
    assert (first.kinds["MAF"].loaded, again.kinds["MAF"].unchanged) == (200, 200)
    with engine.connect() as connection:
        counts = [
            connection.scalar(select(func.count()).select_from(table))
            for table in (genomic_test, variant_occurrence, target_gene, quarantine)
        ]
    assert counts == [200, 2207, 0, 0]
    # `zgrep IDH1`: TCGA-AB-2802 carries R132H, TCGA-AB-2803 none in IDH1.
    assert states(engine, "IDH1", "TCGA-AB-2802", "TCGA-AB-2803", "nobody") == pytest.approx(
        [1, 0, np.nan], nan_ok=True
    )


def test_fhir_maf_and_vcf_answer_the_same_question(engine: Engine, tmp_path: Path) -> None:
    reports = [observation("F1", "IDH1", "LA9633-4"), observation("F2", "IDH1", "LA9634-2")]
    reports.append(observation("F3", "IDH1", "LA11884-6"))  # indeterminate
    load(engine, [*map(patient, ("F1", "F2", "F3")), *reports], "fhir", IDENTITY)
    panel = write(tmp_path / "panel.txt", "IDH1")
    maf = write(tmp_path / "a.maf", HEADER, IDH1, TP53)
    line = f"2\t10\t.\tC\tT\t.\tPASS\t{MISSENSE}\tGT\t0/1\t0/0"
    vcf = write(tmp_path / "a.vcf", *HEAD, CSQ, f"{COLUMNS}\tV1\tV2", line)
    load(engine, [*genomics.read(maf, panel), *genomics.read(vcf, panel)], "genomics", IDENTITY)
    found = states(engine, "idh1", "F1", "F2", "F3", "S1", "S2", "V1", "V2")
    assert found == pytest.approx([1, 0, np.nan, 1, 0, 1, 0], nan_ok=True)
    # Nobody's panel held TP53, and S2's own silent variant shows that hers reached it.
    assert states(engine, "TP53", "F1", "S1", "S2", "V1") == pytest.approx(
        [np.nan, np.nan, 0, np.nan], nan_ok=True
    )


def test_a_variant_that_its_caller_filtered_out_is_none(engine: Engine, tmp_path: Path) -> None:
    maf = write(tmp_path / "a.maf", HEADER, IDH1.replace("\tPASS", "\tartifact"))
    load(engine, genomics.read(maf), "genomics", IDENTITY)
    assert states(engine, "IDH1", "S1") == [0]


def test_a_corrected_file_leaves_no_variant_behind(engine: Engine, tmp_path: Path) -> None:
    maf = write(tmp_path / "a.maf", HEADER, IDH1, TP53.replace("S2", "S1"))
    load(engine, genomics.read(maf, "exome"), "genomics", IDENTITY)
    write(maf, HEADER, TP53.replace("S2", "S1"))
    summary = load(engine, genomics.read(maf, "exome"), "genomics", IDENTITY)
    assert summary.kinds["MAF"].replaced == 1
    assert states(engine, "IDH1", "S1") == [0]


def test_the_sample_name_does_not_enter_the_cdm(sqlite_engine: Engine, tmp_path: Path) -> None:
    maf = write(tmp_path / "a.maf", HEADER, IDH1.replace("\tS1\t", "\tcanary-barcode\t"))
    load(sqlite_engine, genomics.read(maf), "genomics", IDENTITY)
    with sqlite_engine.connect() as connection:
        rows = [
            connection.execute(select(table)).all()
            for table in (genomic_test, target_gene, variant_occurrence)
        ]
    assert "canary" not in repr(rows)


@pytest.mark.parametrize("seed", range(50))
def test_a_fuzzed_file_is_read_or_reported(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    line = f"2\t10\t.\tC\tT\t.\tPASS\t{MISSENSE}\tGT:AD\t0/1:3,4"
    for text in ("\n".join([HEADER, IDH1, TP53]), "\n".join([*HEAD, CSQ, f"{COLUMNS}\tV1", line])):
        content = bytearray(text.encode())
        for _ in range(chance.randint(1, 12)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path = tmp_path / "fuzzed"
        path.write_bytes(content[: chance.randint(1, len(content))])
        for one in genomics.read(path, "exome"):
            assert one.position
