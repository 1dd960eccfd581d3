"""The grid on which the numbers of a question lie, so that every site can say which question follows.

A coordination is a pure function of the study and the joined answers, but a processor may add in another
order: two copies of it differ by some 1e-14. Rounded to 12 significant decimal digits they agree, or lie one
step of the grid apart where a number falls between two of its points. The digits are decimal so that what a
person typed, a cut at 0.1, stays what it is.
"""

from dataclasses import replace

import numpy as np

from protocols.core.disclosure import Array
from protocols.core.protocol import Arrays, Ask
from protocols.core.table import Floats, Integers

DIGITS = 12
_SHORT_BITS = 26
_TENS = np.array([float(f"1e{power}") for power in range(-323, 309)])
"""Powers of ten as every processor reads them; `10.0**n` is not the same everywhere."""

_NOISE = 2.0**-50
"""What cancellation leaves of an array's largest number; below it two processors agree on nothing."""


def on_grid(x: Floats) -> Floats:
    """The numbers (...) rounded to 12 significant digits.

    A number of at most 26 bits stays as it is: a scale by a power of two is to lose no digit.

    >>> on_grid(np.array([0.1, 2 / 3, 1e-300])).tolist()
    [0.1, 0.666666666667, 1e-300]
    """
    places = DIGITS - 1 - _magnitude(x)
    large, small = _power(np.maximum(-places, 0)), _power(np.clip(places, 0, 308))
    rest = _power(np.maximum(places - 308, 0))  # of numbers below 1e-297, whose factor is not a double
    rounded = np.rint(x / large * small * rest) / rest / small * large
    short = np.ldexp(np.frexp(x)[0], _SHORT_BITS)
    return np.asarray(np.where((short == np.rint(short)) | ~np.isfinite(rounded), x, rounded))


def _magnitude(x: Floats) -> Integers:
    """The power of ten of the first digit (...); 0 for 0 and what is not finite."""
    size = np.where(np.isfinite(x) & (x != 0), np.abs(x), 1.0)
    return np.floor(np.log10(size)).astype(np.int64)


def _power(of: Integers) -> Floats:
    return np.asarray(_TENS[of + 323])


def question_on_grid(ask: Ask) -> Ask:
    """The question with every number on the grid, those of its transforms too."""
    return replace(
        ask,
        arrays=_on_grid(ask.arrays),
        transforms=tuple(replace(t, arrays=_on_grid(t.arrays)) for t in ask.transforms),
    )


def is_that_question(asked: Ask, own: Ask) -> bool:
    """Whether what is asked is the question that follows by one's own copy of the coordination.

    Step, part, rows, transforms and their order must be the same; a number must lie on the grid, within one
    step of one's own. `own` is on the grid.
    """
    plain_asked, plain_own = (
        replace(a, arrays={}, transforms=tuple(replace(t, arrays={}) for t in a.transforms))
        for a in (asked, own)
    )
    return (
        plain_asked == plain_own
        and _are_those(asked.arrays, own.arrays)
        and all(_are_those(a.arrays, o.arrays) for a, o in zip(asked.transforms, own.transforms, strict=True))
    )


def _on_grid(arrays: Arrays) -> dict[str, Array]:
    """Floats on the grid; whole numbers and truths as int64, as they cross the wire."""
    return {
        name: array.astype(np.int64) if array.dtype.kind in "iub" else on_grid(array.astype(np.float64))
        for name, array in arrays.items()
    }


def _are_those(asked: Arrays, own: Arrays) -> bool:
    return asked.keys() == own.keys() and all(_is_that(asked[name], own[name]) for name in own)


def _is_that(asked: Array, own: Array) -> bool:
    if asked.shape != own.shape or asked.dtype != own.dtype:
        return False
    if own.dtype.kind == "i":
        return bool(np.array_equal(asked, own))
    finite = np.isfinite(own)
    if not np.array_equal(asked[~finite], own[~finite], equal_nan=True):
        return False
    a, o = asked[finite], own[finite]
    if not np.array_equal(on_grid(a.astype(np.float64)), a):
        return False
    size = np.maximum(np.abs(a), np.abs(o))
    step = 1.5 * _power(np.maximum(_magnitude(size) - DIGITS + 1, -323))
    return bool((np.abs(a - o) <= np.maximum(step, _NOISE * size.max(initial=0.0))).all())
