"""From a source's record to rows of the CDM: one mapper a kind of record, and MAPPERS is their list."""

from cdm.etl.condition import map_condition
from cdm.etl.context import Context
from cdm.etl.dicom_series import map_regions, map_series, map_study
from cdm.etl.encounter import map_encounter
from cdm.etl.identity import Identity
from cdm.etl.imaging_study import map_imaging_study
from cdm.etl.observation import map_observation
from cdm.etl.patient import map_patient
from cdm.etl.procedure import map_procedure
from cdm.etl.radiomic_features import map_radiomic_features
from cdm.etl.record import Excluded, Mapper, Row, SourceRecord, Unmappable, Unreadable

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
