"""Genomic variables of a study from the CDM: files in, one number a person out."""

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, func, select, update

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.etl.record import Unreadable
from cdm.schema import genomic_profile, genomic_test, person, variant_occurrence
from cdm.vocabulary.concepts import Vocabulary
from protocols.core.errors import InputError
from server.main import run
from site_node.ingest import genomic_status
from site_node.sources import genomics
from site_node.study_table.people import People
from tests.lib.columns_read import columns_read
from tests.lib.shared import shared
from tests.unit.genomics.test_fusions import ARRIBA
from tests.unit.genomics.test_maf import HEADER, IDH1, TP53, write
from tests.unit.genomics.test_vcf import COLUMNS, CSQ, HEAD, MISSENSE

IDENTITY = Identity(b"k" * 32)
NAN = np.nan
SEG = "ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean"


def add(engine: Engine, path: Path, **options: Any) -> dict[str, Any]:
    """Load a file, and what became of it by kind."""
    summary = load(engine, genomics.read(path, **options), "genomics", IDENTITY)
    return dict(summary.as_dict()["kinds"])


def values(
    engine: Engine, variable: dict[str, Any], *patients: str, doubts: Counter[str] | None = None
) -> list[float]:
    """The variable's number of each patient, with the index date 2024-01-01."""
    ids = np.array([IDENTITY.person_id("", patient) for patient in patients], dtype=np.int64)
    order = np.argsort(ids)
    index = np.full(len(ids), np.datetime64(date(2024, 1, 1)), dtype="datetime64[D]")
    with engine.connect() as connection:
        people = People(
            connection, Vocabulary(engine), ids[order], index, Counter() if doubts is None else doubts
        )
        (found,) = columns_read(variable, people)
    back = np.empty_like(found)
    back[order] = found
    return list(back)


def same(found: list[float], expected: list[float]) -> bool:
    return found == pytest.approx(expected, nan_ok=True)


def count(engine: Engine, table: Any) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def test_a_renamed_file_does_not_load_its_variants_twice(engine: Engine, tmp_path: Path) -> None:
    maf = write(tmp_path / "a.maf", HEADER, IDH1, TP53)
    add(engine, maf, panel="exome", panel_size=2)
    add(engine, maf.rename(tmp_path / "b.maf"), panel="exome", panel_size=2)
    assert (count(engine, variant_occurrence), count(engine, genomic_test)) == (2, 2)
    assert same(values(engine, {"kind": "mutational_burden"}, "S1", "S2"), [0.5, 0.0])


def test_two_files_of_one_sample_are_one_test(engine: Engine, tmp_path: Path) -> None:
    add(engine, write(tmp_path / "snv.maf", HEADER, IDH1), panel="exome", panel_size=1)
    add(
        engine,
        write(tmp_path / "indel.maf", HEADER, TP53.replace("\tS2\t", "\tS1\t")),
        panel="exome",
        panel_size=1,
    )
    assert (count(engine, variant_occurrence), count(engine, genomic_test)) == (2, 1)
    assert values(engine, {"kind": "mutational_burden", "synonymous": True}, "S1") == [2.0]


def test_people_known_only_from_genomics_are_persons(engine: Engine, tmp_path: Path) -> None:
    add(engine, write(tmp_path / "a.maf", HEADER, IDH1, TP53))
    assert count(engine, person) == 2


def test_a_variant_in_two_genes_counts_for_both_and_once_in_the_burden(
    engine: Engine, tmp_path: Path
) -> None:
    effects = "T|missense_variant||IDH1,T|stop_gained||IDH1-AS1,T|upstream_gene_variant||PARD3B"
    line = f"2\t10\t.\tC\tT\t.\tPASS\tCSQ={effects}\tGT\t0/1"
    vcf = write(tmp_path / "a.vcf", *HEAD, CSQ, f"{COLUMNS}\tP1", line)
    add(engine, vcf, panel="exome", panel_size=10)
    states = [values(engine, {"kind": "gene", "gene": g}, "P1")[0] for g in ("IDH1", "IDH1-AS1", "PARD3B")]
    assert states == [1, 1, 0]
    assert values(engine, {"kind": "mutational_burden"}, "P1") == [0.1]


