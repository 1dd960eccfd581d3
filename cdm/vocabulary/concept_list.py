"""Loads a list of concepts that Athena does not send: a vocabulary of a working group, or of the site itself.

The list is a CSV, plain or gzip, with the columns of CONCEPT, such as the imaging working group's DICOM
concepts. Its concepts are numbered from 2,000,000,000 on, OMOP's range for what is not its own.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, String, delete, select
from sqlalchemy.engine import Engine

from cdm.database import RefusedRowError, upsert, writing
from cdm.schema import concept, concept_class, domain, vocabulary
from cdm.vocabulary.athena import FIRST_LOCAL_CONCEPT
from cdm.vocabulary.csv_file import read_csv
from cdm.vocabulary.names import VocabularyFileError

LARGEST_CONCEPT = 2**31 - 1
LENGTHS = {column.name: column.type.length for column in concept.c if isinstance(column.type, String)}
NEEDED = [column.name for column in concept.c if not column.nullable and column.name in LENGTHS]
NAMED = ((vocabulary, "vocabulary_id"), (domain, "domain_id"), (concept_class, "concept_class_id"))


def load_concept_list(
    engine: Engine, path: Path, progress: Callable[[int], None] = lambda count: None
) -> dict[str, int | str]:
    """The number of concepts loaded: all of the list, in one transaction, or nothing.

    Of the vocabularies in it, what an earlier list had and this one has not goes.

    Raises:
        VocabularyFileError: not such a list, or a concept in OMOP's own range.
    """
    rows = list(_concepts(path))
    if not rows:
        raise VocabularyFileError(f"{path.name} has no concept in it")
    digest = blake2b(repr(rows).encode(), digest_size=8).hexdigest()
    with writing(engine) as connection:
        for table, key in NAMED:
            _add_missing(connection, table, key, {row[key] for row in rows}, f"{path.name[:100]} {digest}")
        ours = concept.c.vocabulary_id.in_({row["vocabulary_id"] for row in rows})
        connection.execute(delete(concept).where(ours, concept.c.concept_id >= FIRST_LOCAL_CONCEPT))
        try:
            upsert(connection, concept, rows)
        except RefusedRowError as error:
            raise VocabularyFileError(f"{path.name}: {error.reason}") from None
    progress(len(rows))
    return {"concept": len(rows)}


def _concepts(path: Path) -> Iterator[dict[str, Any]]:
    name = path.name
    columns, lines = read_csv(path)
    if sorted(columns) != sorted(concept.c.keys()):
        raise VocabularyFileError(f"{name} does not have the columns of concept")
    for number, row in lines:
        try:
            concept_id = int(row["concept_id"])
            days = {key: _day(row[key]) for key in ("valid_start_date", "valid_end_date")}
        except ValueError:
            raise VocabularyFileError(f"{name}, line {number}: cannot be read") from None
        if not FIRST_LOCAL_CONCEPT <= concept_id <= LARGEST_CONCEPT:
            raise VocabularyFileError(f"{name}, line {number}: the concept_id is in OMOP's own range")
        texts = {key: value or None for key, value in row.items() if key not in days}
        if any(length and len(texts[key] or "") > length for key, length in LENGTHS.items()):
            raise VocabularyFileError(f"{name}, line {number}: a text is longer than its column")
        if not all(texts[key] for key in NEEDED):
            raise VocabularyFileError(f"{name}, line {number}: a needed cell is empty")
        yield {**texts, **days, "concept_id": concept_id}


def _day(text: str) -> date:
    return datetime.strptime(text.replace("-", ""), "%Y%m%d").date()


def _add_missing(connection: Connection, table: Any, key: str, names: set[str], version: str) -> None:
    """Name what the concepts refer to; the version of a vocabulary changes with its list."""
    there = set(connection.scalars(select(table.c[key]).where(table.c[key].in_(names))))
    wanted = names if table is vocabulary else names - there
    prefix = table.name
    upsert(
        connection,
        table,
        [
            {
                key: name,
                f"{prefix}_name": name,
                f"{prefix}_concept_id": 0,
                **({"vocabulary_version": version} if table is vocabulary else {}),
            }
            for name in sorted(wanted)
        ],
    )
