"""Variables that are outcomes: what happened to a person, and when."""

from typing import Any, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from protocols.core.variables.variable import ConceptCode, Name, VariableKind


class Rule(NamedTuple):
    """How an outcome that a study names follows from records.

    Attributes:
        death: whether death is the event as well; else it ends the follow-up without it.
        free: whether a person with such a record by the index date is left out, who is not free of it.
    """

    death: bool
    free: bool


RULES: dict[str, Rule] = {
    "disease_free": Rule(death=True, free=True),
    "recurrence_free": Rule(death=True, free=True),
    "metastasis_free": Rule(death=True, free=True),
    "local_control": Rule(death=False, free=True),
    "next_treatment": Rule(death=True, free=False),
}
"""The outcomes whose events a study names: the first record of one of them after the index date."""


class Recorded(BaseModel):
    """Records that are an event, on their day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    domain: Literal["condition", "procedure", "drug"]
    concept: ConceptCode


class Survival(VariableKind):
    """Two columns, NAME.time in days from the index date and NAME.event (1 event, 0 censored).

    overall: death, censored at the last contact of a person known to be alive.
    progression_free: progression or death, censored at the last assessment.
    disease_free, recurrence_free, metastasis_free: the first of `events` or death.
    local_control: the first of `events`; who dies before is censored then (`competing_risks` has both).
    next_treatment: the first of `events` after the index date, whatever was given before, or death.
    changing: variables whose values over the follow-up a cox with `episodes` takes, each from the day after
        it was recorded: occurrences switch on, the last number or finding is carried forward.

    The last five are censored as `overall` is. Who has one of their `events` on the index date or before, but
    for treatments, is left out.
    """

    kind: Literal["survival"]
    endpoint: Literal[
        "overall",
        "progression_free",
        "disease_free",
        "recurrence_free",
        "metastasis_free",
        "local_control",
        "next_treatment",
    ]
    events: tuple[Recorded, ...] = Field(default=(), max_length=50)
    changing: tuple[Name, ...] = Field(default=(), max_length=50)

    @model_validator(mode="after")
    def _has_its_events(self) -> Self:
        if self.endpoint in RULES and not self.events:
            raise ValueError(f"{self.endpoint} needs `events`: the records that it ends with")
        if self.endpoint not in RULES and self.events:
            raise ValueError(f"{self.endpoint} has no `events`: it ends with death and the disease's status")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `events` where there are none: studies from before them keep their hash."""
        content: dict[str, Any] = dump(self)
        return {name: one for name, one in content.items() if one or name != "events"}

    def columns(self, name: str) -> tuple[str, ...]:
        return (f"{name}.time", f"{name}.event")


Outcome = Survival
