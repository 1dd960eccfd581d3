"""Models fitted in folds of their own people and on everybody, whose arrays travel in one question.

Fusion and tuning judge each model by people whom it never saw, inside whatever fold they are asked in.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from protocols.core.disclosure import Array
from protocols.core.errors import ShadowgraphError
from protocols.core.lockstep import settled, together
from protocols.core.protocol import Coordination, Spec, protocol, within
from protocols.core.roles import Applicable
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


def fitted_where_possible(
    part: str, models: Mapping[str, Spec], folds: int
) -> Coordination[tuple[dict[str, Array], dict[str, Array], dict[str, ShadowgraphError]]]:
    """The same without the models that cannot be fitted, in a fold or on everybody; and each one's error."""
    names = sorted(models)
    each = [(name, rows) for rows in (*training_rows(folds), None) for name in names]
    fits = yield from settled([_alone(part, name, models[name], rows) for name, rows in each])
    errors = {
        name: fit for (name, _), fit in zip(each, fits, strict=True) if isinstance(fit, ShadowgraphError)
    }
    arrays: list[dict[str, Array]] = [{} for _ in range(folds + 1)]
    for at, ((name, _), fit) in enumerate(zip(each, fits, strict=True)):
        if name not in errors and not isinstance(fit, ShadowgraphError):
            arrays[at // len(names)] |= named(name, fit.transform_arrays())
    return stacked(arrays[:-1]), arrays[-1], errors


def _alone(part: str, name: str, model: Spec, rows: Rows | None) -> Coordination[Applicable]:
    found: Coordination[Applicable] = within(
        protocol(model.protocol).coordinate(model), part=(part, name), rows=rows
    )
    return found


def _fitted(part: str, models: Mapping[str, Spec], rows: Rows | None) -> Coordination[dict[str, Array]]:
    names = sorted(models)
    fits = yield from together([_alone(part, name, models[name], rows) for name in names])
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
    """The arrays of all folds, the fold as their first axis; zeros where a fold has no array of that name.

    That is so of a candidate that could not be fitted there: another one is `chosen` then.
    """
    like = {name: np.zeros_like(array) for fit in fits for name, array in fit.items()}
    folds: dict[str, Any] = {
        name: np.stack([fit.get(name, none) for fit in fits]) for name, none in like.items()
    }
    return folds


def named(name: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of one model among others: NAME.array."""
    return {f"{name}.{key}": array for key, array in arrays.items()}


def arrays_named(name: str, arrays: Mapping[str, Array]) -> dict[str, Any]:
    """The arrays of the model of that name, as it calls them itself."""
    start = f"{name}."
    return {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}
