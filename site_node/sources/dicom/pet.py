"""What a PET object's header says that its SUV depends on: the patient, the injection and the clocks."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pydicom

from site_node.features.functional.suv import (
    Body,
    Clock,
    Injection,
    Kind,
    Missing,
    NoSuvError,
    Pet,
    Sex,
    suv_factor,
)
from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.frames import frame_count, is_enhanced, mappings_of, number, value_of
from site_node.sources.dicom.meaning import private

# Private attributes by group, creator and element
PHILIPS_SUV = (0x7053, "Philips PET Private Group", 0x00)
PHILIPS_BQML = (0x7053, "Philips PET Private Group", 0x09)
SCAN_START = ((0x0009, "GEMS_PETD_01", 0x0D), (0x0071, "SIEMENS MED PT", 0x22))
UCUM_UNITS = {  # of real world values (PS3.16 CID 84, 85) -> Units and SUVType
    "bq/ml": ("BQML", ""), "bqml": ("BQML", ""), "{counts}": ("CNTS", ""), "g/ml": ("GML", "BW"),
    "g/ml{suvbw}": ("GML", "BW"), "g/ml{suvlbm}": ("GML", "LBM"), "g/ml{suvibw}": ("GML", "IBW"),
    "g/ml{suvlbm(james128)}": ("GML", "LBMJAMES128"), "g/ml{suvlbm(janma)}": ("GML", "LBMJANMA"),
    "cm2/ml{suvbsa}": ("CM2ML", "BSA"), "{suvbw}g/ml": ("GML", "BW"), "{suvlbm}g/ml": ("GML", "LBM"),
    "{suvibw}g/ml": ("GML", "IBW"), "{suvbsa}cm2/ml": ("CM2ML", "BSA"),
}  # fmt: skip
HALF_LIVES_S = {  # by the codes of PS3.16 CID 4020, SNOMED CT's and those before; DDEP's tables, 2013
    **dict.fromkeys(("40565003", "C-105A1"), 1221.8),  # carbon 11
    **dict.fromkeys(("21576001", "C-107A1"), 597.9),  # nitrogen 13
    **dict.fromkeys(("129504001", "C-B1038"), 122.24),  # oxygen 15
    **dict.fromkeys(("77004003", "C-111A1"), 6586.2),  # fluorine 18
    **dict.fromkeys(("3932008", "C-127A2"), 45721.0),  # copper 64
    **dict.fromkeys(("35337001", "C-131A3"), 4063.0),  # gallium 68
    **dict.fromkeys(("79197006", "C-159A2"), 75.45),  # rubidium 82
    **dict.fromkeys(("63360001", "C-168A4"), 282276.0),  # zirconium 89
    **dict.fromkeys(("40937006", "C-114A5"), 360806.0),  # iodine 124
}
HALF_LIFE_TOLERANCE = 0.1  # scanners round, and their tables differ by a few per cent
FAULTS = {
    Missing.UNIT: Fault.PET_UNIT,
    Missing.WEIGHT: Fault.PET_BODY,
    Missing.BODY: Fault.PET_BODY,
    Missing.DOSE: Fault.PET_DOSE,
    Missing.HALF_LIFE: Fault.PET_DOSE,
    Missing.INJECTION_TIME: Fault.PET_TIME,
    Missing.SCAN_TIME: Fault.PET_TIME,
    Missing.DECAY_CORRECTION: Fault.PET_DECAY,
    Missing.ATTENUATION_CORRECTION: Fault.PET_ATTENUATION,
}


def suv_factors(datasets: Sequence[pydicom.Dataset], kind: Kind = "body weight") -> list[list[float]]:
    """What the rescaled values of each frame of each object of a series are multiplied by to be SUV.

    Raises:
        DicomFault: a frame's SUV cannot be known; the code says what is missing.
    """
    moments = [acquired(dataset, frame) for dataset in datasets for frame in range(frame_count(dataset))]
    earliest = min((moment for moment in moments if moment), default=None)
    told = [[_pet(dataset, frame, earliest) for frame in range(frame_count(dataset))] for dataset in datasets]
    if len({pet.body for pets in told for pet in pets}) > 1:
        raise DicomFault(Fault.PET_BODY)
    if len({pet.injection for pets in told for pet in pets}) > 1:
        raise DicomFault(Fault.PET_DOSE)
    try:
        return [[suv_factor(pet, kind) for pet in pets] for pets in told]
    except NoSuvError as error:
        raise DicomFault(FAULTS[error.missing]) from None


def _pet(dataset: pydicom.Dataset, frame: int, earliest: datetime | None) -> Pet:
    def told(keyword: str) -> Any:
        return value_of(dataset, keyword, frame)

    sex = str(told("PatientSex") or "").strip().upper()
    sexes: dict[str, Sex] = {"M": "M", "F": "F"}
    height_m = number(told("PatientSize"))
    mapping = real_world_mapping(dataset, frame)
    of_mapping = ucum_unit(mapping) if mapping else ("", "")
    told_by_slope = str(told("Units") or "").strip(), str(told("SUVType") or "").strip()
    units, suv_type = of_mapping if mapping else told_by_slope
    zone = _zone(dataset, frame)
    return Pet(
        units=units,
        suv_type=suv_type,
        decay_correction=_decay_correction(dataset, frame),
        corrected=_corrected(dataset),
        body=Body(number(told("PatientWeight")), height_m * 100 if height_m else None, sexes.get(sex)),
        injection=_injection(told("RadiopharmaceuticalInformationSequence"), zone, is_enhanced(dataset)),
        clock=_clock(dataset, frame, earliest, zone),
        philips_suv_per_count=number(private(dataset, *PHILIPS_SUV)),
        philips_bqml_per_count=number(private(dataset, *PHILIPS_BQML)),
    )


def ucum_unit(mapping: pydicom.Dataset) -> tuple[str, str]:
    """The Units and SUVType of a real world value mapping; empty where its unit is not one of a PET."""
    codes = mapping.get("MeasurementUnitsCodeSequence")
    return UCUM_UNITS.get(str(codes[0].get("CodeValue")).strip().lower(), ("", "")) if codes else ("", "")


def real_world_mapping(dataset: pydicom.Dataset, frame: int) -> pydicom.Dataset | None:
    """The real world value mapping that gives the unit and the slope of a PET's frame; None: Units and
    RescaleSlope do.

    The two ways stand beside each other in an object; a slope of one belongs to the unit of the same alone
    (PS3.3 C.7.6.16.2.11, C.8.9.1). A mapping whose unit is not known counts where there is no other way.
    """
    mappings = mappings_of(dataset, frame)
    known = [one for one in mappings if ucum_unit(one)[0]]
    if known:
        return known[0]
    has_slope = value_of(dataset, "Units", frame) and number(value_of(dataset, "RescaleSlope", frame))
    return mappings[0] if mappings and not has_slope else None


def _decay_correction(dataset: pydicom.Dataset, frame: int) -> str:
    """DecayCorrection (0054,1102); an enhanced object says DecayCorrected, to DecayCorrectionDateTime."""
    if told := str(value_of(dataset, "DecayCorrection", frame) or "").strip():
        return told
    corrected = str(dataset.get("DecayCorrected") or "").strip()
    if corrected == "YES" and dataset.get("DecayCorrectionDateTime"):
        return "START"
    return "NONE" if corrected == "NO" and is_enhanced(dataset) else ""


def _corrected(dataset: pydicom.Dataset) -> tuple[str, ...]:
    """What the values are corrected for by CorrectedImage; an enhanced object says so of each in a word."""
    told = dataset.get("CorrectedImage")
    words = tuple(str(word).strip() for word in ([told] if isinstance(told, str) else told or []) if word)
    if not words and is_enhanced(dataset) and str(dataset.get("AttenuationCorrected") or "").strip() == "NO":
        return ("",)
    return words


def _injection(sequence: Any, zone: timedelta | None, is_enhanced: bool) -> Injection:
    if not sequence or len(sequence) != 1:  # two injections: the values are of neither alone
        return Injection()
    injected = sequence[0]
    return Injection(
        activity=number(injected.get("RadionuclideTotalDose")),
        is_enhanced=is_enhanced,
        half_life_s=_half_life_s(injected),
        at=_moment(injected.get("RadiopharmaceuticalStartDateTime"), zone),
        time_of_day=_time(injected.get("RadiopharmaceuticalStartTime")),
    )


def _half_life_s(injected: pydicom.Dataset) -> float | None:
    """The half-life that the header tells; None where it is not that of the nuclide that it names."""
    told = number(injected.get("RadionuclideHalfLife"))
    codes = injected.get("RadionuclideCodeSequence") or ()
    known = {HALF_LIVES_S.get(str(code.get("CodeValue") or "").strip()) for code in codes} - {None}
    fits = told is not None and all(abs(told / one - 1) <= HALF_LIFE_TOLERANCE for one in known if one)
    return told if fits else None


def _clock(dataset: pydicom.Dataset, frame: int, earliest: datetime | None, zone: timedelta | None) -> Clock:
    reference_ms = number(value_of(dataset, "FrameReferenceTime", frame))
    duration_ms = number(value_of(dataset, "ActualFrameDuration", frame))
    starts = [_moment(private(dataset, *where), zone) for where in SCAN_START]
    return Clock(
        series=_day_and_time(dataset, "Series"),
        earliest_acquisition=earliest,
        scan_start=next((start for start in starts if start), None),
        corrected_to=_moment(dataset.get("DecayCorrectionDateTime"), zone),
        frame_acquisition=acquired(dataset, frame),
        frame_reference_s=reference_ms / 1000 if reference_ms is not None else None,
        frame_duration_s=duration_ms / 1000 if duration_ms is not None else None,
    )


def acquired(dataset: pydicom.Dataset, frame: int) -> datetime | None:
    """When a frame was acquired, as far as the object tells."""
    moment = _moment(value_of(dataset, "AcquisitionDateTime", frame), _zone(dataset, frame))
    return (
        moment or _day_and_time(dataset, "Acquisition")
        if is_enhanced(dataset)
        else (_day_and_time(dataset, "Acquisition") or moment)
    )


def _day_and_time(dataset: pydicom.Dataset, which: str) -> datetime | None:
    day = str(dataset.get(f"{which}Date") or "").replace(".", "").strip()
    time = str(dataset.get(f"{which}Time") or "").replace(":", "").strip()
    return _wall_clock(day + time) if day and time else None


def _zone(dataset: pydicom.Dataset, frame: int) -> timedelta | None:
    """How far the object's clocks are ahead of UTC; None where it does not tell.

    TimezoneOffsetFromUTC says so for all times without an offset (PS3.5 6.2, PS3.3 C.12.1.1.8).
    Without it a DT that tells the same time of day as its DA and TM has their offset, and where all DT have
    one offset and no other time is looked at beside them it does not matter which it is.
    """
    if (told := _offset(dataset.get("TimezoneOffsetFromUTC"))) is not None:
        return told
    injected = next(iter(value_of(dataset, "RadiopharmaceuticalInformationSequence", frame) or []), None)
    start = injected.get("RadiopharmaceuticalStartDateTime") if injected is not None else None
    scan = value_of(dataset, "AcquisitionDateTime", frame)
    beside = injected.get("RadiopharmaceuticalStartTime") if injected is not None else None
    if _wall_clock(scan) and _wall_clock(scan) == _day_and_time(dataset, "Acquisition"):
        return _offset_of(scan)
    if _wall_clock(start) and _time(beside) == _time_of_day(_wall_clock(start)):
        return _offset_of(start)
    clocks = (start, scan, dataset.get("DecayCorrectionDateTime"))
    offsets = {_offset_of(one) for one in clocks if one}
    has_others = not is_enhanced(dataset) and (dataset.get("AcquisitionTime") or dataset.get("SeriesTime"))
    return offsets.pop() if len(offsets) == 1 and any(clocks[1:]) and not has_others else None


def _offset_of(value: Any) -> timedelta | None:
    """The offset from UTC that a DT ends with."""
    return _offset(str(value or "").strip()[-5:])


def _offset(value: Any) -> timedelta | None:
    """+0130 and the like as a time; None of anything else."""
    text = str(value or "").strip()
    if not re.fullmatch(r"[+-]\d{4}", text):
        return None
    size = timedelta(hours=int(text[1:3]), minutes=int(text[3:]))
    return -size if text.startswith("-") else size


def _moment(value: Any, zone: timedelta | None) -> datetime | None:
    """A DT with a day and a time on the object's clocks, which are ahead of UTC by `zone`.

    None if it has an offset and the clocks' is not known.
    """
    moment, own = _wall_clock(value), _offset_of(value)
    if moment is None or own is None:
        return moment
    return moment - own + zone if zone is not None else None


def _wall_clock(value: Any) -> datetime | None:
    """A DT with a day and a time, without its offset."""
    text = str(value or "").strip().partition("+")[0].partition("-")[0]
    try:
        day = datetime.strptime(text[:8], "%Y%m%d")
    except ValueError:
        return None
    time = _time(text[8:])
    return day + time if time is not None else None


def _time_of_day(moment: datetime | None) -> timedelta | None:
    return moment - moment.replace(hour=0, minute=0, second=0, microsecond=0) if moment else None


def _time(value: Any) -> timedelta | None:
    """A TM as the time since midnight."""
    whole, _, fraction = str(value or "").replace(":", "").strip().partition(".")
    if not (whole.isdecimal() and len(whole) in (2, 4, 6) and (not fraction or fraction.isdecimal())):
        return None
    hours, minutes, seconds = int(whole[:2]), int(whole[2:4] or 0), int(whole[4:6] or 0)
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    return timedelta(hours=hours, minutes=minutes, seconds=seconds + float(f"0.{fraction or 0}"))
