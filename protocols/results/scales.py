"""Where a number lies on an axis, and which round numbers are written beside it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from protocols.core.figure import Axis

PADDING = 0.04
"""Share of an axis that is left free beyond the data."""


@dataclass(frozen=True)
class Scale:
    """A map from [low, high] to [start, end] in pixels."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value; beyond the ends it stays at the end."""
        return self.beyond(min(max(value, self.low), self.high))

    def beyond(self, value: float) -> float:
        """The pixel of a value, also beyond the ends."""
        low, high, inside = self.low, self.high, value
        if self.log:
            low, high, inside = math.log(low), math.log(high), math.log(inside)
        return self.start + (inside - low) / (high - low) * (self.end - self.start)

    def ticks(self, most: int = 7) -> list[float]:
        """Round numbers inside the scale."""
        found = ratio_ticks(self.low, self.high) if self.log else round_ticks(self.low, self.high, most)
        inside = [tick for tick in found if self.low <= tick <= self.high]
        return [tick for tick in inside if tick == round(tick)] if self.whole else inside


def scale_of(axis: Axis, values: Iterable[float], start: float, end: float) -> Scale:
    """The scale that holds all finite values, with some room where the axis names no end."""
    known = [v for v in values if math.isfinite(v) and (v > 0 or not axis.log)]
    if axis.low is not None:
        known = [max(v, axis.low) for v in known]
    if axis.high is not None:
        known = [min(v, axis.high) for v in known]
    low, high = (min(known), max(known)) if known else (1.0, 1.0) if axis.log else (0.0, 0.0)
    if axis.log:
        low, high = max(low, 1e-6), min(max(high, 1e-6), 1e6)
        room = max((high / low) ** PADDING, 1.02)
        low, high = low / room, high * room
    else:
        room = (high - low) * PADDING or max(abs(low), 1e-300) * 0.1 if known else 1.0
        low, high = low - room, high + room
    low = low if axis.low is None else axis.low
    high = high if axis.high is None else axis.high
    if high <= low:
        high = low * 2 if axis.log else low + 1.0
    return Scale(low, high, start, end, axis.log, axis.whole)


def round_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """At most `most` multiples of 1, 2 or 5 times a power of ten between two numbers."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10, 20) if s * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12 - math.floor(math.log10(step))) for k in range(first, last + 1)]


def ratio_ticks(low: float, high: float) -> list[float]:
    """Round ratios between two positive numbers: 1, 2 and 5 times powers of ten, thinned when many."""
    if high / low < 1.5:  # so close that equal steps look equal on a logarithmic axis too
        return round_ticks(low, high)
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    inside: list[float] = []
    for steps in ((1, 1.25, 1.5, 2, 3, 5, 7), (1, 2, 5), (1,)):
        ticks = [float(f"{step * power:.6g}") for power in powers for step in steps]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) <= 8:
            return inside
    return inside[:: -(-len(inside) // 8)]
