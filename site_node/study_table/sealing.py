"""Who is in an approved study: written down when it is approved, so that no later load changes it.

A load after the approval may add values to these people and never adds a person. Who withdraws consent, or is
erased from the CDM, is left out of the sealed people from then on; only a new approval seals anew.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, Engine, select

from cdm.schema import person
from cdm.vocabulary.concepts import Vocabulary
from protocols.core.errors import Code, SiteError
from protocols.core.study import Study, canonical_json
from protocols.runtime.database import insert
from site_node.governance import audit
from site_node.home import config
from site_node.home.cdm import open_cdm
from site_node.home.register import now, register
from site_node.study_table import cohort, consents
from site_node.study_table.cohort import Cohort
from site_node.study_table.people import People, as_days


@dataclass(frozen=True)
class SealedCohort:
    """The people of a study with their index dates, as they were found when it was sealed.

    Attributes:
        people: the canonical JSON of [[person_id, index date], …], ascending.
        digest: its SHA-256 together with the study's hash, in hex.
    """

    study: str
    people: str
    attrition: list[tuple[str, int]]
    sealed_at: str
    digest: str

    def __len__(self) -> int:
        return self.attrition[-1][1]


def seal(home: Path, study: Study) -> SealedCohort:
    """The study's cohort as the CDM has it now, kept in place of what was sealed before."""
    engine = open_cdm(config.load(home))
    try:
        sealed = _found(engine, study)
    finally:
        engine.dispose()
    with register(home) as db:
        insert(
            db,
            "sealed_cohort",
            "replace",
            study=sealed.study,
            people=sealed.people,
            attrition=json.dumps(sealed.attrition),
            sealed_at=sealed.sealed_at,
            sha256=sealed.digest,
        )
    audit.record(home, "cohort-sealed", study=study.hash(), people=len(sealed), sha256=sealed.digest)
    return sealed


def _found(engine: Engine, study: Study) -> SealedCohort:
    with engine.connect() as connection:
        found = cohort.evaluate(connection, study.cohort, Vocabulary(engine))
    days = found.people.index.astype(str)
    people = canonical_json(
        [[int(p), str(d)] for p, d in zip(found.people.persons, days, strict=True)]
    ).decode()
    return SealedCohort(
        study.hash(), people, found.attrition, now().isoformat(), _digest(study.hash(), people)
    )


def _digest(study: str, people: str) -> str:
    return hashlib.sha256(f"{study}\n{people}".encode()).hexdigest()


def sealed(home: Path, study: Study) -> SealedCohort | None:
    """The sealed cohort of a study; None before its approval.

    Raises:
        SiteError: the register was changed since.
    """
    with register(home) as db:
        row = db.execute("SELECT * FROM sealed_cohort WHERE study = ?", (study.hash(),)).fetchone()
    if row is None:
        return None
    if _digest(row["study"], row["people"]) != row["sha256"]:
        raise SiteError(Code.TAMPERED, "the sealed cohort is not the one that was sealed")
    attrition = [(str(step), int(count)) for step, count in json.loads(row["attrition"])]
    return SealedCohort(row["study"], row["people"], attrition, row["sealed_at"], row["sha256"])


def opened(connection: Connection, kept: SealedCohort, vocabulary: Vocabulary) -> Cohort:
    """The sealed people who are still here and do not refuse, with the attrition of the sealing."""
    content = json.loads(kept.people)
    persons = np.array([person_id for person_id, _ in content], dtype=np.int64)
    people = People(connection, vocabulary, persons, as_days([day for _, day in content]))
    here = np.fromiter(connection.scalars(select(person.c.person_id)), dtype=np.int64)
    refusing = consents.refusing(connection, now().date())
    stays = np.isin(persons, here) & ~np.isin(persons, np.fromiter(refusing, dtype=np.int64))
    return Cohort(replace(people, persons=persons[stays], index=people.index[stays]), kept.attrition)
