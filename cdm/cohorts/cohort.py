"""Who is in a study: an index event, and named rules that are counted one after the other.

Pydantic only: the center may read a cohort's definition, never a person. The site evaluates it.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from cdm.cohorts.circe import Expression
from cdm.vocabulary import names


def _concept(text: str) -> str:
    return str(names.ConceptCode.parse(text))


ConceptCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+:[^\s]{1,60}$"), AfterValidator(_concept)]
"""VOCABULARY:code, such as `LOINC:89243-0`; a trailing % in the code means everything that begins so."""

ConceptCodes = ConceptCode | Annotated[tuple[ConceptCode, ...], Field(min_length=1, max_length=200)]
"""One concept or a list of which any will do: hospitals name one thing in several vocabularies."""

Domain = Literal["condition", "procedure", "drug", "measurement", "observation", "visit"]
Modality = Literal["CT", "MR", "PT"]


def _ordered(low: int | None, high: int | None) -> bool:
    return low is None or high is None or low <= high


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Coded(_Part):
    domain: Domain
    concept: ConceptCodes

    @property
    def concepts(self) -> tuple[str, ...]:
        """The concepts of which any will do."""
        return (self.concept,) if isinstance(self.concept, str) else self.concept


class Event(_Coded):
    """A record of a concept; the date of the first or last of them is a person's index date."""

    pick: Literal["first", "last"] = "first"


class _Rule(_Part):
    name: str = Field(min_length=1, max_length=80, description="what the attrition calls it")


class AgeAtIndex(_Rule):
    """Age in years at the index date, both ends included."""

    kind: Literal["age"]
    at_least: int | None = Field(default=None, ge=0, le=130)
    at_most: int | None = Field(default=None, ge=0, le=130)

    @model_validator(mode="after")
    def _is_a_range(self) -> "AgeAtIndex":
        if self.at_least is None and self.at_most is None:
            raise ValueError("an age rule needs at_least or at_most")
        if not _ordered(self.at_least, self.at_most):
            raise ValueError("at_least is above at_most")
        return self


class SexIs(_Rule):
    """The recorded sex."""

    kind: Literal["sex"]
    is_: Literal["female", "male"] = Field(alias="is")


class HasRecord(_Rule, _Coded):
    """A record of a concept, between two days relative to the index date; `absent` turns it round."""

    kind: Literal["record"]
    from_days: int | None = None
    to_days: int | None = None
    absent: bool = False

    @model_validator(mode="after")
    def _is_a_window(self) -> "HasRecord":
        if not _ordered(self.from_days, self.to_days):
            raise ValueError("from_days is after to_days")
        return self


class HasImaging(_Rule):
    """An image series of a modality; with `features`, one of which features were computed or scored."""

    kind: Literal["imaging"]
    modality: Modality
    features: bool = False


class GeneTested(_Rule):
    """A test of the gene, whatever its outcome; with `mutated`, that outcome."""

    kind: Literal["gene"]
    gene: str = Field(pattern=r"^[A-Za-z0-9-]{1,20}$")
    mutated: bool | None = None


class FollowUp(_Rule):
    """Days from the index date to the last contact or death."""

    kind: Literal["follow_up"]
    at_least_days: int = Field(ge=0)


Rule = Annotated[
    AgeAtIndex | SexIs | HasRecord | HasImaging | GeneTested | FollowUp, Field(discriminator="kind")
]


class CohortDefinition(_Part):
    """An index event and the rules that narrow it, in the order in which attrition counts them."""

    index: Event
    rules: tuple[Rule, ...] = Field(default=(), max_length=50)

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "CohortDefinition":
        names = self.steps()
        if len(set(names)) != len(names):
            raise ValueError("two rules of the cohort have the same name")
        return self

    def steps(self) -> list[str]:
        """The names of the attrition's steps: the index event, then each rule."""
        return ["index event", *(rule.name for rule in self.rules)]


class AtlasCohort(_Part):
    """A cohort as ATLAS exports it; each person's index date is the first day in it."""

    circe: Expression

    def rule_count(self) -> int:
        """How many steps hold or do not hold for an entry event."""
        return len(self.circe.inclusion_rules) + (self.circe.additional_criteria is not None)

    def has_censor_window(self) -> bool:
        """Whether people drop out who are in the cohort on other days only."""
        window = self.circe.censor_window
        return window.start_date is not None or window.end_date is not None

    def steps(self) -> list[str]:
        """The names of the attrition's steps: the entry events, then each rule."""
        names = ["index event"]
        if self.circe.additional_criteria is not None:
            names.append("additional criteria")
        names += [rule.name or "unnamed rule" for rule in self.circe.inclusion_rules]
        if self.has_censor_window():
            names.append("censor window")
        return [
            name if name not in names[:place] else f"{name} ({place})" for place, name in enumerate(names)
        ]

    def described(self) -> list[tuple[str, str]]:
        """Each step's name with what it asks, in words."""
        events = ", ".join(self.circe.entry_words())
        rules = {rule.name: rule.description for rule in self.circe.inclusion_rules}
        return [(name, events if name == "index event" else rules.get(name, "")) for name in self.steps()]


def _kind(content: object) -> str:
    is_atlas = "circe" in content if isinstance(content, Mapping) else isinstance(content, AtlasCohort)
    return "atlas" if is_atlas else "rules"


Cohort = Annotated[
    Annotated[CohortDefinition, Tag("rules")] | Annotated[AtlasCohort, Tag("atlas")], Discriminator(_kind)
]
"""Who is in a study, in our own words or in ATLAS's: `{circe: ...}`."""
