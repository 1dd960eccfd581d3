"""Standardized uptake values of PET (g/mL), or why they cannot be known.

SUV = activity concentration / (injected activity / body mass), both activities at one time; lean mass or
surface may take the mass's place. What that time is, a scanner says in DecayCorrection (DICOM PS3.3
C.8.9.1.1.5): of the series' START, of the ADMINistration, or NONE, where every frame still holds the activity
of its own time. The rules follow the vendor-neutral pseudo-code of QIBA (RSNA, SUV calculation, 2011), which
also says what to do where SeriesTime is the time of a reconstruction.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

Sex = Literal["M", "F"]
Kind = Literal["body weight", "lean body mass", "body surface area"]

MEGA = 1e6
LEAST_BQ, MOST_MBQ = 1e6, 5e3  # injected activities lie between: so a number tells Bq from MBq
MOST_MCI = 37.0  # as many mCi are 1.4 GBq: a smaller number without its unit may be of either
SAME_TIME_S = 60.0  # so far may two statements of one time of day be apart
LONGEST_WITHOUT_DAY_S = 6 * 3600.0  # half-life; with a longer one a scan may be days after the injection
MOST_HALF_LIVES = 10.0  # after them a thousandth is left, and no scanner sees it
HEAVIEST_KG, TALLEST_CM = 500.0, 272.0


class Missing(StrEnum):
    """What stands between a PET and its SUV."""

    UNIT = "unit"
    WEIGHT = "weight"
    BODY = "height or sex"
    DOSE = "injected activity"
    HALF_LIFE = "half-life"
    INJECTION_TIME = "time of injection"
    SCAN_TIME = "time of the scan"
    DECAY_CORRECTION = "decay correction"
    ATTENUATION_CORRECTION = "attenuation correction"


class NoSuvError(Exception):
    """The SUV cannot be known; carries what is missing, never a value."""

    def __init__(self, missing: Missing) -> None:
        super().__init__(missing.value)
        self.missing = missing


@dataclass(frozen=True)
class Body:
    """The patient's body as the scanner was told; None is unknown."""

    weight_kg: float | None = None
    height_cm: float | None = None
    sex: Sex | None = None


@dataclass(frozen=True)
class Injection:
    """What was injected, and when: `at` with its day, or `time_of_day` alone."""

    activity: float | None = None  # Bq, or MBq as old and enhanced objects have it
    half_life_s: float | None = None
    at: datetime | None = None
    time_of_day: timedelta | None = None
    is_enhanced: bool = False  # of an enhanced object, whose activity is in MBq (PS3.3 C.8.22.4)


@dataclass(frozen=True)
class Clock:
    """The times that a PET object tells."""

    series: datetime | None = None  # SeriesDate and SeriesTime
    earliest_acquisition: datetime | None = None  # of all frames of the series
    scan_start: datetime | None = None  # by a private attribute of GE or Siemens
    corrected_to: datetime | None = None  # DecayCorrectionDateTime of an enhanced object
    frame_acquisition: datetime | None = None  # of this frame
    frame_reference_s: float | None = (
        None  # FrameReferenceTime: of its average activity, after the scan's start
    )
    frame_duration_s: float | None = None


@dataclass(frozen=True)
class Pet:
    """All that the SUV of one frame depends on, in DICOM's words."""

    units: str  # BQML, CNTS, GML, CM2ML
    suv_type: str = ""  # BW, LBM, LBMJAMES128, LBMJANMA, BSA, IBW
    decay_correction: str = ""  # START, ADMIN, NONE
    corrected: tuple[str, ...] = ()  # for what, as DECY and ATTN; empty where that is not told
    body: Body = Body()
    injection: Injection = Injection()
    clock: Clock = Clock()
    philips_suv_per_count: float | None = None
    philips_bqml_per_count: float | None = None


def suv_factor(pet: Pet, kind: Kind = "body weight") -> float:
    """What a rescaled value of the frame is multiplied by to be SUV in g/mL, by surface in cm2/mL.

    The lean body mass is Janmahasatian's, the surface Du Bois'.

    Raises:
        NoSuvError: a quantity that it depends on is missing or impossible.
    """
    factor = _by_weight(pet)
    if kind == "body weight":
        return factor
    measure = lean_body_mass_kg(pet.body) if kind == "lean body mass" else body_surface_cm2(pet.body) / 1000
    return factor * measure / _weight_kg(pet.body)


