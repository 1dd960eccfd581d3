"""Functional imaging against the OSIPI reference objects, and SUV against its formula."""

import csv
import sys
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from site_node.features.radiomics.functional.dynamic import extended_tofts, fit_extended_tofts, parker_input
from site_node.features.radiomics.functional.relaxation import (
    adc,
    concentration,
    r1_from_flip_angles,
    r2_star,
)
from site_node.features.radiomics.functional.susceptibility import (
    absolute_blood_volume,
    blood_volume,
    delta_r2_star,
)
from site_node.features.radiomics.functional.suv import Acquisition, Refusal, SuvError, suv_factor
from tests.lib.shared import shared


def rows(name: str) -> list[dict[str, str]]:
    csv.field_size_limit(sys.maxsize)
    with shared(f"data/imaging/perfusion/{name}").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def numbers(cell: str) -> NDArray[np.float64]:
    return np.array(cell.split(), dtype=np.float64)


def test_extended_tofts_finds_the_reference_kinetics() -> None:
    for row in rows("dce_DRO_data_extended_tofts.csv"):
        found = fit_extended_tofts(numbers(row["t"]) / 60, numbers(row["ca"]), numbers(row["C"])[:, None])
        # 3 % where there is no noise to speak of matters, 15 % at the noisiest (SNR 20): OSIPI allows 10 to
        # 30 %
        assert found.ktrans[0] == pytest.approx(float(row["Ktrans"]), rel=0.03)
        assert found.ve[0] == pytest.approx(float(row["ve"]), rel=0.03)
        assert found.vp[0] == pytest.approx(float(row["vp"]), rel=0.15)


def test_extended_tofts_without_return_is_patlaks_model() -> None:
    """With ve without bound nothing flows back (kep 0): what is left is OSIPI's noise, sd 0.02."""
    for row in rows("patlak_sd_0.02_delay_0.csv"):
        time_min, plasma, tissue = numbers(row["t"]) / 60, numbers(row["cp_aif"]), numbers(row["C_t"])
        left = tissue - extended_tofts(time_min, plasma, float(row["ps"]), 1e9, float(row["vp"]))
        assert left.std() == pytest.approx(0.02, rel=0.1)
        assert left.mean() == pytest.approx(0, abs=4 * 0.02 / np.sqrt(left.size))


def test_the_arterial_input_is_parkers() -> None:
    table = rows("ParkerAIF_ref.csv")
    time, expected = (np.array([float(row[name]) for row in table]) for name in ("time", "Cb"))
    delay = np.array([float(row["delay"] or 0) for row in table])
    undelayed = delay == 0
    np.testing.assert_allclose(parker_input(time[undelayed]), expected[undelayed], atol=1e-12)


def test_t1_is_found_from_flip_angles() -> None:
    for row in rows("t1_quiba_data.csv"):
        flips, tr_s = np.deg2rad(numbers(row["FA"])), numbers(row["TR"])[0]
        found = r1_from_flip_angles(numbers(row["s"])[:, None], flips, tr_s)[0]
        assert found / 1000 == pytest.approx(
            float(row["R1"]), rel=0.05
        )  # OSIPI's tolerance; R1 there is per ms


def test_contrast_agent_is_found_from_signal() -> None:
    for row in rows("SI2Conc_data.csv"):
        before = slice(1, int(row["numbaselinepts"]))  # the reference leaves the first image out
        t1_s, flip = np.array([float(row["T1base"])]), np.deg2rad(float(row["FA"]))
        signal = numbers(row["s"])[:, None]
        found = concentration(signal, t1_s, flip, float(row["TR"]), float(row["r1"]), before)
        np.testing.assert_allclose(found[:, 0], numbers(row["conc"]), atol=1e-9)


def test_blood_volume_is_the_ratio_of_areas() -> None:
    for row in rows("dsc_data.csv"):
        tissue, artery = numbers(row["C_tis"]), numbers(row["C_aif"])
        time_s = np.arange(tissue.size) * float(row["tr"])
        found = 100 * absolute_blood_volume(time_s, tissue[:, None], artery)[0]
        # 0.2 is what is met: -4 to +19 %, more with more flow. Why is not verified; one image in 1.2 s is
        # coarse for the artery's bolus, and OSIPI's own tolerance was not at hand
        assert found == pytest.approx(float(row["cbv"]), rel=0.2)


