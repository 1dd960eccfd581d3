"""Patient: the person, the death, and what is known of being alive.

Left out on purpose: identifier, name, telecom, address, contact, photo (f2o-020, f2o-022), communication,
generalPractitioner, managingOrganization, maritalStatus, multipleBirth[x], active.
"""

from datetime import timedelta
from typing import Any

from cdm.etl.context import Context
from cdm.etl.fhir.words.booleans import boolean
from cdm.etl.fhir.words.coding import NOT_CODED, Coded, coded_value
from cdm.etl.fhir.words.dates import DAY_NOT_KNOWN, Instant, instant, last_date
from cdm.etl.fhir.words.references import record_id, referenced_id, refuse_modifiers
from cdm.etl.omop_concepts import EHR, IMPUTED, MORE_THAN_ONE_RACE, NO_CONCEPT, RACE_OBSERVATION
from cdm.etl.person import UNKNOWN_YEAR
from cdm.etl.record import Body, Row
from cdm.vocabulary.names import UNMAPPED
from cdm.vocabulary.outcomes import ALIVE, DEAD, VITAL_STATUS

OLDEST = 125  # years; nobody has become older
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"

GENDER = "http://hl7.org/fhir/administrative-gender"
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"


def map_patient(patient: Body, context: Context) -> list[Row]:
    """The person; their death if it has a date, else an observation of the vital status if one is stated."""
    refuse_modifiers(patient)
    survivor = _survivor(patient, context)
    if survivor is not None or context.is_merged(patient["id"]):
        return _merged(patient, survivor or patient["id"], context)
    person_id = context.person_id(patient["id"])
    birth = _birth(patient, context)
    races = _omb_categories(patient, "us-core-race", context)
    rows = [Row("person", _person(patient, person_id, birth, races, context))]
    rows += _races(patient, person_id, races, context)
    return rows + _vital_status(patient, person_id, birth, context)


def _survivor(patient: Body, context: Context) -> str | None:
    """The patient id that this record names as the one to use; the merges that its links state are noted.

    All kinds of Patient.link mean one person: `replaced-by` (`replace` in DSTU2) and `refer` point to the
    record to use, `replaces` from it; of two that only `seealso` each other the smaller id stands for both.
    """
    survivor, own = None, patient["id"]
    for link in patient.get("link") or ():
        other = referenced_id(link.get("other"), "Patient")
        if other is None or other == own:
            continue
        kind = link.get("type")
        if kind == "replaces" or (kind == "seealso" and own < other):
            context.merge(other, own)
        else:
            context.merge(own, other)
            survivor = other
    return survivor


def _merged(patient: Body, survivor: str, context: Context) -> list[Row]:
    """What a replaced record still tells of its person: who it is, where the survivor is not here."""
    context.doubt("person-merged")
    person_id = context.person_id(survivor)
    birth = _birth(patient, context)
    rows = [Row("person", _person(patient, person_id, birth, [], context))]
    rows += [row for row in _vital_status(patient, person_id, birth, context) if row.table == "death"]
    return [row._replace(fallback=True) for row in rows]


def _person(
    patient: Body, person_id: int, birth: Instant | None, races: list[Coded], context: Context
) -> dict[str, Any]:
    ethnicities = _omb_categories(patient, "us-core-ethnicity", context)
    gender = patient.get("gender")
    gender_concept = context.resolve(GENDER, gender) if gender else UNMAPPED
    race = races[0] if races else NOT_CODED
    ethnicity = ethnicities[0] if ethnicities else NOT_CODED
    return {
        "person_id": person_id,
        "gender_concept_id": gender_concept.concept_id,
        "gender_source_value": gender,
        "gender_source_concept_id": gender_concept.source_concept_id,
        "year_of_birth": birth.day.year if birth else UNKNOWN_YEAR,
        "month_of_birth": birth.day.month if birth and birth.precision != "year" else None,
        "day_of_birth": birth.day.day if birth and birth.precision == "day" else None,
        "race_concept_id": MORE_THAN_ONE_RACE if len(races) > 1 else _of_domain(race, "Race"),
        "race_source_value": race.source_value,
        "race_source_concept_id": race.source_concept_id,
        "ethnicity_concept_id": _of_domain(ethnicity, "Ethnicity"),
        "ethnicity_source_value": ethnicity.source_value,
        "ethnicity_source_concept_id": ethnicity.source_concept_id,
    }


