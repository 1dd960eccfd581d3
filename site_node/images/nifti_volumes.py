"""What each volume of a four-dimensional NIfTI was taken with: a small table beside it, since the file has no
place for it."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from protocols.core.errors import Code, InputError, not_found
from site_node.features.functional.maps import Quantity, Volumes
from site_node.sources.nifti import Volume

COLUMNS: tuple[Quantity, ...] = get_args(Quantity)


def volumes_of(volume: Volume, path: Path, table: Path | None) -> Volumes:
    """The volumes of a file with their table: `table`, else the file of its name that ends in .csv or .bval.

    A .csv has one line per volume, and columns named after `Quantity`; a .bval holds b-values alone (FSL).

    Raises:
        InputError: the table cannot be read, or does not fit.
    """
    found = table or _beside(path)
    taken = _read(found) if found else {}
    if any(values.size != len(volume.array) for values in taken.values()):
        name = found.name if found else ""
        raise InputError(Code.INVALID_INPUT, f"{name} does not have exactly one line per volume")
    return Volumes(volume.array.astype(np.float32), taken)


def _beside(path: Path) -> Path | None:
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    tables = (path.with_name(stem + ending) for ending in (".csv", ".bval"))
    return next((table for table in tables if table.is_file()), None)


def _read(table: Path) -> dict[Quantity, NDArray[np.float64]]:
    try:
        text = table.read_text("utf-8-sig")
    except FileNotFoundError:
        raise not_found(table) from None
    except (OSError, UnicodeDecodeError):
        raise InputError(Code.INVALID_INPUT, f"{table.name} cannot be read") from None
    if table.suffix == ".bval":
        return {"b_s_mm2": _numbers(text.split(), table)}
    rows = list(csv.DictReader(text.splitlines()))
    names = list(rows[0]) if rows else []
    if not names or not set(names) <= set(COLUMNS):
        fix = "Its first line names columns of these: " + ", ".join(COLUMNS)
        raise InputError(Code.INVALID_INPUT, f"{table.name} is not a table of volumes", fix)
    return {name: _numbers((row[name] for row in rows), table) for name in COLUMNS if name in names}


def _numbers(values: Iterable[str | None], table: Path) -> NDArray[np.float64]:
    try:
        return np.array([float(value or "nan") for value in values])
    except ValueError:
        raise InputError(Code.INVALID_INPUT, f"{table.name} contains a value that is not a number") from None
