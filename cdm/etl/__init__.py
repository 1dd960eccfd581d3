"""From a source's record to rows of the CDM: one mapper a kind of record, and MAPPERS is their list."""

from cdm.etl.condition import map_condition
from cdm.etl.context import Context
from cdm.etl.dicom_series import map_regions, map_series, map_study
from cdm.etl.encounter import map_encounter
from cdm.etl.identity import Identity
from cdm.etl.image_reading import map_image_reading
from cdm.etl.imaging_study import map_imaging_study
from cdm.etl.observation import map_observation
from cdm.etl.patient import map_patient
from cdm.etl.procedure import map_procedure
from cdm.etl.radiomic_features import map_radiomic_features
from cdm.etl.record import Excluded, Mapper, Row, SourceRecord, Unmappable, Unreadable
from cdm.etl.variant import map_tested_sample

MAPPERS: dict[str, Mapper] = {
    "Patient": map_patient,
    "Encounter": map_encounter,
    "Condition": map_condition,
    "Observation": map_observation,
    "Procedure": map_procedure,
    "ImagingStudy": map_imaging_study,
    "DicomStudy": map_study,
    "DicomSeries": map_series,
    "DicomRegions": map_regions,
    "MAF": map_tested_sample,
    "VCF": map_tested_sample,
    "ImageReading": map_image_reading,
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
