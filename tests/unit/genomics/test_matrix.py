"""Tables of genes and probes: what quantifiers write, and what a table must say of itself."""

from pathlib import Path

import pytest

from cdm.etl.record import SourceRecord, Unreadable
from site_node.sources import genomics
from site_node.sources.genomics import matrix
from tests.unit.genomics.test_segments import read, values_of, write

COUNTS = "Geneid\tChr\tStart\tEnd\tStrand\tLength\t/run/S1.bam\t/run/S2Aligned.sortedByCoord.out.bam"
GTF = (
    "#!genome-build GRCh38.p14",
    'chr1\tx\tgene\t1\t2000\t.\t+\t.\tgene_id "ENSG00000000001.4"; gene_name "AAA";',
    'chr1\tx\texon\t1\t800\t.\t+\t.\tgene_id "ENSG00000000001.4"; gene_name "AAA";',
    'chr1\tx\texon\t501\t1000\t.\t+\t.\tgene_id "ENSG00000000001.4"; gene_name "AAA";',
    'chr1\tx\tgene\t3000\t5000\t.\t+\t.\tgene_id "ENSG00000000002.1"; gene_name "BBB";',
    'chr1\tx\texon\t3000\t4999\t.\t+\t.\tgene_id "ENSG00000000002.1"; gene_name "BBB";',
)


def test_feature_counts_become_tpm_and_fpkm(tmp_path: Path) -> None:
    """The numbers are those of reference/stats/bayes_genomics_golden.json."""
    rows = [("A", 1000, 100), ("B", 2500, 250), ("C", 800, 0), ("D", 10000, 4000)]
    lines = [f"{gene}\t1\t1\t9\t+\t{length}\t{count}\t1" for gene, length, count in rows]
    path = write(tmp_path / "counts.txt", "# Program:featureCounts v2", COUNTS, *lines)
    found = [one.body for one in genomics.read(path)]  # type: ignore[union-attr]
    tpm, fpkm = (
        next(b for b in found if (b["quantity"], b["sample"]) == (quantity, "S1"))
        for quantity in ("tpm", "fpkm")
    )
    assert len(found) == 4
    assert values_of(tpm) == pytest.approx({"A": 166666.67, "B": 166666.67, "C": 0, "D": 666666.67}, rel=1e-6)
    assert values_of(fpkm)["A"] == pytest.approx(22988.505747, rel=1e-6)


def test_counts_take_lengths_and_symbols_from_a_gtf(tmp_path: Path) -> None:
    table = write(
        tmp_path / "c.tsv", "gene_id\tS1", "ENSG00000000001.7\t10", "ENSG00000000002\t20", "__no_feature\t9"
    )
    bodies, faults = read(table, values="counts", genes=write(tmp_path / "g.gtf", *GTF))
    assert not faults
    # exons of AAA cover 1,000 bases together, those of BBB 2,000: FPKM = 1e9 * 10 / 1000 / 30 of both
    assert values_of(bodies["Profile", "S1"]) == pytest.approx({"AAA": 1e6 / 3, "BBB": 1e6 / 3}, rel=1e-6)
    assert bodies["Profile", "S1"]["reference_genome"] == "GRCh38"


def test_counts_without_lengths_are_refused(tmp_path: Path) -> None:
    bodies, faults = read(write(tmp_path / "c.tsv", "gene_id\tS1", "AAA\t10"), values="counts")
    assert ([fault.code for fault in faults], bodies) == (["no-gene-lengths"], {})


@pytest.mark.parametrize(
    ("header", "line", "name"),
    [
        (
            "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM",
            "IDH1\tx\t9\t9\t5\t7.5\t3",
            "P1.genes.results",
        ),
        ("Name\tLength\tEffectiveLength\tTPM\tNumReads", "IDH1\t9\t9\t7.5\t5", "P1/quant.genes.sf"),
        (
            "gene_id\tgene_name\tgene_type\tunstranded\ttpm_unstranded",
            "ENSG00000138413.14\tIDH1\tx\t5\t7.5",
            "P1.star_gene_counts.tsv",
        ),
    ],
    ids=["RSEM", "Salmon", "GDC"],
)
def test_the_file_of_one_sample(tmp_path: Path, header: str, line: str, name: str) -> None:
    (tmp_path / "P1").mkdir()
    write(tmp_path / name, header, line)
    found = [one.body for one in genomics.read(tmp_path)]  # type: ignore[union-attr]
    assert {body["sample"] for body in found} == {"P1"}
    assert values_of(next(b for b in found if b["quantity"] == "tpm")) == {"IDH1": 7.5}


