"""Models fitted in folds of their own people and on everybody, whose arrays travel in one question.

Fusion and tuning judge each model by people whom it never saw, inside whatever fold they are asked in.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from protocols.core.disclosure import Array
from protocols.core.lockstep import together
from protocols.core.protocol import Coordination, Spec, protocol, within
from protocols.core.table import EVERYBODY, AnalysisTable, Mask, Rows


def training_rows(folds: int) -> list[Rows]:
    """On whom the models of each inner fold are fitted."""
    return [Rows(keep="train", fold=f, of=folds, inner=True) for f in range(folds)]


def is_asked_in(folds: int, rows: Rows) -> bool:
    """Whether rows are everybody, or the training rows of an inner fold."""
    return rows == EVERYBODY or rows in training_rows(folds)


def fitted_in_folds(
    part: str, models: Mapping[str, Spec], folds: int
) -> Coordination[tuple[dict[str, Array], dict[str, Array]]]:
    """The arrays of models fitted in each fold, the fold as their first axis, and those fitted on everybody.

    All are named NAME.array, and all models of all folds share their rounds.

    Args:
        part: of the spec, in which the models stand by their names.
    """
    fits = yield from together([_fitted(part, models, rows) for rows in (*training_rows(folds), None)])
    return stacked(fits[:-1]), fits[-1]


def _fitted(part: str, models: Mapping[str, Spec], rows: Rows | None) -> Coordination[dict[str, Array]]:
    names = sorted(models)
    fits = yield from together(
        [
            within(protocol(model.protocol).coordinate(model), part=(part, name), rows=rows)
            for name, model in ((name, models[name]) for name in names)
        ]
    )
    arrays: dict[str, Array] = {}
    for name, fit in zip(names, fits, strict=True):
        arrays |= named(name, fit.transform_arrays())
    return arrays


def tested_in_folds(
    folds: int, table: AnalysisTable, arrays: Mapping[str, Array]
) -> Iterator[tuple[Mask, dict[str, Array]]]:
    """(n,) who of the people here is held out of each fold, and the arrays of the models that it fitted."""
    for f, rows in enumerate(training_rows(folds)):
        test: Mask = ~rows.mask(table)
        if test.any():
            yield test, {name: array[f] for name, array in arrays.items()}


def stacked(fits: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """The arrays of all folds, the fold as their first axis."""
    folds: dict[str, Any] = {name: np.stack([fit[name] for fit in fits]) for name in fits[0]}
    return folds


def named(name: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of one model among others: NAME.array."""
    return {f"{name}.{key}": array for key, array in arrays.items()}


def arrays_named(name: str, arrays: Mapping[str, Array]) -> dict[str, Any]:
    """The arrays of the model of that name, as it calls them itself."""
    start = f"{name}."
    return {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}
