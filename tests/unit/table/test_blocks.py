"""Blocks of a study from the CDM: the numbers that the same names give as variables, read in chunks."""

import errno
import os
from datetime import date
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter
from sqlalchemy import Engine

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.vocabulary.concepts import Vocabulary
from cdm.vocabulary.genes import gene_names
from protocols.core import ibsi_tags
from protocols.core.axis import axis_of
from protocols.core.block import Block
from protocols.core.block_kinds import BLOCK_KINDS, AnyBlock, BlockOfStudy
from protocols.core.errors import SpecError
from protocols.core.study import read_study
from server.actions import studies
from server.cli.words import studies as words
from site_node.features.radiomics.extraction import MODULES, aggregations_of
from site_node.features.radiomics.settings import Settings, Texture
from site_node.sources import genomics
from site_node.study_table.block_readers import BLOCK_READERS
from site_node.study_table.block_readers.reader import StoredBlock
from site_node.study_table.build import build_table
from site_node.study_table.people import People
from tests.lib.columns_read import columns_read
from tests.lib.studies import a_study
from tests.unit.genomics.test_maf import write
from tests.unit.table import test_images
from tests.unit.table.test_images import image

cdm = test_images.cdm  # the fixture of imaged people
IDENTITY = Identity(b"k" * 32)
BLOCK: TypeAdapter[Any] = TypeAdapter(BlockOfStudy)
PATIENTS = ("S1", "S2", "S3")
DOCS = Path(__file__).parents[3] / "docs"
GUIDE, EXAMPLE = DOCS / "analyst-guide.md", DOCS / "examples" / "radiogenomics.yaml"
GENES = ("EGFR", "IDH1", "KMT2A", "TP53", "P53", "ATRX", "C1ORF112")


def people_of(connection: Any, engine: Engine, identity: Identity, system: str, *names: str) -> People:
    ids = np.sort(np.array([identity.person_id(system, name) for name in names], dtype=np.int64))
    index = np.full(len(ids), np.datetime64(date(2020, 3, 1)), dtype="datetime64[D]")
    return People(connection, Vocabulary(engine), ids, index)


def read(people: People, asked: dict[str, Any], folder: Path) -> Block:
    kind = BLOCK.validate_python(asked)
    return BLOCK_READERS[type(kind)].read(kind, people, folder)


def everything(block: Block) -> np.ndarray:
    return block.columns(np.arange(block.axis.size))


@pytest.fixture
def profiled(sqlite_engine: Engine, tmp_path: Path) -> Engine:
    """Three people's expression: under old names, twice for one of them, and not all of it."""
    first = write(
        tmp_path / "a.tsv",
        *("gene\tS1\tS2", "IDH1\t3\t7", "MLL\t5\tNA", "P53\t1\t2", "EGFR\t0.1\t12.5", "C1orf112\t1\t1"),
    )
    again = write(tmp_path / "b.tsv", "gene\tS1-2\tS3", "IDH1\t4\t9", "KMT2A\t2\t8", "TP53\t6\t3")
    for path in (first, again):
        load(sqlite_engine, genomics.read(path, values="tpm"), "genomics", IDENTITY)
    return sqlite_engine


@pytest.mark.parametrize("unit", ["tpm", "log2_tpm"])
def test_expression_is_that_of_the_variables(profiled: Engine, tmp_path: Path, unit: str) -> None:
    with profiled.connect() as connection:
        people = people_of(connection, profiled, IDENTITY, "", *PATIENTS)
        block = read(people, {"kind": "expression", "genes": GENES, "unit": unit}, tmp_path)
        for position, gene in enumerate(GENES):
            (column,) = columns_read({"kind": "expression", "gene": gene, "unit": unit}, people)
            found = block.columns(np.array([position]))[:, 0]
            assert np.array_equal(found, column, equal_nan=True), gene
    assert block.present.all()
    assert np.isnan(everything(block)[:, GENES.index("ATRX")]).all()
    assert (~np.isnan(everything(block))).sum() == 15