def test_leakage_correction_gives_back_what_leaked() -> None:
    time_s = np.arange(0, 90, 1.5)
    healthy = np.where(time_s > 15, (time_s - 15) ** 2 * np.exp(-(time_s - 15) / 4), 0.0)
    accumulated = np.concatenate([[0], np.cumsum((healthy[1:] + healthy[:-1]) / 2 * 1.5)])
    leaks = np.array([0.0, 0.005, -0.003])
    change = 1.7 * healthy[:, None] - leaks * accumulated[:, None]
    found = blood_volume(time_s, change, healthy)
    np.testing.assert_allclose(found.leakage, leaks, atol=1e-12)
    np.testing.assert_allclose(found.corrected, found.corrected[0], rtol=1e-9)
    assert found.uncorrected[1] < found.corrected[1] < found.uncorrected[2]


def test_decays_are_found_and_missing_signal_is_missing() -> None:
    b = np.array([0.0, 100, 500, 1000])
    signal = 900 * np.exp(-b[:, None] * np.array([0.7e-3, 1.1e-3, 3e-3]))
    np.testing.assert_allclose(adc(signal, b), [0.7e-3, 1.1e-3, 3e-3], rtol=1e-9)
    signal[1:, 1] = 0
    signal[:, 2] = np.nan
    assert np.isnan(adc(signal, b)[1:]).all()
    echoes = np.array([0.005, 0.010, 0.020])
    assert r2_star(500 * np.exp(-30 * echoes[:, None]), echoes)[0] == pytest.approx(30)
    assert delta_r2_star(np.array([[100.0], [100], [50]]), 0.03, 2)[2, 0] == pytest.approx(np.log(2) / 0.03)


INJECTED = datetime(2020, 3, 1, 23, 30)
SCAN = Acquisition(
    units="BQML",
    decay_correction="START",
    injected_at=INJECTED,
    scan_start=INJECTED + timedelta(seconds=6586.2),  # one half-life of F-18, past midnight
    dose_bq=370e6,
    half_life_s=6586.2,
    weight_kg=70,
    height_m=1.75,
    sex="M",
)


def test_suv_is_activity_by_weight_over_decayed_dose() -> None:
    assert suv_factor(SCAN) == pytest.approx(70_000 / (370e6 / 2))
    assert suv_factor(replace(SCAN, decay_correction="ADMIN")) == pytest.approx(70_000 / 370e6)
    assert suv_factor(replace(SCAN, dose_bq=370.0)) == pytest.approx(suv_factor(SCAN))  # MBq in old files


def test_suv_by_lean_mass_and_surface_change_the_measure_only() -> None:
    bmi = 70 / 1.75**2
    lean_g = 9270 * 70 / (6680 + 216 * bmi) * 1000  # Janmahasatian et al. 2005
    assert suv_factor(SCAN, "lean body mass") / suv_factor(SCAN) == pytest.approx(lean_g / 70_000)
    surface_cm2 = 71.84 * 70**0.425 * 175**0.725  # Du Bois 1916
    assert suv_factor(SCAN, "body surface area") / suv_factor(SCAN) == pytest.approx(surface_cm2 / 70_000)


def test_suv_by_vendor_units() -> None:
    assert suv_factor(Acquisition(units="GML")) == 1
    assert suv_factor(replace(SCAN, units="GML"), "lean body mass") < 1
    assert suv_factor(replace(SCAN, units="CNTS", philips_suv_factor=0.0003)) == 0.0003
    counts = replace(SCAN, units="CNTS", philips_activity_factor=2.0)
    assert suv_factor(counts) == pytest.approx(2 * suv_factor(SCAN))


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"units": None}, Refusal.UNIT),
        ({"units": "CNTS"}, Refusal.UNIT),
        ({"units": "GML", "suv_type": "LBM"}, Refusal.SUV_TYPE),
        ({"dose_bq": None}, Refusal.DOSE),
        ({"half_life_s": 0.0}, Refusal.HALF_LIFE),
        ({"weight_kg": None}, Refusal.WEIGHT),
        ({"injected_at": None}, Refusal.TIME),
        ({"scan_start": INJECTED - timedelta(hours=1)}, Refusal.TIME),
        ({"scan_start": INJECTED + timedelta(days=2)}, Refusal.TIME),
        ({"decay_correction": "NONE"}, Refusal.DECAY),
    ],
)
def test_suv_is_refused_where_the_header_leaves_it_open(change: dict[str, object], refusal: Refusal) -> None:
    with pytest.raises(SuvError) as error:
        suv_factor(replace(SCAN, **change))  # type: ignore[arg-type]
    assert error.value.refusal is refusal
    if change == {"weight_kg": None}:
        with pytest.raises(SuvError):
            suv_factor(replace(SCAN, sex=None), "lean body mass")
