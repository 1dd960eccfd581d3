"""The people of a cohort, and the way from their rows in the CDM to arrays: one query for all of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    func,
    or_,
    true,
)

from cdm.etl.fhir.condition import CONSIDERED
from cdm.schema import (
    condition_occurrence,
    drug_exposure,
    measurement,
    observation,
    procedure_occurrence,
    visit_occurrence,
)
from cdm.vocabulary.concepts import Vocabulary
from cdm.vocabulary.names import ConceptCode, normal_code
from protocols.core.errors import Code, SpecError
from site_node.features.arrays import Floats, Integers
from site_node.features.clinical import Days, Events

LOCAL = "local"  # a hospital's own code system, which the ETL writes without a prefix
SOURCE_VALUE_LENGTH = 50
# People whom a statement lists, up to three times, within SQLite's million characters; a larger cohort is cut
# out of everybody's answers instead.
ASKED_BY_NAME = 10_000

Statement = Select[Any] | CompoundSelect[Any]
Source = tuple[Table, str, str]  # an event table, the prefix of its concept columns, the column of its day

CONDITION: Source = (condition_occurrence, "condition", "condition_start_date")
PROCEDURE: Source = (procedure_occurrence, "procedure", "procedure_date")
DRUG: Source = (drug_exposure, "drug", "drug_exposure_start_date")
MEASUREMENT: Source = (measurement, "measurement", "measurement_date")
OBSERVATION: Source = (observation, "observation", "observation_date")
VISIT: Source = (visit_occurrence, "visit", "visit_start_date")

# The ETL puts a row where the domain of its standard concept says, and where FHIR's resource says if the site
# has no vocabulary. One study asks sites of both kinds, so a record is looked for where either may put it.
SOURCES: dict[str, tuple[Source, ...]] = {
    "condition": (CONDITION, OBSERVATION),
    "procedure": (PROCEDURE, MEASUREMENT, OBSERVATION),
    "drug": (DRUG,),
    "measurement": (MEASUREMENT, OBSERVATION),
    "observation": (OBSERVATION, MEASUREMENT),
    "visit": (VISIT,),
}


@dataclass(frozen=True)
class People:
    """Some people with an index date each.

    Attributes:
        connection: to their CDM.
        vocabulary: what codes mean at this site.
        persons: (n,) distinct person_ids, ascending.
        index: (n,) datetime64[D], the index dates.
        doubts: records that the variable in hand left out or read by a policy, by kind of doubt.
    """

    connection: Connection
    vocabulary: Vocabulary
    persons: Integers
    index: Days
    doubts: Counter[str] = field(default_factory=Counter, compare=False)

    def __len__(self) -> int:
        return len(self.persons)

    def are(self, column: ColumnElement[int]) -> ColumnElement[bool]:
        """Whether a column of person_ids names one of these people; always true for very many of them."""
        if len(self) > ASKED_BY_NAME:
            return true()
        return column.in_(literal_ids(self.persons.tolist()))

    def ask(self, statement: Statement) -> tuple[Integers, list[tuple[Any, ...]]]:
        """The rows of these people that a statement with the columns (person_id, …) gives.

        Returns:
            (k,) the row in the table of each answer's person, and the k tuples of the other columns' values,
            column by column.
        """
        answers = self.connection.execute(statement).all()
        if not answers or not len(self):
            return np.zeros(0, dtype=np.int64), [() for _ in statement.selected_columns][1:]
        person_ids, *others = zip(*answers, strict=True)
        ids = np.array(person_ids, dtype=np.int64)
        rows = np.minimum(np.searchsorted(self.persons, ids), len(self) - 1)
        ours = self.persons[rows] == ids
        if ours.all():
            return rows, others
        kept = np.flatnonzero(ours)
        return rows[kept], [tuple(column[i] for i in kept) for column in others]

    def events(self, statement: Statement) -> Events:
        """The events that a statement with the columns (person_id, day, number[, time]) gives."""
        rows, (days, values, *times) = self.ask(statement)
        seconds = as_seconds(times[0]) if times else None
        return Events(rows, self.since_index(rows, days), as_numbers(values), seconds)

    def since_index(self, rows: Integers, days: Sequence[Any]) -> Integers:
        """(k,) days from the index date of the person in each row of the table to each date."""
        return (as_days(days) - self.index[rows]).astype(np.int64)

    def dates(self, rows: Integers, days: Sequence[Any]) -> Days:
        """(n,) one date per person, NaT where there is none, from at most one answer per person."""
        dates = np.full(len(self), np.datetime64("NaT"), dtype="datetime64[D]")
        dates[rows] = as_days(days)
        return dates


def as_days(values: Sequence[Any]) -> Days:
    """(k,) datetime64[D] of dates; NaT for None."""
    return np.array(values, dtype="datetime64[D]")


def as_seconds(values: Sequence[Any]) -> Floats:
    """(k,) seconds since 1970 of times; NaN for None."""
    moments = np.array(values, dtype="datetime64[s]")
    return np.where(np.isnat(moments), np.nan, moments.astype(np.int64))


def as_numbers(values: Sequence[Any]) -> Floats:
    """(k,) float64 of numbers; NaN for None."""
    return np.array(values, dtype=np.float64)


def has_concept(source: Source, concepts: Sequence[str], vocabulary: Vocabulary) -> ColumnElement[bool]:
    """Whether a row of an event table carries one of the concepts, such as `LOINC:89243-0` or `ICD10CM:C71%`.

    Where the site's vocabulary knows the code, by the concept and the source concept, and those below it; and
    always by what the ETL keeps of the source's own code: `*_source_value` is `VOCABULARY:code`, at most 50
    characters, or the code alone where the code system is the hospital's own (`local:code` in a study).
    """
    table, prefix, _ = source
    if table is observation:
        return and_(_carries(table, prefix, concepts, vocabulary), _is_stated())
    return _carries(table, prefix, concepts, vocabulary)


def _is_stated() -> ColumnElement[bool]:
    """Whether an observation is not of a diagnosis that was ruled out, or only considered."""
    qualifier = observation.c.qualifier_source_value
    return or_(qualifier.is_(None), qualifier.not_in(CONSIDERED))


def _carries(
    table: Table, prefix: str, concepts: Sequence[str], vocabulary: Vocabulary
) -> ColumnElement[bool]:
    codes = [parse_concept(concept) for concept in concepts]
    is_written = [written(table.c[f"{prefix}_source_value"], code) for code in codes]
    ids = _concept_ids(codes, vocabulary)
    if not ids:
        return or_(*is_written)
    columns = (table.c[f"{prefix}_concept_id"], table.c[f"{prefix}_source_concept_id"])
    return or_(*is_written, *(column.in_(literal_ids(ids)) for column in columns))


def has_value(table: Table, values: Sequence[str], vocabulary: Vocabulary) -> ColumnElement[bool]:
    """Whether the coded value of a row of measurement or observation is one of `values`.

    A value is a concept (`LOINC:LA9633-4`), found as `has_concept` finds it, or a source's own code (`G3`).
    """
    own = [value for value in values if ":" not in value]
    codes = [parse_concept(value) for value in values if ":" in value]
    source_value = table.c.value_source_value
    return or_(
        source_value.in_(own),
        *(written(source_value, code) for code in codes),
        table.c.value_as_concept_id.in_(literal_ids(_concept_ids(codes, vocabulary))),
    )


def written(column: ColumnElement[str], code: ConceptCode) -> ColumnElement[bool]:
    """Whether a `*_source_value` is the code, as the ETL writes it."""
    is_local = code.vocabulary_id == LOCAL or code.vocabulary_id.startswith(f"{LOCAL}-")
    text = (code.stem if is_local else f"{code.vocabulary_id}:{code.stem}")[:SOURCE_VALUE_LENGTH]
    # Not LIKE: SQLite's ignores case and PostgreSQL's does not.
    return func.substr(column, 1, len(text)) == text if code.is_prefix else column == text


def parse_concept(text: str) -> ConceptCode:
    """The vocabulary and code of `VOCABULARY:code`.

    Raises:
        SpecError: it is not written so.
    """
    try:
        found = ConceptCode.parse(text)
    except ValueError as error:
        raise SpecError(Code.INVALID_STUDY, f"{text!r} is not a concept: {error}") from None
    if found.stem.endswith("."):  # `C71.%` leaves C71 itself out
        return found
    stem = normal_code(found.vocabulary_id, found.stem)
    return ConceptCode(found.vocabulary_id, f"{stem}%" if found.is_prefix else stem)


def _concept_ids(codes: Sequence[ConceptCode], vocabulary: Vocabulary) -> list[int]:
    return sorted({concept_id for code in codes for concept_id in vocabulary.concept_ids(code)})


def literal_ids(ids: list[int]) -> Any:
    """Integers that become part of the statement: a database takes far more text than parameters."""
    return bindparam(None, ids, expanding=True, literal_execute=True)
