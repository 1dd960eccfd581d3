"""The person named by a file that is not a patient record: a DICOM header, a tested sample, a reader's score.

OMOP needs a row in `person` for everybody with any other row. Such a row says that nothing more is known, and
gives way to the Patient, whichever comes first.
"""

from cdm.etl.context import Context, Mapper
from cdm.etl.omop_concepts import NO_CONCEPT
from cdm.etl.record import Body, Row

UNKNOWN_YEAR = 0  # OMOP requires a year of birth; 0 is not a year and says "not known"


def with_person(mapper: Mapper) -> Mapper:
    """The mapper, with a `person` row for everybody whom its rows name."""

    def map_with_person(body: Body, context: Context) -> list[Row]:
        rows = mapper(body, context)
        people = {row.values["person_id"] for row in rows if "person_id" in row.values}
        return [*(unknown_person(person_id) for person_id in sorted(people)), *rows]

    return map_with_person


def unknown_person(person_id: int) -> Row:
    """The row of a person of whom only the key is known."""
    values = {
        "person_id": person_id,
        "gender_concept_id": NO_CONCEPT,
        "year_of_birth": UNKNOWN_YEAR,
        "race_concept_id": NO_CONCEPT,
        "ethnicity_concept_id": NO_CONCEPT,
    }
    return Row("person", values, fallback=True)
