"""mCODE: what a cancer's course is in OMOP, beside the rows that its resources make anyway.

    disease status (Observation LOINC 97509-4)   an observation, and of progression or remission an episode
    radiotherapy course (Procedure)              a procedure, an episode, and its dose and sessions as
                                                 measurements that point to the procedure
    stage, TNM category, grade, tumor marker     a measurement that points to the condition (observation.py)
    Condition.stage                              the same, where the condition itself tells it (condition.py)

An episode is joined to what it is about by episode_event; episode_parent_id is an integer of 32 bits, which
our keys do not fit.
"""

from collections.abc import Iterator
from typing import Any

from cdm.etl.context import Context
from cdm.etl.fhir.words.coding import Coded, coded, coded_value, has_code
from cdm.etl.fhir.words.events import MEASUREMENT, PROCEDURE, Event, event_row
from cdm.etl.fhir.words.observation_value import value_columns
from cdm.etl.fhir.words.references import referenced_id
from cdm.etl.omop_concepts import CONDITION_OCCURRENCE_ID_FIELD, NO_CONCEPT, PROCEDURE_OCCURRENCE_ID_FIELD
from cdm.etl.record import Body, Row
from cdm.vocabulary.outcomes import DISEASE_STATUS, WORSE

MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-"
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
# SNOMED code of the status -> code of the episode in OMOP's vocabulary of episodes (vocabulary_map.csv)
EPISODES = {WORSE.code: "progression", "260415000": "remission", "103338009": "remission"}
RADIOTHERAPY = ("1217123003", "1287742003")
SESSIONS = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-radiotherapy-sessions"
DOSES = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-radiotherapy-dose-delivered-to-volume"
DOSE_PARTS = ("totalDoseDelivered", "fractionsDelivered")
STAGE_GROUP = {"system": LOINC, "code": "21908-9"}


def is_cancer_measurement(observation: Body) -> bool:
    """Whether mCODE says that it measures the cancer: a stage, category, grade, size or marker."""
    profiles = (observation.get("meta") or {}).get("profile") or ()
    return any(one.startswith(MCODE) and not one.startswith(f"{MCODE}cancer-disease") for one in profiles)


def disease_episode(observation: Body, event: Event, context: Context) -> Iterator[Row]:
    """The episode that begins with a progression or remission, of any other observation nothing."""
    if not has_code(observation.get("code"), LOINC, *(question.code for question in DISEASE_STATUS)):
        return
    answer = observation.get("valueCodeableConcept")
    names = {name for code, name in EPISODES.items() if has_code(answer, SNOMED, code)}
    focuses = (referenced_id(one, "Condition") for one in observation.get("focus") or ())
    condition_id = next((one for one in focuses if one), None)
    condition = (context.find("Condition", condition_id) if condition_id else None) or {}
    object_concept_id = coded(condition.get("code"), context).concept_id if condition else NO_CONCEPT
    for name in sorted(names):
        episode = _episode(event, name, object_concept_id, context)
        yield episode
        if condition_id:
            row_id = context.row_id(f"Condition/{condition_id}", "condition_occurrence")
            yield _of_episode(episode, row_id, CONDITION_OCCURRENCE_ID_FIELD)


def radiotherapy_course(procedure: Body, event: Event, rows: list[Row], context: Context) -> Iterator[Row]:
    """The episode of a radiotherapy course with its dose and sessions; of another procedure nothing."""
    if not has_code(procedure.get("code"), SNOMED, *RADIOTHERAPY) or rows[0].table != PROCEDURE.table:
        return
    episode = _episode(event, "treatment", rows[0].values["procedure_concept_id"], context)
    procedure_id = rows[0].values[PROCEDURE.key]
    yield episode
    yield _of_episode(episode, procedure_id, PROCEDURE_OCCURRENCE_ID_FIELD)
    for name, value in _treatment_modifiers(procedure):
        code = Coded(name.partition("#")[0], NO_CONCEPT, coded(None, context).standard, None)
        row_id = context.row_id(event.record_id, MEASUREMENT.table, name)
        row = event_row(event, code, code.standard[0], MEASUREMENT, row_id)
        row.values.update(value_columns(value, MEASUREMENT.table, context))
        row.values["measurement_event_id"] = procedure_id
        row.values["meas_event_field_concept_id"] = PROCEDURE_OCCURRENCE_ID_FIELD
        yield row


def stages(condition: Body, event: Event, context: Context) -> Iterator[tuple[str, Coded, Coded]]:
    """(part, what was staged, the stage) of each stage that a Condition tells itself."""
    for number, stage in enumerate(condition.get("stage") or ()):
        if stage.get("summary"):
            kind = coded(stage["type"], context) if stage.get("type") else coded_value(STAGE_GROUP, context)
            yield f"stage:{number}", kind, coded(stage["summary"], context)


def _treatment_modifiers(procedure: Body) -> Iterator[tuple[str, Body]]:
    """(name, value[x]) of the number of sessions, and of dose and fractions for each volume."""
    volume = 0
    for extension in procedure.get("extension") or ():
        if extension.get("url") == SESSIONS:
            yield "radiotherapy sessions", extension
        elif extension.get("url") == DOSES:
            volume += 1
            for part in extension.get("extension") or ():
                if part.get("url") in DOSE_PARTS:
                    yield f"{part['url']}#{volume}", part


def _episode(event: Event, name: str, object_concept_id: int, context: Context) -> Row:
    values: dict[str, Any] = {
        "episode_id": context.row_id(event.record_id, "episode"),
        "person_id": event.person_id,
        "episode_concept_id": context.resolve("Episode", name).concept_id,
        "episode_start_date": event.start.day,
        "episode_start_datetime": event.start.time,
        "episode_end_date": event.end.day if event.end else None,
        "episode_end_datetime": event.end.time if event.end else None,
        "episode_object_concept_id": object_concept_id,
        "episode_type_concept_id": event.type_concept_id,
        "episode_source_value": name,
    }
    return Row("episode", values, event.start.precision)


def _of_episode(episode: Row, event_id: int, field_concept_id: int) -> Row:
    values = {"episode_id": episode.values["episode_id"], "event_id": event_id}
    return Row("episode_event", {**values, "episode_event_field_concept_id": field_concept_id})
