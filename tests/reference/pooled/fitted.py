"""Models and what prepares their columns, fitted with all rows of a fold in one place, and their scores."""

from collections.abc import Sequence

import numpy as np

from protocols.core.disclosure import Array
from protocols.core.protocol import Ask, protocol
from protocols.core.table import AnalysisTable, Floats, Rows
from protocols.validation.inner_folds import named
from protocols.validation.out_of_fold import Validated, scored
from tests.reference.pooled import reference


def pooled_fitted(spec: Validated, rows: Rows, tables: Sequence[AnalysisTable]) -> dict[str, Array]:
    """The arrays of every preparation and model, named by their part of the spec, from all rows."""
    masks = [rows.mask(table) for table in tables]
    arrays: dict[str, Array] = {}
    for part, before in spec.preparations().items():
        step = protocol(before.protocol)
        train = [table.select(mask) for table, mask in zip(tables, masks, strict=True)]
        found = reference(before, train).transform_arrays()
        tables = [step.transform(before, t, mask, **found) for t, mask in zip(tables, masks, strict=True)]
        arrays |= named(".".join(part), found)
    train = [table.select(mask) for table, mask in zip(tables, masks, strict=True)]
    for part, model in spec.fitted_models().items():
        arrays |= named(".".join(part), reference(model, train).transform_arrays())
    return arrays


def scored_by(spec: Validated, table: AnalysisTable, question: Ask) -> tuple[Floats, Floats]:
    """Outcomes (n,) and probabilities (models, n) of the people here, by the folds and fits of a question."""
    return scored(spec, table, np.asarray(question.arrays["folds"], dtype=np.int64), question.arrays)
