"""Purity and liquid biopsies."""

from pathlib import Path

from tests.unit.genomics.test_segments import read, write


def test_purity_and_ploidy(tmp_path: Path) -> None:
    path = write(
        tmp_path / "absolute.tsv", "array\tpurity\tploidy", "S1\t0.62\t3.1", "S2\t1.7\t2", "S3\t0.4\t"
    )
    bodies, faults = read(path)
    assert bodies["SampleNumbers", "S1"]["numbers"] == {"tumor_purity": 0.62, "tumor_ploidy": 3.1}
    assert bodies["SampleNumbers", "S3"]["numbers"] == {"tumor_purity": 0.4}
    assert [(fault.position, fault.code) for fault in faults] == [("absolute.tsv:3", "malformed-number")]


def test_a_blood_sample_has_the_largest_fraction_of_all_and_of_each_gene(tmp_path: Path) -> None:
    path = write(
        tmp_path / "ctdna.csv",
        "patient,date,gene,vaf",
        "P1,2024-01-05,TP53,0.02",
        "P1,2024-01-05,TP53,0.08",
        "P1,2024-01-05,KRAS,0.03",
        "P1,2024-03-01,,0",
        "P2,5.1.2024,TP53,0.1",
    )
    bodies, faults = read(path)
    assert bodies["SampleNumbers", "blood of 2024-01-05"]["numbers"] == {
        "ctdna_vaf": 0.08,
        "ctdna_vaf:TP53": 0.08,
        "ctdna_vaf:KRAS": 0.03,
    }
    assert bodies["SampleNumbers", "blood of 2024-03-01"]["numbers"] == {"ctdna_vaf": 0.0}
    assert [fault.code for fault in faults] == ["malformed-date"]


def test_two_purities_of_a_sample_are_none_and_a_normal_sample_has_none(tmp_path: Path) -> None:
    path = write(
        tmp_path / "absolute.tsv", "array\tpurity", "S1\t0.6", "S1\t0.7", "S2\t0.5", "S2\t0.5",
        "TCGA-AA-0001-11A\t0.9",
    )  # fmt: skip
    bodies, faults = read(path)
    assert [sample for _, sample in bodies] == ["S2"]
    assert [(one.position.split(":")[1], one.code) for one in faults] == [
        ("3", "sample-twice"),
        ("6", "normal-sample"),
    ]
