"""The record of a load: which versions made the rows (f2o-102), and whether it came to its end."""

from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import version
from time import time_ns

import orjson
from sqlalchemy import Engine, exists, select, update

from cdm.database import RUNS_LOCK, take_turns, upsert, writing
from cdm.etl.loader.parts import SECOND, WHOLE, Part
from cdm.etl.loader.summary import LoadSummary
from cdm.etl.profile import Profile
from cdm.schema import load_run, source_to_concept_map, vocabulary

CDM_VERSION = "5.4"
GUIDE_VERSION = "HL7 FHIR-to-OMOP 2.0.0-ballot"
MAPPING_VERSION = "3"  # a change of what mappers write counts it up: then unchanged records are mapped again


def mapping_fingerprint(engine: Engine, profile: Profile) -> str:
    """What, beside its content, decides a record's rows: mappers, profile, vocabulary and the site's own map.

    It stands behind the content hash: after `data vocabulary load` or `data map` the same files map anew.
    """
    mapping = source_to_concept_map.c
    versions = select(vocabulary.c.vocabulary_id, vocabulary.c.vocabulary_version)
    maps = select(mapping.source_vocabulary_id, mapping.source_code, mapping.target_concept_id)
    fingerprint = blake2b((MAPPING_VERSION + profile.model_dump_json()).encode(), digest_size=8)
    with engine.connect() as connection:
        for statement in (versions, maps):
            for row in sorted(map(str, connection.execute(statement))):
                fingerprint.update(row.encode())
    return fingerprint.hexdigest()


def was_interrupted(engine: Engine) -> bool:
    """Whether an earlier load never came to its end: its batches still lack what is derived from them."""
    statement = select(exists().where(load_run.c.status == "running"))
    with engine.connect() as connection:
        return bool(connection.scalar(statement))


def begin_run(engine: Engine, source: str, profile: Profile, part: Part = WHOLE) -> int:
    """The id of a new run, which sorts by time."""
    run_id = time_ns() + part.number * SECOND  # blocks are numbered from it: never as another process's
    row = {
        "run_id": run_id,
        "source": source,
        "status": "running",
        "started_at": _now(),
        "cdm_version": CDM_VERSION,
        "vocabulary_version": vocabulary_version(engine),
        "guide_version": GUIDE_VERSION,
        "software_version": version("shadowgraph"),
        "settings": orjson.dumps({"mapping": MAPPING_VERSION, **profile.model_dump()}).decode(),
    }
    with writing(engine) as connection:
        upsert(connection, load_run, [row])
    return run_id


def finish_run(engine: Engine, run_id: int, summary: LoadSummary) -> None:
    """Note that the run came to its end, and close those that were killed before: it has done their work."""
    columns = load_run.c
    counts = orjson.dumps(summary.as_dict()).decode()
    with writing(engine) as connection:
        take_turns(
            connection, RUNS_LOCK
        )  # each closes rows of the others: of three at once two would wait in a ring
        connection.execute(
            update(load_run)
            .where(columns.run_id == run_id)
            .values(status="done", finished_at=_now(), counts=counts)
        )
        killed = (columns.status == "running") & (columns.run_id < run_id)
        connection.execute(update(load_run).where(killed).values(status="failed"))


def vocabulary_version(engine: Engine) -> str | None:
    """The release of the loaded vocabularies, which Athena writes beside the vocabulary named None."""
    statement = select(vocabulary.c.vocabulary_version).where(vocabulary.c.vocabulary_id == "None")
    with engine.connect() as connection:
        found = connection.scalar(statement)
    return str(found)[:50] if found else None


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