def test_an_inherited_variant_does_not_make_the_tumour_mutated(engine: Engine, tmp_path: Path) -> None:
    header = (*HEAD, "##normal_sample=BLOOD", CSQ)
    lines = [
        f"2\t10\t.\tC\tT\t.\tPASS\t{MISSENSE}\tGT:AD\t0/1:40,38\t0/1:50,50",
        f"2\t20\t.\tC\tT\t.\tPASS\t{MISSENSE.replace('IDH1', 'TP53')}\tGT:AD\t0/0:80,1\t0/1:50,50",
    ]
    vcf = write(tmp_path / "a.vcf", *header, f"{COLUMNS}\tBLOOD\tP1", *lines)
    add(engine, vcf, panel="exome")
    gene = {"kind": "gene", "gene": "IDH1"}
    assert values(engine, gene, "P1") == [0]
    assert values(engine, {**gene, "origin": "germline"}, "P1") == [1]
    assert values(engine, {**gene, "origin": "any"}, "P1") == [1]
    assert values(engine, {**gene, "gene": "TP53"}, "P1") == [1]
    # nothing says that the germline of TP53 was looked at
    assert same(values(engine, {**gene, "gene": "TP53", "origin": "germline"}, "P1"), [NAN])


def test_a_germline_file_says_nothing_of_the_tumour(engine: Engine, tmp_path: Path) -> None:
    add(engine, write(tmp_path / "a.maf", HEADER, IDH1, TP53), panel="exome", origin="germline")
    gene = {"kind": "gene", "gene": "IDH1"}
    assert same(values(engine, gene, "S1", "S2"), [NAN, NAN])
    assert same(values(engine, {**gene, "origin": "germline"}, "S1", "S2"), [1, 0])


def test_two_genome_builds_in_one_load_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.maf", HEADER, IDH1)
    write(tmp_path / "b.maf", HEADER, TP53.replace("hg19", "GRCh38"))
    found = list(genomics.read(tmp_path))
    assert [getattr(one, "code", "record") for one in found] == ["record", "mixed-genome-builds"]


def test_a_table_that_nothing_reads_is_told_and_not_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "a.maf", HEADER, IDH1)
    panel = write(tmp_path / "panel.tsv", "gene\tchromosome", "IDH1\t2")
    samples = write(tmp_path / "samples.tsv", "sample\tpatient", "S1\tP1")
    write(tmp_path / "odd.csv", "person,thing", "1,2")
    (tmp_path / "sheet.xlsx").write_bytes(b"PK\x03\x04 and so on")
    write(tmp_path / "notes.md", "not a table")
    found = list(genomics.read(tmp_path, panel, samples))
    assert [(one.position, one.code) for one in found if isinstance(one, Unreadable)] == [
        ("odd.csv", "unknown-format"),
        ("sheet.xlsx", "packed-file"),
    ]


def test_a_fusion_is_no_mutation_and_a_mutation_test_says_nothing_of_fusions(
    engine: Engine, tmp_path: Path
) -> None:
    line = "FGFR3\tTACC3\t4:1806934\t4:1739702\ttranslocation\t5\t7\t9\thigh\tin-frame"
    add(engine, write(tmp_path / "P1.fusions.tsv", ARRIBA, line), panel="transcriptome")
    add(engine, write(tmp_path / "P2.fusions.tsv", ARRIBA), panel="transcriptome")
    add(engine, write(tmp_path / "a.maf", HEADER, IDH1), panel="exome")
    people = ("P1", "P2", "S1")
    assert same(values(engine, {"kind": "fusion", "gene": "tacc3"}, *people), [1, 0, NAN])
    assert same(values(engine, {"kind": "fusion", "gene": "FGFR3", "partner": "BRAF"}, *people), [0, 0, NAN])
    assert same(values(engine, {"kind": "fusion", "gene": "FGFR3", "least_reads": 22}, *people), [0, 0, NAN])
    assert same(values(engine, {"kind": "gene", "gene": "FGFR3"}, *people), [NAN, NAN, 0])


