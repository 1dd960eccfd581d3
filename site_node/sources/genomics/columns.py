"""The columns of a table by our names, whatever case, order and spelling a file gives them."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from site_node.sources.genomics.builds import build_name
from site_node.sources.genomics.samples import Malformed, fields_of, tabbed
from site_node.sources.lines import MAX_LINES, TooLong, numbered_lines
from site_node.sources.numbers import count_of, number_of

Split = Callable[[str], list[str]]
Spellings = Mapping[str, Sequence[str]]
"""Our name -> the spellings that files use, lower case; the first one that a file has counts."""


def find_columns(header: list[str], spellings: Spellings, required: Sequence[str]) -> dict[str, int]:
    """Our name -> the place of the column, for those that the header has.

    Raises:
        Malformed: it lacks a required one, or has one twice.
    """
    lowered = [name.strip().strip('"').lstrip("#").lower() for name in header]
    columns = {
        ours: next(lowered.index(one) for one in spelled if one in lowered)
        for ours, spelled in spellings.items()
        if any(one in lowered for one in spelled)
    }
    missing = [spellings[name][0] for name in required if name not in columns]
    if missing:
        raise Malformed("missing-column", f"the header lacks {', '.join(missing)}")
    twice = sorted({lowered[place] for place in columns.values() if lowered.count(lowered[place]) > 1})
    if twice:
        raise Malformed("column-twice", f"the header has {', '.join(twice)} twice: remove one")
    return columns


def splitter(header: str) -> Split:
    """What takes a line with this header apart: at tabs, or at commas where it has no tab."""
    return tabbed if "\t" in header else commaed


def commaed(text: str) -> list[str]:
    """The fields between commas, of which those in quotes hold commas themselves."""
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        return []


class Cells:
    """One line of a table by our names of its columns; a column that the file lacks is empty."""

    def __init__(self, cells: list[str], columns: Mapping[str, int]) -> None:
        self._cells, self._columns = cells, columns

    def __getitem__(self, name: str) -> str:
        column = self._columns.get(name)
        return "" if column is None else self._cells[column].strip().strip('"')

    def number(self, name: str) -> float:
        """The finite number in a column.

        Raises:
            Malformed: there is none.
        """
        value = number_of(self[name])
        if value is not None and abs(value) < 1e300:
            return value
        raise Malformed("malformed-number", f"column {name} holds no number")

    def count(self, name: str) -> int | None:
        """The whole number in a column; None where there is none."""
        return count_of(self[name])

    def builds(self) -> set[str]:
        """The genome build in the column of that name; none where the line has none."""
        name = build_name(self["build"])
        return {name} if name else set()

    def sample(self, name: str) -> str:
        """The sample's name in a column.

        Raises:
            Malformed: it is empty or too long.
        """
        if not 0 < len(self[name]) <= 200:
            raise Malformed("no-sample", f"column {name} is empty or too long")
        return self[name]


Line = TypeVar("Line", bound=Cells)


class Table(Generic[Line]):
    """The lines of a table, by tabs or commas, under a header that may be a comment itself."""

    def __init__(
        self,
        path: Path,
        kind: type[Line],
        spellings: Spellings,
        required: Sequence[str],
        most: int = MAX_LINES,
    ) -> None:
        self.columns: dict[str, int] = {}
        self.header_line = 0
        self._path, self._kind, self._most = path, kind, most
        self._spellings, self._required = spellings, required

    def lines(self) -> Iterator[tuple[int, Line | Malformed]]:
        """(line number, the line or why it cannot be read).

        Raises:
            Malformed: the file is of no use as a whole.
            CutShort: after the last line that could be read.
        """
        split: Split = tabbed
        width, is_comment = 0, False
        for number, text in numbered_lines(self._path):
            if not (text or isinstance(text, TooLong)) or (
                text.startswith("#") and (self.columns or not self._is_header(text))
            ):
                continue
            if not self.columns or (is_comment and self._is_header(text)):
                split, self.header_line, is_comment = splitter(text), number, text.startswith("#")
                header = split(text)
                self.columns, width = find_columns(header, self._spellings, self._required), len(header)
            elif number > self._most:
                raise Malformed("too-many-lines", f"the file has over {self._most} lines: split it")
            else:
                yield number, self._line(text, width, split)

    def _is_header(self, text: str) -> bool:
        """Whether a line is one; cBioPortal's clinical tables have comments that look like one before it."""
        try:
            return bool(find_columns(text.split("\t"), self._spellings, self._required))
        except Malformed:
            return False

    def _line(self, text: str, width: int, split: Split) -> Line | Malformed:
        try:
            return self._kind(fields_of(text, width, split), self.columns)
        except Malformed as fault:
            return fault
