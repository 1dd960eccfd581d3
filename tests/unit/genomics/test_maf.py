"""MAF as hospitals write it: spellings of columns, builds, broken lines, and the whole of TCGA-LAML."""

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cdm.etl.record import SourceRecord, Unreadable
from site_node.features.genomics import NONSYNONYMOUS
from site_node.sources import genomics
from tests.lib.shared import shared

HEADER = (
    "Hugo_Symbol\tNCBI_Build\tChromosome\tStart_Position\tEnd_Position\tVariant_Classification\tVariant_Type\t"
    "Reference_Allele\tTumor_Seq_Allele1\tTumor_Seq_Allele2\tTumor_Sample_Barcode\tt_ref_count\tt_alt_count\tFILTER"
)
IDH1 = "IDH1\tGRCh37\tchr2\t209113112\t209113112\tMissense_Mutation\tSNP\tC\tC\tT\tS1\t60\t40\tPASS"
TP53 = "TP53\thg19\t17\t7577120\t7577120\tSilent\tSNP\tC\tC\tT\tS2\t\t\t"


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def read(path: Path, **options: Any) -> tuple[dict[str, dict[str, Any]], list[Unreadable]]:
    """The bodies by patient, and what could not be read."""
    found = list(genomics.read(path, **options))
    bodies = {one.body["patient"]: one.body for one in found if isinstance(one, SourceRecord)}
    return bodies, [one for one in found if isinstance(one, Unreadable)]


def test_a_line_becomes_a_variant_of_its_sample(tmp_path: Path) -> None:
    bodies, faults = read(write(tmp_path / "a.maf", "#version 2.4", HEADER, IDH1, TP53))
    assert not faults
    assert bodies["S1"]["reference_genome"] == bodies["S2"]["reference_genome"] == "GRCh37"
    assert bodies["S1"]["variants"] == [
        {
            "target_gene1_symbol": "IDH1",
            "chromosome": "2",
            "position": 209113112,
            "end_position": 209113112,
            "variant_classification": "Missense_Mutation",
            "reference_allele": "C",
            "alternate_allele": "T",
            "sequence_alteration": "SNP",
            "vaf": 0.4,
            "total_read_depth": 100,
            "variant_read_depth": 40,
            "filter": "PASS",
        }
    ]
    assert "vaf" not in bodies["S2"]["variants"][0]


def test_columns_are_found_in_any_case_and_order(tmp_path: Path) -> None:
    header = (
        "tumor_sample_barcode\tEnd_position\tSTART_POSITION\tchromosome\tHugo_Symbol\tVariant_classification"
    )
    bodies, faults = read(write(tmp_path / "a.maf", header, "S1\t11\t10\tX\tATRX\tNonsense_Mutation"))
    assert not faults
    assert bodies["S1"]["variants"][0]["end_position"] == 11


def test_without_a_panel_only_genes_with_a_variant_are_tested(tmp_path: Path) -> None:
    bodies, _ = read(write(tmp_path / "a.maf", HEADER, IDH1, TP53))
    assert (bodies["S1"]["target_scope"], bodies["S1"]["genes"]) == ("panel", ["IDH1"])


def test_an_exome_reaches_every_gene_also_of_a_sample_without_variant(tmp_path: Path) -> None:
    samples = write(tmp_path / "samples.tsv", "sample\tpatient", "S1\tP1", "S3\tP3")
    bodies, _ = read(write(tmp_path / "a.maf", HEADER, IDH1), panel="exome", samples=samples)
    assert {patient: body["target_scope"] for patient, body in bodies.items()} == {
        "P1": "exome",
        "P3": "exome",
    }
    assert bodies["P3"]["variants"] == []


@pytest.mark.parametrize(
    "lines",
    [
        ["# a comment", "IDH1", "TP53"],
        ["Gene\tversion", "IDH1\t1", "TP53\t1"],
        ["track name=x", "chr2\t209100950\t209130798\tIDH1|NM_005896", "17\t7571720\t7590868\tTP53_exon_4"],
    ],
    ids=["one gene a line", "table", "BED"],
)
def test_a_panel_is_read_from_a_list_a_table_or_a_bed(tmp_path: Path, lines: list[str]) -> None:
    panel = write(tmp_path / "panel.txt", *lines)
    bodies, _ = read(write(tmp_path / "a.maf", HEADER, IDH1), panel=panel)
    assert bodies["S1"]["genes"] == ["IDH1", "TP53"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (IDH1.replace("\tPASS", ""), "wrong-field-count"),
        (IDH1.replace("209113112", "canary"), "malformed-position"),
        (IDH1.replace("\tS1\t", "\t\t"), "no-sample"),
        (IDH1.replace("Missense_Mutation", ""), "no-classification"),
        (IDH1.replace("\tC\tC\tT", f"\tC\tC\t{'T' * 1_000_000}"), "malformed-allele"),
        (IDH1.replace("chr2", "c" * 30), "malformed-chromosome"),
    ],
    ids=["cut", "position", "sample", "classification", "a million letters", "chromosome"],
)
def test_a_broken_line_is_reported_by_place_and_code_and_the_others_load(
    tmp_path: Path, line: str, code: str
) -> None:
    bodies, faults = read(write(tmp_path / "a.maf", HEADER, line, TP53))
    assert [(fault.position, fault.code) for fault in faults] == [("a.maf:2", code)]
    assert "canary" not in faults[0].reason
    assert [one["target_gene1_symbol"] for one in bodies["S2"]["variants"]] == ["TP53"]
    left_open = [one["variant_classification"] for one in bodies.get("S1", {"variants": []})["variants"]]
    assert left_open in ([], ["Unknown"])  # its gene may be mutated all the same