def test_copy_number_of_a_gene(engine: Engine, tmp_path: Path) -> None:
    bed = write(tmp_path / "g.bed", "7\t100\t200\tEGFR", "9\t100\t200\tCDKN2A")
    seg = write(tmp_path / "a.seg", SEG, "S1\t7\t1\t900\t40\t1.5", "S1\t9\t1\t900\t40\t-0.5")
    add(engine, seg, genes=bed, build="hg38")
    call = {"kind": "copy_number", "gene": "EGFR"}
    assert same(values(engine, call, "S1", "S2"), [2, NAN])
    assert values(engine, {**call, "gene": "cdkn2a"}, "S1") == [-1]
    assert values(engine, {**call, "unit": "log2_ratio"}, "S1") == [1.5]
    # a copy number test says nothing of mutations
    assert same(values(engine, {"kind": "gene", "gene": "EGFR"}, "S1"), [NAN])


def test_called_copy_numbers_of_a_laboratory(engine: Engine, tmp_path: Path) -> None:
    cna = write(tmp_path / "data_cna.txt", "Hugo_Symbol\tEntrez_Gene_Id\tS1\tS2", "EGFR\t1956\t2\t-1")
    add(engine, cna, values="copy-number-call")
    assert values(engine, {"kind": "copy_number", "gene": "EGFR"}, "S1", "S2") == [2, -1]


def test_expression_and_methylation(engine: Engine, tmp_path: Path) -> None:
    add(engine, write(tmp_path / "t.tsv", "gene\tS1\tS2", "IDH1\t3\t7", "TP53\t0\tNA"), values="tpm")
    add(engine, write(tmp_path / "m.tsv", "probe\tS1", "cg00000029\t0.87"))
    expression = {"kind": "expression", "gene": "IDH1"}
    assert values(engine, expression, "S1", "S2") == [2, 3]
    assert values(engine, {**expression, "unit": "tpm"}, "S1", "S2") == [3, 7]
    assert same(values(engine, {**expression, "gene": "TP53"}, "S1", "S2"), [0, NAN])
    assert same(values(engine, {**expression, "gene": "ATRX"}, "S1"), [NAN])
    probe = {"kind": "methylation", "probe": "cg00000029"}
    assert same(values(engine, probe, "S1", "S2"), [0.87, NAN])
    # reference/stats/bayes_genomics_golden.json
    assert values(engine, {**probe, "unit": "m"}, "S1") == pytest.approx([2.652076696579693], rel=1e-6)