def _of_domain(code: Coded, domain_id: str) -> int:
    """The concept where it is of the domain that the column requires; a site's map may say otherwise."""
    return next((one.concept_id for one in code.standard if one.domain_id == domain_id), NO_CONCEPT)


def _omb_categories(patient: Body, name: str, context: Context) -> list[Coded]:
    """The codes of US Core's race or ethnicity extension at the level of the OMB categories."""
    return [
        coded_value(part["valueCoding"], context)
        for extension in patient.get("extension") or ()
        if extension.get("url") == US_CORE + name
        for part in extension.get("extension") or ()
        if part.get("url") == "ombCategory" and part.get("valueCoding", {}).get("code")
    ]


def _races(patient: Body, person_id: int, races: list[Coded], context: Context) -> list[Row]:
    """One observation per race for a person of several, whom `person` can only call "more than one race"."""
    if len(races) < 2:
        return []
    return [
        _observation(
            context.row_id(record_id(patient), "observation", f"race:{race.source_value}"),
            person_id,
            observation_concept_id=RACE_OBSERVATION,
            value_as_concept_id=race.concept_id,
            value_source_value=race.source_value,
        )
        for race in races
    ]


def _birth(patient: Body, context: Context) -> Instant | None:
    """The birth date; None where none is stated, or one that nobody alive today can have."""
    if not patient.get("birthDate"):
        return None
    birth = instant(patient["birthDate"])
    if context.today.year - OLDEST <= birth.day.year and birth.day <= context.today + timedelta(days=1):
        return birth
    context.doubt("date-implausible")
    return None


def _death(patient: Body, birth: Instant | None, context: Context) -> Instant | None:
    """The date of death; of one of which only the month or year is known the last day, as OMOP 5.4 has it."""
    death = last_date(context, patient, "deceasedDateTime")
    if death is None:
        return None
    if birth and death.day < birth.day:
        context.doubt("date-implausible")
        return None
    if death.precision != "day":
        context.doubt("date-partial")
    return death


def _vital_status(patient: Body, person_id: int, birth: Instant | None, context: Context) -> list[Row]:
    dead = boolean(patient, "deceasedBoolean")
    if patient.get("deceasedDateTime"):
        if dead is False:
            context.doubt("death-contradicts")
            return []
        death = _death(patient, birth, context)
        if death is None:
            return []
        values = {
            "person_id": person_id,
            "death_date": death.day,
            "death_datetime": death.time,
            "death_type_concept_id": EHR if death.precision == "day" else IMPUTED,
        }
        return [Row("death", values, death.precision)]
    if dead is None:
        return []
    status = DEAD if dead else ALIVE
    question = coded_value({"system": LOINC, "code": VITAL_STATUS.code}, context)
    answer = coded_value({"system": SNOMED, "code": status.code}, context)
    # Alive or dead without a date: `derived` moves the statement to the last contact, where it was true.
    row = _observation(
        context.row_id(record_id(patient), "observation", "vital-status"),
        person_id,
        observation_concept_id=question.concept_id,
        observation_source_value=question.source_value,
        observation_source_concept_id=question.source_concept_id,
        value_as_concept_id=answer.concept_id,
        value_source_value=answer.source_value,
    )
    return [row]


def _observation(observation_id: int, person_id: int, **values: Any) -> Row:
    """A statement without a date."""
    base = {"observation_id": observation_id, "person_id": person_id, "observation_date": DAY_NOT_KNOWN}
    return Row("observation", {**base, "observation_type_concept_id": IMPUTED, **values}, "year")
