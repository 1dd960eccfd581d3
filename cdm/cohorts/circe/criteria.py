"""ATLAS's criteria: records of a kind, around an event, joined by groups."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from cdm.cohorts.circe.parts import Concept, DateRange, NumericRange, Occurrence, Part, Window


class Event(Part):
    """Records of one kind; every condition that is given must hold."""

    codeset_id: int | None = None
    first: bool = False
    occurrence_start_date: DateRange | None = None
    occurrence_end_date: DateRange | None = None
    age: NumericRange | None = None
    gender: tuple[Concept, ...] = ()
    visit_type: tuple[Concept, ...] = ()
    correlated_criteria: "Group | None" = Field(default=None, alias="CorrelatedCriteria")


class ConditionOccurrence(Event):
    """Rows of condition_occurrence."""

    condition_type: tuple[Concept, ...] = ()
    condition_type_exclude: bool = False
    condition_status: tuple[Concept, ...] = ()
    condition_source_concept: int | None = None


class ProcedureOccurrence(Event):
    """Rows of procedure_occurrence."""

    procedure_type: tuple[Concept, ...] = ()
    procedure_type_exclude: bool = False
    modifier: tuple[Concept, ...] = ()
    quantity: NumericRange | None = None
    procedure_source_concept: int | None = None


class DrugExposure(Event):
    """Rows of drug_exposure."""

    drug_type: tuple[Concept, ...] = ()
    drug_type_exclude: bool = False
    refills: NumericRange | None = None
    quantity: NumericRange | None = None
    days_supply: NumericRange | None = None
    route_concept: tuple[Concept, ...] = ()
    drug_source_concept: int | None = None


class DeviceExposure(Event):
    """Rows of device_exposure."""

    device_type: tuple[Concept, ...] = ()
    device_type_exclude: bool = False
    quantity: NumericRange | None = None
    device_source_concept: int | None = None


class Observation(Event):
    """Rows of observation."""

    observation_type: tuple[Concept, ...] = ()
    observation_type_exclude: bool = False
    value_as_number: NumericRange | None = None
    value_as_concept: tuple[Concept, ...] = ()
    qualifier: tuple[Concept, ...] = ()
    unit: tuple[Concept, ...] = ()
    observation_source_concept: int | None = None


class Measurement(Event):
    """Rows of measurement."""

    measurement_type: tuple[Concept, ...] = ()
    measurement_type_exclude: bool = False
    operator: tuple[Concept, ...] = ()
    value_as_number: NumericRange | None = None
    value_as_concept: tuple[Concept, ...] = ()
    unit: tuple[Concept, ...] = ()
    range_low: NumericRange | None = None
    range_high: NumericRange | None = None
    measurement_source_concept: int | None = None


class VisitOccurrence(Event):
    """Rows of visit_occurrence; its own concept is the type of visit."""

    visit_type_exclude: bool = False
    visit_length: NumericRange | None = None
    visit_source_concept: int | None = None


class Death(Event):
    """Rows of death; the concept is its cause."""

    death_type: tuple[Concept, ...] = ()
    death_type_exclude: bool = False
    death_source_concept: int | None = None


class Specimen(Event):
    """Rows of specimen."""

    specimen_type: tuple[Concept, ...] = ()
    specimen_type_exclude: bool = False
    quantity: NumericRange | None = None
    unit: tuple[Concept, ...] = ()
    anatomic_site: tuple[Concept, ...] = ()
    disease_status: tuple[Concept, ...] = ()


class _Era(Event):
    era_start_date: DateRange | None = None
    era_end_date: DateRange | None = None
    era_length: NumericRange | None = None
    occurrence_count: NumericRange | None = None
    age_at_start: NumericRange | None = None
    age_at_end: NumericRange | None = None

    @model_validator(mode="after")
    def _has_no_fields_of_a_record(self) -> "_Era":
        given = [
            name for name in ("age", "occurrence_start_date", "occurrence_end_date") if getattr(self, name)
        ]
        if given or self.visit_type:
            raise ValueError("ATLAS's eras have AgeAtStart, EraStartDate and the like, and no visit")
        return self


class ConditionEra(_Era):
    """Rows of condition_era."""


class DrugEra(_Era):
    """Rows of drug_era."""

    gap_days: NumericRange | None = None


class Criteria(Part):
    """Records of exactly one kind."""

    condition_occurrence: ConditionOccurrence | None = None
    procedure_occurrence: ProcedureOccurrence | None = None
    drug_exposure: DrugExposure | None = None
    device_exposure: DeviceExposure | None = None
    observation: Observation | None = None
    measurement: Measurement | None = None
    visit_occurrence: VisitOccurrence | None = None
    death: Death | None = None
    specimen: Specimen | None = None
    condition_era: ConditionEra | None = None
    drug_era: DrugEra | None = None

    @model_validator(mode="before")
    @classmethod
    def _keeps_an_empty_kind(cls, content: object) -> object:
        """`{"Death": {}}` is any death, and not nothing."""
        if isinstance(content, Mapping):
            return {kind: event or {"First": False} for kind, event in content.items() if event is not None}
        return content

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> "Criteria":
        if sum(value is not None for _, value in self) != 1:
            raise ValueError("a criterion needs exactly one kind of record")
        return self

    @property
    def event(self) -> Event:
        """The records that are meant."""
        event: Event = next(value for _, value in self if value is not None)
        return event


class CorrelatedCriteria(Part):
    """How many records there are around the index event."""

    criteria: Criteria
    start_window: Window | None = None
    end_window: Window | None = None
    restrict_visit: bool = False
    ignore_observation_period: bool = False
    occurrence: Occurrence


class DemographicCriteria(Part):
    """Who the person is at the index event."""

    age: NumericRange | None = None
    gender: tuple[Concept, ...] = ()
    race: tuple[Concept, ...] = ()
    ethnicity: tuple[Concept, ...] = ()
    occurrence_start_date: DateRange | None = None
    occurrence_end_date: DateRange | None = None


class Group(Part):
    """Criteria of which all, any, at least or at most `count` hold; without any it always holds."""

    type: Literal["ALL", "ANY", "AT_LEAST", "AT_MOST"]
    count: int | None = Field(default=None, ge=0)
    criteria_list: tuple[CorrelatedCriteria, ...] = Field(default=(), max_length=200)
    demographic_criteria_list: tuple[DemographicCriteria, ...] = Field(default=(), max_length=200)
    groups: "tuple[Group, ...]" = Field(default=(), alias="Groups", max_length=50)

    @model_validator(mode="after")
    def _has_a_count(self) -> "Group":
        if self.type.startswith("AT_") and self.count is None:
            raise ValueError(f"a group {self.type} needs Count")
        return self

    def is_empty(self) -> bool:
        """Whether there is nothing that could fail."""
        return not (self.criteria_list or self.demographic_criteria_list or self.groups)