def _by_weight(pet: Pet) -> float:
    if pet.corrected and "ATTN" not in pet.corrected:
        raise NoSuvError(Missing.ATTENUATION_CORRECTION)
    if pet.units in ("GML", "CM2ML"):
        return _from_other_mass(pet)
    if pet.units == "BQML":
        return _per_bqml(pet)
    if pet.units == "CNTS" and pet.philips_suv_per_count:
        return _positive(pet.philips_suv_per_count, Missing.UNIT)
    if pet.units == "CNTS" and pet.philips_bqml_per_count:
        return _positive(pet.philips_bqml_per_count, Missing.UNIT) * _per_bqml(pet)
    raise NoSuvError(Missing.UNIT)


def lean_body_mass_kg(
    body: Body, formula: Literal["morgan", "james", "janmahasatian"] = "janmahasatian"
) -> float:
    """The lean body mass by Janmahasatian (Clin Pharmacokinet 2005;44:1051), James (1976) or Morgan (1994).

    Morgan's differs from James' for men alone: 120 in place of 128.

    Raises:
        NoSuvError: weight, height or sex is unknown, or the parabola has left its range.
    """
    weight, height = _weight_kg(body), _height_cm(body)
    male = _sex(body) == "M"
    if formula in ("james", "morgan"):
        multiplier = 128 if formula == "james" else 120
        mass = (
            (1.10 * weight - multiplier * (weight / height) ** 2)
            if male
            else (1.07 * weight - 148 * (weight / height) ** 2)
        )
    else:
        index = weight / (height / 100) ** 2
        mass = 9270 * weight / ((6680 + 216 * index) if male else (8780 + 244 * index))
    return _positive(mass, Missing.BODY)


def ideal_body_weight_kg(body: Body) -> float:
    """The ideal body weight (DICOM SUVType IBW: Sugawara, Radiology 1999;213:521). Raises NoSuvError."""
    above_cm = _height_cm(body) - 152
    weight = 48.0 + 1.06 * above_cm if _sex(body) == "M" else 45.5 + 0.91 * above_cm
    return _positive(weight, Missing.BODY)


def body_surface_cm2(body: Body) -> float:
    """The body surface area (Du Bois 1916). Raises NoSuvError."""
    return 71.84 * math.pow(_weight_kg(body), 0.425) * math.pow(_height_cm(body), 0.725)


def remaining(elapsed_s: float, half_life_s: float) -> float:
    """The share of an activity that is left after this time."""
    return math.pow(2.0, -elapsed_s / half_life_s)


def mean_activity_s(duration_s: float, half_life_s: float) -> float:
    """The time into a frame at which its activity equals the frame's mean: ln(λT / (1 - e^-λT)) / λ."""
    rate = math.log(2) / half_life_s
    x = rate * duration_s
    return duration_s / 2 if x < 1e-6 else math.log(x / -math.expm1(-x)) / rate


def _per_bqml(pet: Pet) -> float:
    """SUV by body weight per Bq/mL: mass in g over the activity left at the time that the values are of."""
    mass_g = 1000 * _weight_kg(pet.body)
    activity = _activity_bq(pet.injection)
    if pet.corrected and ("DECY" in pet.corrected) != (pet.decay_correction in ("START", "ADMIN")):
        raise NoSuvError(Missing.DECAY_CORRECTION)
    if pet.decay_correction == "ADMIN":
        return mass_g / activity
    half_life_s = _positive(pet.injection.half_life_s, Missing.HALF_LIFE)
    reference = _reference(pet, half_life_s)
    elapsed_s = (reference - _injected(pet.injection, reference, half_life_s)).total_seconds()
    if not 0 <= elapsed_s <= MOST_HALF_LIVES * half_life_s:
        raise NoSuvError(Missing.INJECTION_TIME)
    return mass_g / (activity * remaining(elapsed_s, half_life_s))