@pytest.mark.parametrize("of_sample", [IDH1.replace("209113112", "2e8"), IDH1.replace("\tPASS", "")])
def test_a_broken_line_makes_no_gene_not_mutated(tmp_path: Path, of_sample: str) -> None:
    """Where its sample cannot be read either, no sample of the file has a negative result."""
    bodies, _ = read(write(tmp_path / "a.maf", HEADER, of_sample, TP53), panel="exome")
    scopes = {sample: body["target_scope"] for sample, body in bodies.items()}
    assert scopes in ({"S1": "exome", "S2": "exome"}, {"S2": "panel"})
    assert ("S1" in bodies) == ("PASS" in of_sample)


def test_two_genome_builds_in_one_file_are_refused(tmp_path: Path) -> None:
    bodies, faults = read(write(tmp_path / "a.maf", HEADER, IDH1, TP53.replace("hg19", "GRCh38")))
    assert ([fault.code for fault in faults], bodies) == (["mixed-genome-builds"], {})


def test_a_line_that_names_no_build_is_of_the_files(tmp_path: Path) -> None:
    bodies, faults = read(write(tmp_path / "a.maf", HEADER, IDH1, TP53.replace("hg19", "")))
    assert ([body["reference_genome"] for body in bodies.values()], faults) == (["GRCh37", "GRCh37"], [])


def test_a_spreadsheets_file_is_read(tmp_path: Path) -> None:
    """Commas, quotes, Windows' line ends and a byte order mark."""
    lines = [",".join(f'"{cell}"' for cell in line.split("\t")) for line in (HEADER, IDH1, TP53)]
    (tmp_path / "a.csv").write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    assert read(tmp_path / "a.csv") == read(write(tmp_path / "a.maf", HEADER, IDH1, TP53))


def test_a_file_without_a_needed_column_is_refused(tmp_path: Path) -> None:
    _, faults = read(write(tmp_path / "a.maf", "Hugo_Symbol\tChromosome", "IDH1\t2"))
    assert [fault.code for fault in faults] == ["missing-column"]


def test_a_file_cut_short_states_no_negative_result(tmp_path: Path) -> None:
    whole = gzip.compress("\n".join([HEADER, IDH1, *[TP53] * 5000]).encode(), mtime=0)
    (tmp_path / "a.maf.gz").write_bytes(whole[: len(whole) - 30])
    samples = write(tmp_path / "samples.txt", "S1", "S9")
    bodies, faults = read(tmp_path / "a.maf.gz", panel="exome", samples=samples)
    assert [fault.code for fault in faults] == ["cut-short"]
    assert (bodies["S1"]["target_scope"], bodies["S1"]["genes"]) == ("panel", ["IDH1"])
    assert "S9" not in bodies


def test_a_line_above_the_limit_is_reported(tmp_path: Path) -> None:
    bodies, faults = read(write(tmp_path / "a.maf", HEADER, "x" * (17 << 20), IDH1))
    assert [fault.code for fault in faults] == ["line-too-long"]
    assert list(bodies) == ["S1"]


def test_a_file_of_another_kind_is_reported(tmp_path: Path) -> None:
    _, faults = read(write(tmp_path / "notes.txt", "hello"))
    assert [fault.code for fault in faults] == ["unknown-format"]


def test_a_tcga_barcode_names_its_patient(tmp_path: Path) -> None:
    line = IDH1.replace("\tS1\t", "\tTCGA-CS-4938-01B-11D-1893-08\t")
    bodies, _ = read(write(tmp_path / "a.maf", HEADER, line))
    assert list(bodies) == ["TCGA-CS-4938"]


def test_laml_is_read_whole() -> None:
    """2,207 variants, 1,732 of them nonsynonymous: `zcat FILE | cut -f9 | sort | uniq -c`, added up."""
    path = shared("data/genomics/tcga_laml/tcga_laml.maf.gz")
    samples = shared("data/genomics/tcga_laml/tcga_laml_annot.tsv")
    bodies, faults = read(path, panel="exome", samples=samples)
    words = Counter(v["variant_classification"] for body in bodies.values() for v in body["variants"])
    assert not faults
    assert (len(bodies), words.total()) == (200, 2207)
    assert sum(words[word] for word in NONSYNONYMOUS) == 1732
    assert {body["reference_genome"] for body in bodies.values() if body["variants"]} == {"GRCh37"}
    assert all(0 <= v["vaf"] <= 1 for body in bodies.values() for v in body["variants"] if "vaf" in v)


