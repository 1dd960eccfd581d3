"""What ATLAS's definitions are made of: concepts, ranges and windows, and how an unknown part is refused."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel, to_pascal

EMPTY: tuple[object, ...] = (None, (), [], {})


class Part(BaseModel):
    """A part of a definition, under Circe's own names."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_pascal, validate_by_name=True, validate_by_alias=True
    )

    @model_validator(mode="before")
    @classmethod
    def _is_all_supported(cls, content: object) -> object:
        """The content without what is empty: ATLAS writes a null or [] for what nobody filled in."""
        if not isinstance(content, Mapping):
            return content
        fields = cls.model_fields
        known = {*fields, *(field.alias for field in fields.values())}
        given = {key for key, value in content.items() if value not in EMPTY and value is not False}
        unknown = sorted(given - known)
        if unknown:
            raise ValueError(f"ATLAS's {', '.join(map(str, unknown))} is not supported here")
        return {key: value for key, value in content.items() if key in known and value not in EMPTY}

    @model_serializer(mode="wrap")
    def _without_what_is_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value not in EMPTY}


class Concept(BaseModel):
    """A concept as ATLAS writes it; its caption, status and class are left out, for the id says them."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper, validate_by_name=True)

    concept_id: int
    concept_name: str = ""
    concept_code: str = ""
    vocabulary_id: str = ""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, content: object) -> object:
        return (
            {k: v for k, v in content.items() if v is not None} if isinstance(content, Mapping) else content
        )


class Item(Part):
    """A concept of a set, with those below it or mapped to it, taken in or out."""

    model_config = ConfigDict(alias_generator=to_camel)

    concept: Concept
    is_excluded: bool = False
    include_descendants: bool = False
    include_mapped: bool = False


class Items(Part):
    """The items of a concept set."""

    model_config = ConfigDict(alias_generator=to_camel)

    items: tuple[Item, ...] = Field(default=(), max_length=20_000)


class ConceptSet(Part):
    """Concepts under a number, by which criteria name them."""

    model_config = ConfigDict(alias_generator=to_camel)

    id: int
    name: str = ""
    expression: Items = Items()


class NumericRange(Part):
    """A bound, or with `bt` and `!bt` the two ends, both included."""

    value: float
    op: Literal["lt", "lte", "eq", "!eq", "gt", "gte", "bt", "!bt"]
    extent: float | None = None

    @model_validator(mode="after")
    def _has_both_ends(self) -> "NumericRange":
        if self.op.endswith("bt") and self.extent is None:
            raise ValueError("a range `bt` needs Extent")
        return self


class DateRange(Part):
    """A day, or with `bt` and `!bt` the first and the last one."""

    value: date
    op: Literal["lt", "lte", "eq", "!eq", "gt", "gte", "bt", "!bt"]
    extent: date | None = None

    @model_validator(mode="after")
    def _has_both_ends(self) -> "DateRange":
        if self.op.endswith("bt") and self.extent is None:
            raise ValueError("a range `bt` needs Extent")
        return self


class Endpoint(Part):
    """Days before (-1) or after (1); without days, as far as the person is observed."""

    days: int | None = None
    coeff: Literal[-1, 1]


class Window(Part):
    """When an event may lie, counted from the index event."""

    start: Endpoint
    end: Endpoint
    use_index_end: bool = False
    use_event_end: bool | None = None


class Occurrence(Part):
    """How many events: exactly (0), at most (1) or at least (2) `count`."""

    type: Literal[0, 1, 2]
    count: int = Field(ge=0)
    is_distinct: bool = False
