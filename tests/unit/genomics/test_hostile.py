"""Files made to do harm, or broken at random: no crash, bounded memory, a code, and all else loaded."""

import gzip
import time
from pathlib import Path

import pytest

from cdm.etl.record import SourceRecord, Unreadable
from site_node.sources import genomics, lines
from site_node.sources.genomics import samples
from tests.lib.damage import spoilt
from tests.unit.genomics.test_fusions import STAR, STAR_LINE
from tests.unit.genomics.test_maf import HEADER, IDH1, TP53, write
from tests.unit.genomics.test_matrix import COUNTS
from tests.unit.genomics.test_vcf import COLUMNS, CSQ, HEAD, MISSENSE

GOOD = f"2\t11\t.\tC\tT\t.\tPASS\t{MISSENSE}\tGT\t0/1"
VCF_LINE = f"2\t10\t.\tC\tT\t.\tPASS\t{MISSENSE}\tGT:AD\t0/1:3,4\t0/0:9,0"
SOUND = {
    "maf": [HEADER, IDH1, TP53],
    "vcf": [*HEAD, "##normal_sample=N1", CSQ, f"{COLUMNS}\tV1\tN1", VCF_LINE],
    "seg": ["ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean", "S1\tchr1\t100\t500\t40\t-1.0"],
    "fusions": [STAR, STAR_LINE],
    "counts": [COUNTS, "A\t1\t1\t9\t+\t900\t4\t1", "B\t1\t1\t9\t+\t700\t3\t8"],
    "beta": ["probe\tS1", "cg00000029\t0.5"],
    "ctdna": ["patient,date,gene,vaf", "P1,2024-01-05,TP53,0.02"],
    "purity": ["sample\tpurity\tploidy", "S1\t0.5\t2"],
}


def codes(path: Path) -> tuple[list[str], int]:
    """The codes of what could not be read, and how many variants were."""
    found = list(genomics.read(path))
    faults = [one.code for one in found if isinstance(one, Unreadable)]
    return faults, sum(len(one.body["variants"]) for one in found if isinstance(one, SourceRecord))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"2\t10\t.\t{'A' * 1_000_000}\tT\t.\t.\t.\tGT\t0/1", "malformed-allele"),
        (f"2\t10\t.\tC\t{','.join(['T'] * 100_000)}\t.\t.\t.\tGT\t0/1", "too-many-alleles"),
        (f"2\t10\t.\tC\tT\t.\t.\t{'x' * (17 << 20)}\tGT\t0/1", "line-too-long"),
        ("2\t10\t.\tC\tT\t.\t.\t.\tGT" + "\t0/1" * 100_000, "wrong-field-count"),
    ],
    ids=["a million letters", "a hundred thousand alleles", "17 MB of INFO", "a hundred thousand samples"],
)
def test_a_huge_line_is_refused_and_the_next_one_read(tmp_path: Path, line: str, code: str) -> None:
    path = write(tmp_path / "a.vcf", *HEAD, CSQ, f"{COLUMNS}\tP1", line, GOOD)
    assert codes(path) == ([code], 1)


def test_a_hundred_thousand_effects_are_read_up_to_a_bound(tmp_path: Path) -> None:
    effects = ",".join(["T|missense_variant||IDH1", *(f"T|intron_variant||G{i}" for i in range(100_000))])
    line = f"2\t10\t.\tC\tT\t.\t.\tCSQ={effects}\tGT\t0/1"
    faults, variants = codes(write(tmp_path / "a.vcf", *HEAD, CSQ, f"{COLUMNS}\tP1", line))
    assert (faults, variants) == ([], 50)


def test_a_million_samples_are_refused(tmp_path: Path) -> None:
    header = COLUMNS + "".join(f"\tP{number}" for number in range(1_000_000))
    assert codes(write(tmp_path / "a.vcf", *HEAD, CSQ, header, GOOD)) == (["too-many-samples"], 0)


