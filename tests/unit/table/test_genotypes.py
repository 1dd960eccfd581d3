"""Genotypes of a site's filesets: swapped, flipped, absent variants, X, two samples, a changed file."""

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pgenlib
import pytest
from sqlalchemy import Engine

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.vocabulary.concepts import Vocabulary
from protocols.core.axis import published
from protocols.core.block_kinds import GenotypeBlock
from protocols.core.errors import SiteError, SpecError
from site_node.sources import genomics
from site_node.study_table.block_readers.genotype import genotypes
from site_node.study_table.people import People

IDENTITY = Identity(b"k" * 32)
BUILD = "GRCh38"
AXIS = ("1:100:A:G", "1:200:C:T", "1:300:A:T", "1:400:G:A", "2:100:CT:C", "X:5000000:G:T", "X:1000000:C:A")

FILE_VARIANTS = (
    ("1", 100, "A", "G"),
    ("1", 200, "T", "C"),  # swapped
    ("1", 300, "A", "T"),  # its strand cannot be told
    ("1", 400, "C", "T"),  # the other strand
    ("2", 100, "CT", "C"),
    ("23", 5_000_000, "G", "T"),
    ("chrX", 1_000_000, "C", "A"),  # pseudoautosomal
    ("3", 7, "A", "C"),  # not on the list
)
COPIES = np.array(
    [
        [0, 1, 2, -9],
        [0, 1, 2, 2],
        [1, 1, 1, 1],
        [2, 0, 0, 1],
        [0, 0, 1, 0],
        [2, 1, 1, 0],
        [2, 1, 1, 0],
        [1, 1, 1, 1],
    ],
    dtype=np.int8,
)


def a_set(
    folder: Path, samples: tuple[str, ...], copies: np.ndarray = COPIES, variants: Any = FILE_VARIANTS
) -> Path:
    """A fileset of (variants, samples) copies of ALT; -9: missing."""
    folder.mkdir(exist_ok=True)
    path = folder / "all.pgen"
    with pgenlib.PgenWriter(str(path).encode(), len(samples), variant_ct=len(variants)) as writer:
        writer.append_biallelic_batch(np.ascontiguousarray(copies))
    lines = [f"{c}\t{p}\tv{i}\t{r}\t{a}" for i, (c, p, r, a) in enumerate(variants)]
    path.with_suffix(".pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n" + "\n".join(lines) + "\n")
    path.with_suffix(".psam").write_text("#IID\tSEX\n" + "".join(f"{s}\tNA\n" for s in samples))
    return path


def loaded(engine: Engine, path: Path, **told: Any) -> dict[str, Any]:
    records = genomics.read(path, **{"build": BUILD, **told})
    return load(engine, records, "genomics", IDENTITY).as_dict()


def read(engine: Engine, *patients: str, build: str = BUILD) -> tuple[np.ndarray, dict[str, int]]:
    """The (patients, variants) copies of ALT, and the doubts."""
    kind = GenotypeBlock(kind="genotype", variants="listed", axis=published(AXIS), build=build)
    ids = np.array([IDENTITY.person_id("genomics", name) for name in patients], dtype=np.int64)
    order = np.argsort(ids)
    index = np.full(len(ids), np.datetime64(date(2020, 3, 1)), dtype="datetime64[D]")
    with engine.connect() as connection:
        people = People(connection, Vocabulary(engine), ids[order], index)
        block = genotypes(kind, people, None)
        found = np.full((len(ids), len(AXIS)), np.nan)
        found[order] = block.columns(np.arange(len(AXIS)))
        return found, dict(people.doubts)


def test_copies_are_those_of_the_list(sqlite_engine: Engine, tmp_path: Path) -> None:
    summary = loaded(sqlite_engine, a_set(tmp_path / "a", ("P1", "P2", "P3", "P4")))
    assert not summary["partial"]
    found, doubts = read(sqlite_engine, "P1", "P2", "P3", "P4")
    nan = np.nan
    expected = [
        [0, 1, 2, nan],
        [2, 1, 0, 0],
        [nan, nan, nan, nan],
        [2, 0, 0, 1],
        [0, 0, 1, 0],
        [2, 1, 1, 0],
        [2, 1, 1, 0],
    ]
    np.testing.assert_array_equal(found.T, expected)
    assert doubts == {"strand-unknown": 1}


def test_a_stated_strand_is_taken_at_its_word(sqlite_engine: Engine, tmp_path: Path) -> None:
    loaded(sqlite_engine, a_set(tmp_path / "a", ("P1", "P2", "P3", "P4")), strand="forward")
    found, doubts = read(sqlite_engine, "P1")
    np.testing.assert_array_equal(found[0], [0, 2, 1, np.nan, 0, 2, 2])  # G:A is not C:T then
    assert doubts == {}


def test_files_by_chromosome_and_other_builds(sqlite_engine: Engine, tmp_path: Path) -> None:
    for name, rows in (("one", slice(0, 3)), ("two", slice(3, 8))):
        path = a_set(tmp_path / name, ("P2", "P1"), COPIES[rows, :2], FILE_VARIANTS[rows])
        loaded(sqlite_engine, path.rename(path)) if name == "one" else loaded(sqlite_engine, tmp_path / name)
    found, _ = read(sqlite_engine, "P1", "P2")
    np.testing.assert_array_equal(found[:, 0], [1, 0])
    found, doubts = read(sqlite_engine, "P1", "P2", build="GRCh37")
    assert np.isnan(found).all()
    assert doubts["other-build"] == 4  # two samples of each of two people


def test_a_changed_fileset_is_refused(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = a_set(tmp_path / "a", ("P1", "P2", "P3", "P4"))
    loaded(sqlite_engine, path)
    a_set(tmp_path / "a", ("P4", "P2", "P3", "P1"))
    with pytest.raises(SiteError, match="changed since it was loaded"):
        read(sqlite_engine, "P1")
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(SiteError, match="is gone"):
        read(sqlite_engine, "P1")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda path: path.with_suffix(".psam").unlink(), "incomplete-fileset"),
        (lambda path: path.with_suffix(".psam").write_text("#IID\nP1\n"), "malformed-genotypes"),
        (lambda path: path.with_suffix(".pvar").write_text("1\t2\tv\tA\tC\n"), "malformed-variants"),
        (lambda path: path.write_bytes(path.read_bytes()[:20]), "malformed-genotypes"),
    ],
)
def test_a_bad_fileset_is_quarantined(sqlite_engine: Engine, tmp_path: Path, spoil: Any, code: str) -> None:
    path = a_set(tmp_path / "a", ("P1", "P2", "P3", "P4"))
    spoil(path)
    [found] = genomics.read(path, build=BUILD)
    assert found.code == code  # type: ignore[union-attr]


def test_a_fileset_needs_its_build(tmp_path: Path) -> None:
    [found] = genomics.read(a_set(tmp_path / "a", ("P1",) * 4))
    assert found.code == "unknown-genome-build"  # type: ignore[union-attr]
    twice = list(genomics.read(tmp_path / "a", build=BUILD))
    assert [one.code for one in twice] == ["sample-twice"] * 4  # type: ignore[union-attr]


def test_a_list_of_other_names_is_refused(sqlite_engine: Engine) -> None:
    with pytest.raises(SpecError, match="CHROMOSOME:POSITION:REF:ALT"):
        GenotypeBlock(kind="genotype", variants="listed", axis=published(["rs1"]), build=BUILD).names()
