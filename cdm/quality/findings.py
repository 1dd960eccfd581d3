"""What a data-quality check is: OHDSI's name, its place in Kahn's frame, what to do when it fails."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Table

Category = Literal["conformance", "completeness", "plausibility"]
Context = Literal["verification", "validation"]


@dataclass(frozen=True)
class CheckType:
    """A check type of the OHDSI DataQualityDashboard; `tolerated` is the share of rows that may violate it.

    Verification holds the data against the model and themselves, validation against something outside of
    them: a vocabulary, the body, the whole of the people (Kahn et al. 2016).
    """

    category: Category
    context: Context
    means: str
    fix: str
    tolerated: float = 0.0


CHECK_TYPES: dict[str, CheckType] = {
    "cdmTable": CheckType(
        "conformance", "verification", "the table is there", "run any `shadowgraph data` command: it migrates"
    ),
    "cdmField": CheckType(
        "conformance",
        "verification",
        "the column is there",
        "run any `shadowgraph data` command: it migrates",
    ),
    "isRequired": CheckType(
        "conformance", "verification", "a required value is there", "load the source again; see `data status`"
    ),
    "cdmDatatype": CheckType(
        "conformance",
        "verification",
        "a value is of its column's type and width",
        "shorten the source's codes to 50 characters, or report the mapper",
    ),
    "isPrimaryKey": CheckType(
        "conformance", "verification", "a key stands once", "remove what wrote to the CDM beside Shadowgraph"
    ),
    "isForeignKey": CheckType(
        "conformance",
        "verification",
        "the row that a key names is there",
        "load the missing resources (encounters, patients) of this source",
    ),
    "fkDomain": CheckType(
        "conformance",
        "validation",
        "a concept is of the domain that the column requires",
        "map the code to a concept of this domain: `data map`",
    ),
    "fkClass": CheckType(
        "conformance",
        "validation",
        "a concept is of the class that the column requires",
        "map to an ingredient; load the whole RxNorm",
    ),
    "isStandardValidConcept": CheckType(
        "conformance",
        "validation",
        "a concept is standard and still valid",
        "load a current vocabulary: `data vocabulary load`",
    ),
    "measurePersonCompleteness": CheckType(
        "completeness",
        "validation",
        "people have at least one row",
        "load the source that holds these records",
        1.0,
    ),
    "measureConditionEraCompleteness": CheckType(
        "completeness",
        "validation",
        "people with a condition have an era of it",
        "give the diagnoses concepts: `data unmapped`, then `data map`, which makes their eras",
    ),
    "measureValueCompleteness": CheckType(
        "completeness", "verification", "an optional value is there", "nothing to do: for information", 1.0
    ),
    "standardConceptRecordCompleteness": CheckType(
        "completeness",
        "verification",
        "a record has a standard concept",
        "work through `data unmapped`, then `data map` or `data vocabulary load`",
        0.05,
    ),
    "sourceConceptRecordCompleteness": CheckType(
        "completeness",
        "verification",
        "a source's code has its own concept",
        "load the vocabulary of these codes: `data vocabulary load`",
        0.1,
    ),
    "sourceValueCompleteness": CheckType(
        "completeness", "verification", "the source's own code is kept", "give the records a code", 0.1
    ),
    "plausibleValueLow": CheckType(
        "plausibility",
        "verification",
        "a value is not implausibly low",
        "look for a wrong unit or a date's typo in the source",
        0.01,
    ),
    "plausibleValueHigh": CheckType(
        "plausibility",
        "verification",
        "a value is not implausibly high, a day not in the future",
        "look for a wrong unit or a date's typo in the source",
        0.01,
    ),
    "plausibleUnitConceptIds": CheckType(
        "plausibility",
        "verification",
        "a measurement has a unit that fits it",
        "correct the unit in the source, or map it: `data map`",
        0.05,
    ),
    "plausibleTemporalAfter": CheckType(
        "plausibility",
        "verification",
        "a day is not before what it needs existed",
        "correct the date in the source",
    ),
    "plausibleStartBeforeEnd": CheckType(
        "plausibility",
        "verification",
        "an end is not before its start",
        "correct the dates in the source",
        0.01,
    ),
    "plausibleAfterBirth": CheckType(
        "plausibility",
        "verification",
        "nothing happens before birth",
        "check whether records of mother and child are mixed",
        0.01,
    ),
    "plausibleBeforeDeath": CheckType(
        "plausibility",
        "verification",
        "nothing happens more than 60 days after death",
        "check the date of death, and for two people in one",
        0.01,
    ),
    "plausibleDuringLife": CheckType(
        "plausibility",
        "verification",
        "what happens does so in life",
        "reports of the last days arrive late: a few are tolerated",
        0.01,
    ),
    "withinVisitDates": CheckType(
        "plausibility",
        "verification",
        "a record lies in its visit, give or take a week",
        "check the visit that the record names",
        0.05,
    ),
    "measureObservationPeriodOverlap": CheckType(
        "plausibility",
        "verification",
        "a person's observation periods do not overlap",
        "run `data remap`, which derives the periods",
    ),
    "plausibleGender": CheckType(
        "plausibility",
        "validation",
        "a diagnosis of one sex is of a person of that sex",
        "check the recorded sex, and for two people in one",
        0.01,
    ),
}


@dataclass(frozen=True)
class Check:
    """What should hold for every row of a table, or with `violations` what counts the exceptions.

    Attributes:
        of: how many rows could violate it; None for all of the table.
        among: the rows that are looked at, which an index finds; None for all of the table.
        what: which of several checks of one type on a column this is.
    """

    name: str
    table: Table
    column: str
    violated: ColumnElement[bool] | None = None
    violations: ColumnElement[Any] | None = None
    of: ColumnElement[Any] | None = None
    among: ColumnElement[bool] | None = None
    what: str = ""
    tolerated: float | None = None


@dataclass(frozen=True)
class Finding:
    """How many of a table's rows violate a check; no value of a row."""

    category: Category
    context: Context
    name: str
    table: str
    column: str
    what: str
    rows: int
    violations: int
    tolerated: float
    passed: bool

    @property
    def share(self) -> float:
        """The share of rows that violate it."""
        return self.violations / self.rows if self.rows else 0.0
