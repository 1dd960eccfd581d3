"""Loads a site's own map from its codes to standard concepts."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine, or_, select

from cdm.athena import ALWAYS, FIRST_LOCAL_CONCEPT
from cdm.database import CHUNK, chunks, upsert, writing
from cdm.schema import concept, source_to_concept_map, vocabulary
from cdm.vocabulary import VocabularyFileError, vocabulary_id_of


def load_source_map(engine: Engine, csv_path: Path) -> int:
    """The number of rows loaded from a CSV with columns of `source_to_concept_map`, as Usagi exports it.

    Needed are `source_code`, `source_vocabulary_id` (a vocabulary, or the code system's URI as the source
    writes it) and `target_concept_id`; the rest has defaults. All rows are loaded or none. A row for a code
    that a vocabulary knows as well wins over the vocabulary.

    Raises:
        VocabularyFileError: a needed column is missing, or lines whose target is no standard concept here.
    """
    with csv_path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = {"source_code", "source_vocabulary_id", "target_concept_id"} - set(reader.fieldnames or ())
        if missing:
            raise VocabularyFileError(f"{csv_path.name} has no column {', '.join(sorted(missing))}")
        lines = list(reader)
    with writing(engine) as connection:
        targets = _targets(connection, csv_path.name, lines)
        rows = [_mapping(line, targets) for line in lines]
        local = {
            vocabulary_id_of(line["source_vocabulary_id"]): line["source_vocabulary_id"] for line in lines
        }
        known = set(connection.scalars(select(vocabulary.c.vocabulary_id)))
        upsert(connection, vocabulary, [_vocabulary(*it) for it in local.items() if it[0] not in known])
        return upsert(connection, source_to_concept_map, rows)


def _targets(connection: Connection, name: str, lines: Sequence[Mapping[str, str]]) -> dict[int, str]:
    """target_concept_id -> its vocabulary; every line's target is standard, the site's own, or 0."""
    wanted = [int(text) if (text := line["target_concept_id"].strip()).isdecimal() else -1 for line in lines]
    found = {0: "None"}
    for chunk in chunks(sorted(set(wanted)), CHUNK):
        statement = select(concept.c.concept_id, concept.c.vocabulary_id).where(
            concept.c.concept_id.in_(chunk),
            or_(concept.c.standard_concept == "S", concept.c.concept_id >= FIRST_LOCAL_CONCEPT),
        )
        found |= {concept_id: vocabulary_id for concept_id, vocabulary_id in connection.execute(statement)}
    wrong = [number for number, target in enumerate(wanted, start=2) if target not in found]
    if wrong:
        shown = ", ".join(map(str, wrong[:10])) + (" and more" if len(wrong) > 10 else "")
        raise VocabularyFileError(
            f"{name}: the target is no standard concept of the vocabulary here, line {shown}"
        )
    return found


def _mapping(line: Mapping[str, str], targets: Mapping[int, str]) -> dict[str, object]:
    target = int(line["target_concept_id"])
    return {
        "source_code": line["source_code"],
        "source_concept_id": int(line.get("source_concept_id") or 0),
        "source_vocabulary_id": vocabulary_id_of(line["source_vocabulary_id"]),
        "source_code_description": line.get("source_code_description") or None,
        "target_concept_id": target,
        "target_vocabulary_id": targets[target],
        **ALWAYS,
        "invalid_reason": line.get("invalid_reason") or None,
    }


def _vocabulary(vocabulary_id: str, system: str) -> dict[str, object]:
    row = {"vocabulary_id": vocabulary_id, "vocabulary_name": system, "vocabulary_reference": system}
    return {**row, "vocabulary_concept_id": 0}
