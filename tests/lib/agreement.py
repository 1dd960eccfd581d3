"""Whether two results say the same, field by field."""

import dataclasses
from typing import Any

import numpy as np


def differences(one: Any, other: Any, leave_out: tuple[str, ...] = ()) -> dict[str, float]:
    """Field -> the largest relative difference of two results of one type, for fields of numbers.

    An entry is compared relative to itself, or to 1e-6 of the field's largest where it is smaller than that.
    """
    found: dict[str, float] = {}
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in leave_out:
            continue
        if dataclasses.is_dataclass(a):
            inner = differences(a, b, leave_out)
            found |= {f"{field.name}.{name}": value for name, value in inner.items()}
        elif isinstance(a, float | int | np.ndarray) and not isinstance(a, bool):
            x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
            assert x.shape == y.shape, field.name
            assert (np.isnan(x) == np.isnan(y)).all(), field.name
            known = ~np.isnan(y)
            scale = np.maximum(np.abs(y[known]), 1e-6 * np.abs(y[known]).max(initial=1e-300))
            apart = np.where(x[known] == y[known], 0.0, np.abs(x[known] - y[known]) / scale)
            found[field.name] = float(apart.max(initial=0.0))
        else:
            assert a == b, field.name
    return found
