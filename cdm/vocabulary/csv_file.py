"""The lines of a CSV made by hand or by a program: plain or gzip, with commas, semicolons or tabs."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from cdm.vocabulary.names import VocabularyFileError

MAX_BYTES = 2**26  # inflated: half a million concepts
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
FORMULA = re.compile(r"\s*[=+@-]")
DELIMITERS = "\t;,"

Line = tuple[int, dict[str, str]]


def read_csv(path: Path) -> tuple[list[str], Iterator[Line]]:
    """The names of the columns, and the number and cells of each line; a cell that is missing is empty.

    Raises:
        VocabularyFileError: not a text, too large, or a line (when it is reached) that is not of this table.
    """
    text = _text(path)
    first = text.partition("\n")[0]
    delimiter = next((one for one in DELIMITERS if one in first), ",")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
    except csv.Error:
        names = []
    reader.fieldnames = names
    return names, _lines(reader, path.name)


def inert(cell: str) -> str:
    """The cell as a spreadsheet shows it and does not run it: no formula, no control character.

    What a spreadsheet would take as a formula gets an apostrophe before it, a control character is written as
    `\\x1b`; `as_written` turns both back. See OWASP, "CSV injection".
    """
    shown = CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", cell)
    return f"'{shown}" if FORMULA.match(shown) else shown


def as_written(cell: str) -> str:
    """The cell that `inert` was given."""
    plain = cell[1:] if cell.startswith("'") and FORMULA.match(cell[1:]) else cell
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), plain)


def _lines(reader: "csv.DictReader[str]", name: str) -> Iterator[Line]:
    try:
        for line in reader:
            if None in line:
                raise VocabularyFileError(f"{name}, line {reader.line_num}: more cells than the header has")
            yield reader.line_num, line
    except csv.Error:
        raise VocabularyFileError(f"{name}, line {reader.line_num}: cannot be read") from None


def _text(path: Path) -> str:
    """The text of a file, of which no more than MAX_BYTES is read."""
    try:
        with path.open("rb") as plain:
            is_gzip = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_gzip else path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise VocabularyFileError(f"{path.name} is too large: {MAX_BYTES >> 20} MB at most")
        return content.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        raise VocabularyFileError(f"{path.name} cannot be read as a CSV in UTF-8") from None