def test_probes_are_methylation_without_being_told(tmp_path: Path) -> None:
    table = write(
        tmp_path / "m.tsv",
        "probe\tS1\tS2",
        "cg00000029\t0.25\tNA",
        "cg00000108\t1\t0.5",
        "cg00000109\t1.5\t0",
    )
    bodies, faults = read(table)
    assert [(fault.position, fault.code) for fault in faults] == [("m.tsv:4", "malformed-number")]
    assert values_of(bodies["Profile", "S1"]) == {"CG00000029": 0.25, "CG00000108": 1.0}
    assert values_of(bodies["Profile", "S2"]) == {"CG00000029": None, "CG00000108": 0.5}
    assert bodies["Profile", "S1"]["assay"] == "methylation"


def test_m_values_are_kept_as_beta(tmp_path: Path) -> None:
    bodies, _ = read(write(tmp_path / "m.tsv", "probe\tS1", "cg00000029\t2"), values="m")
    assert values_of(bodies["Profile", "S1"]) == {"CG00000029": pytest.approx(0.8)}


def test_a_gct_and_a_table_by_r(tmp_path: Path) -> None:
    gct = write(tmp_path / "a.gct", "#1.2", "1\t1", "Name\tDescription\tS1", "IDH1\tna\t3.5")
    assert values_of(read(gct, values="tpm")[0]["Profile", "S1"]) == {"IDH1": 3.5}


def test_a_table_with_commas_as_r_writes_it(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", '"","S1","S2"', '"IDH1",3,4', '"HLA-A, B",1,1')
    bodies, faults = read(path, values="tpm")
    assert not faults
    assert values_of(bodies["Profile", "S2"]) == {"IDH1": 4.0, "HLA-A, B": 1.0}


def test_a_table_of_endless_lines_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "MAX_FEATURES", 1000)
    path = write(tmp_path / "t.tsv", "probe\tS1", *["cg00000029\t0.5"] * 1001)
    bodies, faults = read(path)
    assert ([fault.code for fault in faults], bodies) == (["too-many-numbers"], {})


def test_two_identifiers_of_one_gene_add_up(tmp_path: Path) -> None:
    bodies, _ = read(write(tmp_path / "t.tsv", "gene\tS1", "IDH1\t3", "TP53\t1", "idh1\t4"), values="tpm")
    assert values_of(bodies["Profile", "S1"]) == {"IDH1": 7.0, "TP53": 1.0}


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["gene\tS1", "IDH1\t3"], "unknown-quantity"),
        (["gene\tS1\tS1", "IDH1\t3\t4"], "malformed-header"),
        (["probe\tS1"], "no-features"),
    ],
)
def test_a_table_that_says_too_little_is_refused(tmp_path: Path, lines: list[str], code: str) -> None:
    bodies, faults = read(write(tmp_path / "t.tsv", *lines))
    assert ([fault.code for fault in faults], bodies) == ([code], {})


def test_a_genes_name_that_a_spreadsheet_made_a_date_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("gene\tS1\nIDH1\t1\n9-Sep\t2\n43891\t3\n")  # the last is NCBI's number of a gene
    found = list(genomics.read(path, values="tpm"))
    assert [one.code for one in found if isinstance(one, Unreadable)] == ["gene-name-date"]
    assert len([one for one in found if isinstance(one, SourceRecord)]) == 1


@pytest.mark.parametrize("normal", ["TCGA-AA-0001-11A", "TCGA-AA-0001-10B-01D", "P1_normal", "NORMAL"])
def test_a_normal_sample_is_no_part_of_a_tumours_numbers(tmp_path: Path, normal: str) -> None:
    path = write(tmp_path / "t.tsv", f"gene\tTCGA-AA-0001-01A\t{normal}", "IDH1\t4\t8")
    bodies, faults = read(path, values="tpm")
    assert [sample for _, sample in bodies] == ["TCGA-AA-0001-01A"]
    assert [fault.code for fault in faults] == ["normal-sample"]


def test_a_gene_with_a_line_that_cannot_be_read_has_no_number(tmp_path: Path) -> None:
    """The other line is a part of its reads; a decimal comma makes a line longer than the header."""
    path = write(tmp_path / "t.csv", "gene,S1", "IDH1,3,5", "IDH1,4", "TP53,-1", "EGFR,2", "EGFR,1")
    bodies, faults = read(path, values="tpm")
    assert values_of(bodies["Profile", "S1"]) == {"EGFR": 3.0}
    assert [(fault.position, fault.code) for fault in faults] == [
        ("t.csv:2", "wrong-field-count"),
        ("t.csv:4", "malformed-number"),
    ]


GDC = "gene_id\tgene_name\tgene_type\tunstranded\ttpm_unstranded"


