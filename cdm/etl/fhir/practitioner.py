"""Practitioner: the provider, without a name.

Left out on purpose: identifier, name, telecom, address, photo, communication, active.
"""

from typing import Any

from cdm.etl.context import Context
from cdm.etl.fhir.patient import GENDER
from cdm.etl.fhir.words.coding import coded
from cdm.etl.fhir.words.dates import first_date
from cdm.etl.fhir.words.references import record_id, refuse_modifiers
from cdm.etl.record import Body, Row
from cdm.vocabulary.names import UNMAPPED


def map_practitioner(practitioner: Body, context: Context) -> list[Row]:
    """The provider, with the first qualification as the specialty."""
    refuse_modifiers(practitioner)
    gender = practitioner.get("gender")
    gender_concept = context.resolve(GENDER, gender) if gender else UNMAPPED
    birth = first_date(context, practitioner, "birthDate")
    qualifications = practitioner.get("qualification") or [{}]
    specialty = coded(qualifications[0].get("code"), context)
    values: dict[str, Any] = {
        "provider_id": context.row_id(record_id(practitioner), "provider"),
        "gender_concept_id": gender_concept.concept_id,
        "gender_source_value": gender,
        "gender_source_concept_id": gender_concept.source_concept_id,
        "year_of_birth": birth.day.year if birth else None,
        "specialty_concept_id": specialty.concept_id,
        "specialty_source_value": specialty.source_value,
        "specialty_source_concept_id": specialty.source_concept_id,
    }
    return [Row("provider", values)]
