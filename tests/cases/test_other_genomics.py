"""Genomic files that are odd but legal, other than those of the cases: what each says of a gene."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from cdm.etl.record import SourceRecord, Unreadable
from site_node.sources import genomics
from tests.cases.test_genomics import MISSING, add, value

HEAD = "Hugo_Symbol\tChromosome\tStart_Position\tVariant_Classification\tTumor_Sample_Barcode"
HIT = "IDH1\t2\t208248388\tMissense_Mutation\tp0"
OTHER = "TP53\t17\t7674220\tMissense_Mutation\tp1"
VCF = (
    "##fileformat=VCFv4.2\n"
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="VEP. Format: Allele|Consequence|SYMBOL">\n'
)
CHROM = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tp0\tp1\n"


def maf(*lines: str, more: str = "") -> str:
    return "\n".join((HEAD + more, *lines)) + "\n"


def site(alt: str, genotypes: str, form: str = "GT", csq: str = "", filtered: str = "PASS") -> str:
    effect = csq or f"{alt.split(',')[0]}|missense_variant|IDH1"
    return VCF + CHROM + f"chr2\t208248388\t.\tC\t{alt}\t.\t{filtered}\tCSQ={effect}\t{form}\t{genotypes}\n"


GENE_STATES: dict[str, tuple[str, bytes, dict[str, float]]] = {
    "capitals": ("a.maf", maf(HIT, OTHER).replace(HEAD, HEAD.upper()).encode(), {"p0": 1, "p1": 0}),
    "mark and line ends": (
        "a.maf",
        b"\xef\xbb\xbf" + maf(HIT, OTHER).replace("\n", "\r\n").encode(),
        {"p0": 1, "p1": 0},
    ),
    "version and comments": (
        "a.maf",
        f"#version 2.4\n#centre x\n{maf(HIT, '#note', OTHER)}".encode(),
        {"p0": 1, "p1": 0},
    ),
    "filter in small letters": (
        "a.maf",
        maf(f"{HIT}\tpass", f"{OTHER}\tPASS", more="\tFILTER").encode(),
        {"p0": 1, "p1": 0},
    ),
    "filter of vcf2maf": ("a.maf", maf(f"{HIT}\tcommon_variant", more="\tFILTER").encode(), {"p0": 0}),
    "filter dot": ("a.maf", maf(f"{HIT}\t.", more="\tFILTER").encode(), {"p0": 1}),
    "class in small letters": (
        "a.maf",
        maf(HIT.lower(), OTHER.replace("Missense_Mutation", "silent")).encode(),
        {"p0": 1, "p1": 0},
    ),
    "spaces around": ("a.maf", maf(HIT.replace("IDH1", " IDH1 ").replace("p0", "p0 ")).encode(), {"p0": 1}),
    "position as a decimal": (
        "a.maf",
        maf(HIT.replace("208248388", "208248388.0")).encode(),
        {"p0": MISSING},
    ),
    "quotes and commas": (
        "a.csv",
        maf(HIT, OTHER).replace("\t", '","').replace("\n", '"\n"').rstrip('"').join(('"', "")).encode(),
        {"p0": 1, "p1": 0},
    ),
    "empty columns at the end": ("a.maf", maf(HIT + "\t\t", OTHER).encode(), {"p0": 1, "p1": 0}),
    "phased": ("a.vcf", site("T", "0|1\t0|0").encode(), {"p0": 1, "p1": 0}),
    "haploid": ("a.vcf", site("T", "1\t0").encode(), {"p0": 1, "p1": 0}),
    "half a call": ("a.vcf", site("T", "./1\t0/0").encode(), {"p0": 1, "p1": 0}),
    "half a call of the reference": (
        "a.vcf",
        site("T", "./0:9,3\t0/.:9,0", "GT:AD").encode(),
        {"p0": MISSING, "p1": 0},
    ),
    "not called without reads": (
        "a.vcf",
        site("T", "./.:9,3\t0/0:9,0", "GT:AD").encode(),
        {"p0": MISSING, "p1": 0},
    ),
    "second allele silent": (
        "a.vcf",
        site("T,A", "0/2\t1/1", csq="T|missense_variant|IDH1,A|synonymous_variant|IDH1").encode(),
        {"p0": 0, "p1": 1},
    ),
    "spanning deletion": (
        "a.vcf",
        site("*,T", "1/1\t1/2", csq="T|missense_variant|IDH1").encode(),
        {"p0": 0, "p1": 1},
    ),
    "symbolic": (
        "a.vcf",
        site("<DEL>", "0/1\t0/0", csq="deletion|transcript_ablation|IDH1").encode(),
        {"p0": 1, "p1": 0},
    ),
    "unnamed allele of samtools": (
        "a.vcf",
        site("T,<X>", "0/1\t0/2", csq="T|missense_variant|IDH1").encode(),
        {"p0": 1, "p1": 0},
    ),
    "unnamed allele of gatk": (
        "a.vcf",
        site("T,<NON_REF>", "0/1\t0/2", csq="T|missense_variant|IDH1").encode(),
        {"p0": 1, "p1": 0},
    ),
    "line ends": ("a.vcf", site("T", "0/1\t0/0").replace("\n", "\r\n").encode(), {"p0": 1, "p1": 0}),
    "two gzip members": (
        "a.vcf.gz",
        gzip.compress(site("T", "0/1\t0/0")[:200].encode())
        + gzip.compress(site("T", "0/1\t0/0")[200:].encode()),
        {"p0": 1, "p1": 0},
    ),
    "filter in small letters of a vcf": (
        "a.vcf",
        site("T", "0/1\t0/0", filtered="pass").encode(),
        {"p0": 1, "p1": 0},
    ),
    "filtered": ("a.vcf", site("T", "0/1\t0/0", filtered="q10;s50").encode(), {"p0": 0, "p1": 0}),
    "polyploid": ("a.vcf", site("T", "0/0/0/1\t0/0/0/0").encode(), {"p0": 1, "p1": 0}),
    "genotype after others": ("a.vcf", site("T", "9,3:0/1\t9,0:0/0", "AD:GT").encode(), {"p0": 1, "p1": 0}),
    "dropped fields at the end": ("a.vcf", site("T", "0/1:9,3\t0/0", "GT:AD").encode(), {"p0": 1, "p1": 0}),
}


@pytest.mark.parametrize("name", GENE_STATES)
def test_what_a_file_says_of_a_gene(sqlite_engine: Engine, tmp_path: Path, name: str) -> None:
    file, content, states = GENE_STATES[name]
    (tmp_path / file).write_bytes(content)
    told = add(sqlite_engine, tmp_path / file)
    found = {patient: value(sqlite_engine, {"kind": "gene", "gene": "IDH1"}, patient) for patient in states}
    np.testing.assert_equal(found, states, err_msg=str(told))


@pytest.mark.parametrize("mark", ["", "%"])
def test_fractions_in_percent_are_no_fractions_in_any_line(tmp_path: Path, mark: str) -> None:
    """34.5 in another line says that 0.8 is percent too; reads tell the fraction where they are there."""
    path = tmp_path / "a.maf"
    lines = (f"{HIT}\t34.5{mark}\t\t", f"{OTHER}\t0.8{mark}\t\t", f"{OTHER}x\t0.8{mark}\t4\t6")
    path.write_text(maf(*lines, more="\tt_vaf\tt_alt_count\tt_ref_count"))
    found = {one.body["sample"]: one.body["variants"][0].get("vaf") for one in records(path)}
    assert found == ({"p0": 0.345, "p1": 0.008, "p1x": 0.4} if mark else {"p0": None, "p1": None, "p1x": 0.4})


def test_fractions_of_a_liquid_biopsy_in_percent(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("patient,date,gene,vaf\nP1,2020-01-01,IDH1,12.5\nP2,2020-01-01,IDH1,0.8\n")
    found = list(genomics.read(path))
    assert not [one for one in found if isinstance(one, SourceRecord)]
    assert {one.code for one in found if isinstance(one, Unreadable)} == {
        "malformed-number",
        "fraction-in-percent",
    }


@pytest.mark.parametrize("text", ["1_5", "１５", "0x10", "1,5", "1e999", "infinity", "1 5"])
def test_a_number_is_one_as_files_write_numbers(tmp_path: Path, text: str) -> None:
    """Python reads 1_5 as 15, and digits of other scripts."""
    path = tmp_path / "t.tsv"
    path.write_text(f"gene\tS1\nIDH1\t{text}\nTP53\t2\n")
    found = list(genomics.read(path, values="tpm"))
    assert [one.code for one in found if isinstance(one, Unreadable)] == ["malformed-number"]


def test_letters_of_another_encoding_do_not_make_one_person_of_two(tmp_path: Path) -> None:
    path = tmp_path / "a.maf"
    path.write_bytes(maf(HIT.replace("p0", "Ä1"), OTHER.replace("p1", "Ö1")).encode("latin-1"))
    assert {one.body["patient"] for one in records(path)} == {"Ä1", "Ö1"}


CBIOPORTAL = (
    "#Patient Identifier\tSample Identifier\tPurity\n#Patient\tSample\tPurity\n#STRING\tSTRING\tNUMBER\n"
    "#1\t1\t1\nPATIENT_ID\tSAMPLE_ID\tTUMOR_PURITY\n"
)


def test_a_clinical_table_of_cbioportal_says_whose_a_sample_is(tmp_path: Path) -> None:
    """Its comments look like a header, and the sample's name is not the patient's."""
    path = tmp_path / "data_clinical_sample.txt"
    path.write_text(f"{CBIOPORTAL}P1\tS1\t0.6\nP2\tS2\t0.7\n")
    found = list(genomics.read(path))
    assert [
        (one.body["patient"], one.body["sample"], one.body["numbers"])
        for one in found
        if isinstance(one, SourceRecord)
    ] == [("P1", "S1", {"tumor_purity": 0.6}), ("P2", "S2", {"tumor_purity": 0.7})]
    assert len(found) == 2


def test_purities_in_percent_are_none_in_any_line(tmp_path: Path) -> None:
    """60 in another line says that 1 is percent too."""
    path = tmp_path / "p.tsv"
    path.write_text("sample\tpurity\nS1\t60\nS2\t1\n")
    assert [getattr(one, "code", "") for one in genomics.read(path)] == [
        "malformed-number",
        "fraction-in-percent",
    ]


SEG = "ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean\n"


@pytest.mark.parametrize(
    ("means", "are_copies"),
    [
        ((2, 3, 2), True),
        ((2, 0, 2), True),
        ((1, 1.2, 0.1), True),
        ((0.2, 1.5, 0.1), False),
        ((2, -1, 2), False),
    ],
)
def test_copies_are_no_log2_ratios(tmp_path: Path, means: tuple[float, ...], are_copies: bool) -> None:
    """Two copies, read as a log2 ratio, would be eight."""
    path = tmp_path / "a.seg"
    path.write_text(SEG + "".join(f"S1\t{c}\t1\t1000\t5\t{mean}\n" for c, mean in enumerate(means, 1)))
    found = list(genomics.read(path))
    assert ("not-log2-ratios" in {getattr(one, "code", "") for one in found}) == are_copies
    assert any(isinstance(one, SourceRecord) for one in found) != are_copies


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.maf"
    twice = HEAD.replace("Variant_Classification", "Variant_Classification\tVariant_Classification")
    path.write_text(
        f"{twice}\n{HIT.replace('Missense_Mutation', 'Silent')}\tMissense_Mutation\n".replace(
            "Silent\tp0\tMissense_Mutation", "Silent\tMissense_Mutation\tp0"
        )
    )
    assert [getattr(one, "code", "") for one in genomics.read(path)] == ["column-twice"]


@pytest.mark.parametrize(
    ("cells", "vaf", "is_told"),
    [
        ("0.3\t\t", 0.3, False),
        ("0,3\t\t", None, True),
        ("NA\t.\tN/A", None, False),
        ("\t1,003\t7", None, True),
        ("0.25\t1,003\t7", 0.25, True),
        ("\t3.0\t7", 0.3, False),
    ],
)
def test_a_fraction_with_a_comma_is_told(
    tmp_path: Path, cells: str, vaf: float | None, is_told: bool
) -> None:
    path = tmp_path / "a.maf"
    path.write_text(maf(f"{HIT}\t{cells}", more="\tt_vaf\tt_alt_count\tt_ref_count"))
    (found,) = records(path)
    assert found.body["variants"][0].get("vaf") == vaf
    codes = {one.code for one in genomics.read(path) if isinstance(one, Unreadable)}
    assert ("malformed-fraction" in codes) == is_told


def records(path: Path) -> list[SourceRecord]:
    return [one for one in genomics.read(path, "exome") if isinstance(one, SourceRecord)]
