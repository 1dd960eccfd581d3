"""How the engine's loops are compiled: once, then kept on disk for the next process."""

from collections.abc import Callable
from pathlib import Path
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


def is_cached(function: Callable[..., Any]) -> bool:
    """Whether this machine has compiled the kernel before; False where numba does not say."""
    cache = getattr(function, "_cache", None)
    folder = getattr(cache, "cache_path", None)
    name = getattr(function, "__name__", "")
    return folder is not None and any(Path(folder).glob(f"*.{name}-*.nbi"))
