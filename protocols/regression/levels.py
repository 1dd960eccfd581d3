"""What models of an outcome of several levels count before they climb."""

from collections.abc import Mapping, Sequence

import numpy as np

from protocols.core.disclosure import Array
from protocols.core.errors import Code, SiteError
from protocols.core.protocol import Arrays
from protocols.core.table import AnalysisTable, Integers
from protocols.estimation.standards import standard_moments


def people_of_levels(table: AnalysisTable, outcome: str, levels: Sequence[float]) -> Integers:
    """(levels, n) 1 where a person has the level."""
    return np.asarray(table.column(outcome) == np.array(levels)[:, None], dtype=np.int64)


def level_moments(
    table: AnalysisTable,
    outcome: str,
    levels: Sequence[float],
    covariates: Sequence[str],
    about: Mapping[str, Array],
) -> Arrays:
    """People of each level, and the sums and sums of squares of the covariates, of complete rows.

    Raises:
        SiteError: invalid-input; somebody has another level.
    """
    chosen = people_of_levels(table, outcome, levels)
    if not chosen.any(axis=0).all():
        raise SiteError(Code.INVALID_INPUT, f"{outcome} has a level that the analysis does not name")
    sums = standard_moments(table.matrix(covariates), about)
    return {"n": np.array(len(table)), "counts": chosen.sum(axis=1), **sums}
