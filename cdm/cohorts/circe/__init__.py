"""ATLAS's cohort definitions: the JSON of OHDSI's Circe as models, and nothing that we cannot evaluate.

Pydantic only, after the classes of circe-be 1.11 (Apache-2.0). What is empty in the JSON is left out; a part
that is not here is named and refused, since a cohort without one of its conditions is another cohort.
"""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from cdm.cohorts.circe.criteria import Criteria, Group
from cdm.cohorts.circe.parts import ConceptSet, Part


class Limit(Part):
    """Which of a person's events stay."""

    type: Literal["All", "First", "Last"] = "All"


class ObservationWindow(Part):
    """Days that a person must have been observed before and after the event."""

    prior_days: int = Field(default=0, ge=0)
    post_days: int = Field(default=0, ge=0)


class PrimaryCriteria(Part):
    """The events with which people may enter."""

    criteria_list: tuple[Criteria, ...] = Field(min_length=1, max_length=100)
    observation_window: ObservationWindow = ObservationWindow()
    primary_criteria_limit: Limit = Limit()


class InclusionRule(Part):
    """A named rule that the entry event must fulfil."""

    model_config = ConfigDict(alias_generator=to_camel)

    name: str = ""
    description: str = ""
    expression: Group


class DateOffset(Part):
    """The end: days after the start or the end of the entry event."""

    date_field: Literal["StartDate", "EndDate"]
    offset: int


class CustomEra(Part):
    """The end: when the person stopped taking a drug."""

    drug_codeset_id: int
    gap_days: int = Field(ge=0)
    offset: int = Field(ge=0)
    days_supply_override: int | None = None


class EndStrategy(Part):
    """When a person leaves; without it at the end of observation."""

    date_offset: DateOffset | None = None
    custom_era: CustomEra | None = None


class CollapseSettings(Part):
    """How near two stays of a person are one."""

    collapse_type: Literal["ERA"] = "ERA"
    era_pad: int = Field(default=0, ge=0)


class CensorWindow(Part):
    """Days outside which nobody is in the cohort."""

    start_date: date | None = None
    end_date: date | None = None


Codes = Annotated[tuple[ConceptSet, ...], Field(max_length=500)]


class Expression(Part):
    """A cohort as ATLAS exports it."""

    title: str = ""
    cdm_version_range: Annotated[str, Field(alias="cdmVersionRange", max_length=40)] = ""
    concept_sets: Codes = ()
    primary_criteria: PrimaryCriteria
    additional_criteria: Group | None = None
    qualified_limit: Limit = Limit()
    inclusion_rules: tuple[InclusionRule, ...] = Field(default=(), max_length=50)
    expression_limit: Limit = Limit()
    end_strategy: EndStrategy = EndStrategy()
    censoring_criteria: tuple[Criteria, ...] = Field(default=(), max_length=100)
    collapse_settings: CollapseSettings = CollapseSettings()
    censor_window: CensorWindow = CensorWindow()

    @model_validator(mode="after")
    def _names_its_concept_sets(self) -> "Expression":
        known = {one.id for one in self.concept_sets}
        if len(known) != len(self.concept_sets):
            raise ValueError("two concept sets have one id")
        missing = sorted(_codesets(self) - known)
        if missing:
            raise ValueError(f"there is no concept set {', '.join(map(str, missing))}")
        return self

    def entry_words(self) -> list[str]:
        """The kinds and concept sets of the entry events, such as `condition occurrence of Sepsis`."""
        names = {one.id: one.name for one in self.concept_sets}
        words = []
        for criterion in self.primary_criteria.criteria_list:
            event = criterion.event
            kind = "".join(f" {c.lower()}" if c.isupper() else c for c in type(event).__name__).strip()
            of = f" of {names[event.codeset_id]}" if event.codeset_id is not None else ""
            words.append(f"{'first ' if event.first else ''}{kind}{of}")
        return words


def _codesets(part: BaseModel) -> set[int]:
    """The ids of concept sets that are named anywhere in a definition."""
    return {
        value
        for model in _parts(part)
        for name, value in model
        if name.endswith(("codeset_id", "_source_concept")) and isinstance(value, int)
    }


def _parts(part: BaseModel) -> Iterator[BaseModel]:
    yield part
    for _, value in part:
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, BaseModel):
                yield from _parts(one)
