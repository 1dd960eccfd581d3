"""What the CDM says of people, as arrays with one entry per person: one query each."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, case, exists, func, literal, null, or_, select

from cdm.etl.fhir.words.dates import DAY_NOT_KNOWN
from cdm.etl.imaging.image_feature import MEASUREMENT_TABLE, stored_name
from cdm.etl.person import UNKNOWN_YEAR
from cdm.schema import (
    death,
    image_acquisition,
    image_feature,
    image_occurrence,
    measurement,
    observation_period,
    person,
)
from cdm.vocabulary.names import ConceptCode
from cdm.vocabulary.outcomes import ALIVE, DISEASE_STATUS, VITAL_STATUS, WORSE
from protocols.core.variables import Window
from site_node.features import clinical
from site_node.features.arrays import Floats, Integers, Mask
from site_node.features.clinical import Days, Events, Labels, Pick
from site_node.study_table.codes import MEASUREMENT, OBSERVATION, SOURCES, Source
from site_node.study_table.people import People, as_days, as_numbers, has_value

ALWAYS = Window()
AFTER = Window(from_days=0)
LATER, UNTIL = Window(from_days=1), Window(to_days=0)
EXTREMES: tuple[Pick, Pick] = ("min", "max")
SCANNER_COLUMNS = {
    "manufacturer": "manufacturer",
    "model": "manufacturer_model_name",
    "kernel": "convolution_kernel",
    "slice_thickness": "slice_thickness_mm",
    "field_strength": "magnetic_field_strength_tesla",
    "kvp": "kvp",
    "contrast": "contrast_bolus_agent",
}
# The answers to mCODE's disease status that are an assessment.
ASSESSED = (str(WORSE), "SNOMED:359746009", "SNOMED:268910001", "SNOMED:260415000")


def ages(people: People) -> Floats:
    """(n,) completed years at the index date."""
    columns = person.c
    statement = select(
        columns.person_id,
        func.nullif(columns.year_of_birth, UNKNOWN_YEAR),
        columns.month_of_birth,
        columns.day_of_birth,
    ).where(people.are(columns.person_id))
    rows, parts = people.ask(statement)
    year, month, day = (np.full(len(people), np.nan) for _ in parts)
    for birth, values in zip((year, month, day), parts, strict=True):
        birth[rows] = as_numbers(values)
    return clinical.age_years(people.index, year, month, day)


def sex_is(people: People, sex: str) -> Floats:
    """(n,) 1 for the sex, 0 for another known one."""
    columns = person.c
    wanted = people.vocabulary.resolve("Gender", sex).concept_id
    is_it = case(
        (columns.gender_concept_id == wanted, 1.0), (columns.gender_concept_id != 0, 0.0), else_=None
    )
    rows, (values,) = people.ask(select(columns.person_id, is_it).where(people.are(columns.person_id)))
    found = np.full(len(people), np.nan)
    found[rows] = as_numbers(values)
    return found


def findings(
    people: People, concepts: Sequence[str], values: Sequence[str], window: Window = ALWAYS
) -> Events:
    """1 for every measurement or observation of the concepts with one of the values, 0 with another."""

    def columns(source: Source) -> Sequence[ColumnElement[Any]]:
        table, _, day = source
        is_one = case((has_value(table, values, people.vocabulary), literal(1.0)), else_=literal(0.0))
        answer = case(
            (or_(table.c.value_source_value.is_not(None), table.c.value_as_concept_id > 0), is_one),
            else_=null(),
        )
        return table.c[day].label("day"), answer.label("answer"), table.c[f"{day}time"].label("moment")

    found = people.records((MEASUREMENT, OBSERVATION), concepts, window, columns).subquery()
    return people.events(select(found).where(found.c.answer.is_not(None)))


def days_with_results(
    people: People, concepts: Sequence[str], window: Window = ALWAYS
) -> tuple[Integers, Integers]:
    """The days on which a measurement or observation of the concepts has a number, a code or words.

    Returns:
        (k,) rows of people in the table, and (k,) days since their index date, each once, in this order.
    """

    def columns(source: Source) -> Sequence[ColumnElement[Any]]:
        table, _, day = source
        known = or_(
            table.c.value_as_number.is_not(None),
            table.c.value_source_value.is_not(None),
            table.c.value_as_concept_id > 0,
        )
        return table.c[day].label("day"), case((known, literal(1)), else_=literal(0)).label("known")

    each = people.records((MEASUREMENT, OBSERVATION), concepts, window, columns).subquery()
    rows, (days,) = people.ask(select(each.c.person_id, each.c.day).where(each.c.known == 1).distinct())
    since = people.since_index(rows, days)
    order = np.lexsort((since, rows))
    return rows[order], since[order]


def occurrences(people: People, domain: str, concepts: Sequence[str], window: Window = ALWAYS) -> Events:
    """1 for every record of one of the concepts."""
    return people.events(
        people.records(SOURCES[domain], concepts, window, lambda it: (it[0].c[it[2]], literal(1.0)))
    )


def occurred(people: People, domain: str, concepts: Sequence[str], window: Window = ALWAYS) -> Mask:
    """(n,) whether there is a record of one of the concepts."""
    each = people.records(SOURCES[domain], concepts, window, lambda _: ()).subquery()
    rows, _ = people.ask(select(each.c.person_id).distinct())
    found = np.zeros(len(people), dtype=bool)
    found[rows] = True
    return found


def scores(people: People, feature: str) -> Floats:
    """(n,) the reader's score of that name; of several readings the earliest that has a date.

    Several of that day, or without a date, that differ are left out, and counted in `people.doubts`.
    """
    columns = measurement.c
    asked = people.named(
        MEASUREMENT, [stored_name(feature)], columns.measurement_date, columns.value_as_number
    )
    rows, (days, values) = people.ask(asked)
    events = Events(rows, people.since_index(rows, days), as_numbers(values))
    undated = as_days(days) == np.datetime64(DAY_NOT_KNOWN)
    first = np.full(len(people), np.iinfo(np.int64).max)
    np.minimum.at(first, rows[~undated], events.days[~undated])
    is_dated = (first < np.iinfo(np.int64).max)[rows]
    counts = np.where(is_dated, ~undated & (events.days == first[rows]), undated)
    lowest, highest = (clinical.one_each(events.where(counts), len(people), pick) for pick in EXTREMES)
    differ = lowest < highest
    people.note_doubt("reading-undated", int((counts & differ[rows]).sum()), np.flatnonzero(differ))
    return np.where(differ, np.nan, lowest)


def radiomics(people: People, names: Sequence[str]) -> Floats:
    """(n,) the radiomic feature under the first of the names that the site has, of the nearest image."""
    columns = measurement.c
    asked = (columns.measurement_date, columns.value_as_number, columns.measurement_source_value)
    rows, (days, values, written) = people.ask(people.named(MEASUREMENT, set(names), *asked))
    rank = {name: place for place, name in reversed(list(enumerate(names)))}
    place = np.array([rank[name] for name in written], dtype=np.int64)
    events = Events(rows, people.since_index(rows, days), as_numbers(values))
    return clinical.one_each(events.where(place == place.min(initial=len(names))), len(people), "nearest")


def has_images(people: People, modality: str, *, with_features: bool) -> Mask:
    """(n,) whether there is a series of the modality; with features, one that was measured or scored."""
    columns = image_occurrence.c
    statement = (
        select(columns.person_id)
        .outerjoin_from(image_occurrence, image_acquisition, _same_series)
        .where(_is_modality(people, modality), people.are(columns.person_id))
    )
    if with_features:
        statement = statement.where(_is_measured())
    rows, _ = people.ask(statement)
    return np.bincount(rows, minlength=len(people)) > 0


def scanners(people: People, modality: str, by: Sequence[str]) -> Labels:
    """(n,) what made the images, such as `SIEMENS / Biograph 64`; None where nothing of it is known.

    Of several series the one that has features counts, then the one nearest to the index date.
    """
    columns = image_occurrence.c
    statement = (
        select(
            columns.person_id,
            columns.image_occurrence_date,
            case((_is_measured(), 0), else_=1),
            columns.image_occurrence_id,
            *(image_acquisition.c[SCANNER_COLUMNS[part]] for part in by),
        )
        .join_from(image_occurrence, image_acquisition, _same_series)
        .where(_is_modality(people, modality), people.are(columns.person_id))
    )
    rows, (days, is_bare, keys, *parts) = people.ask(statement)
    distance = np.abs(people.since_index(rows, days))
    order = np.lexsort((np.array(keys, np.int64), distance, np.array(is_bare, np.int64), rows))
    found, place = np.unique(rows[order], return_index=True)
    labels = np.full(len(people), None, dtype=object)
    for row, series in zip(found, order[place], strict=True):
        labels[row] = _label([part[series] for part in parts])
    return labels


def _label(parts: list[object]) -> str | None:
    if all(part is None for part in parts):
        return None
    words = (f"{part:g}" if isinstance(part, float) else str(part) for part in parts if part is not None)
    return " / ".join(word.strip() for word in words)


_same_series = image_acquisition.c.image_occurrence_id == image_occurrence.c.image_occurrence_id


def _is_modality(people: People, modality: str) -> ColumnElement[bool]:
    """By the header's own word, or where only FHIR tells of the series, by its concept."""
    ids = sorted(people.vocabulary.concept_ids(ConceptCode("DICOM", modality)))
    return or_(image_acquisition.c.modality == modality, image_occurrence.c.modality_concept_id.in_(ids))


