"""Variables that are outcomes: what happened to a person, and when."""

from typing import Literal

from pydantic import Field

from protocols.core.variables.variable import Name, VariableKind


class Survival(VariableKind):
    """Two columns, NAME.time in days from the index date and NAME.event (1 event, 0 censored).

    overall: death, censored at the last contact of a person known to be alive.
    progression_free: progression or death, censored at the last assessment.
    changing: variables whose values over the follow-up a cox with `episodes` takes, each from the day after
        it was recorded: occurrences switch on, the last number or finding is carried forward.
    """

    kind: Literal["survival"]
    endpoint: Literal["overall", "progression_free"]
    changing: tuple[Name, ...] = Field(default=(), max_length=50)

    def columns(self, name: str) -> tuple[str, ...]:
        return (f"{name}.time", f"{name}.event")


Outcome = Survival
