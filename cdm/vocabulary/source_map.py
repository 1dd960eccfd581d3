"""Loads a site's own map from its codes to standard concepts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine, or_, select

from cdm.database import CHUNK, RefusedRowError, chunks, upsert, writing
from cdm.schema import concept, source_to_concept_map, vocabulary
from cdm.vocabulary.athena import ALWAYS, FIRST_LOCAL_CONCEPT
from cdm.vocabulary.csv_file import Line, as_written, read_csv
from cdm.vocabulary.names import VocabularyFileError, vocabulary_id_of

NEEDED = {"source_code", "source_vocabulary_id", "target_concept_id"}
DIGITS = 10  # of OMOP's 32 bits


def load_source_map(engine: Engine, csv_path: Path) -> int:
    """The number of rows loaded from a CSV with columns of `source_to_concept_map`, as Usagi exports it.

    A line without a target is not mapped yet, and left out.

    Needed are `source_code`, `source_vocabulary_id` (a vocabulary, or the code system's URI as the source
    writes it) and `target_concept_id`; the rest has defaults. All rows are loaded or none. A row for a code
    that a vocabulary knows as well wins over the vocabulary.

    Raises:
        VocabularyFileError: a needed column or cell is missing, or a target is not a standard concept
            here.
    """
    columns, read = read_csv(csv_path)
    missing = NEEDED - set(columns)
    if missing:
        raise VocabularyFileError(f"{csv_path.name} has no column {', '.join(sorted(missing))}")
    lines = [line for line in read if line[1]["target_concept_id"].strip()]
    with writing(engine) as connection:
        targets = _targets(connection, csv_path.name, lines)
        rows = [_mapping(csv_path.name, line, targets) for line in lines]
        systems = {as_written(line["source_vocabulary_id"]) for _, line in lines}
        local = {vocabulary_id_of(system): system for system in systems}
        known = set(connection.scalars(select(vocabulary.c.vocabulary_id)))
        try:
            upsert(connection, vocabulary, [_vocabulary(*it) for it in local.items() if it[0] not in known])
            return upsert(connection, source_to_concept_map, rows)
        except RefusedRowError as error:
            raise VocabularyFileError(f"{csv_path.name}: {error.reason}") from None


def _targets(connection: Connection, name: str, lines: Sequence[Line]) -> dict[int, str]:
    """target_concept_id -> its vocabulary; every line's target is standard, the site's own, or 0."""
    wanted = [(number, _concept_id(line["target_concept_id"])) for number, line in lines]
    found = {0: "None"}
    for chunk in chunks(sorted({target for _, target in wanted}), CHUNK):
        statement = select(concept.c.concept_id, concept.c.vocabulary_id).where(
            concept.c.concept_id.in_(chunk),
            or_(concept.c.standard_concept == "S", concept.c.concept_id >= FIRST_LOCAL_CONCEPT),
        )
        found |= {concept_id: vocabulary_id for concept_id, vocabulary_id in connection.execute(statement)}
    wrong = [number for number, target in wanted if target not in found]
    if wrong:
        shown = ", ".join(map(str, wrong[:10])) + (" and more" if len(wrong) > 10 else "")
        raise VocabularyFileError(
            f"{name}: the target is not a standard concept of the vocabulary here, line {shown}"
        )
    return found


def _concept_id(text: str) -> int:
    """The number that a cell holds; -1, which no concept has, where it holds none."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= DIGITS else -1


def _mapping(name: str, line: Line, targets: Mapping[int, str]) -> dict[str, object]:
    number, cells = line
    source = _concept_id(cells.get("source_concept_id") or "0")
    if not cells["source_code"] or not cells["source_vocabulary_id"] or source < 0:
        raise VocabularyFileError(f"{name}, line {number}: a needed cell is empty or no number")
    target = _concept_id(cells["target_concept_id"])
    return {
        "source_code": as_written(cells["source_code"]),
        "source_concept_id": source,
        "source_vocabulary_id": vocabulary_id_of(as_written(cells["source_vocabulary_id"])),
        "source_code_description": cells.get("source_code_description") or None,
        "target_concept_id": target,
        "target_vocabulary_id": targets[target],
        **ALWAYS,
        "invalid_reason": cells.get("invalid_reason") or None,
    }


def _vocabulary(vocabulary_id: str, system: str) -> dict[str, object]:
    row = {"vocabulary_id": vocabulary_id, "vocabulary_name": system, "vocabulary_reference": system}
    return {**row, "vocabulary_concept_id": 0}