def _reference(pet: Pet, half_life_s: float) -> datetime:
    """The time whose activity the values of this frame are."""
    clock = pet.clock
    if pet.decay_correction == "NONE":
        return _mean_of_frame(clock, half_life_s)
    if pet.decay_correction != "START":
        raise NoSuvError(Missing.DECAY_CORRECTION)
    if clock.corrected_to:
        return clock.corrected_to
    first = clock.earliest_acquisition
    if clock.series and first and clock.series <= first:
        return clock.series
    if clock.scan_start:
        return clock.scan_start
    if clock.frame_acquisition and clock.frame_reference_s and clock.frame_duration_s:
        mean = _mean_of_frame(clock, half_life_s)  # FrameReferenceTime counts to it from the scan's start
        return mean - timedelta(seconds=clock.frame_reference_s)
    if first:
        return first
    raise NoSuvError(Missing.SCAN_TIME)


def _mean_of_frame(clock: Clock, half_life_s: float) -> datetime:
    if clock.frame_acquisition is None or not clock.frame_duration_s or clock.frame_duration_s < 0:
        raise NoSuvError(Missing.SCAN_TIME)
    return clock.frame_acquisition + timedelta(seconds=mean_activity_s(clock.frame_duration_s, half_life_s))


def _injected(injection: Injection, reference: datetime, half_life_s: float) -> datetime:
    """When it was injected; a time of day alone is the last one before the reference, across midnight too."""
    if injection.at:
        if injection.time_of_day is not None:
            midnight = injection.at.replace(hour=0, minute=0, second=0, microsecond=0)
            apart_s = (injection.at - midnight - injection.time_of_day).total_seconds()
            if min(abs(apart_s), 24 * 3600 - abs(apart_s)) > SAME_TIME_S:
                raise NoSuvError(Missing.INJECTION_TIME)
        return injection.at
    if injection.time_of_day is None or half_life_s > LONGEST_WITHOUT_DAY_S:
        raise NoSuvError(Missing.INJECTION_TIME)
    midnight = reference.replace(hour=0, minute=0, second=0, microsecond=0)
    same_day = midnight + injection.time_of_day
    return same_day if same_day <= reference else same_day - timedelta(days=1)


def _activity_bq(injection: Injection) -> float:
    activity = _positive(injection.activity, Missing.DOSE)
    if activity >= LEAST_BQ:
        return activity
    if (1 if injection.is_enhanced else MOST_MCI) <= activity <= MOST_MBQ:
        return activity * MEGA
    raise NoSuvError(Missing.DOSE)


def _from_other_mass(pet: Pet) -> float:
    """Values that the scanner has divided by another mass or by the surface, back to body weight."""
    kind = pet.suv_type or ("BSA" if pet.units == "CM2ML" else "BW")
    if pet.units == "GML" and kind == "BW":
        return 1.0
    if pet.units == "CM2ML" and kind == "BSA":
        return 1000 * _weight_kg(pet.body) / body_surface_cm2(pet.body)
    if pet.units == "GML" and kind == "LBM":  # PS3.3 C.8.9.1 has its own term for the multiplier 128
        return _weight_kg(pet.body) / lean_body_mass_kg(pet.body, "morgan")
    if pet.units == "GML" and kind == "LBMJAMES128":
        return _weight_kg(pet.body) / lean_body_mass_kg(pet.body, "james")
    if pet.units == "GML" and kind == "LBMJANMA":
        return _weight_kg(pet.body) / lean_body_mass_kg(pet.body)
    if pet.units == "GML" and kind == "IBW":
        return _weight_kg(pet.body) / ideal_body_weight_kg(pet.body)
    raise NoSuvError(Missing.UNIT)


def _weight_kg(body: Body) -> float:
    weight = _positive(body.weight_kg, Missing.WEIGHT)
    if weight > HEAVIEST_KG:  # grams or pounds
        raise NoSuvError(Missing.WEIGHT)
    return weight


def _height_cm(body: Body) -> float:
    height = _positive(body.height_cm, Missing.BODY)
    if height > TALLEST_CM:
        raise NoSuvError(Missing.BODY)
    return height


def _sex(body: Body) -> Sex:
    if body.sex is None:
        raise NoSuvError(Missing.BODY)
    return body.sex


def _positive(value: float | None, missing: Missing) -> float:
    if value is None or not math.isfinite(value) or value <= 0:
        raise NoSuvError(missing)
    return value
