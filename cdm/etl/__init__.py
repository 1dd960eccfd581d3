"""From a source's record to rows of the CDM: one mapper per kind of record, and MAPPERS is their list."""

from cdm.etl.context import Context, Mapper
from cdm.etl.fhir.allergy_intolerance import map_allergy_intolerance
from cdm.etl.fhir.condition import map_condition
from cdm.etl.fhir.consent import map_consent
from cdm.etl.fhir.device import map_device, map_device_use
from cdm.etl.fhir.encounter import map_encounter
from cdm.etl.fhir.imaging_study import map_imaging_study
from cdm.etl.fhir.immunization import map_immunization
from cdm.etl.fhir.medication import map_medication
from cdm.etl.fhir.medication_administration import map_medication_administration
from cdm.etl.fhir.medication_dispense import map_medication_dispense
from cdm.etl.fhir.medication_request import map_medication_request
from cdm.etl.fhir.medication_statement import map_medication_statement
from cdm.etl.fhir.note import map_diagnostic_report, map_document_reference
from cdm.etl.fhir.observation import map_observation
from cdm.etl.fhir.organization import map_location, map_organization
from cdm.etl.fhir.patient import map_patient
from cdm.etl.fhir.practitioner import map_practitioner
from cdm.etl.fhir.procedure import map_procedure
from cdm.etl.fhir.specimen import map_specimen
from cdm.etl.genomics.genomic_profile import map_profile
from cdm.etl.genomics.genotype import map_genotypes
from cdm.etl.genomics.sample_numbers import map_sample_numbers
from cdm.etl.genomics.variant import map_tested_sample
from cdm.etl.identity import Identity
from cdm.etl.imaging.dicom_series import map_regions, map_series, map_study
from cdm.etl.imaging.image_reading import map_image_reading
from cdm.etl.imaging.radiomic_features import map_radiomic_features
from cdm.etl.person import with_person
from cdm.etl.record import Excluded, Row, SourceRecord, Unmappable, Unreadable

MAPPERS: dict[str, Mapper] = {
    "Patient": map_patient,
    "Encounter": map_encounter,
    "Condition": map_condition,
    "Observation": map_observation,
    "Procedure": map_procedure,
    "Medication": map_medication,
    "MedicationRequest": map_medication_request,
    "MedicationAdministration": map_medication_administration,
    "MedicationDispense": map_medication_dispense,
    "MedicationStatement": map_medication_statement,
    "MedicationUsage": map_medication_statement,
    "Immunization": map_immunization,
    "AllergyIntolerance": map_allergy_intolerance,
    "DiagnosticReport": map_diagnostic_report,
    "DocumentReference": map_document_reference,
    "Specimen": map_specimen,
    "Device": map_device,
    "DeviceUseStatement": map_device_use,
    "DeviceUsage": map_device_use,
    "Organization": map_organization,
    "Location": map_location,
    "Practitioner": map_practitioner,
    "Consent": map_consent,
    "ImagingStudy": map_imaging_study,
    "DicomStudy": with_person(map_study),
    "DicomSeries": with_person(map_series),
    "DicomRegions": with_person(map_regions),
    "MAF": with_person(map_tested_sample),
    "VCF": with_person(map_tested_sample),
    "Fusions": with_person(map_tested_sample),
    "Segments": with_person(map_tested_sample),
    "Profile": with_person(map_profile),
    "Genotypes": with_person(map_genotypes),
    "SampleNumbers": with_person(map_sample_numbers),
    "ImageReading": with_person(map_image_reading),
    "RadiomicFeatures": map_radiomic_features,
}

__all__ = [
    "MAPPERS",
    "Context",
    "Excluded",
    "Identity",
    "Mapper",
    "Row",
    "SourceRecord",
    "Unmappable",
    "Unreadable",
]
