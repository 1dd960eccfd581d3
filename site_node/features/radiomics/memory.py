"""Freed memory is kept for the next array instead of going back to the system."""

import ctypes
import sys
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEPT_BYTES = 96 * 2**20
LARGEST_KEPT_BYTES = 32 * 2**20  # the most that glibc takes from its heap


@cache
def keep_freed_memory() -> None:
    """Tells the C library, once per process, not to return the memory of arrays that will soon be made again.

    An extraction makes and frees arrays of a few megabytes; to fault their pages in anew costs a sixth of its
    time. Other C libraries than glibc are left as they are.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
    mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
