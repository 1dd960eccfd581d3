"""How the engine's loops are compiled: once, then kept on disk for the next process."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}


def kernel(function: F) -> F:
    """The function compiled by numba at its first call, kept on disk for the next process."""
    compiled: F = numba.njit(cache=True, **_OPTIONS)(function)
    return compiled


def inlined(function: F) -> F:
    """A part of a kernel, copied into it: as a call it would hide from the compiler which loops vectorise."""
    compiled: F = numba.njit(inline="always", **_OPTIONS)(function)
    return compiled
