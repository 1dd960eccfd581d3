"""Functional imaging against OSIPI's reference objects."""

import csv
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from site_node.features.functional.dynamic import extended_tofts, fit_extended_tofts, parker_input
from site_node.features.functional.relaxation import (
    adc,
    concentration,
    r1_from_flip_angles,
    r2_star,
)
from site_node.features.functional.susceptibility import (
    blood_volume,
    delta_r2_star,
)
from tests.lib.shared import shared


def rows(name: str) -> list[dict[str, str]]:
    csv.field_size_limit(sys.maxsize)
    with shared(f"data/imaging/perfusion/{name}").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def numbers(cell: str) -> NDArray[np.float64]:
    return np.array(cell.split(), dtype=np.float64)


def test_extended_tofts_finds_the_reference_kinetics() -> None:
    """The tolerances are OSIPI's (test/DCEmodels/DCEmodels_data.py)."""
    for row in rows("dce_DRO_data_extended_tofts.csv"):
        found = fit_extended_tofts(numbers(row["t"]) / 60, numbers(row["ca"]), numbers(row["C"])[:, None])
        np.testing.assert_allclose(found.ktrans[0], float(row["Ktrans"]), atol=0.005, rtol=0.01)
        np.testing.assert_allclose(found.ve[0], float(row["ve"]), atol=0.05)
        np.testing.assert_allclose(found.vp[0], float(row["vp"]), atol=0.0025)


def test_kinetics_of_any_tissue_are_found_again() -> None:
    """Images every 5 s, the input known every half second; a curve with a missing image has no kinetics."""
    rng = np.random.default_rng(0)
    fine_min = np.arange(0, 6, 0.5 / 60)
    at = np.arange(0, fine_min.size, 10)
    plasma = parker_input(fine_min - 0.5) / 0.58
    truth = np.stack([rng.uniform(*span, 40) for span in ((0.01, 0.5), (0.1, 0.6), (0, 0.1))])
    tissue = np.stack([extended_tofts(fine_min, plasma, *one)[at] for one in truth.T], axis=1)
    tissue[3, 0] = np.nan
    found = np.stack(fit_extended_tofts(fine_min, plasma, tissue, at))
    assert np.isnan(found[:, 0]).all()
    np.testing.assert_allclose(found[:, 1:], truth[:, 1:], rtol=1e-3, atol=1e-5)


def test_fractions_stay_fractions_whatever_the_noise() -> None:
    fine_min = np.arange(0, 6, 5 / 60)
    plasma = parker_input(fine_min - 0.5) / 0.58
    noise = np.random.default_rng(0).normal(0, 1, (fine_min.size, 200))
    found = fit_extended_tofts(fine_min, plasma, noise)
    for fraction in (found.ve, found.vp):
        assert fraction.min() >= 0
        assert fraction.max() <= 1 + 1e-9
    assert found.ktrans.min() >= 0


def test_extended_tofts_without_return_is_patlaks_model() -> None:
    """With ve without bound nothing flows back (kep 0): what is left is OSIPI's noise, sd 0.02."""
    for row in rows("patlak_sd_0.02_delay_0.csv"):
        time_min, plasma, tissue = numbers(row["t"]) / 60, numbers(row["cp_aif"]), numbers(row["C_t"])
        left = tissue - extended_tofts(time_min, plasma, float(row["ps"]), 1e9, float(row["vp"]))
        assert left.std() == pytest.approx(0.02, rel=0.1)
        assert left.mean() == pytest.approx(0, abs=4 * 0.02 / np.sqrt(left.size))


def test_the_arterial_input_is_parkers() -> None:
    table = rows("ParkerAIF_ref.csv")
    time_min, expected = (np.array([float(row[name]) for row in table]) for name in ("time", "Cb"))
    np.testing.assert_allclose(parker_input(time_min), expected, atol=1e-12)


def test_t1_is_found_from_flip_angles() -> None:
    for row in rows("t1_quiba_data.csv"):
        flips, tr_s = np.deg2rad(numbers(row["FA"])), numbers(row["TR"])[0]
        found = r1_from_flip_angles(numbers(row["s"])[:, None], flips, tr_s)[0]
        # OSIPI's tolerance; R1 there is per ms
        assert found / 1000 == pytest.approx(float(row["R1"]), rel=0.05)


def test_contrast_agent_is_found_from_signal() -> None:
    for row in rows("SI2Conc_data.csv"):
        before = slice(1, int(row["numbaselinepts"]))  # the reference leaves the first image out
        t1_s, flip = np.array([float(row["T1base"])]), np.deg2rad(float(row["FA"]))
        signal = numbers(row["s"])[:, None]
        found = concentration(signal, t1_s, flip, float(row["TR"]), float(row["r1"]), before)
        np.testing.assert_allclose(found[:, 0], numbers(row["conc"]), atol=1e-9)


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
