"""Standardised uptake values of PET: the factor from stored activity, or a refusal (QIBA FDG-PET profile).

    SUV = activity [Bq/mL] * body measure [g, cm²] / (dose [Bq] * 2^(-delay / half-life))

What the header does not say is not guessed: a wrong SUV looks like a right one.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

Kind = Literal["body weight", "lean body mass", "body surface area"]
MAX_DELAY_H = 24.0  # from injection to scan; more is a clock or a date that is wrong


class Refusal(StrEnum):
    """Why there is no SUV."""

    UNIT = "pet-unit-unknown"
    DOSE = "pet-dose-missing"
    HALF_LIFE = "pet-half-life-missing"
    WEIGHT = "pet-weight-missing"
    HEIGHT = "pet-height-or-sex-missing"
    TIME = "pet-times-missing-or-impossible"
    DECAY = "pet-decay-correction-unknown"
    SUV_TYPE = "pet-other-suv-type"


class SuvError(Exception):
    """The header does not say what an SUV needs."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


@dataclass(frozen=True)
class Acquisition:
    """What a PET header says, None for what it does not; names are those of the DICOM attributes."""

    units: str | None = None  # (0054,1001)
    suv_type: str | None = None  # (0054,1006)
    decay_correction: str | None = None  # (0054,1102)
    injected_at: datetime | None = None  # (0018,1078), else (0018,1072) on the scan's date
    scan_start: datetime | None = None  # the time to which a START correction refers
    dose_bq: float | None = None  # (0018,1074)
    half_life_s: float | None = None  # (0018,1075)
    weight_kg: float | None = None  # (0010,1030)
    height_m: float | None = None  # (0010,1020)
    sex: str | None = None  # (0010,0040)
    philips_suv_factor: float | None = None  # (7053,1000)
    philips_activity_factor: float | None = None  # (7053,1009)


def suv_factor(scan: Acquisition, kind: Kind = "body weight") -> float:
    """What rescaled pixel values are multiplied by to be SUV in g/mL (cm²/mL for body surface area).

    Raises SuvError where the header leaves it open.
    """
    if scan.units == "GML":
        if (scan.suv_type or "BW") != "BW":
            raise SuvError(Refusal.SUV_TYPE)
        return _body(scan, kind) / (_weight_g(scan) if kind != "body weight" else _body(scan, kind))
    if scan.units == "CNTS":
        if _positive(scan.philips_suv_factor) and kind == "body weight":
            return float(scan.philips_suv_factor or 0)
        if not _positive(scan.philips_activity_factor):
            raise SuvError(Refusal.UNIT)
        return float(scan.philips_activity_factor or 0) * _per_activity(scan, kind)
    if scan.units == "BQML":
        return _per_activity(scan, kind)
    raise SuvError(Refusal.UNIT)


def _per_activity(scan: Acquisition, kind: Kind) -> float:
    return _body(scan, kind) / _dose_at_reference(scan)


def _dose_at_reference(scan: Acquisition) -> float:
    """The dose in Bq at the time to which the pixel values are corrected."""
    dose = scan.dose_bq
    if dose is None or not _positive(dose):
        raise SuvError(Refusal.DOSE)
    if dose < 1e5:  # a whole-body dose is 10^7 to 10^9 Bq: old files give it in MBq
        dose *= 1e6
    if scan.decay_correction == "ADMIN":
        return dose
    if scan.decay_correction != "START":
        raise SuvError(Refusal.DECAY)
    if scan.half_life_s is None or not _positive(scan.half_life_s):
        raise SuvError(Refusal.HALF_LIFE)
    if scan.injected_at is None or scan.scan_start is None:
        raise SuvError(Refusal.TIME)
    delay_s = (scan.scan_start - scan.injected_at).total_seconds()
    if not 0 <= delay_s <= MAX_DELAY_H * 3600:
        raise SuvError(Refusal.TIME)
    return float(dose * 2 ** (-delay_s / scan.half_life_s))


def _weight_g(scan: Acquisition) -> float:
    if scan.weight_kg is None or not _positive(scan.weight_kg):
        raise SuvError(Refusal.WEIGHT)
    return scan.weight_kg * 1000


def _body(scan: Acquisition, kind: Kind) -> float:
    """The body measure: g of weight or of lean mass (Janmahasatian 2005), cm² of surface (Du Bois 1916)."""
    if kind == "body weight":
        return 1.0 if scan.units == "GML" else _weight_g(scan)
    weight_kg = _weight_g(scan) / 1000
    height_m = scan.height_m
    if height_m is None or not _positive(height_m):
        raise SuvError(Refusal.HEIGHT)
    if kind == "body surface area":
        return float(71.84 * weight_kg**0.425 * (100 * height_m) ** 0.725)
    lean = {"M": (6680.0, 216.0), "F": (8780.0, 244.0)}.get(scan.sex or "")
    if lean is None:
        raise SuvError(Refusal.HEIGHT)
    return 1000 * 9270 * weight_kg / (lean[0] + lean[1] * weight_kg / height_m**2)


def _positive(value: float | None) -> bool:
    return value is not None and value > 0
