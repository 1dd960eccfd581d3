"""Image features that readers scored or other engines computed, from a CSV: a line per reading, a column per
feature.

    patient,series_uid,vasari_f1,vasari_f5,...
    patient,series_uid,original_firstorder_Mean,log-sigma-3-0-mm-3D_gldm_LargeDependenceHighGrayLevelEmphasis,...

`patient` is required (CaPTk: SubjectID). `series_uid` (which series was read), `date` (of the reading,
ISO) and `reader` are known by their names, and by all four one reading is told from another: readings of
several readers or days stay, also of several files. Every other column is a feature, but pyradiomics'
`diagnostics_...`; one whose name cannot be a feature's is left out and reported. An empty cell has no score.
A cell that is not a number is reported by line and column and is missing; the other cells of its line load.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from cdm.etl.record import SourceRecord, Unreadable
from protocols.core.errors import Code, InputError, not_found
from site_node.sources.lines import CutShort, TooLong, numbered_lines
from site_node.sources.numbers import number_of

KIND = "ImageReading"
NOT_FEATURES = ("patient", "series_uid", "date", "reader")
NOT_SCORED = ("", "na", "n/a", "nan", "null", "none", ".")
FEATURE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,199}")
PATIENT = ("patient", "subjectid", "patientid")  # in any case
NOTES = "diagnostics_"  # how pyradiomics begins the names of columns that tell of its run
MOST_CELLS = 10  # of one column that are reported one by one: a column of words is not one of numbers
MAX_COLUMNS = 5000
NAME_REASON = "the column's name is not a feature's: use letters, digits, _ . and -, at most 200"
LINE_LIMIT = 1 << 20
MAX_LINES = 1_000_000


def read(path: Path) -> Iterator[SourceRecord | Unreadable]:
    """One record per line of the file, and what of it could not be read.

    Raises:
        InputError: there is no such file, or its header does not name the patient and the features.
    """
    if not path.is_file():
        raise not_found(path)
    readings: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    lines = numbered_lines(path, LINE_LIMIT)
    try:
        header, left_out = _header(_cells(next(lines, (0, ""))[1]), path.name)
        for place in left_out:
            yield Unreadable(KIND, f"{path.name}:1:{place}", "feature-name", NAME_REASON)
        for number, text in lines:
            if number > MAX_LINES:
                yield Unreadable(KIND, path.name, "too-many-lines", f"over {MAX_LINES} lines: split the file")
                return
            position = f"{path.name}:{number}"
            cells = _cells(text)
            if any(cells):
                yield from _reading(header, cells, position, readings, faults)
            elif not cells and (text or isinstance(text, TooLong)):
                yield Unreadable(KIND, position, "malformed-csv", "the line is not CSV")
    except CutShort:
        yield Unreadable(KIND, path.name, "cut-short", "the file ends in the middle")


def _cells(line: str) -> list[str]:
    """The cells of one line, none if it is not CSV: a quote left open must not swallow the lines after it."""
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []


def _header(cells: list[str], file: str) -> tuple[list[str], list[int]]:
    """The name of each column, empty if it has no feature, and the places of names that cannot be used."""
    header = [cell.strip() for cell in cells]
    if "patient" not in header:
        header = ["patient" if name.lower() in PATIENT else name for name in header]
    names = [name if _is_usable(name) and not name.startswith(NOTES) else "" for name in header]
    faulty = [place for place, name in enumerate(header, start=1) if not _is_usable(name)]
    has_feature = any(name and name not in NOT_FEATURES for name in names)
    is_unique = len(set(header)) == len(header)
    if "patient" not in header or not has_feature or not is_unique or len(header) > MAX_COLUMNS:
        what = f" (columns {', '.join(map(str, faulty[:8]))})" if faulty else ""
        raise InputError(
            Code.INVALID_INPUT,
            f"the header of {file} does not name a patient and features{what}",
            "name patient, series_uid, then each feature once, in letters, digits and _, with commas between",
        )
    return names, faulty


def _is_usable(name: str) -> bool:
    return name in NOT_FEATURES or bool(FEATURE_NAME.fullmatch(name))


def _reading(
    header: list[str], cells: list[str], position: str, readings: Counter[str], faults: Counter[str]
) -> Iterator[SourceRecord | Unreadable]:
    line = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
    patient = line["patient"]
    if len(cells) != len(header) or not patient:
        reason = "the line has more or fewer fields than the header" if patient else "column patient is empty"
        yield Unreadable(KIND, position, "wrong-field-count" if patient else "no-patient", reason)
        return
    features: dict[str, float] = {}
    for name, cell in line.items():
        if not name or name in NOT_FEATURES or cell.lower() in NOT_SCORED:
            continue
        number = number_of(cell)
        if number is not None:
            features[name] = number
            continue
        faults[name] += 1
        if faults[name] <= MOST_CELLS:
            yield Unreadable(KIND, f"{position}:{name}", "not-a-number", f"column {name} holds no number")
    day = line.get("date", "")
    if day and not _is_date(day):
        yield Unreadable(KIND, f"{position}:date", "malformed-date", "column date holds no ISO date")
        day = ""
    # what tells one reading from another, also in another file: a correction keeps it
    reading = "#".join(filter(None, (line.get(name) for name in NOT_FEATURES)))
    readings[reading] += 1
    record_id = f"{reading}#{readings[reading]}"
    body = {
        "id": record_id,
        "patient": patient,
        "series_uid": line.get("series_uid", ""),
        "date": day or None,
        "reader": line.get("reader") or None,
        "features": features,
    }
    yield SourceRecord(KIND, record_id, position, body)


def _is_date(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False
