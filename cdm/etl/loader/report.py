"""What the CDM holds and lacks: rows a table, loads, quarantine, codes without a concept."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, Table, exists, func, select

from cdm.etl.fhir.words.coding import source_value
from cdm.etl.fhir.words.free_text import TEXT
from cdm.etl.identity import Identity
from cdm.schema import (
    condition_occurrence,
    device_exposure,
    drug_exposure,
    load_run,
    measurement,
    metadata,
    observation,
    person,
    person_link,
    procedure_occurrence,
    quarantine,
    record_doubt,
    source_record,
    source_row,
    unmapped_code,
    visit_occurrence,
)
from cdm.vocabulary.csv_file import inert
from cdm.vocabulary.doubts import DOUBTS

# Where a source's code stands beside the concept that it became.
CODED: tuple[tuple[Table, str, str], ...] = (
    (condition_occurrence, "condition_concept_id", "condition_source_value"),
    (procedure_occurrence, "procedure_concept_id", "procedure_source_value"),
    (drug_exposure, "drug_concept_id", "drug_source_value"),
    (device_exposure, "device_concept_id", "device_source_value"),
    (measurement, "measurement_concept_id", "measurement_source_value"),
    (measurement, "value_as_concept_id", "value_source_value"),
    (measurement, "unit_concept_id", "unit_source_value"),
    (observation, "observation_concept_id", "observation_source_value"),
    (observation, "value_as_concept_id", "value_source_value"),
    (observation, "unit_concept_id", "unit_source_value"),
    (visit_occurrence, "visit_concept_id", "visit_source_value"),
)


def table_counts(engine: Engine) -> dict[str, int]:
    """The number of rows of every table of people that has any."""
    of_people = (table for table in metadata.sorted_tables if "person_id" in table.c)
    tables = [table for table in of_people if table is not person_link]
    with engine.connect() as connection:
        counts = {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables
        }
    return {name: count for name, count in sorted(counts.items()) if count}


def loads(engine: Engine, last: int = 10) -> list[dict[str, Any]]:
    """The newest loads, newest first: of what, when, and what became of the records."""
    columns = load_run.c
    statement = select(columns.source, columns.started_at, columns.status, columns.counts)
    with engine.connect() as connection:
        rows = connection.execute(statement.order_by(columns.run_id.desc()).limit(last)).all()
    return [
        {"source": source, "started": str(started), "status": status, **_totals(counts)}
        for source, started, status, counts in rows
    ]


def _totals(counts: str | None) -> dict[str, int]:
    kinds = orjson.loads(counts)["kinds"].values() if counts else ()
    names = ("loaded", "unchanged", "replaced", "removed", "quarantined", "not_mapped_yet")
    totals = {name: sum(kind[name] for kind in kinds) for name in names}
    return {**totals, "excluded": sum(sum(kind["excluded"].values()) for kind in kinds)}


def quarantined(engine: Engine) -> list[dict[str, Any]]:
    """What is in quarantine now, one line per source, kind and reason: how many places, and the first."""
    columns = quarantine.c
    what = (columns.source, columns.kind, columns.code, columns.reason)
    places, first = func.count().label("places"), func.min(columns.position).label("first")
    statement = (
        select(*what, places, first).where(columns.resolved.is_(False)).group_by(*what).order_by(*what)
    )
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(statement)]


def doubts(engine: Engine) -> list[dict[str, Any]]:
    """What was read and not wholly understood, a line per source and kind of doubt, with the way out."""
    columns, of = record_doubt.c, source_record.c
    what = (of.source, of.kind, columns.code)
    records = func.count().label("records")
    joined = record_doubt.join(source_record, of.source_record_id == columns.source_record_id)
    statement = select(*what, records, func.sum(columns.occurrences).label("times"))
    with engine.connect() as connection:
        found = connection.execute(statement.select_from(joined).group_by(*what).order_by(*what)).all()
        lines = [(source, kind, code, records, int(times)) for source, kind, code, records, times in found]
        lines += _without_patient(connection)
    names = ("source", "kind", "doubt", "records", "times")
    return [{**dict(zip(names, line, strict=True)), **DOUBTS[line[2]]._asdict()} for line in lines]


def strangers(engine: Engine, source: str) -> tuple[int, int]:
    """(people, all) of a source: those whose ids no Patient bears here, and how many people it tells of.

    Where nobody has a Patient yet nobody is a stranger.
    """
    link = person_link.c
    with engine.connect() as connection:
        unknown = {name: count for name, _, _, count, _ in _without_patient(connection)}
        everybody = select(func.count(link.person_id.distinct())).where(link.source == source)
        return unknown.get(source, 0), int(connection.scalar(everybody) or 0)


def _without_patient(connection: Connection) -> list[tuple[str, str, str, int, int]]:
    """Of each source the people who have no Patient here, where others have one: their ids may be wrong."""
    is_patient = (source_row.c.table_name == "person", source_row.c.fallback.is_(False))
    if connection.scalar(select(source_row.c.row_id).where(*is_patient).limit(1)) is None:
        return []
    link = person_link.c
    people = func.count(link.person_id.distinct())
    known = exists().where(*is_patient, source_row.c.row_id == link.person_id)
    here = exists().where(person.c.person_id == link.person_id)
    statement = select(link.source, people).where(here, ~known).group_by(link.source).order_by(link.source)
    return [
        (source, "person", "person-without-patient", count, count)
        for source, count in connection.execute(statement)
    ]


def quarantined_places(engine: Engine) -> list[dict[str, Any]]:
    """Every place that is in quarantine now."""
    columns = quarantine.c
    statement = select(columns.source, columns.position, columns.kind, columns.code, columns.reason)
    statement = statement.where(columns.resolved.is_(False)).order_by(columns.source, columns.position)
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(statement)]


def unmapped(engine: Engine, identity: Identity) -> list[dict[str, Any]]:
    """The codes that have no standard concept here, those that touch most people first.

    `system` is what a line of `data map` takes as source_vocabulary_id; of words without a code it is `text`.
    `identity` is the site's: it tells which words a pseudonym stands for.
    """
    with engine.connect() as connection:
        statement = select(unmapped_code.c.system, unmapped_code.c.code).distinct()
        known: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        for system, code in connection.execute(statement):
            known[source_value(system, code)].add((system, code))
            known[code].add((system, code))  # units stand without their system
            if system == TEXT:
                known[identity.text_pseudonym(code)].add((system, code))
        found = [line for place in CODED for line in _without_concept(connection, *place)]
    lines = [
        {"system": system, "code": code, **line}
        for line in found
        for system, code in sorted(known.get(line["source_value"], ()))
    ]
    return sorted(lines, key=lambda line: (-line["people"], -line["rows"], line["code"], line["column"]))


def write_codes(lines: Sequence[dict[str, Any]], path: Path) -> None:
    """Leaves the codes at `path` as a CSV that Usagi imports, or somebody fills in, and `data map` takes."""
    codes = {(line["system"], line["code"]): line["people"] for line in reversed(lines)}
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("source_code", "source_vocabulary_id", "target_concept_id", "people"))
        table.writerows(
            (inert(code), inert(system), "", people) for (system, code), people in reversed(codes.items())
        )


def _without_concept(connection: Connection, table: Table, concept: str, source: str) -> list[dict[str, Any]]:
    people = func.count(table.c.person_id.distinct())
    statement = (
        select(table.c[source], func.count(), people)
        .where(table.c[concept] == 0, table.c[source].is_not(None))
        .group_by(table.c[source])
    )
    return [
        {"source_value": value, "column": f"{table.name}.{source}", "rows": rows, "people": count}
        for value, rows, count in connection.execute(statement)
    ]
