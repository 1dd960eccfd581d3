"""Variables of a person's clinical records: who they are, what was measured, found, diagnosed and done."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from protocols.core.variables.variable import ConceptCode, VariableKind, Window

ADDED = ("unit", "comparator")
"""Fields of a measurement that came later, and are written only where they are used."""


class Age(VariableKind):
    """Age in years at the index date; a birth date of year precision gives the difference of the years."""

    kind: Literal["age"]


class Sex(VariableKind):
    """1 for the sex named, 0 for another known one."""

    kind: Literal["sex"]
    is_: Literal["female", "male"] = Field(alias="is")


class Measurement(VariableKind):
    """The number of a measurement or observation; `pick` says how several become one.

    unit: in UCUM (`kg`, `10*9/L`). Numbers of other units are converted; what has no unit, or none that
        converts, is left out. Without it a site whose records are of several units refuses the study.
    comparator: what a bound such as `<0.1` becomes: nothing (`leave_out`, as without it), for `<` and `<=`
        half of the limit (`half`), or the limit itself.
    """

    kind: Literal["measurement"]
    concept: ConceptCode
    pick: Literal["first", "last", "mean", "min", "max"] = "first"
    window: Window = Window()
    unit: Annotated[str, Field(pattern=r"^[!-~]{1,40}$")] | None = None
    comparator: Literal["leave_out", "half", "limit"] | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The variable without the fields that it does not use: studies from before them keep their hash."""
        content: dict[str, Any] = dump(self)
        return {name: one for name, one in content.items() if one is not None or name not in ADDED}


class Measured(VariableKind):
    """1 where a result of the measurement or observation was recorded in the window, else 0.

    It is about who was measured, not about what was found: a number below a limit, or of another unit, is
    a result as well. A site that never measures it has 0 for everybody.
    """

    kind: Literal["measured"]
    concept: ConceptCode
    window: Window = Window()


class Count(VariableKind):
    """On how many days of the window a result was recorded, as `measured` has results; 0 where on none."""

    kind: Literal["count"]
    concept: ConceptCode
    window: Window = Window()


class Interval(VariableKind):
    """The mean days from one day with a result to the next; missing with fewer than two such days."""

    kind: Literal["interval"]
    concept: ConceptCode
    window: Window = Window()


class DaysSinceLast(VariableKind):
    """The days from the last result by the index date to that date; missing without such a result."""

    kind: Literal["days_since_last"]
    concept: ConceptCode
    window: Window = Window(to_days=0)

    @model_validator(mode="after")
    def _is_before(self) -> "DaysSinceLast":
        if self.window.to_days is None or self.window.to_days > 0:
            raise ValueError(
                "days_since_last counts up to the index date: its window ends with to_days 0 or less"
            )
        return self


class Finding(VariableKind):
    """1 where a coded observation has one of the values, 0 where it has another, missing where there is none.

    `values` are source codes (`G3`) or concept codes (`LOINC:LA9633-4`).
    """

    kind: Literal["finding"]
    concept: ConceptCode
    values: tuple[str, ...] = Field(min_length=1)
    pick: Literal["first", "last", "any"] = "first"
    window: Window = Window()


class Occurrence(VariableKind):
    """1 where a condition, procedure or drug was recorded in the window, else 0."""

    kind: Literal["occurrence"]
    domain: Literal["condition", "procedure", "drug"]
    concept: ConceptCode
    window: Window = Window()


Clinical = Age | Sex | Measurement | Measured | Count | Interval | DaysSinceLast | Finding | Occurrence

Dated = Measurement | Finding | Occurrence
"""Those of dated records, which can change over a follow-up."""
