"""Fusions as STAR-Fusion, Arriba and cBioPortal write them."""

from pathlib import Path

import pytest

from tests.unit.genomics.test_segments import read, write

STAR = (
    "#FusionName\tJunctionReadCount\tSpanningFragCount\tSpliceType\tLeftGene\tLeftBreakpoint\tRightGene\t"
    "RightBreakpoint\tPROT_FUSION_TYPE"
)
STAR_LINE = (
    "FGFR3--TACC3\t31\t12\tONLY_REF_SPLICE\tFGFR3^ENSG00000068078.18\tchr4:1806934:+\tTACC3^ENSG00000013810.18\t"
    "chr4:1739702:+\tINFRAME"
)
ARRIBA = (
    "#gene1\tgene2\tbreakpoint1\tbreakpoint2\ttype\tsplit_reads1\tsplit_reads2\tdiscordant_mates\tconfidence\t"
    "reading_frame"
)
CBIO = (
    "Sample_Id\tSite1_Hugo_Symbol\tSite2_Hugo_Symbol\tSite1_Chromosome\tSite1_Position\tSite2_Chromosome\t"
    "Site2_Position"
)


def test_star_fusion(tmp_path: Path) -> None:
    folder = tmp_path / "P1"
    folder.mkdir()
    write(folder / "star-fusion.fusion_predictions.tsv", STAR, STAR_LINE)
    bodies, faults = read(tmp_path, panel="transcriptome")
    assert not faults
    body = bodies["Fusions", "P1"]
    assert (body["assay"], body["target_scope"]) == ("fusions", "transcriptome")
    assert body["variants"] == [
        {
            "target_gene1_symbol": "FGFR3",
            "target_gene2_symbol": "TACC3",
            "chromosome": "4",
            "position": 1806934,
            "fusion_breakpoint": "4:1806934|4:1739702",
            "fusion_supporting_reads": 43,
            "variant_classification": "Fusion",
            "variant_feature": "INFRAME",
        }
    ]


def test_arriba(tmp_path: Path) -> None:
    line = "A1BG(1200),KIAA1549\tBRAF\t7:138545885\t7:140487384\tduplication\t5\t7\t9\tlow\tin-frame"
    bodies, faults = read(write(tmp_path / "P2.fusions.tsv", ARRIBA, line))
    assert not faults
    (fusion,) = bodies["Fusions", "P2"]["variants"]
    assert (fusion["target_gene2_symbol"], fusion["fusion_supporting_reads"]) == ("BRAF", 21)
    assert fusion["filter"] == "low confidence"


def test_a_file_of_many_samples(tmp_path: Path) -> None:
    line = "S1\tEML4\tALK\t2\t42522656\t2\t29446394"
    bodies, faults = read(write(tmp_path / "data_sv.txt", CBIO, line))
    assert not faults
    assert bodies["Fusions", "S1"]["genes"] == ["ALK", "EML4"]


def test_two_genome_builds_in_one_file_are_refused(tmp_path: Path) -> None:
    lines = [f"S1\tEML4\tALK\t2\t42522656\t2\t29446394\t{build}" for build in ("GRCh37", "hg38")]
    bodies, faults = read(write(tmp_path / "data_sv.txt", f"{CBIO}\tNCBI_Build", *lines))
    assert ([fault.code for fault in faults], bodies) == (["mixed-genome-builds"], {})


def test_no_fusion_is_a_negative_test_of_the_panel(tmp_path: Path) -> None:
    bodies, _ = read(write(tmp_path / "P3.tsv", ARRIBA), panel=str(write(tmp_path / "panel.txt", "ALK")))
    assert (bodies["Fusions", "P3"]["genes"], bodies["Fusions", "P3"]["variants"]) == (["ALK"], [])


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("chr4:1806934", "canary", "malformed-position"),
        ("FGFR3^ENSG00000068078.18\tchr4:1806934:+\tTACC3^ENSG00000013810.18", ".\tchr4:1:+\t.", "no-gene"),
        ("\tINFRAME", "", "wrong-field-count"),
    ],
)
def test_a_broken_fusion_is_reported(tmp_path: Path, old: str, new: str, code: str) -> None:
    path = write(tmp_path / "P1.tsv", STAR, STAR_LINE.replace(old, new), STAR_LINE)
    bodies, faults = read(path)
    assert [(fault.position, fault.code) for fault in faults] == [("P1.tsv:2", code)]
    assert "canary" not in faults[0].reason
    assert len(bodies["Fusions", "P1"]["variants"]) == 1
