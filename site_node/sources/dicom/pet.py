"""What a PET object's header says that its SUV depends on: the patient, the injection and the clocks."""

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
from site_node.sources.dicom.frames import frame_count, is_enhanced, number, value_of

# Private attributes by group, creator and element
PHILIPS_SUV = (0x7053, "Philips PET Private Group", 0x00)
PHILIPS_BQML = (0x7053, "Philips PET Private Group", 0x09)
SCAN_START = ((0x0009, "GEMS_PETD_01", 0x0D), (0x0071, "SIEMENS MED PT", 0x22))
UCUM_UNITS = {"Bq/ml": "BQML", "BQML": "BQML", "g/ml": "GML", "g/ml{SUVbw}": "GML", "{counts}": "CNTS"}
FAULTS = {
    Missing.UNIT: Fault.PET_UNIT,
    Missing.WEIGHT: Fault.PET_BODY,
    Missing.BODY: Fault.PET_BODY,
    Missing.DOSE: Fault.PET_DOSE,
    Missing.HALF_LIFE: Fault.PET_DOSE,
    Missing.INJECTION_TIME: Fault.PET_TIME,
    Missing.SCAN_TIME: Fault.PET_TIME,
    Missing.DECAY_CORRECTION: Fault.PET_DECAY,
}


def suv_factors(datasets: Sequence[pydicom.Dataset], kind: Kind = "body weight") -> list[list[float]]:
    """What the rescaled values of each frame of each object of a series are multiplied by to be SUV.

    Raises:
        DicomFault: a frame's SUV cannot be known; the code says what is missing.
    """
    moments = [acquired(dataset, frame) for dataset in datasets for frame in range(frame_count(dataset))]
    earliest = min((moment for moment in moments if moment), default=None)
    try:
        return [
            [suv_factor(_pet(dataset, frame, earliest), kind) for frame in range(frame_count(dataset))]
            for dataset in datasets
        ]
    except NoSuvError as error:
        raise DicomFault(FAULTS[error.missing]) from None


def _pet(dataset: pydicom.Dataset, frame: int, earliest: datetime | None) -> Pet:
    def told(keyword: str) -> Any:
        return value_of(dataset, keyword, frame)

    sex = str(told("PatientSex") or "").strip().upper()
    sexes: dict[str, Sex] = {"M": "M", "F": "F"}
    height_m = number(told("PatientSize"))
    return Pet(
        units=_units(dataset, frame),
        suv_type=str(told("SUVType") or "").strip(),
        decay_correction=_decay_correction(dataset, frame),
        body=Body(number(told("PatientWeight")), height_m * 100 if height_m else None, sexes.get(sex)),
        injection=_injection(told("RadiopharmaceuticalInformationSequence")),
        clock=_clock(dataset, frame, earliest),
        philips_suv_per_count=number(private(dataset, *PHILIPS_SUV)),
        philips_bqml_per_count=number(private(dataset, *PHILIPS_BQML)),
    )


def _units(dataset: pydicom.Dataset, frame: int) -> str:
    """Units (0054,1001); of an enhanced object, the unit of its real world values."""
    if units := str(value_of(dataset, "Units", frame) or "").strip():
        return units
    mapping = real_world_mapping(dataset, frame)
    codes = mapping.get("MeasurementUnitsCodeSequence") if mapping else None
    return UCUM_UNITS.get(str(codes[0].get("CodeValue")), "") if codes else ""


def real_world_mapping(dataset: pydicom.Dataset, frame: int) -> pydicom.Dataset | None:
    """The real world value mapping of a frame of an enhanced object, if it has just one."""
    for groups, index in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        items = dataset.get(groups) or []
        found = items[index].get("RealWorldValueMappingSequence") if index < len(items) else None
        if found and len(found) == 1 and "RealWorldValueSlope" in found[0]:
            return found[0]
    return None


def _decay_correction(dataset: pydicom.Dataset, frame: int) -> str:
    """DecayCorrection (0054,1102); an enhanced object says DecayCorrected, to DecayCorrectionDateTime."""
    if told := str(value_of(dataset, "DecayCorrection", frame) or "").strip():
        return told
    corrected = str(dataset.get("DecayCorrected") or "").strip()
    if corrected == "YES" and dataset.get("DecayCorrectionDateTime"):
        return "START"
    return "NONE" if corrected == "NO" and is_enhanced(dataset) else ""


def _injection(sequence: Any) -> Injection:
    if not sequence or len(sequence) != 1:  # two injections: the values are of neither alone
        return Injection()
    injected = sequence[0]
    return Injection(
        activity=number(injected.get("RadionuclideTotalDose")),
        half_life_s=number(injected.get("RadionuclideHalfLife")),
        at=_moment(injected.get("RadiopharmaceuticalStartDateTime")),
        time_of_day=_time(injected.get("RadiopharmaceuticalStartTime")),
    )


def _clock(dataset: pydicom.Dataset, frame: int, earliest: datetime | None) -> Clock:
    reference_ms = number(value_of(dataset, "FrameReferenceTime", frame))
    duration_ms = number(value_of(dataset, "ActualFrameDuration", frame))
    starts = [_moment(private(dataset, *where)) for where in SCAN_START]
    return Clock(
        series=_day_and_time(dataset, "Series"),
        earliest_acquisition=earliest,
        scan_start=next((start for start in starts if start), None),
        corrected_to=_moment(dataset.get("DecayCorrectionDateTime")),
        frame_acquisition=acquired(dataset, frame),
        frame_reference_s=reference_ms / 1000 if reference_ms is not None else None,
        frame_duration_s=duration_ms / 1000 if duration_ms is not None else None,
    )


def acquired(dataset: pydicom.Dataset, frame: int) -> datetime | None:
    """When a frame was acquired, as far as the object tells."""
    moment = _moment(value_of(dataset, "AcquisitionDateTime", frame))
    return (
        moment or _day_and_time(dataset, "Acquisition")
        if is_enhanced(dataset)
        else (_day_and_time(dataset, "Acquisition") or moment)
    )


def _day_and_time(dataset: pydicom.Dataset, which: str) -> datetime | None:
    day = str(dataset.get(f"{which}Date") or "").replace(".", "").strip()
    time = str(dataset.get(f"{which}Time") or "").replace(":", "").strip()
    return _moment(day + time) if day and time else None


def _moment(value: Any) -> datetime | None:
    """A DT with a day and a time; its offset is left out, since all clocks of one object have the same."""
    text = str(value or "").strip().partition("+")[0].partition("-")[0]
    try:
        day = datetime.strptime(text[:8], "%Y%m%d")
    except ValueError:
        return None
    time = _time(text[8:])
    return day + time if time is not None else None


def _time(value: Any) -> timedelta | None:
    """A TM as the time since midnight."""
    whole, _, fraction = str(value or "").replace(":", "").strip().partition(".")
    if not (whole.isdecimal() and len(whole) in (2, 4, 6) and (not fraction or fraction.isdecimal())):
        return None
    hours, minutes, seconds = int(whole[:2]), int(whole[2:4] or 0), int(whole[4:6] or 0)
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    return timedelta(hours=hours, minutes=minutes, seconds=seconds + float(f"0.{fraction or 0}"))


def private(dataset: pydicom.Dataset, group: int, creator: str, element: int) -> Any:
    """The value of a private attribute; None where the object does not have it."""
    try:
        return dataset.private_block(group, creator)[element].value
    except KeyError:
        return None
