"""Loads an Athena vocabulary export; what its concepts mean is read by `cdm.vocabulary.concepts`.

An export is a zip of tab-separated files named after the tables, without quoting, dates as YYYYMMDD. It is
streamed: memory does not grow with its ten million rows.
"""

import csv
import io
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import date
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import Column, Connection, Engine, Table, and_, delete, insert, literal, select

from cdm.database import Cell, Item, RefusedRowError, append, upsert, writing
from cdm.progress import Progress
from cdm.schema import (
    concept,
    concept_ancestor,
    concept_class,
    concept_relationship,
    concept_synonym,
    derivation_due,
    domain,
    drug_strength,
    person,
    relationship,
    vocabulary,
)
from cdm.vocabulary.names import VocabularyFileError
from cdm.vocabulary.seed import seed

FIRST_LOCAL_CONCEPT = 2_000_000_000  # OMOP keeps the numbers from here on for a site's own concepts
ALWAYS = {"valid_start_date": date(1970, 1, 1), "valid_end_date": date(2099, 12, 31)}
TELL_EVERY = 10_000
LONGEST_LINE = 2**16  # Athena's longest has a tenth of it; a line of a bomb has no end
# Of a file inflated: all of Athena is 2**33, and packed a sixth of that.
MOST_BYTES, MOST_INFLATED, NO_BOMB = 2**36, 200, 2**30
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, UnicodeDecodeError)

# A new export takes the place of the old one: of each row whose concepts are all the standard's own.
REPLACED = {
    concept: ("concept_id",),
    concept_relationship: ("concept_id_1", "concept_id_2"),
    concept_ancestor: ("ancestor_concept_id", "descendant_concept_id"),
    concept_synonym: ("concept_id",),
    drug_strength: ("drug_concept_id", "ingredient_concept_id"),
}
MERGED = (vocabulary, domain, concept_class, relationship)


def load_athena(engine: Engine, zip_path: Path, progress: Progress | None = None) -> dict[str, int | str]:
    """The rows loaded per table, and `vocabulary_version`: all of an export, in one transaction, or nothing.

    `progress` is told the number of rows since its last call. Loading the same or a newer export replaces the
    older; concepts from 2,000,000,000 on, local vocabularies and `source_to_concept_map` are the site's own
    and stay. `seed_differs` counts the administrative concepts that the export has under another code: not 0
    means that the seed, or the export, is wrong.

    Raises:
        VocabularyFileError: not a zip, no CONCEPT.csv in it, or a file that is not its table's.
    """
    try:
        archive = zipfile.ZipFile(zip_path)
    except DAMAGED:
        raise VocabularyFileError(f"{zip_path.name} is not a zip file that can be read") from None
    with archive, writing(engine) as connection:
        members = {PurePosixPath(name).name.upper(): name for name in archive.namelist()}
        if "CONCEPT.CSV" not in members:
            raise VocabularyFileError(f"{zip_path.name} has no CONCEPT.csv: is it an export of Athena?")
        loaded: dict[str, int | str] = {}
        for table in (*MERGED, *REPLACED):
            member = members.get(f"{table.name}.csv".upper())
            if member is not None:
                with closing(_text_lines(archive, member)) as text:
                    loaded[table.name] = _load(connection, table, text, member, progress)
        loaded["seed_differs"] = _complete_by_seed(connection)
        _mark_everybody(connection)
        loaded["vocabulary_version"] = _version(connection)
        return loaded


def _mark_everybody(connection: Connection) -> None:
    """Which ingredients a drug counts for may have changed: the next load makes everybody's eras anew."""
    connection.execute(delete(derivation_due).where(derivation_due.c.due_day == date.min))
    everybody = select(person.c.person_id, literal(date.min))
    connection.execute(insert(derivation_due).from_select(["person_id", "due_day"], everybody))


def load_seed(engine: Engine) -> int:
    """Add the administrative concepts that are missing; the number of those here under another code."""
    with writing(engine) as connection:
        return _complete_by_seed(connection)


