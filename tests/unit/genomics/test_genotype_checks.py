"""Checks of genotypes: the numbers are plink2's and PLINK 1.9's, and what fails is read by no study."""

import json
import shutil
import subprocess
from collections import deque
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cdm.vocabulary.concepts import Vocabulary
from protocols.core.axis import published
from protocols.core.block_kinds import GenotypeBlock
from protocols.core.errors import InputError
from site_node.actions import loads
from site_node.actions.loads import GenotypesChecked, Loaded
from site_node.administration.setup import make_site
from site_node.features.genomics.genotype_quality import (
    Calls,
    Homozygosity,
    Kinship,
    genotype_counts,
    hardy_weinberg,
    unrelated,
)
from site_node.home.cdm import opened_cdm
from site_node.home.config import load
from site_node.home.identity import site_identity
from site_node.sources.genotypes.fileset import Fileset
from site_node.sources.genotypes.genome_build import KNOWN, contradicts
from site_node.study_table.block_readers.genotype import genotypes
from site_node.study_table.people import People
from site_node.synthetic import consortium
from site_node.synthetic.genotypes import GENOME, manifest, write_genotypes
from site_node.synthetic.patients import draw_patients
from tests.lib import gwas_oracle

plink2, plink19 = shutil.which("plink2"), shutil.which("plink1.9")
needs_plink2 = pytest.mark.skipif(plink2 is None, reason="plink2 is not installed")


def _calls() -> tuple[Calls, pd.DataFrame]:
    """The (v, n) calls of all four hospitals' people, and the variants."""
    fileset = Fileset(gwas_oracle.data(".bed"))
    found, samples = fileset.read_variants(), fileset.read_samples()
    with fileset.opened(len(samples), len(found)) as opened:
        return opened.calls(0, len(found)), found


def _of_plink(program: str | None, folder: Path, *options: str, ending: str) -> pd.DataFrame:
    assert program is not None
    stem = str(gwas_oracle.data(".bed")).removesuffix(".bed")
    out = folder / "plink"
    command = [program, "--bfile", stem, *options, "--threads", "1", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    return pd.read_csv(f"{out}.{ending}", sep=r"\s+")


@needs_plink2
def test_hardy_weinberg_is_that_of_plink2(tmp_path: Path) -> None:
    calls, found = _calls()
    of_plink = _of_plink(plink2, tmp_path, "--hardy", "--chr", "1-22", ending="hardy")
    on_autosome = (found["chromosome"] != "X").to_numpy()
    mine = hardy_weinberg(genotype_counts(calls[on_autosome]))
    assert of_plink["ID"].tolist() == found["id"][on_autosome].tolist()
    np.testing.assert_allclose(mine, of_plink["P"], rtol=1e-5)  # it prints six digits
    assert (mine < 1e-3).any()


def test_hardy_weinberg_of_few_and_of_one_allele() -> None:
    # by hand: 0 or 2 heterozygotes of 4 people with 2 rarer alleles in 4 and 24 of 28 ways; 0, 2 or 4 of 4
    # people with 4 of both in 6, 48 and 16 of 70
    p = hardy_weinberg(np.array([[3, 0, 1], [10, 0, 0], [0, 0, 0], [0, 4, 0]]))
    np.testing.assert_allclose(p, [1 / 7, 1.0, 1.0, 22 / 70], rtol=1e-12)


@needs_plink2
def test_missing_calls_are_those_of_plink2(tmp_path: Path) -> None:
    calls, _ = _calls()
    of_plink = _of_plink(plink2, tmp_path, "--missing", "variant-only", ending="vmiss")
    np.testing.assert_allclose((calls == -9).mean(axis=1), of_plink["F_MISS"], rtol=1e-5)
    of_plink = _of_plink(plink2, tmp_path, "--missing", "sample-only", ending="smiss")
    np.testing.assert_allclose((calls == -9).mean(axis=0), of_plink["F_MISS"], rtol=1e-5)


@needs_plink2
def test_kinship_is_that_of_plink2(tmp_path: Path) -> None:
    calls, found = _calls()
    of_plink = _of_plink(plink2, tmp_path, "--make-king-table", "--chr", "1-22", ending="kin0")
    kinship = Kinship(calls.shape[1])
    for part in np.array_split(np.flatnonzero(found["chromosome"] != "X"), 3):
        kinship.add(calls[part])
    samples = Fileset(gwas_oracle.data(".bed")).read_samples()
    at = {name: j for j, name in enumerate(samples)}
    first, second = (of_plink[column].astype(str).map(at) for column in ("IID1", "IID2"))
    mine = kinship.coefficients()[first, second]
    np.testing.assert_allclose(mine, of_plink["KINSHIP"], atol=2e-6)
    assert (mine > 0.177).sum() == 13  # twelve pairs of siblings, and one person at two hospitals


@pytest.mark.skipif(plink19 is None, reason="PLINK 1.9 is not installed")
def test_homozygosity_on_x_is_that_of_plink(tmp_path: Path) -> None:
    calls, found = _calls()
    of_plink = _of_plink(plink19, tmp_path, "--check-sex", ending="sexcheck")
    x = Homozygosity(calls.shape[1])
    x.add(calls[found["chromosome"] == "X"], (of_plink["PEDSEX"] == 1).to_numpy())
    np.testing.assert_allclose(x.excess(), of_plink["F"], atol=1e-4)  # it prints four digits


def test_of_relatives_those_with_most_go_and_of_two_the_worse() -> None:
    kinship = np.zeros((5, 5))
    for a, b in ((0, 1), (1, 2), (3, 4)):
        kinship[a, b] = kinship[b, a] = 0.25
    kept = unrelated(kinship, 0.0884, np.array([0.9, 0.99, 0.9, 0.98, 0.99]))
    assert kept.tolist() == [True, False, True, False, True]


def test_a_build_that_well_known_variants_contradict_is_seen() -> None:
    rows = [(name, *where) for name, where in KNOWN.items()]
    there = pd.DataFrame(rows, columns=["id", "chromosome", "GRCh37", "GRCh38"])
    for build, other in (("GRCh37", "GRCh38"), ("GRCh38", "GRCh37")):
        found = there.assign(position=there[build])
        assert not contradicts(found, build)
        assert contradicts(found, other)
        assert not contradicts(found.assign(id="."), other)
    end = pd.DataFrame({"id": ["."], "chromosome": ["1"], "position": [249_000_000]})
    assert contradicts(end, "GRCh38")
    assert not contradicts(end, "GRCh37")


VARIANTS = 20_000


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, object]]:
    """A site's folder with its patients, its fileset, and which of its samples have a flaw."""
    folder = tmp_path_factory.mktemp("hospital")
    plan = consortium(3, 60)[0]
    patients = draw_patients(plan, 7)
    lines = [
        {"resourceType": "Patient", "id": one.patient_id, "gender": one.sex, "birthDate": str(one.birth_date)}
        for one in patients
    ]
    (folder / "Patient.ndjson").write_text("\n".join(map(json.dumps, lines)) + "\n")
    told = write_genotypes(folder, plan, patients, manifest(VARIANTS, 7), np.random.default_rng(7))
    make_site(folder / "site", "northgate", runtime_port=9094)
    deque(loads.add_fhir(folder / "site", str(folder / "Patient.ndjson")), maxlen=0)
    return folder / "site", folder / "genotypes.bed", told["genotype_flaws"]  # type: ignore[return-value]


