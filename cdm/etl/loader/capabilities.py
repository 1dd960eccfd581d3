"""What this transformation accepts and fills, for machines: `shadowgraph data manifest` (f2o-003)."""

from importlib.metadata import version
from typing import Any

from cdm.etl.loader.runs import CDM_VERSION, GUIDE_VERSION, MAPPING_VERSION

FHIR_VERSIONS = ("4.0.1", "4.3.0", "5.0.0")  # of the latter two the elements that are those of R4
CODED = ("observation", "measurement", "condition_occurrence", "procedure_occurrence", "drug_exposure")
BY_DOMAIN = (*CODED, "device_exposure")
GENOMIC = ("genomic_test", "target_gene", "variant_occurrence", "variant_annotation")

# kind of resource -> the profiles whose elements are read, and the tables that it may fill
RESOURCES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Patient": (("us-core-patient",), ("person", "death", "observation")),
    "Encounter": (("us-core-encounter",), ("visit_occurrence",)),
    "Condition": (("us-core-condition", "mcode-primary-cancer-condition"), BY_DOMAIN),
    "Observation": (
        (
            *("us-core-observation-lab", "vitalsigns", "mcode-tnm-stage-group", "mcode-tumor-marker-test"),
            *("mcode-cancer-disease-status", "genomics-reporting-variant", "genomics-reporting-implication"),
        ),
        (*BY_DOMAIN, "episode", "episode_event", *GENOMIC),
    ),
    "Procedure": (
        ("us-core-procedure", "mcode-radiotherapy-course-summary"),
        (*BY_DOMAIN, "episode", "episode_event"),
    ),
    "Medication": (("us-core-medication",), ()),
    "MedicationRequest": (("us-core-medicationrequest",), BY_DOMAIN),
    "MedicationAdministration": ((), BY_DOMAIN),
    "MedicationDispense": (("us-core-medicationdispense",), BY_DOMAIN),
    "MedicationStatement": (("ipa-medicationstatement",), BY_DOMAIN),
    "MedicationUsage": ((), BY_DOMAIN),
    "Immunization": (("us-core-immunization",), BY_DOMAIN),
    "AllergyIntolerance": (("us-core-allergyintolerance",), BY_DOMAIN),
    "DiagnosticReport": (("us-core-diagnosticreport-note",), ("note",)),
    "DocumentReference": (("us-core-documentreference",), ("note",)),
    "Specimen": (("us-core-specimen",), ("specimen",)),
    "Device": (("us-core-implantable-device",), BY_DOMAIN),
    "DeviceUseStatement": ((), BY_DOMAIN),
    "DeviceUsage": ((), BY_DOMAIN),
    "Organization": (("us-core-organization",), ("care_site", "location")),
    "Location": (("us-core-location",), ("care_site", "location")),
    "Practitioner": (("us-core-practitioner",), ("provider",)),
    "Consent": ((), ("research_consent",)),
    "ImagingStudy": ((), ("procedure_occurrence", "image_occurrence")),
}
# Of an OMOP table all columns that FHIR can tell, or some; a table that is not here is left empty.
FULLY = ("person", "death", "visit_occurrence", "condition_occurrence", "measurement", "observation_period")
DERIVED = ("observation_period", "condition_era", "drug_era")
USE_CASES = ("federated research on imaging, genomics and clinical outcomes", "cohort discovery")


def manifest() -> dict[str, Any]:
    """The declaration as plain data."""
    tables = sorted({table for _, filled in RESOURCES.values() for table in filled} | set(DERIVED))
    return {
        "software": version("shadowgraph"),
        "mapping": MAPPING_VERSION,
        "fhir_versions": list(FHIR_VERSIONS),
        "cdm_version": CDM_VERSION,
        "guide": GUIDE_VERSION,
        "use_cases": list(USE_CASES),
        "resources": [
            {"kind": kind, "profiles": list(profiles), "tables": list(filled)}
            for kind, (profiles, filled) in RESOURCES.items()
        ],
        "tables": [
            {"table": table, "populated": "fully" if table in FULLY else "partially"} for table in tables
        ],
    }
