"""The ranges of columns that a study declares: what lies outside is missing, and what is summed is bounded.

A site that lies in a sum can choose the result by one huge number. With a range for each column no honest sum
is larger than its people times what one person can add, so that every site refuses a total beyond (RT55).
"""

from collections.abc import Iterable, Mapping
from typing import Annotated

import numpy as np
from pydantic import AfterValidator

from protocols.core.table import AnalysisTable, Floats
from protocols.core.variables import VariableKind


def _ascends(limits: tuple[float, float]) -> tuple[float, float]:
    if not (np.isfinite(limits).all() and limits[0] < limits[1]):
        raise ValueError("a range is two finite numbers, the lower one first")
    return limits


Range = Annotated[tuple[float, float], AfterValidator(_ascends)]
Ranges = Mapping[str, tuple[float, float]]


def check_ranges(ranges: Iterable[str], variables: Mapping[str, VariableKind]) -> None:
    """Raises unless these are columns of a study's variables.

    Raises:
        ValueError: for pydantic.
    """
    columns = {column for name, variable in variables.items() for column in variable.columns(name)}
    if strange := set(ranges) - columns:
        raise ValueError(f"ranges names no column of the study: {', '.join(sorted(strange))}")


def within_ranges(table: AnalysisTable, ranges: Ranges) -> AnalysisTable:
    """The table without the values that lie outside the ranges of their columns."""
    declared = {name: limits for name, limits in ranges.items() if name in table.columns}
    if not declared:
        return table

    def make() -> AnalysisTable:
        inside = {name: (table.columns[name], *limits) for name, limits in declared.items()}
        return table.with_columns(
            {name: np.where((x >= low) & (x <= high), x, np.nan) for name, (x, low, high) in inside.items()}
        )

    return table.derived(("within ranges", tuple(declared.items())), make)


def most_of(columns: Iterable[str], ranges: Ranges, shift: Floats, scale: Floats) -> Floats:
    """(k,) how far one person's (x - shift) * scale can be from 0; infinite where no range is declared."""
    limits = np.array([ranges.get(name, (-np.inf, np.inf)) for name in columns]).reshape(-1, 2)
    most: Floats = np.abs(limits - np.reshape(shift, (-1, 1))).max(axis=1) * scale
    return most