def _load(home: Path, fileset: Path, checks: str) -> GenotypesChecked:
    (loaded,) = deque(
        loads.add_genomics(home, fileset, build=GENOME, strand="forward", checks=checks), maxlen=1
    )
    assert isinstance(loaded, Loaded)
    (found,) = loaded.genotypes
    return found


def _read(home: Path, samples: list[str]) -> tuple[np.ndarray, dict[str, int]]:
    """Whether each of some samples is read, and the doubts."""
    kind = GenotypeBlock(
        kind="genotype", variants="listed", axis=published(manifest(VARIANTS, 7).names), build=GENOME
    )
    config = load(home)
    with opened_cdm(config) as engine, engine.connect() as connection:
        ids = np.array([site_identity(config).person_id("genotypes", name) for name in samples])
        order = np.argsort(ids)
        index = np.full(len(ids), np.datetime64(date(2020, 1, 1)), dtype="datetime64[D]")
        people = People(connection, Vocabulary(engine), ids[order], index)
        present = np.empty(len(ids), dtype=bool)
        present[order] = genotypes(kind, people, None).present
        return present, dict(people.doubts)


def test_samples_with_planted_flaws_are_named_and_read_by_no_study(
    hospital: tuple[Path, Path, dict[str, object]],
) -> None:
    home, path, flaws = hospital
    found = _load(home, path, "apply")
    samples = Fileset(path).read_samples()
    named = {code: [samples[line - 1] for line in lines] for code, lines in found.sample_lines.items()}
    assert named["few-calls"] == [flaws["failed"]]
    assert named["other-sex"] == [flaws["other_sex"]]
    (relative,) = named["relative"]
    assert relative in flaws["siblings"]  # type: ignore[operator]
    present, doubts = _read(home, samples)
    assert [name for name, is_read in zip(samples, present, strict=True) if not is_read] == sorted(
        [*named["few-calls"], *named["other-sex"], relative], key=samples.index
    )
    assert doubts["genotypes-left-out"] == 3


def test_what_is_only_reported_is_read(hospital: tuple[Path, Path, dict[str, object]]) -> None:
    home, path, _ = hospital
    found = _load(home, path, "report")
    assert sum(map(len, found.sample_lines.values())) == 3
    assert not found.applied
    present, doubts = _read(home, Fileset(path).read_samples())
    assert present.all()
    assert "genotypes-left-out" not in doubts


def test_another_build_than_is_said_is_not_loaded(
    hospital: tuple[Path, Path, dict[str, object]], tmp_path: Path
) -> None:
    home, path, _ = hospital
    for ending in (".bed", ".fam"):
        shutil.copy(path.with_suffix(ending), tmp_path / f"other{ending}")
    lines = path.with_suffix(".bim").read_text().splitlines()
    for j, (name, (chromosome, there, _)) in enumerate(list(KNOWN.items())[:4]):
        cells = lines[j].split("\t")
        lines[j] = "\t".join([chromosome, name, "0", str(there), *cells[4:]])
    (tmp_path / "other.bim").write_text("\n".join(lines) + "\n")
    (loaded,) = deque(loads.add_genomics(home, tmp_path / "other.bed", build="GRCh38"), maxlen=1)
    assert isinstance(loaded, Loaded)
    assert loaded.partial
    assert loaded.genotypes == ()
    with pytest.raises(InputError):
        loads.add_genomics(home, path, checks="no")
