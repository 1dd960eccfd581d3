"""SEG files and log2 ratios as records: the two files of TCGA-LAML, genes, broken lines."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdm.etl.genomics.genomic_profile import block_of, unpack
from cdm.etl.record import SourceRecord, Unreadable
from site_node.sources import genomics
from site_node.sources.genomics import segments
from tests.lib.shared import shared

HEADER = "ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean"
GENES = "chr1\t149\t250\tGENE1\nchr1\t899\t1100\tGENE2\nX\t1\t9\tGENE3\n"


def read(path: Path, **options: Any) -> tuple[dict[tuple[str, str], dict[str, Any]], list[Unreadable]]:
    """The bodies by kind and sample, and what could not be read."""
    found = list(genomics.read(path, **options))
    records = [one for one in found if isinstance(one, SourceRecord)]
    bodies = {(one.kind, one.body["sample"]): one.body for one in records}
    return bodies, [one for one in found if isinstance(one, Unreadable)]


def values_of(body: dict[str, Any]) -> dict[str, float | None]:
    """Every number of a profile."""
    return {
        name: value
        for content in body["blocks"].values()
        for name, value in unpack(base64.b64decode(content)).items()
    }


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def genes(tmp_path: Path) -> Path:
    path = tmp_path / "genes.bed"
    path.write_text(GENES)
    return path


@pytest.mark.parametrize(
    ("name", "samples", "segments"),
    [("LAML_CBS_segments.tsv.gz", 191, 6470), ("TCGA.AB.3009.hg19.seg.txt", 1, 818)],
)
def test_laml_segments_are_read_whole(name: str, samples: int, segments: int) -> None:
    """The numbers are those of `cut -f1 | sort -u | wc -l` and `wc -l` without the header."""
    bodies, faults = read(shared(f"data/genomics/tcga_laml/{name}"), build="hg19")
    assert [fault.code for fault in faults] == ["no-gene-positions"]
    assert len(bodies) == samples
    assert sum(len(body["variants"]) for body in bodies.values()) == segments
    assert {body["reference_genome"] for body in bodies.values()} == {"GRCh37"}


def test_a_segment_becomes_a_row_and_each_gene_a_ratio(tmp_path: Path) -> None:
    path = write(tmp_path / "a.seg", HEADER, "S1\tchr1\t100\t500\t40\t-1.0", "S1\t1\t501\t2000\t90\t1")
    bodies, faults = read(path, genes=genes(tmp_path), build="GRCh38")
    assert not faults
    assert bodies["Segments", "S1"]["variants"][0] == {
        "chromosome": "1",
        "position": 100,
        "end_position": 500,
        "cnv_locus": "1:100-500",
        "copy_number": 1.0,
        "variant_classification": "Copy_Number_Segment",
        "variant_feature": "40 markers",
    }
    assert values_of(bodies["Profile", "S1"]) == {"GENE1": -1.0, "GENE2": 1.0}
    assert str(block_of("gene1")) in bodies["Profile", "S1"]["blocks"]


def test_log2_ratios_of_markers_are_segmented(tmp_path: Path) -> None:
    """As CNVkit writes them: no sample inside, so the file's name counts."""
    rng = np.random.default_rng(1)
    ratios = rng.normal(scale=0.1, size=200) + np.repeat([0.0, 0.8], 100)
    lines = [f"chr1\t{10 * i + 1}\t{10 * i + 10}\tX\t{r:.4f}" for i, r in enumerate(ratios)]
    path = write(tmp_path / "P7.cnr", "chromosome\tstart\tend\tgene\tlog2", *lines)
    bodies, _ = read(path, genes=genes(tmp_path))
    variants = bodies["Segments", "P7"]["variants"]
    assert [v["cnv_locus"] for v in variants] == ["1:1-1000", "1:1001-2000"]
    assert [v["variant_feature"] for v in variants] == ["100 markers", "100 markers"]
    assert values_of(bodies["Profile", "P7"])["GENE1"] == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("S1\t1\t500\t100\t4\t0.1", "malformed-segment"),
        ("S1\t1\t100\t500\t4\tcanary", "malformed-number"),
        ("S1\t1\t100\t500\t4\tnan", "malformed-number"),
        ("S1\t1\t100\t500\t4\t400", "malformed-segment"),
        ("S1\t1\tx\t500\t4\t0.1", "malformed-position"),
        ("S1\t1\t100", "wrong-field-count"),
    ],
)
def test_a_broken_segment_is_reported_and_the_others_load(tmp_path: Path, line: str, code: str) -> None:
    path = write(tmp_path / "a.seg", HEADER, line, "S2\t1\t100\t500\t4\t0.1")
    bodies, faults = read(path, genes=genes(tmp_path))
    assert [(fault.position, fault.code) for fault in faults] == [("a.seg:2", code)]
    assert "canary" not in faults[0].reason
    assert ("Segments", "S2") in bodies


def test_segments_with_commas_and_a_build_of_their_own(tmp_path: Path) -> None:
    lines = (HEADER, "S1\tchr1\t100\t500\t4\t0.1")
    bodies, faults = read(
        write(tmp_path / "a.csv", *(line.replace("\t", ",") for line in lines)), genes=genes(tmp_path)
    )
    assert not faults
    assert bodies["Segments", "S1"]["variants"][0]["cnv_locus"] == "1:100-500"


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ("MAX_LINES", "too-many-lines"),
        ("MAX_PARTS", "too-many-samples"),
        ("MAX_SEGMENTS", "too-many-segments"),
    ],
)
def test_segments_without_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, code: str
) -> None:
    monkeypatch.setattr(segments, limit, 10)
    lines = [f"S1\t{n if limit == 'MAX_PARTS' else 1}\t{10 * n}\t{10 * n + 5}\t4\t0.1" for n in range(1, 13)]
    _, faults = read(write(tmp_path / "a.seg", HEADER, *lines), genes=genes(tmp_path))
    assert {fault.code for fault in faults} == {code}


def test_overlapping_segments_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.seg", HEADER, "S1\t1\t100\t500\t4\t0.1", "S1\t1\t400\t900\t4\t0.9")
    bodies, faults = read(path, genes=genes(tmp_path))
    assert ([fault.code for fault in faults], bodies) == (["overlapping-segments"], {})


def test_genes_of_another_build_are_refused(tmp_path: Path) -> None:
    gtf = write(
        tmp_path / "genes.gtf",
        "#!genome-build GRCh38.p14",
        'chr1\tx\tgene\t150\t250\t.\t+\t.\tgene_id "ENSG00000000001.4"; gene_name "GENE1";',
    )
    header = f"{HEADER}\tgenome"
    path = write(tmp_path / "a.seg", header, "S1\t1\t100\t500\t4\t0.1\thg19")
    bodies, faults = read(path, genes=gtf)
    assert ([fault.code for fault in faults], bodies) == (["mixed-genome-builds"], {})
    path = write(tmp_path / "a.seg", header, "S1\t1\t100\t500\t4\t0.1\thg38")
    bodies, faults = read(path, genes=gtf)
    assert (not faults, bodies["Segments", "S1"]["reference_genome"]) == (True, "GRCh38")
