"""Numbers about a sample that a laboratory states: purity, ploidy, the variant fractions of a liquid biopsy.

Each is a measurement. `measurement_source_value` is one of the names below, since no vocabulary has a concept
for most; `measurement_event_id` is the key of the sample, which `genomic_test.sample_id` writes in
hexadecimal, so that a variant finds the purity of its own sample. Of a liquid biopsy `measurement_date` is
the day on which the blood was taken; without a day the number is of the sample, not of a time.
"""

from cdm.etl.context import Context
from cdm.etl.fhir.words.dates import DAY_NOT_KNOWN, stated_day
from cdm.etl.imaging.image_feature import COMPUTED
from cdm.etl.record import Body, Row

PURITY, PLOIDY = "tumor_purity", "tumor_ploidy"
CTDNA = "ctdna_vaf"  # of all variants of one blood sample the largest fraction; `ctdna_vaf:GENE` of one gene


def map_sample_numbers(body: Body, context: Context) -> list[Row]:
    """One measurement per number."""
    specimen_id = context.specimen_id(body["patient"], body["sample"])
    day = stated_day(context, body["date"]) if body["date"] else DAY_NOT_KNOWN
    record_id = f"Specimen/{specimen_id}"
    return [
        Row(
            "measurement",
            {
                "measurement_id": context.row_id(record_id, "measurement", f"{name}:{body['date']}"),
                "person_id": context.person_id(body["patient"]),
                "measurement_concept_id": 0,
                "measurement_source_concept_id": 0,
                "measurement_date": day,
                "measurement_type_concept_id": COMPUTED,
                "value_as_number": value,
                "measurement_source_value": name,
                "measurement_event_id": specimen_id,
                "meas_event_field_concept_id": 0,
            },
            "day" if body["date"] else "year",
        )
        for name, value in body["numbers"].items()
    ]
