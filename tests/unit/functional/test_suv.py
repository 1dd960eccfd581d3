"""SUV: every way to it, and every way to refuse it.

The example throughout: 70 kg, 370 MBq of F-18 (half-life 6586.2 s) injected at 10:00, scan at 11:00. By hand:
370e6 * 2^(-3600/6586.2) = 253.317e6 Bq are left, so 1 Bq/mL is 70,000 g / 253.317e6 Bq = 2.76334e-4 SUV.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from site_node.features.functional.suv import (
    Body,
    Clock,
    Injection,
    Missing,
    NoSuvError,
    Pet,
    body_surface_cm2,
    ideal_body_weight_kg,
    lean_body_mass_kg,
    mean_activity_s,
    remaining,
    suv_factor,
)

F18_S = 6586.2
TEN, ELEVEN = datetime(2024, 3, 5, 10), datetime(2024, 3, 5, 11)
MAN, WOMAN = Body(70.0, 175.0, "M"), Body(70.0, 175.0, "F")
INJECTION = Injection(370e6, F18_S, at=TEN)
PET = Pet(
    units="BQML",
    decay_correction="START",
    body=MAN,
    injection=INJECTION,
    clock=Clock(series=ELEVEN, earliest_acquisition=ELEVEN),
)
EXPECTED = 70_000 / (370e6 * 2 ** (-3600 / F18_S))


def of(**changes: object) -> float:
    return suv_factor(replace(PET, **changes))  # type: ignore[arg-type]


def refusal(**changes: object) -> Missing:
    with pytest.raises(NoSuvError) as caught:
        of(**changes)
    return caught.value.missing


def clock(**times: object) -> Clock:
    return replace(PET.clock, **times)  # type: ignore[arg-type]


def injection(**changes: object) -> Injection:
    return replace(INJECTION, **changes)  # type: ignore[arg-type]


def test_decay_to_the_start_of_the_series() -> None:
    assert of() == pytest.approx(EXPECTED, rel=1e-12)
    assert of() == pytest.approx(2.76334e-4, rel=1e-5)


def test_what_a_scanner_tells_twice_is_read_where_it_agrees() -> None:
    told = injection(time_of_day=timedelta(hours=10, seconds=23))
    assert of(injection=told, corrected=("NORM", "ATTN", "SCAT", "DECY")) == pytest.approx(
        EXPECTED, rel=1e-12
    )
    assert of(injection=injection(activity=10.0, is_enhanced=True)) == pytest.approx(37 * EXPECTED, rel=1e-12)


def test_corrected_to_the_administration_needs_no_time() -> None:
    pet = {"decay_correction": "ADMIN", "injection": Injection(370e6), "clock": Clock()}
    assert of(**pet) == pytest.approx(70_000 / 370e6)


def test_uncorrected_frames_hold_the_activity_of_their_own_mean_time() -> None:
    frame = Clock(frame_acquisition=ELEVEN, frame_duration_s=1800.0)
    mean_s = mean_activity_s(1800.0, F18_S)
    expected = 70_000 / (370e6 * 2 ** (-(3600 + mean_s) / F18_S))
    assert of(decay_correction="NONE", clock=frame) == pytest.approx(expected, rel=1e-12)


def test_the_mean_activity_of_a_frame_is_that_at_its_mean_time() -> None:
    """The mean of 2^(-t/T) over [0, d], integrated with 100,000 steps."""
    steps = 100_000
    for duration in (60.0, 1800.0, 7200.0):
        mean = sum(remaining((i + 0.5) * duration / steps, F18_S) for i in range(steps)) / steps
        assert remaining(mean_activity_s(duration, F18_S), F18_S) == pytest.approx(mean, rel=1e-9)
    assert mean_activity_s(1e-4, F18_S) == pytest.approx(5e-5)


def test_suv_by_lean_mass_and_surface_change_the_measure_alone() -> None:
    """By hand, as below: Janmahasatian's lean mass 55.857 kg, Du Bois' surface 18,481 cm2."""
    assert suv_factor(PET, "lean body mass") == pytest.approx(EXPECTED * 55.857 / 70, rel=1e-4)
    assert suv_factor(PET, "body surface area") == pytest.approx(EXPECTED * 18_481 / 70_000, rel=1e-4)
    counts = replace(PET, units="CNTS", philips_suv_per_count=0.001)
    assert suv_factor(counts, "lean body mass") == pytest.approx(0.001 * 55.857 / 70, rel=1e-4)
    already = replace(PET, units="GML", suv_type="LBMJANMA")
    assert suv_factor(already, "lean body mass") == pytest.approx(1)
    for unknown in (Body(70.0), Body(70.0, 175.0), Body(70.0, sex="M")):
        with pytest.raises(NoSuvError, match="height or sex"):
            suv_factor(replace(PET, body=unknown), "lean body mass")


@pytest.mark.parametrize("told", ["series", "scan_start", "frame", "acquisition"])
def test_a_series_time_after_the_images_is_the_time_of_a_reconstruction(told: str) -> None:
    """11:00 is found by GE's and Siemens' private attribute, by the frame's reference time, or its start."""
    later = clock(series=ELEVEN + timedelta(hours=5))
    mean_s = mean_activity_s(120.0, F18_S)
    clocks = {
        "series": clock(),
        "scan_start": replace(later, scan_start=ELEVEN, earliest_acquisition=ELEVEN + timedelta(minutes=9)),
        "frame": replace(
            later,
            frame_acquisition=ELEVEN + timedelta(seconds=600),
            frame_duration_s=120.0,
            frame_reference_s=600 + mean_s,
        ),
        "acquisition": later,
    }
    assert of(clock=clocks[told]) == pytest.approx(EXPECTED, rel=1e-9)