def _is_measured() -> ColumnElement[bool]:
    columns = image_feature.c
    return exists().where(
        columns.image_occurrence_id == image_occurrence.c.image_occurrence_id,
        columns.image_feature_event_field_concept_id == MEASUREMENT_TABLE,
    )


def overall_survival(people: People) -> tuple[Floats, Floats]:
    """(n,) days and (n,) events: death, or alive at the last contact."""
    alive = clinical.one_each(findings(people, [str(VITAL_STATUS)], [str(ALIVE)]), len(people), "last") == 1
    return clinical.overall_survival(people.index, deaths(people), last_contacts(people), alive)


def progression_free_survival(people: People) -> tuple[Floats, Floats]:
    """(n,) days and (n,) events: progression or death, or neither at the last assessment of the disease."""
    asked = [str(question) for question in DISEASE_STATUS]
    after = findings(people, asked, ASSESSED, AFTER)
    after = after.where(after.values == 1)
    worse = findings(people, asked, [str(WORSE)], AFTER)
    worse = worse.where(worse.values == 1)
    return clinical.progression_free_survival(
        people.index, deaths(people), _day_of(people, worse, "min"), _day_of(people, after, "max")
    )


def event_free_survival(
    people: People, named: Sequence[tuple[str, str]], *, death_counts: bool, free: bool
) -> tuple[Floats, Floats]:
    """(n,) days and (n,) events: the first record after the index date of one of the named, or death.

    Args:
        named: domain and concept of each.
        death_counts: whether death is an event; else a person is censored then.
        free: whether one with such a record on the index date or before is left out.
    """
    alive = clinical.one_each(findings(people, [str(VITAL_STATUS)], [str(ALIVE)]), len(people), "last") == 1
    event = np.full(len(people), np.datetime64("NaT"), dtype="datetime64[D]")
    before = np.zeros(len(people), dtype=bool)
    for domain, concept in named:
        event = np.fmin(event, _day_of(people, occurrences(people, domain, [concept], LATER), "min"))
        if free:
            before |= occurred(people, domain, [concept], UNTIL)
    return clinical.event_free_survival(
        people.index, deaths(people), last_contacts(people), alive, event, before, death_counts=death_counts
    )


def _day_of(people: People, events: Events, pick: Pick) -> Days:
    """(n,) the first (`min`) or last (`max`) day of the events."""
    since = clinical.one_each(replace(events, values=events.days.astype(np.float64)), len(people), pick)
    days = np.full(len(people), np.datetime64("NaT"), dtype="datetime64[D]")
    known = ~np.isnan(since)
    days[known] = people.index[known] + since[known].astype(np.int64)
    return days


def deaths(people: People) -> Days:
    """(n,) the date of death."""
    columns = death.c
    rows, (days,) = people.ask(
        select(columns.person_id, columns.death_date).where(people.are(columns.person_id))
    )
    return people.dates(rows, days)


def last_contacts(people: People) -> Days:
    """(n,) the end of the observation period, which the ETL derives: the last visit of the living."""
    columns = observation_period.c
    rows, (days,) = people.ask(
        select(columns.person_id, func.max(columns.observation_period_end_date))
        .where(people.are(columns.person_id))
        .group_by(columns.person_id)
    )
    return people.dates(rows, days)
