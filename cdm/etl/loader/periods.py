"""What follows from the rows of all sources: observation periods, eras, and when a person was seen alive.

The rule (declared, since OMOP leaves it to the ETL): a period begins with the first event. It ends with the
death; of the living with the end of the last visit, the last contact; where a source sends no visits, with
the last event. So a procedure planned for a day after the last contact does not extend the follow-up, and
such an event lies outside the period. No day before the birth or after today begins or ends a period: such
dates are mistakes of the source. "Alive" or "dead" without a date is a statement as of the last contact.

Overall survival is then: `death.death_date` is the event; without it, a person known to be alive (an
observation LOINC:67162-8 with the value SNOMED:438949009) is censored at the end of the observation period;
the outcome of all others is missing.
"""

from collections.abc import Sequence
from datetime import date
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
    extract,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.sql.selectable import Subquery

from cdm.database import DERIVATION_LOCK, chunks, take_turns, writing
from cdm.etl.fhir.words.dates import DAY_NOT_KNOWN
from cdm.etl.loader.due import EVENTS, due_people, latest_day
from cdm.etl.loader.eras import make_eras, of_people
from cdm.etl.omop_concepts import EHR, IMPUTED
from cdm.etl.person import UNKNOWN_YEAR
from cdm.schema import (
    death,
    derivation_due,
    observation,
    observation_period,
    person,
    visit_occurrence,
)
from cdm.vocabulary.outcomes import VITAL_STATUS

PEOPLE_AT_ONCE = 500  # in one transaction: a query with more binds is not faster


def derive(engine: Engine, today: date | None = None) -> None:
    """Make everybody's observation periods and eras anew, and date the undated statements of being alive."""
    latest = latest_day(today)
    with writing(engine) as connection:
        take_turns(connection, DERIVATION_LOCK)
        connection.execute(delete(derivation_due).where(derivation_due.c.due_day <= latest))
        _derive(connection, latest, None)


def derive_due(engine: Engine) -> None:
    """Make anew what follows from the rows of those alone whose rows have changed since it was made."""
    latest, people = latest_day(), due_people(engine)
    if people is None:
        return derive(engine)
    columns = derivation_due.c
    for chunk in chunks(people, PEOPLE_AT_ONCE):
        with writing(engine) as connection:
            take_turns(connection, DERIVATION_LOCK)
            # Before the rows are read: what another load marks from now on stays marked.
            marks = delete(derivation_due).where(columns.due_day <= latest, columns.person_id.in_(chunk))
            connection.execute(marks)
            _derive(connection, latest, chunk)
    return None


def _derive(connection: Connection, latest: date, people: Sequence[int] | None) -> None:
    columns = [column.name for column in observation_period.c]
    connection.execute(delete(observation_period).where(of_people(observation_period.c.person_id, people)))
    connection.execute(insert(observation_period).from_select(columns, _periods(latest, people)))
    _begin_with_birth(connection, people)
    _date_vital_status(connection, people)
    make_eras(connection, people)


def _periods(latest: date, people: Sequence[int] | None) -> Select[Any]:
    events, visits = _events(latest, people), _last_visits(latest, people)
    last_contact = func.coalesce(death.c.death_date, visits.c.last, events.c.last, type_=Date)
    first = func.coalesce(events.c.first, last_contact, type_=Date)
    end = case((last_contact < first, first), else_=last_contact)
    return (
        select(person.c.person_id, person.c.person_id, first, end, literal(EHR))
        .select_from(person)
        .outerjoin(events, events.c.person_id == person.c.person_id)
        .outerjoin(visits, visits.c.person_id == person.c.person_id)
        .outerjoin(death, death.c.person_id == person.c.person_id)
        .where(last_contact.is_not(None), of_people(person.c.person_id, people))
    )


def _begin_with_birth(connection: Connection, people: Sequence[int] | None) -> None:
    """Let no period begin, or end, before the birth of its person, as far as that is known."""
    period, born = observation_period.c, person.c
    start = period.observation_period_start_date
    early = (
        select(
            period.observation_period_id,
            period.observation_period_end_date,
            born.year_of_birth,
            born.month_of_birth,
            born.day_of_birth,
        )
        .join_from(observation_period, person, born.person_id == period.person_id)
        .where(born.year_of_birth > UNKNOWN_YEAR, extract("year", start) <= born.year_of_birth)
        .where(of_people(period.person_id, people))
    )
    for key, end, year, month, day in connection.execute(early).all():
        birth = date(year, month or 1, day or 1)
        moved = {"observation_period_start_date": birth, "observation_period_end_date": max(birth, end)}
        of_person = period.observation_period_id == key
        connection.execute(update(observation_period).where(of_person, start < birth).values(moved))


def _events(latest: date, people: Sequence[int] | None) -> Subquery:
    """The first and last day of any event of a person."""
    parts = [
        _span(select(t.c.person_id, t.c[day].label("day")).where(of_people(t.c.person_id, people)), latest)
        for t, day in EVENTS
        if t is not observation
    ]
    dated = select(observation.c.person_id, observation.c.observation_date.label("day"))
    parts.append(_span(dated.where(~_undated_status(), of_people(observation.c.person_id, people)), latest))
    spans = parts[0].union_all(*parts[1:]).subquery()
    return (
        select(
            spans.c.person_id, func.min(spans.c.first).label("first"), func.max(spans.c.last).label("last")
        )
        .group_by(spans.c.person_id)
        .subquery()
    )


def _span(dated: Select[Any], latest: date) -> Select[Any]:
    """The first and last day in one table: grouped there, so that the union is of people and not of rows."""
    days = dated.subquery()
    first, last = func.min(days.c.day).label("first"), func.max(days.c.day).label("last")
    known = days.c.day > DAY_NOT_KNOWN
    return select(days.c.person_id, first, last).where(known, days.c.day <= latest).group_by(days.c.person_id)


def _last_visits(latest: date, people: Sequence[int] | None) -> Subquery:
    """The end of the last visit of each person; of one that ends in the future its start."""
    columns = visit_occurrence.c
    start, end = columns.visit_start_date, columns.visit_end_date
    last = func.max(case((end <= latest, end), else_=start)).label("last")
    return (
        select(columns.person_id, last)
        .where(start <= latest, of_people(columns.person_id, people))
        .group_by(columns.person_id)
        .subquery()
    )


def _undated_status() -> ColumnElement[bool]:
    columns = observation.c
    return and_(
        func.coalesce(columns.observation_source_value, "") == str(VITAL_STATUS),
        columns.observation_type_concept_id == IMPUTED,
    )


def _date_vital_status(connection: Connection, people: Sequence[int] | None) -> None:
    """Move an undated "alive" or "dead" to the last contact, where it was certainly true."""
    period = observation_period.c
    last_contact = (
        select(period.observation_period_end_date)
        .where(period.person_id == observation.c.person_id)
        .scalar_subquery()
    )
    has_period = observation.c.person_id.in_(select(period.person_id))
    connection.execute(
        update(observation)
        .where(_undated_status(), has_period, of_people(observation.c.person_id, people))
        .values(observation_date=last_contact)
    )