def test_an_enhanced_object_says_to_when_it_is_corrected() -> None:
    assert of(clock=Clock(corrected_to=ELEVEN)) == pytest.approx(EXPECTED)


def test_a_scan_may_cross_midnight() -> None:
    half_past_midnight = datetime(2024, 3, 6, 0, 30)
    late = injection(at=None, time_of_day=timedelta(hours=23, minutes=30))
    after = clock(series=half_past_midnight, earliest_acquisition=half_past_midnight)
    assert of(injection=late, clock=after) == pytest.approx(EXPECTED)
    with_day = injection(at=datetime(2024, 3, 5, 23, 30))
    assert of(injection=with_day, clock=after) == pytest.approx(EXPECTED)


def test_an_activity_in_mbq_is_known_by_its_size() -> None:
    assert of(injection=injection(activity=370.0)) == pytest.approx(EXPECTED)


def test_counts_become_suv_by_philips_factors_alone() -> None:
    assert of(units="CNTS", philips_suv_per_count=0.001) == 0.001
    assert of(units="CNTS", philips_bqml_per_count=2.0) == pytest.approx(2 * EXPECTED)
    assert refusal(units="CNTS") is Missing.UNIT
    assert refusal(units="CNTS", philips_suv_per_count=-1.0) is Missing.UNIT


def test_suv_by_another_mass_comes_back_to_body_weight() -> None:
    """Masses of the man by hand: Morgan 1.1*70 - 120*(0.4)^2 = 57.8; James, with 128, 56.52;
    Janmahasatian, index 22.857:
    9270*70/(6680+216*22.857) = 55.857; ideal 48+1.06*23 = 72.38; surface 18,481 cm2."""
    assert of(units="GML") == 1.0
    assert of(units="GML", suv_type="BW") == 1.0
    assert of(units="GML", suv_type="LBM") == pytest.approx(70 / 57.8)
    assert of(units="GML", suv_type="LBMJAMES128") == pytest.approx(70 / 56.52)
    assert of(units="GML", suv_type="LBMJANMA") == pytest.approx(70 / 55.857, rel=1e-4)
    assert of(units="GML", suv_type="IBW") == pytest.approx(70 / 72.38)
    assert of(units="CM2ML") == pytest.approx(70_000 / 18_481, rel=1e-4)
    assert of(units="CM2ML", suv_type="BSA") == of(units="CM2ML")
    assert refusal(units="GML", suv_type="BSA") is Missing.UNIT