def test_methylation_and_copy_numbers_are_those_of_the_variables(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    load(
        sqlite_engine,
        genomics.read(write(tmp_path / "m.tsv", "probe\tS1\tS2", "cg00000029\t0.87\t0.1", "cg1\tNA\t1")),
        "genomics",
        IDENTITY,
    )
    with sqlite_engine.connect() as connection:
        people = people_of(connection, sqlite_engine, IDENTITY, "", "S1", "S2")
        probes = ("cg00000029", "cg1", "cg2")
        block = read(people, {"kind": "methylation", "probes": probes, "unit": "m"}, tmp_path)
        for position, probe in enumerate(probes):
            (column,) = columns_read({"kind": "methylation", "probe": probe, "unit": "m"}, people)
            assert np.array_equal(everything(block)[:, position], column, equal_nan=True), probe
        empty = read(people, {"kind": "copy_number", "genes": ["EGFR"]}, tmp_path)
        assert not empty.present.any()
        assert np.isnan(everything(empty)).all()


def test_radiomic_features_are_those_of_the_nearest_image(cdm: Engine, tmp_path: Path) -> None:
    image(cdm, 1, "ann", -90, {}, cm_contrast_3D_avg=1.0, cm_energy_3D_avg=5.0)
    image(cdm, 2, "ann", 10, {}, cm_contrast_3D_avg=2.0)
    image(cdm, 3, "bob", 0, {}, cm_contrast_3D_avg=7.0, rlm_sre_3D_avg=1.0)
    asked = {"kind": "radiomic", "modality": "CT", "region": "GTV", "features": {"family": "glcm"}}
    with cdm.connect() as connection:
        people = people_of(connection, cdm, test_images.IDENTITY, "fhir", "ann", "bob", "carl")
        block = read(people, asked, tmp_path)
        names = BLOCK.validate_python(asked).names()
        for position, name in enumerate(names):
            variable = {
                "kind": "radiomic",
                "feature": name.removeprefix("none:"),
                "modality": "CT",
                "region": "GTV",
            }
            (column,) = columns_read(variable, people)
            assert np.array_equal(everything(block)[:, position], column, equal_nan=True), name
    assert np.nanmax(everything(block)) == 7.0
    assert block.present.sum() == 2


def test_the_public_list_of_radiomic_features_is_what_the_engine_makes() -> None:
    aggregations = ("2D_avg", "2.5D_comb", "3D_avg", "3D_comb")
    settings = Settings(texture=Texture(aggregations=aggregations))
    assert tuple(ibsi_tags.FAMILIES) == tuple(MODULES)
    for family, module in MODULES.items():
        made = {
            f"{one.tag}_{way}" if way else one.tag
            for one in module.FAMILY.definitions
            for way in aggregations_of(family, settings)
        }
        assert set(ibsi_tags.tags(family, aggregations)) == made, family


def test_every_kind_of_block_has_its_reader() -> None:
    assert set(BLOCK_READERS) == set(get_args(AnyBlock)) == set(BLOCK_KINDS.values())


def test_the_analysts_guide_shows_every_kind() -> None:
    section = GUIDE.read_text().partition("\nblocks:\n")[2]
    shown = yaml.safe_load("blocks:\n" + section.partition("```")[0])["blocks"]
    assert {one["kind"] for one in shown.values()} == set(BLOCK_KINDS)
    for one in shown.values():
        assert BLOCK.validate_python(one).names()


def test_the_example_study_is_valid_and_says_what_would_leave() -> None:
    found = read_study(EXAMPLE)
    assert found.width() > 40_000
    assert found.blocks["texture"].on.size == 25 + 16 + 16 + 16 + 5 + 17
    assert any("Logistic tests of 95 features of block texture" in line for line in found.describe())


def stored(values: np.ndarray, folder: Path, *parts: list[int]) -> StoredBlock:
    """A block of (n, f) values of which these names come in parts."""
    axis = axis_of([f"x{i}" for i in range(values.shape[1])])
    return StoredBlock(axis, len(values), ((np.array(at), values[:, at].T) for at in parts), folder)


def test_any_names_of_a_stored_block_are_read_back(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(7, 20))
    block = stored(values, tmp_path, [5, 6, 2], [19, 0], list(range(10, 15)))
    known = [0, 2, 5, 6, 10, 11, 12, 13, 14, 19]
    expected = np.full(values.shape, np.nan)
    expected[:, known] = values[:, known]
    for at in ([0], [2, 5, 6], list(range(20)), [1, 3], [9, 10, 12, 13, 15, 19]):
        assert np.array_equal(block.columns(np.array(at)), expected[:, at], equal_nan=True)
    assert np.array_equal(
        block.select(np.arange(7) % 2 == 0).columns(np.array([10, 19])), values[::2][:, [10, 19]]
    )


def test_a_stored_block_leaves_no_file(tmp_path: Path) -> None:
    block = stored(np.ones((3, 2)), tmp_path, [0, 1])
    assert not list(tmp_path.iterdir())
    assert everything(block).sum() == 6


def test_a_block_of_nobody_has_no_numbers(tmp_path: Path) -> None:
    assert stored(np.ones((0, 2)), tmp_path, [0, 1]).columns(np.array([0, 1])).shape == (0, 2)


def test_another_list_of_genes_is_refused(tmp_path: Path, sqlite_engine: Engine) -> None:
    asked = {"kind": "expression", "genes": "all", "axis": {"sha256": "0" * 64, "size": 2}}
    with sqlite_engine.connect() as connection:
        people = people_of(connection, sqlite_engine, IDENTITY, "", "S1")
        with pytest.raises(SpecError, match="another list of names"):
            read(people, asked, tmp_path)


def test_a_study_finds_its_blocks_in_its_table(cdm: Engine, tmp_path: Path) -> None:
    image(cdm, 1, "ann", 0, {}, cm_contrast_3D_avg=1.0)
    glcm = {"kind": "radiomic", "modality": "CT", "region": "GTV", "features": {"family": "glcm"}}
    study = a_study(blocks={"ct": glcm})
    built = build_table(cdm, study, "site", folder=tmp_path)
    found = built.table.blocks["ct"]
    assert found.axis == study.blocks["ct"].on
    assert found.present.tolist() == [
        p == test_images.IDENTITY.person_id("fhir", "ann") for p in built.table.persons
    ]


def test_what_a_disk_takes_in_parts_is_laid_down_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, place: whole(file, data[:7], place))
    values = np.random.default_rng(1).normal(size=(5, 4))
    assert np.array_equal(everything(stored(values, tmp_path, [3, 1], [0, 2])), values)


def test_a_full_disk_is_an_error_and_not_a_block_with_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, data: memoryview, place: int) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="no space left"):
        stored(np.ones((3, 2)), tmp_path, [0, 1])


def test_the_example_is_validated_with_the_number_of_its_names() -> None:
    checked = words.checked(studies.validate(EXAMPLE))
    assert checked["names of blocks"] == {"texture": 95, "rna": len(gene_names().symbols())}
