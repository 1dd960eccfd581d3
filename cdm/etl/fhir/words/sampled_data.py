"""SampledData: a wearable's or a monitor's series as one value per point in time.

A point every second or slower is a measurement each, dated where it was taken. A faster series is a waveform,
whose points mean nothing alone: it keeps one row without a value.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from cdm.etl.fhir.words.dates import Instant
from cdm.etl.record import Body

SLOWEST_WAVEFORM_MS = 1000
NO_VALUE = {"E": None, "U": None, "L": None}  # an error, above or below what the device can tell
# R5: intervalUnit, UCUM, instead of `period` in milliseconds
UNIT_MS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def points(part: Body, start: Instant) -> Iterator[tuple[Instant, Body]]:
    """(when, the part with one valueQuantity) of each point; nothing of a waveform or an undated series."""
    series = part["valueSampledData"]
    interval_ms = _interval_ms(series)
    if interval_ms < SLOWEST_WAVEFORM_MS or start.time is None or series.get("dimensions", 1) != 1:
        return
    origin = series.get("origin") or {}
    zero, factor = origin.get("value") or 0, series.get("factor") or 1
    rest = {name: value for name, value in part.items() if name != "valueSampledData"}
    for number, text in enumerate(str(series.get("data") or "").split()):
        if text in NO_VALUE:
            continue
        moment = start.time + timedelta(milliseconds=number * interval_ms)
        quantity: dict[str, Any] = {**origin, "value": zero + float(text) * factor}
        day = start.day + (moment.date() - start.time.date())
        yield Instant(day, moment, start.precision), {**rest, "valueQuantity": quantity}


def _interval_ms(series: Body) -> float:
    if "interval" in series:
        return float(series["interval"]) * UNIT_MS.get(series.get("intervalUnit", "ms"), 0)
    return float(series.get("period") or 0)
