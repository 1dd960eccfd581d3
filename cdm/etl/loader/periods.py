"""What follows from the rows of all sources: observation periods, eras, and when a person was seen alive.

The rule (declared, since OMOP leaves it to the ETL): a period begins with the first event. It ends with the
death; of the living with the end of the last visit, the last contact; where a source sends no visits, with
the last event. So a procedure planned for a day after the last contact does not extend the follow-up, and
such an event lies outside the period. "Alive" or "dead" without a date is a statement as of the last contact.

Overall survival is then: `death.death_date` is the event; without it, a person known to be alive (an
observation LOINC:67162-8 with the value SNOMED:438949009) is censored at the end of the observation period;
the outcome of all others is missing.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Engine,
    Select,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.sql.selectable import Subquery

from cdm.database import writing
from cdm.etl.fhir.words.dates import DAY_NOT_KNOWN
from cdm.etl.loader.eras import make_eras
from cdm.etl.omop_concepts import EHR, IMPUTED
from cdm.schema import (
    condition_occurrence,
    death,
    drug_exposure,
    image_occurrence,
    measurement,
    observation,
    observation_period,
    person,
    procedure_occurrence,
    visit_occurrence,
)

VITAL_STATUS = "LOINC:67162-8"


def derive(engine: Engine) -> None:
    """Make the observation periods and eras anew, and date the undated statements of being alive."""
    with writing(engine) as connection:
        connection.execute(delete(observation_period))
        columns = [column.name for column in observation_period.c]
        connection.execute(insert(observation_period).from_select(columns, _periods()))
        _date_vital_status(connection)
        make_eras(connection)


def _periods() -> Select[Any]:
    events, visits = _events(), _last_visits()
    last_contact = func.coalesce(death.c.death_date, visits.c.last, events.c.last, type_=Date)
    first = func.coalesce(events.c.first, last_contact, type_=Date)
    end = case((last_contact < first, first), else_=last_contact)
    return (
        select(person.c.person_id, person.c.person_id, first, end, literal(EHR))
        .select_from(person)
        .outerjoin(events, events.c.person_id == person.c.person_id)
        .outerjoin(visits, visits.c.person_id == person.c.person_id)
        .outerjoin(death, death.c.person_id == person.c.person_id)
        .where(last_contact.is_not(None))
    )


def _events() -> Subquery:
    """The first and last day of any event of a person."""
    tables = [
        (visit_occurrence, "visit_start_date"),
        (condition_occurrence, "condition_start_date"),
        (procedure_occurrence, "procedure_date"),
        (drug_exposure, "drug_exposure_start_date"),
        (measurement, "measurement_date"),
        (image_occurrence, "image_occurrence_date"),
    ]
    parts = [_span(select(t.c.person_id, t.c[day].label("day")).subquery()) for t, day in tables]
    dated = select(observation.c.person_id, observation.c.observation_date.label("day"))
    parts.append(_span(dated.where(~_undated_status()).subquery()))
    spans = parts[0].union_all(*parts[1:]).subquery()
    return (
        select(
            spans.c.person_id, func.min(spans.c.first).label("first"), func.max(spans.c.last).label("last")
        )
        .group_by(spans.c.person_id)
        .subquery()
    )


def _span(days: Subquery) -> Select[Any]:
    """The first and last day in one table: grouped there, so that the union is of people and not of rows."""
    first, last = func.min(days.c.day).label("first"), func.max(days.c.day).label("last")
    known = days.c.day > DAY_NOT_KNOWN
    return select(days.c.person_id, first, last).where(known).group_by(days.c.person_id)


def _last_visits() -> Subquery:
    columns = visit_occurrence.c
    last = func.max(columns.visit_end_date).label("last")
    return select(columns.person_id, last).group_by(columns.person_id).subquery()


def _undated_status() -> ColumnElement[bool]:
    columns = observation.c
    return and_(
        func.coalesce(columns.observation_source_value, "") == VITAL_STATUS,
        columns.observation_type_concept_id == IMPUTED,
    )


def _date_vital_status(connection: Connection) -> None:
    """Move an undated "alive" or "dead" to the last contact, where it was certainly true."""
    period = observation_period.c
    last_contact = (
        select(period.observation_period_end_date)
        .where(period.person_id == observation.c.person_id)
        .scalar_subquery()
    )
    has_period = observation.c.person_id.in_(select(period.person_id))
    connection.execute(
        update(observation).where(_undated_status(), has_period).values(observation_date=last_contact)
    )
