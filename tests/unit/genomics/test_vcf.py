"""VCF as callers and annotators write it."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from cdm.etl.record import SourceRecord, Unreadable
from site_node.sources import genomics

CSQ = (
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. '
    'Format: Allele|Consequence|IMPACT|SYMBOL|Gene|Feature|CANONICAL|HGVSc|HGVSp">'
)
ANN = "##INFO=<ID=ANN,Number=.,Type=String,Description=\"Functional annotations: 'Allele | Annotation'\">"
HEAD = ("##fileformat=VCFv4.2", "##reference=file:///refs/GRCh38.fa")
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"
MISSENSE = "CSQ=T|missense_variant|MODERATE|IDH1|ENSG1|ENST1|YES|c.395G>A|p.Arg132His"


def vcf(path: Path, *lines: str, columns: str = "TUMOR", header: tuple[str, ...] = (*HEAD, CSQ)) -> Path:
    text = "\n".join([*header, f"{COLUMNS}\t{columns}", *lines]) + "\n"
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode())
    return path


def read(path: Path, **options: Any) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """The variants by patient, and the codes of what could not be read."""
    found = list(genomics.read(path, **options))
    variants = {one.body["patient"]: one.body["variants"] for one in found if isinstance(one, SourceRecord)}
    return variants, [one.code for one in found if isinstance(one, Unreadable)]


def test_a_site_becomes_a_variant_with_gene_consequence_and_fraction(tmp_path: Path) -> None:
    line = f"chr2\t208248388\trs121913500\tC\tT\t.\tPASS\tDP=100;{MISSENSE}\tGT:AD\t0/1:60,40"
    variants, faults = read(vcf(tmp_path / "a.vcf.gz", line, columns="P1"))
    assert not faults
    assert variants["P1"] == [
        {
            "chromosome": "2",
            "position": 208248388,
            "end_position": 208248388,
            "reference_allele": "C",
            "alternate_allele": "T",
            "rs_id": "rs121913500",
            "filter": "PASS",
            "target_gene1_symbol": "IDH1",
            "variant_classification": "Missense_Mutation",
            "reference_sequence": "ENST1",
            "hgvs_c": "c.395G>A",
            "hgvs_p": "p.Arg132His",
            "genotype": "0/1",
            "total_read_depth": 100,
            "variant_read_depth": 40,
            "vaf": 0.4,
        }
    ]


def test_each_sample_gets_the_alleles_that_it_carries(tmp_path: Path) -> None:
    line = f"2\t10\t.\tC\tT,G\t.\tPASS\t{MISSENSE}\tGT\t0/1\t1|2\t0/0\t./."
    variants, _ = read(vcf(tmp_path / "a.vcf", line, columns="A\tB\tC\tD"))
    carried = {patient: [v["alternate_allele"] for v in found] for patient, found in variants.items()}
    assert carried == {"A": ["T"], "B": ["T", "G"], "C": [], "D": []}


def test_alleles_that_are_local_to_a_sample(tmp_path: Path) -> None:
    """VCF 4.5, 1.6.2: LAA numbers the alternates that LAD counts; a phase may stand before GT (4.4)."""
    cells = "/0|3:3:60,20\t./.:1,2:60,0,20\t./.:.:80\t./.:1:60"
    line = f"2\t10\t.\tC\tT,G,A\t.\tPASS\t{MISSENSE}\tGT:LAA:LAD\t{cells}"
    variants, faults = read(vcf(tmp_path / "a.vcf", line, columns="A\tB\tC\tD"))
    assert not faults
    assert {patient: [v["alternate_allele"] for v in found] for patient, found in variants.items()} == {
        "A": ["A"],
        "B": ["G"],
        "C": [],
        "D": [],
    }
    assert [variants[patient][0]["vaf"] for patient in "AB"] == [0.25, 0.25]


def test_what_is_written_in_percent_code_is_read(tmp_path: Path) -> None:
    silent = MISSENSE.replace("missense", "synonymous").replace("p.Arg132His", "p.Arg132%3D")
    variants, _ = read(vcf(tmp_path / "a.vcf", f"2\t10\t.\tC\tT\t.\tPASS\t{silent}\tGT\t0/1", columns="P1"))
    assert variants["P1"][0]["hgvs_p"] == "p.Arg132="


def test_the_normal_of_a_pair_is_left_out(tmp_path: Path) -> None:
    line = f"2\t10\t.\tC\tT\t.\tPASS\t{MISSENSE}\tGT\t0/1\t0/1\t0/1\t0/1"
    header = (*HEAD, "##normal_sample=BLOOD", CSQ)
    columns = "BLOOD\tTCGA-CS-4938-10A\tNORMAL\tTCGA-CS-4938-01A"
    variants, _ = read(vcf(tmp_path / "a.vcf", line, columns=columns, header=header))
    assert {patient: len(found) for patient, found in variants.items()} == {"TCGA-CS-4938": 1}


@pytest.mark.parametrize("alternate", [".", "*", "<NON_REF>"])
def test_a_site_without_an_alternate_allele_is_no_variant(tmp_path: Path, alternate: str) -> None:
    line = f"2\t10\t.\tC\t{alternate}\t.\tPASS\t.\tGT\t0/1"
    assert read(vcf(tmp_path / "a.vcf", line, columns="P1")) == ({"P1": []}, [])


def test_the_most_severe_effect_of_the_allele_counts(tmp_path: Path) -> None:
    effects = [
        "T|intron_variant||NEAR",
        "G|stop_gained||OTHER",
        "T|splice_region_variant&missense_variant||IDH1",
    ]
    info = f"CSQ={','.join(effects)}"
    variants, _ = read(vcf(tmp_path / "a.vcf", f"2\t10\t.\tC\tT,G\t.\t.\t{info}\tGT\t0/1", columns="P1"))
    assert variants["P1"][0]["target_gene1_symbol"] == "IDH1"
    assert variants["P1"][0]["variant_classification"] == "Missense_Mutation"


@pytest.mark.parametrize(
    ("reference", "alternate", "allele", "term", "word"),
    [
        ("CA", "C", "-", "frameshift_variant", "Frame_Shift_Del"),
        ("C", "CAG", "AG", "frameshift_variant", "Frame_Shift_Ins"),
        ("CAGT", "C", "-", "inframe_deletion", "In_Frame_Del"),
        ("C", "CAGT", "AGT", "protein_altering_variant", "In_Frame_Ins"),
        ("C", "T", "T", "splice_donor_variant&intron_variant", "Splice_Site"),
        ("C", "T", "T", "a_term_of_tomorrow", "Unknown"),
    ],
)
def test_consequences_are_put_in_words_of_maf(
    tmp_path: Path, reference: str, alternate: str, allele: str, term: str, word: str
) -> None:
    info = f"CSQ={allele}|{term}||TP53|||||"
    line = f"17\t10\t.\t{reference}\t{alternate}\t.\t.\t{info}\tGT\t0/1"
    variants, _ = read(vcf(tmp_path / "a.vcf", line, columns="P1"))
    assert variants["P1"][0]["variant_classification"] == word


def test_snpeff_annotation_is_read(tmp_path: Path) -> None:
    info = "ANN=T|stop_gained|HIGH|ATRX|ENSG|transcript|ENST2|protein_coding|9/35|c.1T>A|p.Arg1*|||||"
    path = vcf(tmp_path / "a.vcf", f"X\t10\t.\tC\tT\t.\t.\t{info}\tGT\t1", columns="P1", header=(*HEAD, ANN))
    variants, faults = read(path)
    assert not faults
    assert variants["P1"][0]["hgvs_p"] == "p.Arg1*"
    assert variants["P1"][0]["variant_classification"] == "Nonsense_Mutation"


@pytest.mark.parametrize(
    ("layout", "cell", "vaf"),
    [
        ("AF:DP", "0.25:80", 0.25),
        ("GT:RD:AD:FREQ", "0/1:30:10:25%", 0.25),
        ("DP:AU:CU:GU:TU", "40:0,0:30,31:0,0:10,11", 0.25),
        ("GT:LAA:LAD", "0/1:1:30,10", 0.25),
        ("GT", "0/1", None),
    ],
    ids=["AF", "VarScan", "Strelka", "local alleles", "none"],
)
def test_the_allele_fraction_of_several_callers(
    tmp_path: Path, layout: str, cell: str, vaf: float | None
) -> None:
    line = f"2\t10\t.\tC\tT\t.\tPASS\t{MISSENSE}\t{layout}\t{cell}"
    variants, _ = read(vcf(tmp_path / "a.vcf", line, columns="P1"))
    assert variants["P1"][0].get("vaf") == vaf


def test_without_gene_annotation_no_gene_counts_as_tested(tmp_path: Path) -> None:
    path = vcf(tmp_path / "a.vcf", "2\t10\t.\tC\tT\t.\tPASS\t.\tGT\t0/1", columns="P1", header=HEAD)
    records = [one for one in genomics.read(path, "exome") if isinstance(one, SourceRecord)]
    assert read(path)[1] == ["no-gene-annotation"]
    assert [(one.body["target_scope"], one.body["genes"]) for one in records] == [("panel", [])]


@pytest.mark.parametrize(
    ("header", "build"),
    [
        (HEAD, "GRCh38"),
        (("##fileformat=VCFv4.1", "##contig=<ID=chr1,length=249250621>"), "GRCh37"),
        (("##fileformat=VCFv4.5",), None),
    ],
)
def test_the_genome_build_is_kept(tmp_path: Path, header: tuple[str, ...], build: str | None) -> None:
    path = vcf(tmp_path / "a.vcf", columns="P1", header=(*header, CSQ))
    (record,) = genomics.read(path)
    assert isinstance(record, SourceRecord)
    assert record.body["reference_genome"] == build


def test_two_genome_builds_in_one_header_are_refused(tmp_path: Path) -> None:
    header = (*HEAD, "##contig=<ID=1,length=249250621>", CSQ)
    assert read(vcf(tmp_path / "a.vcf", columns="P1", header=header)) == ({}, ["mixed-genome-builds"])


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["2\t10\t.\tC\tT\t.\tPASS"], "wrong-field-count"),
        (["2\tcanary\t.\tC\tT\t.\tPASS\t.\tGT\t0/1"], "malformed-position"),
        ([f"2\t10\t.\tC\t{'T' * 1_000_000}\t.\tPASS\t.\tGT\t0/1"], "malformed-allele"),
    ],
    ids=["cut", "position", "a million letters"],
)
def test_a_broken_line_is_reported_and_the_others_load(tmp_path: Path, lines: list[str], code: str) -> None:
    good = f"2\t11\t.\tC\tT\t.\tPASS\t{MISSENSE}\tGT\t0/1"
    variants, faults = read(vcf(tmp_path / "a.vcf", *lines, good, columns="P1"))
    assert faults == [code]
    assert len(variants["P1"]) == 1


def test_a_sample_called_tumor_is_nobody_unless_the_list_says_whose(tmp_path: Path) -> None:
    path = vcf(tmp_path / "a.vcf", f"2\t10\t.\tC\tT\t.\tPASS\t{MISSENSE}\tGT\t0/1")
    assert read(path) == ({}, ["unnamed-sample"])
    listed = tmp_path / "samples.tsv"
    listed.write_text("sample\tpatient\nTUMOR\tP1\n")
    variants, faults = read(path, samples=listed)
    assert (list(variants), faults) == (["P1"], [])


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.vcf"
    path.write_text("\n".join([*HEAD, COLUMNS.removesuffix("\tFORMAT"), "2\t1\t.\tC\tT\t.\t.\t."]) + "\n")
    assert read(path) == ({}, ["no-sample"])


@pytest.mark.parametrize(
    ("lines", "people", "origins"),
    [
        (["##PEDIGREE=<ID=T,Original=N>"], {"T"}, {"germline"}),
        (["##PEDIGREE=<Derived=T,Original=N>"], {"T"}, {"germline"}),
        (["##SAMPLE=<ID=N,Genomes=Germline,Mixture=1.>"], {"T"}, {"germline"}),
        (["##PEDIGREE=<ID=T,Original=N>", "##tumor_sample=N"], {"T", "N"}, {None}),  # a relapse of a tumour
        (["##PEDIGREE=<ID=T,Mother=N,Father=X>"], {"T", "N"}, {None}),
    ],
)
def test_the_header_tells_tumour_and_normal_apart(
    tmp_path: Path, lines: list[str], people: set[str], origins: set[str | None]
) -> None:
    line = f"2\t10\t.\tC\tT\t.\tPASS\t{MISSENSE}\tGT\t0/1\t0/1"
    variants, _ = read(vcf(tmp_path / "a.vcf", line, columns="T\tN", header=(*HEAD, *lines, CSQ)))
    assert set(variants) == people
    assert {v.get("genetic_origin") for found in variants.values() for v in found} == origins


@pytest.mark.parametrize(
    ("layout", "cell", "word"),
    [
        ("GT:AD", "./.:30,0", None),
        ("GT:AD", "./.:30,1", "Unknown"),
        ("GT:AD", "0/.:20,10", "Unknown"),
        ("GT:AD", "./1:20,10", "Missense_Mutation"),
        ("GL", "-3.5,-0.1,-9.6", "Missense_Mutation"),
        ("PL", "0,35,96", None),
        ("PL", "0,0,0", "Unknown"),
        ("LAA:LGT", "1:0/1", "Missense_Mutation"),
        ("LAA:LGT", ".:0/0", None),
        ("DP", "30", "Unknown"),  # nothing says which of the two samples has the allele
    ],
)
def test_an_allele_is_there_absent_or_open(tmp_path: Path, layout: str, cell: str, word: str | None) -> None:
    line = f"2\t10\t.\tC\tT\t.\tPASS\t{MISSENSE}\t{layout}\t{cell}\t{cell}"
    variants, _ = read(vcf(tmp_path / "a.vcf", line, columns="A\tB"))
    assert [v["variant_classification"] for v in variants["A"]] == ([word] if word else [])


def test_an_effect_of_another_allele_leaves_the_gene_open(tmp_path: Path) -> None:
    info = "CSQ=A|missense_variant|MODERATE|IDH1"
    path = vcf(tmp_path / "a.vcf", f"2\t10\t.\tC\tT,G\t.\t.\t{info}\tGT\t0/1", columns="P1")
    variants, _ = read(path)
    assert [v["variant_classification"] for v in variants["P1"]] == ["Unknown"]