def test_a_bomb_of_one_endless_line_ends_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BOMB", 1 << 20)
    text = "\n".join([*HEAD, CSQ, f"{COLUMNS}\tP1", GOOD, "A" * (40 << 20), GOOD])
    (tmp_path / "a.vcf.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    assert codes(tmp_path / "a.vcf.gz") == (["cut-short"], 1)


def test_a_file_of_endless_lines_ends_where_its_kind_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_LINES", 1_000)
    (tmp_path / "a.maf.gz").write_bytes(
        gzip.compress("\n".join([HEADER, IDH1]).encode() + b"\n" * 100_000, mtime=0)
    )
    assert codes(tmp_path / "a.maf.gz") == (["cut-short"], 1)


def test_lines_that_take_no_room_on_the_disk_end_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "FREE_LINES", 1_000)
    path = tmp_path / "a.maf.gz"
    path.write_bytes(gzip.compress("\n".join([HEADER, IDH1]).encode() + b"\n" * 100_000, mtime=0))
    assert codes(path) == (["cut-short"], 1)
    path.write_bytes(gzip.compress("\n".join([HEADER, IDH1]).encode() + b"\n" * 900, mtime=0))
    assert codes(path) == ([], 1)


def test_more_variants_than_are_held_end_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MAX_FILE_VARIANTS", 20)
    header = "\t".join([COLUMNS, *(f"P{number}" for number in range(15))])
    sites = [GOOD.replace("\t0/1", "\t0/1" * 15)] * 5
    assert codes(write(tmp_path / "a.vcf", *HEAD, CSQ, header, *sites)) == (["cut-short"], 20)


def test_a_site_of_many_samples_and_alleles_costs_its_length(tmp_path: Path) -> None:
    """20,000 samples by 1,000 alternates: 82 KB, of which a naive reader makes 20 million genotypes."""
    header = "\t".join([COLUMNS, *(f"P{number}" for number in range(20_000))])
    site = f"2\t10\t.\tC\t{','.join(['T'] * 1_000)}\t.\t.\t.\tGT" + "\t0/0" * 20_000
    path = write(tmp_path / "a.vcf", *HEAD, CSQ, header, site)
    began = time.process_time()
    assert codes(path) == ([], 0)
    assert time.process_time() - began < 5


def test_a_file_of_broken_lines_does_not_fill_the_quarantine(tmp_path: Path) -> None:
    faults, variants = codes(write(tmp_path / "a.maf", HEADER, *["broken"] * 5_000, IDH1))
    assert (len(faults), faults[-1], variants) == (1_001, "too-many-faults", 1)


def test_bgzip_with_many_members_is_read_whole(tmp_path: Path) -> None:
    """As `bgzip` writes it: gzip members of at most 64 KiB each, and an empty one at the end."""
    sites = [GOOD.replace("\t11\t", f"\t{number}\t") for number in range(1, 2_001)]
    text = ("\n".join([*HEAD, CSQ, f"{COLUMNS}\tP1", *sites]) + "\n").encode()
    members = [gzip.compress(text[at : at + 60_000], mtime=0) for at in range(0, len(text), 60_000)]
    path = tmp_path / "a.vcf.gz"
    path.write_bytes(b"".join([*members, gzip.compress(b"", mtime=0)]))
    assert len(members) > 3
    assert codes(path) == ([], 2_000)


@pytest.mark.parametrize("version", ["VCFv4.1", "VCFv4.2", "VCFv4.3", "VCFv4.4", "VCFv4.5"])
def test_every_version_of_vcf_is_read(tmp_path: Path, version: str) -> None:
    header = (f"##fileformat={version}", *HEAD[1:], CSQ)
    symbolic = "2\t90\t.\tC\t<DEL>\t.\tPASS\tEND=200;SVLEN=-110\tGT\t0/1"
    path = write(tmp_path / "a.vcf", *header, f"{COLUMNS}\tP1", GOOD, symbolic)
    assert codes(path) == ([], 2)


def fuzz(tmp_path: Path, kind: str, seeds: range) -> None:
    """Read the kind's sound file with random bytes changed and its end cut off, once a seed."""
    path = tmp_path / f"P1.{kind}"
    for seed in seeds:
        path.write_bytes(spoilt("\n".join(SOUND[kind]).encode(), seed))
        for one in genomics.read(path, "exome"):
            assert one.position
            if isinstance(one, Unreadable):
                assert one.code.replace("-", "").isalpha()


@pytest.mark.parametrize("kind", SOUND)
def test_a_hundred_broken_files_are_read_or_reported(tmp_path: Path, kind: str) -> None:
    fuzz(tmp_path, kind, range(100))


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOUND)
def test_two_thousand_broken_files_are_read_or_reported(tmp_path: Path, kind: str) -> None:
    fuzz(tmp_path, kind, range(100, 2_100))