def test_women_have_their_own_constants() -> None:
    assert lean_body_mass_kg(WOMAN, "james") == pytest.approx(1.07 * 70 - 148 * 0.16)
    assert lean_body_mass_kg(WOMAN) == pytest.approx(9270 * 70 / (8780 + 244 * 70 / 1.75**2))
    assert ideal_body_weight_kg(WOMAN) == pytest.approx(45.5 + 0.91 * 23)
    assert body_surface_cm2(WOMAN) == body_surface_cm2(MAN)


def test_james_has_a_range() -> None:
    """Beyond 193 kg at 150 cm his parabola falls through zero."""
    with pytest.raises(NoSuvError):
        lean_body_mass_kg(Body(200.0, 150.0, "M"), "james")


REFUSED = [
    (Missing.UNIT, {"units": "PROPCNTS"}),
    (Missing.UNIT, {"units": ""}),
    (Missing.WEIGHT, {"body": Body(None, 175.0, "M")}),
    (Missing.WEIGHT, {"body": Body(0.0)}),
    (Missing.WEIGHT, {"body": Body(70_000.0)}),
    (Missing.WEIGHT, {"body": Body(float("nan"))}),
    (Missing.BODY, {"units": "GML", "suv_type": "LBM", "body": Body(70.0, None, "M")}),
    (Missing.BODY, {"units": "GML", "suv_type": "LBM", "body": Body(70.0, 175.0)}),
    (Missing.BODY, {"units": "CM2ML", "body": Body(70.0, 1750.0, "M")}),
    (Missing.DOSE, {"injection": injection(activity=None)}),
    (Missing.DOSE, {"injection": injection(activity=0.01)}),
    (Missing.DOSE, {"injection": injection(activity=370e3)}),  # kBq: cannot be told from a small one in Bq
    (Missing.DOSE, {"injection": injection(activity=10.0)}),  # 10 mCi are usual, and 10 MBq a child's
    (Missing.HALF_LIFE, {"injection": injection(half_life_s=None)}),
    (Missing.HALF_LIFE, {"injection": injection(half_life_s=0.0)}),
    (Missing.INJECTION_TIME, {"injection": injection(at=None)}),
    (Missing.INJECTION_TIME, {"injection": injection(at=ELEVEN + timedelta(hours=1))}),
    (Missing.INJECTION_TIME, {"injection": injection(at=TEN - timedelta(days=3650))}),  # one date moved alone
    # Zr-89: the scan may be days after the injection, and a time of day does not say how many
    (
        Missing.INJECTION_TIME,
        {"injection": injection(at=None, time_of_day=timedelta(hours=10), half_life_s=282_240.0)},
    ),
    (Missing.INJECTION_TIME, {"injection": injection(time_of_day=timedelta(hours=9))}),  # of `at` it is ten
    (Missing.ATTENUATION_CORRECTION, {"corrected": ("DECY", "SCAT")}),
    (Missing.ATTENUATION_CORRECTION, {"corrected": ("DECY",), "units": "GML"}),
    (Missing.DECAY_CORRECTION, {"corrected": ("ATTN", "SCAT")}),
    (Missing.DECAY_CORRECTION, {"corrected": ("ATTN", "DECY"), "decay_correction": "NONE"}),
    (Missing.DECAY_CORRECTION, {"decay_correction": ""}),
    (Missing.SCAN_TIME, {"clock": Clock()}),
    (Missing.SCAN_TIME, {"decay_correction": "NONE"}),
    (Missing.SCAN_TIME, {"decay_correction": "NONE", "clock": Clock(frame_acquisition=ELEVEN)}),
]


@pytest.mark.parametrize(
    ("missing", "changes"), REFUSED, ids=[f"{m.name}-{i}" for i, (m, _) in enumerate(REFUSED)]
)
def test_what_cannot_be_known_is_refused(missing: Missing, changes: dict[str, object]) -> None:
    assert refusal(**changes) is missing
