"""A list of concepts from outside Athena: DICOM's attributes and values."""

import gzip
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from cdm.etl import Identity
from cdm.etl.loader.load import load, remap
from cdm.schema import concept, measurement
from cdm.vocabulary.concept_list import load_concept_list
from cdm.vocabulary.concepts import Vocabulary
from cdm.vocabulary.names import VocabularyFileError
from site_node.sources.dicom import read
from tests.lib.dicom_files import write_series
from tests.lib.shared import shared

HEADER = "concept_id,concept_name,domain_id,vocabulary_id,concept_class_id,standard_concept,concept_code,"
HEADER += "valid_start_date,valid_end_date,invalid_reason\n"
KVP = "2128000809,KVP,Measurement,DICOM,DICOM Attributes,,00180060,19930101,20991231,\n"
IDENTITY = Identity(bytes(32))


def test_the_dicom_concepts_of_the_imaging_working_group_load_whole_and_twice(engine: Engine) -> None:
    path = shared("data/vocabulary/dicom_concepts.csv.gz")
    assert load_concept_list(engine, path) == {"concept": 8811}
    load_concept_list(engine, path)
    with engine.connect() as connection:
        count = select(func.count()).select_from(concept).where(concept.c.vocabulary_id == "DICOM")
        assert connection.scalar(count) == 8811
    assert Vocabulary(engine).resolve("DICOM", "00180060").source_concept_id == 2128000809


def test_loaded_images_get_the_concepts_without_their_files(sqlite_engine: Engine, tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    load(sqlite_engine, read(tmp_path / "in", tmp_path), "pacs", IDENTITY)
    (tmp_path / "list.csv").write_text(HEADER + KVP)
    load_concept_list(sqlite_engine, tmp_path / "list.csv")
    remap(sqlite_engine, IDENTITY)
    columns = measurement.c
    statement = select(columns.measurement_source_concept_id).where(
        columns.measurement_source_value == "DICOM:00180060"
    )
    with sqlite_engine.connect() as connection:
        assert connection.scalars(statement).all() == [2128000809]


def test_what_a_newer_list_lacks_goes(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "list.csv.gz"
    path.write_bytes(gzip.compress((HEADER + KVP).encode()))
    load_concept_list(sqlite_engine, path)
    path.write_bytes(gzip.compress((HEADER + KVP.replace("2128000809", "2128000999")).encode()))
    load_concept_list(sqlite_engine, path)
    assert Vocabulary(sqlite_engine).resolve("DICOM", "00180060").source_concept_id == 2128000999


@pytest.mark.parametrize(
    "content",
    [
        b"",
        HEADER.encode(),
        b"concept_id,concept_name\n1,x\n",
        (HEADER + KVP.replace("2128000809", "8507")).encode(),
        (HEADER + KVP.replace("2128000809", "many")).encode(),
        (HEADER + KVP.replace("19930101", "soon")).encode(),
        (HEADER + KVP.replace("00180060", "x" * 51)).encode(),
        b"\x1f\x8b" + bytes(20),
        b"\xff\xfe",
    ],
)
def test_what_is_no_list_of_concepts_is_refused(
    sqlite_engine: Engine, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    with pytest.raises(VocabularyFileError):
        load_concept_list(sqlite_engine, path)