def test_a_corrected_table_replaces_every_number(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", "gene\tS1", "IDH1\t3", "TP53\t5")
    add(engine, path, values="tpm")
    write(path, "gene\tS1", "IDH1\t4")
    assert add(engine, path, values="tpm")["Profile"]["replaced"] == 1
    assert same(values(engine, {"kind": "expression", "gene": "IDH1", "unit": "tpm"}, "S1"), [4])
    assert same(values(engine, {"kind": "expression", "gene": "TP53", "unit": "tpm"}, "S1"), [NAN])
    assert count(engine, genomic_profile) == 1


def test_the_burden_needs_a_size_and_leaves_out_silent_and_rare(engine: Engine, tmp_path: Path) -> None:
    rare = IDH1.replace("209113112", "209113113").replace("\t60\t40\t", "\t99\t1\t")
    maf = write(tmp_path / "a.maf", HEADER, IDH1, rare, TP53.replace("\tS2\t", "\tS1\t"))
    bed = write(tmp_path / "panel.bed", "chr2\t0\t600000\tIDH1", "2\t500000\t1000000\tIDH1", "17\t0\t1\tTP53")
    tmb: dict[str, Any] = {"kind": "mutational_burden"}
    add(engine, maf, panel="exome")
    assert same(values(engine, tmb, "S1"), [NAN])
    add(engine, maf, panel=bed)
    found = [
        values(engine, {**tmb, **more}, "S1")[0] for more in ({}, {"synonymous": True}, {"least_vaf": 0.05})
    ]
    size = 1.0 + 1e-6  # the two regions of chromosome 2 overlap
    assert found == pytest.approx([2 / size, 3 / size, 1 / size])


def test_ctdna_at_a_time(engine: Engine, tmp_path: Path) -> None:
    rows = [
        "P1,2023-12-20,TP53,0.08",
        "P1,2024-02-01,TP53,0.01",
        "P1,2024-02-01,KRAS,0.02",
        "P1,2024-06-01,,0",
    ]
    add(engine, write(tmp_path / "c.csv", "patient,date,gene,vaf", *rows))
    ctdna: dict[str, Any] = {"kind": "ctdna"}
    assert same(values(engine, ctdna, "P1", "P2"), [0.08, NAN])
    assert values(engine, {**ctdna, "pick": "last"}, "P1") == [0]
    window = {"from_days": 0, "to_days": 90}
    assert values(engine, {**ctdna, "window": window}, "P1") == [0.02]
    assert values(engine, {**ctdna, "window": window, "gene": "tp53"}, "P1") == [0.01]


def test_the_cancer_cell_fraction_takes_purity_and_copies_of_its_own_sample(
    engine: Engine, tmp_path: Path
) -> None:
    """The first case of reference/stats/bayes_genomics_golden.json: VAF 0.22, purity 0.6, 2 copies, m 1."""
    maf = write(tmp_path / "a.maf", HEADER, IDH1.replace("\t60\t40\t", "\t78\t22\t"), TP53)
    fraction = {"kind": "cancer_cell_fraction", "gene": "IDH1"}
    add(engine, maf)
    add(engine, write(tmp_path / "purity.tsv", "sample\tpurity", "S1\t0.6", "S2\t0.5"))
    assert same(values(engine, fraction, "S1", "S2"), [NAN, NAN])  # the copies are not known
    add(engine, write(tmp_path / "a.seg", SEG, "S1\t2\t1\t300000000\t999\t0"), build="hg19")
    assert same(values(engine, fraction, "S1", "S2"), [0.22 / 0.6 * 2, NAN])
    assert values(engine, {"kind": "purity"}, "S1", "S2") == [0.6, 0.5]


def test_the_cancer_cell_fraction_takes_no_copies_of_another_genome_build(
    engine: Engine, tmp_path: Path
) -> None:
    add(engine, write(tmp_path / "a.maf", HEADER, IDH1))
    add(engine, write(tmp_path / "purity.tsv", "sample\tpurity", "S1\t0.6"))
    add(engine, write(tmp_path / "a.seg", SEG, "S1\t2\t1\t300000000\t999\t0"), build="hg38")
    assert same(values(engine, {"kind": "cancer_cell_fraction", "gene": "IDH1"}, "S1"), [NAN])


def test_a_fraction_above_one_is_kept_and_counted_and_multiplicity_ends_at_the_copies(
    engine: Engine, tmp_path: Path
) -> None:
    """VAF 0.9, purity 0.2, 2 copies: 9 copies with the variant would have made it 1 in silence."""
    add(engine, write(tmp_path / "a.maf", HEADER, IDH1.replace("\t60\t40\t", "\t10\t90\t")))
    add(engine, write(tmp_path / "purity.tsv", "sample\tpurity", "S1\t0.2"))
    add(engine, write(tmp_path / "a.seg", SEG, "S1\t2\t1\t300000000\t999\t0"), build="hg19")
    doubts: Counter[str] = Counter()
    fraction = {"kind": "cancer_cell_fraction", "gene": "IDH1"}
    assert same(values(engine, fraction, "S1", doubts=doubts), [0.9 / 0.2 * 2 / 2])
    assert doubts == {"fraction-above-one": 1}


@pytest.mark.parametrize(
    ("concept", "expected"), [("M", 0.3 / 0.6 * 1), ("F", 0.3 / 0.6 * (0.6 + 0.4 * 2)), (None, NAN)]
)
def test_a_mans_x_has_one_copy_in_normal_cells(
    engine: Engine, tmp_path: Path, concept: str | None, expected: float
) -> None:
    """Purity 0.6 and one copy in the tumour: the segment's ratio is to two copies."""
    on_x = IDH1.replace("\t60\t40\t", "\t70\t30\t").replace("\tchr2\t", "\tchrX\t")
    add(engine, write(tmp_path / "a.maf", HEADER, on_x))
    add(engine, write(tmp_path / "purity.tsv", "sample\tpurity", "S1\t0.6"))
    mixed = 1.0 if concept == "M" else 0.6 + 0.4 * 2
    ratio = np.log2(mixed / 2)
    add(engine, write(tmp_path / "a.seg", SEG, f"S1\tX\t1\t300000000\t999\t{ratio}"), build="hg19")
    if concept is not None:
        with engine.begin() as connection:
            gender = Vocabulary(engine).resolve("Gender", concept).concept_id
            connection.execute(update(person).values(gender_concept_id=gender))
    assert same(values(engine, {"kind": "cancer_cell_fraction", "gene": "IDH1"}, "S1"), [expected])


def test_laml_with_its_segments_loads_whole(sqlite_engine: Engine, tmp_path: Path) -> None:
    """2,207 variants, 6,470 and 818 segments of 200 people; EZH2 lies on 7q, lost in some of them."""
    folder = shared("data/genomics/tcga_laml")
    bed = write(tmp_path / "g.bed", "7\t148504463\t148581441\tEZH2")
    options = {"panel": "exome", "samples": folder / "tcga_laml_annot.tsv", "build": "hg19", "genes": bed}
    kinds = add(sqlite_engine, folder, **options)
    assert {kind: one["loaded"] for kind, one in kinds.items()} == {
        "MAF": 200,
        "Segments": 192,
        "Profile": 192,
    }
    assert all(one["quarantined"] == 0 for one in kinds.values())
    assert count(sqlite_engine, variant_occurrence) == 2207 + 6470 + 818
    assert count(sqlite_engine, person) == 200
    assert genomic_status.status(sqlite_engine) == [
        {
            "assay": "copy number",
            "people": 191,
            "samples": 191,
            "findings": 6470 + 818,
            "of_each_gene": "log2 ratio",
        },
        {
            "assay": "small variants",
            "people": 200,
            "samples": 200,
            "findings": 2207,
            "of_each_gene": "",
        },
    ]
    with sqlite_engine.connect() as connection:
        ids = np.sort(np.array(connection.scalars(select(person.c.person_id)).all(), dtype=np.int64))
        index = np.full(len(ids), np.datetime64("2020-01-01"), dtype="datetime64[D]")
        people = People(connection, Vocabulary(sqlite_engine), ids, index)
        (calls,) = columns_read({"kind": "copy_number", "gene": "EZH2"}, people)
    # awk '$2==7 && $3<=148504463 && $4>=148581441' LAML_CBS_segments.tsv: 191 lines, 6 of them <= -0.25
    assert np.isnan(calls).sum() == 9
    assert (calls < 0).sum() == 6


@pytest.mark.parametrize(
    "option",
    [{"origin": "maybe"}, {"values": "apples"}, {"panel_size": -1}, {"genes": Path("nowhere.gtf")}],
    ids=["origin", "values", "panel size", "genes"],
)
def test_an_option_that_is_none_is_refused(tmp_path: Path, option: dict[str, Any]) -> None:
    maf = write(tmp_path / "a.maf", HEADER, IDH1)
    with pytest.raises(InputError):
        list(genomics.read(maf, **option))


def test_the_command_takes_what_the_files_do_not_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "site.toml", 'name = "here"')
    seg = write(tmp_path / "a.seg", SEG, "S1\t7\t1\t900\t40\t1.5")
    bed = write(tmp_path / "g.bed", "7\t100\t200\tEGFR")
    arguments = ["data", "add", "genomics", str(seg), "--genes", str(bed), "--build", "hg38"]
    assert run([*arguments, "--home", str(tmp_path)], as_json=True) == 0
    kinds = {one["kind"]: one["loaded"] for one in json.loads(capsys.readouterr().out)["kinds"]}
    assert kinds == {"Segments": 1, "Profile": 1}
    assert run(["features", "genomics", "status", "--home", str(tmp_path)], as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["assays"][0]["findings"] == 1
