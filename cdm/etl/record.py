"""What goes into a mapper and what comes out of it: a record of a source, rows of the CDM, or a coded no."""

from typing import Any, Literal, NamedTuple

Body = dict[str, Any]  # a parsed FHIR resource, a DICOM series' attributes, one line of a MAF
Precision = Literal["day", "month", "year"]


class SourceRecord(NamedTuple):
    """One record of a source as a reader found it.

    `record_id` names the record inside its source and kind for good (`Observation.id`, a SeriesInstanceUID),
    so that a newer version replaces the older. `position` is `file:line` below the source's folder and is for
    people; it holds no value of the record. `body` is plain JSON data: its content hash decides whether
    anything changed. `deleted` says that the source took the record back. `size` is how many bytes it had,
    where the reader knows: it bounds a batch.
    """

    kind: str
    record_id: str
    position: str
    body: Body
    deleted: bool = False
    size: int = 0


class Unreadable(NamedTuple):
    """A place in a source where no record could be read; it goes to quarantine as it is.

    `code` is a short name (`malformed-json`), `reason` a sentence without any value of the record.
    """

    kind: str
    position: str
    code: str
    reason: str


class Row(NamedTuple):
    """One row of a CDM table, by the columns' names; a column left out is NULL.

    Its primary key comes from `Context`. `precision` is how exactly the source knew the row's date, of which
    the day is then the first of the month or year. A `fallback` row gives way to a row of the same key that
    stands closer to the object itself: a series told of by an ImagingStudy gives way to the DICOM header. Of
    the tables, those that `store.SHARED` names have such rows.
    """

    table: str
    values: dict[str, Any]
    precision: Precision = "day"
    fallback: bool = False


class Excluded(Exception):  # noqa: N818 - not an error: the record is right, and makes no row
    """The record is sound and yields no row; the reason (`status not-done`) is counted in the summary."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unmappable(Exception):  # noqa: N818 - the word people see is "quarantine"
    """The record cannot become rows: it goes to quarantine under `code`; `reason` holds no value of it."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason
