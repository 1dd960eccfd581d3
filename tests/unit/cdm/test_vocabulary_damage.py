"""Damaged vocabulary files (exports, lists of concepts, maps): each is loaded whole, or refused in words."""

import gzip
import io
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from cdm.schema import concept, concept_relationship, source_to_concept_map
from cdm.vocabulary.athena import load_athena, load_seed
from cdm.vocabulary.concept_list import load_concept_list
from cdm.vocabulary.names import VocabularyFileError
from cdm.vocabulary.source_map import load_source_map

A_FOLDER = 100
COLUMNS = list(concept.c.keys())
RELATED = list(concept_relationship.c.keys())
ODD = (b"", b"\x00", b"\xff", b"9" * 30, b"-1", b"CANARY", b'"', b"\t", b"\r", b"x" * 300, "\u0662".encode())
Loader = Callable[[Engine, Path], Any]


def lines(rows: list[list[object]], delimiter: str) -> bytes:
    return "".join(delimiter.join(map(str, row)) + "\n" for row in rows).encode()


def concepts(first: int, count: int = 20) -> list[list[object]]:
    rest = ("19700101", "20991231", "")
    return [
        [first + number, "a name", "Condition", "SNOMED", "A Class", "S", f"CANARY{number}", *rest]
        for number in range(count)
    ]


def relationships() -> list[list[object]]:
    return [[1000 + number, 1001, "Maps to", "19700101", "20991231", ""] for number in range(20)]


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def cell_changed(text: bytes, delimiter: bytes, chance: random.Random) -> bytes:
    """The table with something else in one cell, or with a cell too few or too many."""
    rows = [row.split(delimiter) for row in text.split(b"\n")]
    row = rows[chance.randrange(len(rows) - 1)]
    place = chance.randrange(len(row))
    row[place : place + 1] = chance.choice(([], [chance.choice(ODD)], [chance.choice(ODD)], [b"1", b"2"]))
    return b"\n".join(delimiter.join(row) for row in rows)


def bytes_changed(content: bytes, chance: random.Random) -> bytes:
    """The file cut off, with some bits turned, or with some bytes more."""
    place = chance.randrange(len(content))
    flipped = bytearray(content)
    for _ in range(chance.choice((1, 5, 40))):
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
    more = content[:place] + chance.randbytes(20) + content[place:]
    return chance.choice((content[:place], bytes(flipped), more))


def an_export(chance: random.Random) -> bytes:
    tables = {
        "CONCEPT.csv": lines([COLUMNS, *concepts(1000)], "\t"),
        "CONCEPT_RELATIONSHIP.csv": lines([RELATED, *relationships()], "\t"),
    }
    if chance.random() < 0.5:
        name = chance.choice(list(tables))
        change = cell_changed(tables[name], b"\t", chance)
        return zipped({**tables, name: chance.choice((change, bytes_changed(tables[name], chance)))})
    return bytes_changed(zipped(tables), chance)


def a_csv(rows: list[list[object]], chance: random.Random) -> bytes:
    delimiter = chance.choice((",", ";", "\t"))
    content = lines(rows, delimiter)
    changed = chance.choice(
        (cell_changed(content, delimiter.encode(), chance), bytes_changed(content, chance))
    )
    return chance.choice((changed, gzip.compress(changed), bytes_changed(gzip.compress(content), chance)))


def damaged(chance: random.Random) -> tuple[Loader, bytes]:
    """A loader and a file for it that is not as it should be."""
    match chance.randrange(3):
        case 0:
            return load_athena, an_export(chance)
        case 1:
            return load_concept_list, a_csv([COLUMNS, *concepts(2_000_000_100)], chance)
    named = ["source_code", "source_concept_id", "source_vocabulary_id", "target_concept_id"]
    rows = [[f"CANARY{number}", 0, "https://here", 8507] for number in range(20)]
    return load_source_map, a_csv([named, *rows], chance)


def counts(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return [
            connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (concept, concept_relationship, source_to_concept_map)
        ]


def refusal(load: Loader, engine: Engine, path: Path) -> str:
    """What is said of a file that is refused; empty of one that is loaded."""
    try:
        load(engine, path)
    except VocabularyFileError as error:
        return str(error)
    return ""


def load_damaged(engine: Engine, folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    load_seed(engine)
    refused = 0
    for number in range(A_FOLDER):
        load, content = damaged(chance)
        path = folder / f"f{number}.csv"
        path.write_bytes(content)
        before = counts(engine)
        if why := refusal(load, engine, path):
            refused += 1
            assert "CANARY" not in why
            assert counts(engine) == before
    assert A_FOLDER / 3 < refused < A_FOLDER


def test_a_hundred_damaged_files_are_loaded_whole_or_refused(engine: Engine, tmp_path: Path) -> None:
    load_damaged(engine, tmp_path, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 62))
def test_two_thousand_damaged_files_of_each_kind(sqlite_engine: Engine, tmp_path: Path, seed: int) -> None:
    load_damaged(sqlite_engine, tmp_path, seed)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (lines([COLUMNS], "\t") + b"0" * (16 << 20), "a line without an end"),
        (b"0" * (16 << 20), "a line without an end"),
        (lines([COLUMNS], "\t") + b"\n" * (64 << 20), "would inflate to more"),
    ],
)
def test_a_zip_bomb_is_refused_in_little_memory(
    sqlite_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, why: str
) -> None:
    monkeypatch.setattr("cdm.vocabulary.athena.NO_BOMB", 32 << 20)
    path = tmp_path / "bomb.zip"
    path.write_bytes(zipped({"CONCEPT.csv": content}))
    del content
    tracemalloc.start()
    with pytest.raises(VocabularyFileError, match=why):
        load_athena(sqlite_engine, path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_names_in_the_zip_that_lead_elsewhere_write_nothing(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a" / "export.zip"
    path.parent.mkdir()
    path.write_bytes(zipped({"../../CONCEPT.csv": lines([COLUMNS, *concepts(1000)], "\t")}))
    load_athena(sqlite_engine, path)
    assert sorted(one.name for one in tmp_path.rglob("*.csv")) == []


def test_a_gzip_bomb_in_place_of_a_map_is_refused(sqlite_engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_bytes(gzip.compress(bytes(128 << 20), 1))
    with pytest.raises(VocabularyFileError, match="too large"):
        load_source_map(sqlite_engine, path)