def _text_lines(archive: zipfile.ZipFile, member: str) -> Generator[str]:
    """The lines of a file in the zip, of which each, and the whole, has a bound."""
    packed = archive.getinfo(member)
    if packed.flag_bits & 1:
        raise VocabularyFileError(f"{member} is encrypted")
    if packed.file_size > min(MOST_BYTES, max(NO_BOMB, packed.compress_size * MOST_INFLATED)):
        raise VocabularyFileError(f"{member} would inflate to more than any export of Athena")
    try:
        with archive.open(packed) as file:
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            while line := text.readline(LONGEST_LINE):
                if len(line) == LONGEST_LINE:
                    raise VocabularyFileError(f"{member} has a line without an end")
                yield line
    except DAMAGED:
        raise VocabularyFileError(f"{member} is damaged: load the zip from Athena again") from None


def _load(
    connection: Connection, table: Table, text: Iterator[str], member: str, progress: Progress | None
) -> int:
    lines = csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
    names = [name.strip().lower() for name in next(lines, [])]
    if sorted(names) != sorted(table.c.keys()):
        raise VocabularyFileError(f"{member} does not have the columns of {table.name}")
    rows = _told(_rows(lines, [table.c[name] for name in names], member), progress)
    try:
        if table in MERGED:
            return upsert(connection, table, (dict(zip(names, row, strict=True)) for row in rows))
        _remove_standard(connection, table)
        return append(connection, table, names, rows)
    except RefusedRowError as error:
        raise VocabularyFileError(f"{member}: {error.reason}") from None


def _remove_standard(connection: Connection, table: Table) -> None:
    standard = [table.c[name] < FIRST_LOCAL_CONCEPT for name in REPLACED[table]]
    connection.execute(delete(table).where(and_(*standard)))


def _rows(
    lines: Iterable[list[str]], columns: Sequence[Column[Any]], member: str
) -> Iterator[tuple[Cell, ...]]:
    readers = [_reader(column) for column in columns]
    for number, line in enumerate(lines, start=2):
        try:
            yield tuple([read(cell) for read, cell in zip(readers, line, strict=True)])
        except ValueError:
            raise VocabularyFileError(f"{member}, line {number}: cannot be read") from None


def _reader(column: Column[Any]) -> Callable[[str], Cell]:
    """What makes a cell of this column's text; an empty cell is NULL where the column allows it."""
    readers: dict[type, Callable[[str], Cell]] = {int: int, float: float, date: _iso_day}
    parse = readers.get(column.type.python_type, str)
    if column.nullable:
        return lambda cell: parse(cell) if cell else None
    return parse


@cache
def _iso_day(text: str) -> str:
    return date.fromisoformat(text).isoformat()


def _told(rows: Iterable[Item], progress: Progress | None) -> Iterator[Item]:
    for number, row in enumerate(rows, start=1):
        yield row
        if progress and number % TELL_EVERY == 0:
            progress(TELL_EVERY)


def _complete_by_seed(connection: Connection) -> int:
    """Add the administrative concepts that are missing; the number of those known here under another name."""
    statement = select(concept.c.concept_id, concept.c.vocabulary_id, concept.c.concept_code)
    there = connection.execute(statement.where(concept.c.concept_id.in_(seed()))).all()
    missing = seed().keys() - {row.concept_id for row in there}
    upsert(connection, concept, [{"concept_id": it, **seed()[it], **ALWAYS} for it in sorted(missing)])
    ours = {concept_id: (row["vocabulary_id"], row["concept_code"]) for concept_id, row in seed().items()}
    return sum((row.vocabulary_id, row.concept_code) != ours[row.concept_id] for row in there)


def _version(connection: Connection) -> str:
    """Athena writes the release of the whole as the version of the vocabulary `None`."""
    statement = select(vocabulary.c.vocabulary_version).where(vocabulary.c.vocabulary_id == "None")
    return connection.scalar(statement) or ""