@pytest.mark.parametrize(
    ("symbol", "genes", "scope", "code"),
    [
        ("MLL2", ["KMT2D"], "exome", None),
        ("IDH1;IDH1-AS1", ["IDH1", "IDH1-AS1"], "exome", None),
        ("IDH1, IDH1-AS1", ["IDH1", "IDH1-AS1"], "exome", None),
        ("IDH1(NM_005896:exon4:c.C394T)", ["IDH1"], "exome", None),
        ("Sep-09", ["9-Sep"], "exome", "gene-name-date"),
        ("QARS", ["QARS"], "exome", "ambiguous-gene"),
        ("IDH-1", ["IDH-1"], "panel", "unknown-gene"),
        ("2.31E+13", ["2.31E+13"], "panel", "gene-name-date"),
        ("RP11-34P13.7", ["RP11-34P13.7"], "exome", None),
    ],
)
def test_the_gene_of_a_line_is_known_or_its_doubt_is_told(
    tmp_path: Path, symbol: str, genes: list[str], scope: str, code: str | None
) -> None:
    """A name that nobody knows may be any gene's, so its sample's test states no negative result."""
    line = IDH1.replace("IDH1\t", f"{symbol}\t", 1)
    bodies, faults = read(write(tmp_path / "a.maf", HEADER, line, TP53), panel="exome")
    assert [variant["target_gene1_symbol"] for variant in bodies["S1"]["variants"]] == genes
    assert (bodies["S1"]["target_scope"], bodies["S2"]["target_scope"]) == (scope, "exome")
    assert [fault.code for fault in faults] == ([code] if code else [])


def test_ncbis_number_names_the_gene_that_a_spreadsheet_made_a_date(tmp_path: Path) -> None:
    line = IDH1.replace("IDH1\t", "1-Mar\t", 1)
    bodies, faults = read(write(tmp_path / "a.maf", f"{HEADER}\tEntrez_Gene_Id", f"{line}\t55016"))
    assert (bodies["S1"]["variants"][0]["target_gene1_symbol"], faults) == ("MARCHF1", [])


@pytest.mark.parametrize(
    ("status", "validation", "normal", "expected"),
    [
        ("Somatic", "Valid", "C", ("Missense_Mutation", "somatic", None)),
        ("GERMLINE", "Untested", "C", ("Missense_Mutation", "germline", None)),
        ("", "", "t", ("Missense_Mutation", "germline", None)),  # the normal sample has the allele
        ("Unknown", "", "C", ("Missense_Mutation", None, None)),
        ("perhaps", "", "C", ("Unknown", None, "unknown-status")),
        ("Somatic", "Wildtype", "C", (None, None, "no-mutation")),
        ("Somatic", "Invalid", "C", (None, None, "no-mutation")),
        ("loh", "", "C", (None, None, "no-mutation")),
    ],
)
def test_a_status_says_whether_there_is_a_mutation(
    tmp_path: Path, status: str, validation: str, normal: str, expected: tuple[str | None, ...]
) -> None:
    columns = "Mutation_Status\tValidation_Status\tMatch_Norm_Seq_Allele1\tMatch_Norm_Seq_Allele2"
    line = f"{IDH1}\t{status}\t{validation}\tC\t{normal}"
    bodies, faults = read(write(tmp_path / "a.maf", f"{HEADER}\t{columns}", line), panel="exome")
    (variant,) = bodies["S1"]["variants"] or [{}]
    told = faults[0].code if faults else None
    assert (variant.get("variant_classification"), variant.get("genetic_origin"), told) == expected


@pytest.mark.parametrize(
    ("alleles", "alternate", "codes"),
    [
        ("c\tc\tt", "T", []),
        ("C\tC\tc", None, ["no-alternate-allele"]),
        ("C\tT\tC", "T", []),
        ("A\tA\t-", "-", []),
        ("C\t\t", "", []),  # no allele is stated: the classification alone says that there is a variant
    ],
)
def test_the_alternate_allele_is_the_one_that_is_not_the_reference(
    tmp_path: Path, alleles: str, alternate: str | None, codes: list[str]
) -> None:
    line = IDH1.replace("\tC\tC\tT\t", f"\t{alleles}\t")
    bodies, faults = read(write(tmp_path / "a.maf", HEADER, line))
    found = [variant.get("alternate_allele", "") for variant in bodies["S1"]["variants"]]
    assert (found, [fault.code for fault in faults]) == ([] if alternate is None else [alternate], codes)


def test_the_normal_sample_of_a_pair_is_nobodys_tumour(tmp_path: Path) -> None:
    line = IDH1.replace("\tS1\t", "\tTCGA-CS-4938-10A-01D\t")
    bodies, faults = read(write(tmp_path / "a.maf", HEADER, line, TP53))
    assert (list(bodies), [fault.code for fault in faults]) == (["S2"], ["normal-sample"])