def test_a_torn_line_of_a_file_of_one_sample_leaves_its_gene_out_by_its_name(tmp_path: Path) -> None:
    path = write(
        tmp_path / "P1.tsv", GDC, "ENSG1\tIDH1\tx\t5\t7.5", "ENSG2\tIDH1\tx\t5", "ENSG3\tTP53\tx\t1\t2"
    )
    bodies, faults = read(path)
    assert values_of(bodies["Profile", "P1"]) == {"TP53": 2.0}
    assert [fault.code for fault in faults] == ["wrong-field-count"]


@pytest.mark.parametrize(
    ("values", "lines", "kept"),
    [
        ("log2-ratio", ("A\t0.5\t-1", "B\t1\t1", "a\t0.5\t-0.9"), {"B": 1.0}),  # they differ: none counts
        ("log2-ratio", ("A\t0.5\tNA", "a\tNA\t1", "A\t0.5\t1"), {"A": 0.5}),  # they agree: one counts
        ("copy-number-call", ("A\t-2\t0", "A\t0\t0", "B\t2\t1"), {"B": 2.0}),
        ("beta", ("cg00000029\t0.25\t0.5", "cg00000029\t0.75\t0.5"), {}),
        ("m", ("cg00000029\t0\t1", "cg00000029\t0\t1"), {"CG00000029": 0.5}),
        ("tpm", ("A\t3\t4", "B\t1\t1", "A\t3\t4"), {"B": 1.0}),  # a copy, or two places: who knows
        ("tpm", ("A\t3\t4", "A\t3\t5"), {"A": 6.0}),  # two places of one name
        ("tpm", ("A\t0\t0", "A\t0\t0"), {"A": 0.0}),
        ("fpkm", ("A\t3\tNA", "A\t4\t1"), {"A": 7.0}),
        ("log2-tpm", ("A\t1\t0", "A\t2\t0"), {"A": 4.0}),  # 1 + 3, not 1
    ],
)
def test_a_gene_in_two_lines(
    tmp_path: Path, values: str, lines: tuple[str, ...], kept: dict[str, float]
) -> None:
    bodies, faults = read(write(tmp_path / "t.tsv", "gene\tS1\tS2", *lines), values=values)
    found = values_of(bodies["Profile", "S1"]) if bodies else {}
    assert found == pytest.approx(kept)
    twice = [fault for fault in faults if fault.code == "gene-twice"]
    whole = len({line.split("\t")[0].upper() for line in lines}) == len(kept)
    assert len(twice) == (0 if whole else 1)
    assert all(fault.position in ("t.tsv:3", "t.tsv:4") for fault in twice)


def test_one_sample_of_a_gene_with_two_identifiers_is_the_sum_of_both_whatever_they_are(
    tmp_path: Path,
) -> None:
    """Two genes of one symbol may well have the same reads; the same identifier twice is a copy."""
    lines = ("ENSG1\tY_RNA\tx\t1\t2", "ENSG2\tY_RNA\tx\t1\t2", "ENSG3\tTP53\tx\t1\t2", "ENSG3\tTP53\tx\t1\t2")
    bodies, faults = read(write(tmp_path / "P1.tsv", GDC, *lines))
    assert values_of(bodies["Profile", "P1"]) == {"Y_RNA": 4.0}
    assert [(fault.position, fault.code) for fault in faults] == [("P1.tsv:5", "gene-twice")]


def test_the_tpm_of_a_gene_with_two_identifiers_is_the_sum_of_theirs(tmp_path: Path) -> None:
    """Each has its own length: 100 / 1,000 and 200 / 10,000 reads a base beside 100 / 1,000 of the other."""
    rows = [("A", 1000, 100), ("B", 1000, 100), ("a", 10000, 200)]
    lines = [f"{gene}\t1\t1\t9\t+\t{length}\t{count}\t1" for gene, length, count in rows]
    found = list(genomics.read(write(tmp_path / "counts.txt", COUNTS, *lines)))
    tpm = next(one.body for one in found if isinstance(one, SourceRecord) and one.body["quantity"] == "tpm")
    assert values_of(tpm) == pytest.approx({"A": 1e6 * 0.12 / 0.22, "B": 1e6 * 0.1 / 0.22}, rel=1e-6)


def test_a_table_of_ratios_is_no_table_of_calls(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", "gene\tS1", "IDH1\t-1.5", "TP53\t0.5", "EGFR\t2")
    bodies, faults = read(path, values="copy-number-call")
    assert values_of(bodies["Profile", "S1"]) == {"IDH1": -1.5, "EGFR": 2.0}
    assert [fault.code for fault in faults] == ["malformed-number"]
