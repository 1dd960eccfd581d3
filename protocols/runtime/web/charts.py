"""Where the marks of small charts lie; templates draw them as SVG beside a table of the same numbers."""

from collections.abc import Sequence


def shares(numbers: Sequence[float | None]) -> list[float]:
    """Each number as a share of the largest, from 0 to 1; 0 for what is not known.

    Example:
        >>> shares([40, 10, None])
        [1.0, 0.25, 0.0]
    """
    most = max((one for one in numbers if one is not None), default=0) or 1
    return [(one or 0) / most for one in numbers]


def line(numbers: Sequence[float], width: float, height: float) -> str:
    """The points of a line through numbers, from left to right, for an SVG's `polyline`; y grows downward.

    Example:
        >>> line([0, 5, 10], 20, 10)
        '0.0,10.0 10.0,5.0 20.0,0.0'
    """
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    step, span = width / max(1, len(numbers) - 1), (high - low) or 1.0
    return " ".join(
        f"{i * step:.1f},{height - (one - low) / span * height:.1f}" for i, one in enumerate(numbers)
    )
