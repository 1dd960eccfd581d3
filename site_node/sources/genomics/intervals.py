"""How many bases intervals on one chromosome cover."""

from collections.abc import Iterable

Interval = tuple[int, int]  # first and last base, from 1


def covered(intervals: Iterable[Interval]) -> int:
    """How many bases the intervals cover together."""
    total, reached = 0, 0
    for start, end in sorted(intervals):
        total += max(0, end - max(start, reached + 1) + 1)
        reached = max(reached, end)
    return total
