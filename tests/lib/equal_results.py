"""Two results of one analysis that are equal, but for the rounding of libraries that iterate.

Tolerance: rtol 1e-8, since the pooled libraries iterate to about 1e-10; what is near zero is held to 1e-9 of
the largest number beside it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from protocols.core.protocol import Result


def compared(value: object, path: str, skip: frozenset[str]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key in sorted(value):
            if key not in skip:
                yield from compared(value[key], f"{path}.{key}", skip)
    elif isinstance(value, list):
        numbers = np.array(value, dtype=object).ravel()
        if all(isinstance(x, int | float) or x is None for x in numbers):
            yield path, np.array([np.nan if x is None else x for x in numbers], dtype=float)
        else:
            yield path, value
    else:
        yield path, np.array([float(value)]) if isinstance(value, int | float) else value


def assert_equal_results(federated: Result, pooled: Result, skip: frozenset[str]) -> None:
    ours, theirs = (dict(compared(r.as_dict(), "", skip)) for r in (federated, pooled))
    assert ours.keys() == theirs.keys()
    for path, expected in theirs.items():
        if isinstance(expected, np.ndarray):
            near_zero = 1e-9 * float(np.nanmax(np.abs(expected), initial=0.0))
            np.testing.assert_allclose(
                ours[path], expected, rtol=1e-8, atol=max(min(near_zero, 1e-9), 1e-11), err_msg=path
            )
        else:
            assert ours[path] == expected, path
