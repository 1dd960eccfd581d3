"""What every kind of variable is made of: its base, names of columns and concepts, a window of days."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

ConceptCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+:[^\s]{1,60}$")]
"""VOCABULARY:code, such as `LOINC:89243-0`; a trailing % in the code means everything that begins so."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]

GeneSymbol = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,20}$")]

VARIANT = r"^([1-9]|1\d|2[0-2]|X|Y|MT):[1-9]\d{0,9}:[ACGT]+:[ACGT]+$"

Variant = Annotated[str, Field(max_length=100, pattern=VARIANT)]
"""A variant as CHROMOSOME:POSITION:REF:ALT."""

Column = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}(\.time|\.event)?$")]
"""A numeric variable, or `NAME.time` or `NAME.event` of a survival variable."""


class VariableKind(BaseModel):
    """A variable as a study writes it; its `kind` says which family's class reads the rest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def columns(self, name: str) -> tuple[str, ...]:
        """The names of the table's columns that a variable of this name becomes."""
        return (name,)


class Window(BaseModel):
    """Days relative to the index date, both ends included; None is open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_days: int | None = None
    to_days: int | None = None
