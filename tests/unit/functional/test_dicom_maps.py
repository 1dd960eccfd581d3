"""Maps from DICOM series of many volumes, whose values are known because the series was made of them."""

import io
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from scipy.signal import fftconvolve

from server.main import run
from site_node.features.functional.dynamic import parker_input
from site_node.features.functional.maps import Lack
from site_node.features.functional.relaxation import spoiled_gradient_echo
from site_node.features.functional.settings import Kinetics
from site_node.features.radiomics import Settings
from site_node.images.functional_maps import load_volumes, open_scan
from site_node.sources.dicom.deidentify import Deidentifier
from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.volumes import b_value
from tests.lib.dicom_files import (
    ORIGIN,
    SERIES,
    SHAPE,
    SPACING_MM,
    new_object,
    stored,
    write_enhanced,
    write_rtstruct,
    write_series,
    write_volumes,
)
from tests.lib.map_series import (
    ADC,
    ECHOES_MS,
    EVERYWHERE,
    RNG,
    Change,
    diffusion,
    lack,
    made,
    private,
    standard,
)


@pytest.mark.parametrize(
    "told",
    [
        standard,
        private(0x0043, "GEMS_PARM_01", 0x39, "IS", lambda b: [str(int(b) + 10**9), "8", "0", "0"]),
        private(0x0043, "GEMS_PARM_01", 0x39, "UN", lambda b: f"{int(b)}\\8\\0\\0 ".encode()),
        private(0x0019, "SIEMENS MR HEADER", 0x0C, "IS", lambda b: str(int(b))),
        private(0x2001, "Philips Imaging DD 001", 0x03, "FL", lambda b: b),
        private(0x2001, "Philips Imaging DD 001", 0x03, "UN", lambda b: np.float32(b).tobytes()),
    ],
    ids=["standard", "GE", "GE unknown type", "Siemens", "Philips", "Philips unknown type"],
)
def test_adc_is_found_by_the_b_values_of_every_vendor(tmp_path: Path, told: Change) -> None:
    write_volumes(tmp_path, diffusion(), change=told)
    np.testing.assert_allclose(made(tmp_path, "adc"), ADC, rtol=1e-3)


@pytest.mark.parametrize(
    ("group", "creator", "element", "vr", "value"),
    [
        (0x0043, "GEMS_PARM_01", 0x39, "IS", ["1000000800", "8", "0", "0"]),
        (0x0019, "SIEMENS MR HEADER", 0x0C, "IS", "800"),
        (0x2001, "Philips Imaging DD 001", 0x03, "FL", 800.0),
        (0x2001, "Philips Imaging DD 001", 0x03, "UN", b"Zebrafink"),
    ],
)
def test_a_copy_without_identity_keeps_the_b_value(
    group: int, creator: str, element: int, vr: str, value: object
) -> None:
    dataset = new_object("MR", SERIES + ".1")
    dataset.private_block(group, creator, create=True).add_new(element, vr, value)
    copy = Deidentifier(bytes(32)).copy(dataset)
    assert b_value(copy) == (800 if vr != "UN" else None)
    file = io.BytesIO()
    copy.save_as(file, enforce_file_format=True)
    assert b_value(pydicom.dcmread(io.BytesIO(file.getvalue()))) == b_value(copy)


def test_directions_are_joined_and_traces_taken_where_the_scanner_made_them(tmp_path: Path) -> None:
    """Along x, y, z the signal decays by half, once and one and a half of the ADC: their mean is the ADC."""
    shares = (1.0, 0.5, 1.0, 1.5)
    signal = np.stack(
        [1000 * np.exp(-b * s * ADC * 1e-6) for b, s in zip((0, 800, 800, 800), shares, strict=True)]
    )

    def told(v: int, z: int, dataset: Dataset) -> None:
        dataset.DiffusionBValue, dataset.DiffusionDirectionality = (0.0, 800.0)[v > 0], "DIRECTIONAL"

    write_volumes(tmp_path / "directions", signal, change=told)
    np.testing.assert_allclose(made(tmp_path / "directions", "adc"), ADC, rtol=2e-3)

    def traced(v: int, z: int, dataset: Dataset) -> None:
        told(v, z, dataset)
        if v == 2:
            dataset.DiffusionDirectionality = "ISOTROPIC"
        if v == 3:
            dataset.ImageType = ["DERIVED", "PRIMARY", "ADC"]

    write_volumes(tmp_path / "traced", signal, change=traced)
    np.testing.assert_allclose(made(tmp_path / "traced", "adc"), ADC, rtol=2e-3)


def test_the_frames_of_one_enhanced_object_are_its_volumes(tmp_path: Path) -> None:
    """Each frame tells its b-value and whether it was taken in one direction; a trace is among them."""
    taken = [(0.0, "NONE", 1.0), (800.0, "DIRECTIONAL", 0.4), (800.0, "ISOTROPIC", 1.0)]
    signal = np.concatenate([10_000 * np.exp(-b * share * ADC * 1e-6) for b, _, share in taken])
    heights = [ORIGIN[2] + z * SPACING_MM[0] for z in range(SHAPE[0])] * len(taken)

    def told(dataset: Dataset) -> None:
        rescale = dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0]
        rescale.RescaleIntercept = "0"
        for frame, group in enumerate(reversed(dataset.PerFrameFunctionalGroupsSequence)):
            diffusion = Dataset()
            b, diffusion.DiffusionDirectionality, _ = taken[frame // SHAPE[0]]
            diffusion.DiffusionBValue = b
            group.MRDiffusionSequence = [diffusion]

    values = np.rint(signal).astype(np.int16)
    write_enhanced(tmp_path / "dwi.dcm", "MR", values=values, heights_mm=heights, change=told)
    np.testing.assert_allclose(made(tmp_path, "adc"), ADC, rtol=2e-3)


def test_suv_by_lean_mass_and_surface_are_maps_of_a_pet(tmp_path: Path) -> None:
    """A man of 70 kg and 175 cm: lean mass 55.857 kg, surface 18,481 cm2 (by hand in test_suv.py)."""

    def man(z: int, dataset: Dataset) -> None:
        dataset.PatientWeight, dataset.PatientSize, dataset.PatientSex = "70", "1.75", "M"

    files = write_series(tmp_path, "PT", change=man)
    for name, unit, share in (("suv_lbm", "g/mL", 55.857 / 70), ("suv_bsa", "cm2/mL", 18_481 / 70_000)):
        scan = open_scan(files, Settings.model_validate({"map": name}))
        assert scan.unit == unit
        np.testing.assert_allclose(scan.near([EVERYWHERE], Settings()), stored() * 0.5 * share, rtol=1e-4)
    write_series(tmp_path, "PT")
    with pytest.raises(DicomFault) as caught:
        open_scan(files, Settings.model_validate({"map": "suv_lbm"}))
    assert caught.value.fault is Fault.PET_BODY


def test_low_b_values_are_left_out_where_perfusion_counts(tmp_path: Path) -> None:
    signal = diffusion()
    signal[0] *= 1.4  # what flows is there without diffusion weighting alone
    write_volumes(tmp_path, signal, change=standard)
    np.testing.assert_allclose(made(tmp_path, {"map": "adc", "least_b_s_mm2": 50}), ADC, rtol=2e-3)


def real_world(unit: str, slope: float) -> Change:
    def change(v: int, z: int, dataset: Dataset) -> None:
        code, mapping = Dataset(), Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = unit, "UCUM", unit
        mapping.MeasurementUnitsCodeSequence = [code]
        mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = slope, 0.0
        dataset.RealWorldValueMappingSequence = [mapping]
        del dataset.RescaleSlope, dataset.RescaleIntercept

    return change


@pytest.mark.parametrize(("unit", "slope"), [("um2/s", 1.0), ("mm2/s", 1e-6), ("10*-3.mm2/s", 1e-3)])
def test_a_stored_map_is_told_by_its_unit(tmp_path: Path, unit: str, slope: float) -> None:
    values = np.rint(ADC)

    def told(z: int, dataset: Dataset) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = "1", "0"
        real_world(unit, slope)(0, z, dataset)

    write_series(tmp_path, "MR", values=values.astype(np.int16), change=told)
    np.testing.assert_allclose(made(tmp_path, "adc"), values, rtol=1e-6)


def test_a_stored_map_without_a_unit_is_refused_or_takes_the_settings_unit(tmp_path: Path) -> None:
    def told(z: int, dataset: Dataset) -> None:
        dataset.ImageType = ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]

    write_series(tmp_path, "MR", values=np.rint(ADC).astype(np.int16), change=told)
    assert lack(tmp_path, "adc") is Lack.UNIT
    found = made(tmp_path, {"map": "adc", "stored_unit": "um2/s"})
    np.testing.assert_allclose(found, np.rint(ADC))


def test_r2_star_is_found_by_echo_times(tmp_path: Path) -> None:
    rate = RNG.uniform(10, 60, SHAPE)
    signal = np.stack([800 * np.exp(-rate * echo / 1000) for echo in ECHOES_MS])

    def told(v: int, z: int, dataset: Dataset) -> None:
        dataset.EchoTime = ECHOES_MS[v]

    write_volumes(tmp_path, signal, change=told)
    np.testing.assert_allclose(made(tmp_path, "r2_star"), rate, rtol=2e-3)


T1_MS = RNG.uniform(500, 1800, SHAPE)
FLIPS = (3.0, 6.0, 10.0, 15.0, 24.0)


def flip_angles(folder: Path) -> Path:
    flips = np.deg2rad(FLIPS).reshape(-1, 1, 1, 1)
    signal = spoiled_gradient_echo(np.full(SHAPE, 5000.0), 1000 / T1_MS, flips, 0.005)

    def told(v: int, z: int, dataset: Dataset) -> None:
        dataset.FlipAngle, dataset.RepetitionTime = FLIPS[v], 5.0

    return write_volumes(folder, signal, change=told, series_uid=SERIES + ".7")


def test_t1_is_found_by_flip_angles(tmp_path: Path) -> None:
    np.testing.assert_allclose(made(flip_angles(tmp_path), "t1"), T1_MS, rtol=0.01)


TIME_S = np.arange(0, 300, 5.0)
ARRIVAL_S = 32.0
KINETICS = {
    "ktrans": RNG.uniform(0.05, 0.3, SHAPE),
    "ve": RNG.uniform(0.2, 0.5, SHAPE),
    "vp": RNG.uniform(0.02, 0.08, SHAPE),
}


def dynamic_signal(t1_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """A spoiled gradient echo of 15 degrees and 5 ms while an agent of relaxivity 4.5 passes."""
    step_s = 0.1
    fine_min = np.arange(0, 300, step_s) / 60
    plasma = parker_input(fine_min - ARRIVAL_S / 60) / (1 - 0.42)
    ktrans, ve, vp = (KINETICS[name].ravel() for name in ("ktrans", "ve", "vp"))
    washed_out = fftconvolve(plasma[:, None], np.exp(-fine_min[:, None] * ktrans / ve), axes=0)[
        : fine_min.size
    ] * (step_s / 60)
    curves = (vp * plasma[:, None] + ktrans * washed_out)[::50]
    rate = 1000 / t1_ms + 4.5 * curves.reshape(-1, *SHAPE)
    return spoiled_gradient_echo(np.full(SHAPE, 5000.0), rate, np.deg2rad(15.0), 0.005)


def by_acquisition(v: int, z: int, dataset: Dataset) -> None:
    second = int(TIME_S[v])
    dataset.AcquisitionDate, dataset.AcquisitionTime = "20240305", f"10{second // 60:02d}{second % 60:02d}"


def by_trigger(v: int, z: int, dataset: Dataset) -> None:
    dataset.AcquisitionDate, dataset.AcquisitionTime = "20240305", "100000"
    dataset.TriggerTime = str(1000 * TIME_S[v])


def by_position(v: int, z: int, dataset: Dataset) -> None:
    dataset.TemporalPositionIdentifier, dataset.TemporalResolution = v + 1, "5000"


def gradient_echo(clock: Change) -> Change:
    def told(v: int, z: int, dataset: Dataset) -> None:
        dataset.FlipAngle, dataset.RepetitionTime = 15.0, 5.0
        clock(v, z, dataset)

    return told


@pytest.mark.parametrize("clock", [by_acquisition, by_trigger, by_position])
def test_every_clock_tells_the_times(tmp_path: Path, clock: Change) -> None:
    write_volumes(tmp_path, np.ones((5, 2, 3, 4)), change=gradient_echo(clock))
    settings = Kinetics(map="ktrans", t1_ms=1000)
    volumes, _ = load_volumes(sorted(tmp_path.iterdir(), reverse=True), settings)
    np.testing.assert_allclose(volumes.each("time_s"), TIME_S[:5])


@pytest.mark.slow
def test_kinetics_are_found_with_t1_from_flip_angles(tmp_path: Path) -> None:
    flips = flip_angles(tmp_path / "flips")
    write_volumes(tmp_path / "dce", dynamic_signal(T1_MS), change=gradient_echo(by_acquisition))
    for name, limit in {"ktrans": 0.02, "ve": 0.02, "vp": 0.1}.items():
        found = made(tmp_path / "dce", name, flips)
        assert np.median(np.abs(found / KINETICS[name] - 1)) < limit


def test_a_fixed_t1_stands_in_the_settings(tmp_path: Path) -> None:
    write_volumes(tmp_path, dynamic_signal(np.full(SHAPE, 1400.0)), change=gradient_echo(by_trigger))
    assert lack(tmp_path, "ktrans") is Lack.T1
    found = made(tmp_path, {"map": "ktrans", "t1_ms": 1400})
    np.testing.assert_allclose(found, KINETICS["ktrans"], rtol=0.1)


def test_blood_volume_is_relative_to_brain_that_does_not_leak(tmp_path: Path) -> None:
    """Half of the slices hold brain of volume 1; the others 1, 2, 3 times as much, and they leak."""
    time_s = np.arange(0, 120, 1.5)
    since = np.maximum(time_s - 30, 0)
    bolus = since**3 * np.exp(-since / 1.5)
    bolus *= 12 / bolus.max()
    accumulated = np.concatenate([[0], np.cumsum((bolus[1:] + bolus[:-1]) / 2 * 1.5)])
    volume, leakage = np.ones(SHAPE), np.zeros(SHAPE)
    volume[2:] = np.arange(SHAPE[2]) % 3 + 1
    leakage[2:] = 0.02
    change = volume * bolus[:, None, None, None] - leakage * accumulated[:, None, None, None]
    signal = 1000 * np.exp(-0.03 * change) + RNG.normal(0, 1, (time_s.size, *SHAPE))

    def told(v: int, z: int, dataset: Dataset) -> None:
        dataset.EchoTime, dataset.TriggerTime = 30.0, str(1000 * time_s[v])

    write_volumes(tmp_path, signal, change=told)
    np.testing.assert_allclose(made(tmp_path, "rcbv")[2:], volume[2:], rtol=0.03)


def nothing(v: int, z: int, dataset: Dataset) -> None:
    pass


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("adc", Lack.B_VALUES),
        ("r2_star", Lack.ECHO_TIMES),
        ("t1", Lack.FLIP_ANGLES),
        ("ktrans", Lack.TIMES),
        ("rcbv", Lack.TIMES),
        ("suv_lbm", Lack.MODALITY),
    ],
)
def test_what_the_header_does_not_say_is_refused(tmp_path: Path, chosen: str, expected: Lack) -> None:
    write_series(tmp_path, "MR")
    one = {"adc": Lack.B_VALUES, "r2_star": Lack.ECHO_TIMES, "t1": Lack.FLIP_ANGLES}
    assert lack(tmp_path, chosen) is one.get(chosen, expected)
    for path in tmp_path.iterdir():
        path.unlink()
    if chosen != "suv_lbm":
        write_volumes(tmp_path, diffusion(), change=nothing)
        assert lack(tmp_path, chosen) is expected


def test_other_series_than_the_map_needs_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "ct")
    assert lack(tmp_path / "ct", "adc") is Lack.MODALITY
    write_volumes(tmp_path / "still", np.full((8, *SHAPE), 500.0), change=gradient_echo(by_trigger))
    assert lack(tmp_path / "still", {"map": "ktrans", "t1_ms": 1000}) is Lack.BOLUS
    write_volumes(tmp_path / "one", diffusion()[:1], change=standard)
    assert lack(tmp_path / "one", "adc") is Lack.VOLUMES
    write_volumes(tmp_path / "less", diffusion(), change=standard)
    next((tmp_path / "less").glob("3_*")).unlink()
    assert lack(tmp_path / "less", "adc") is Lack.INCOMPLETE
    flips = flip_angles(tmp_path / "flips")
    write_volumes(tmp_path / "wide", diffusion()[:, :, :, :8], change=gradient_echo(by_trigger))
    assert lack(tmp_path / "wide", "ktrans", flips) is Lack.OTHER_GRID

    def tiled(v: int, z: int, dataset: Dataset) -> None:
        standard(v, z, dataset)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]

    write_volumes(tmp_path / "tiles", diffusion(), change=tiled)
    with pytest.raises(DicomFault) as caught:
        made(tmp_path / "tiles", "adc")
    assert caught.value.fault is Fault.MOSAIC


def test_a_b_value_of_no_vendor_is_none() -> None:
    dataset = Dataset()
    dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "UN", b"none")
    assert b_value(dataset) is None


def test_the_command_measures_the_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_volumes(tmp_path / "dwi", diffusion(), change=standard)
    square = [(1.5, 1.5, 1.0), (6.5, 1.5, 1.0), (6.5, 5.5, 1.0), (1.5, 5.5, 1.0)]
    drawn = [[(x, y, z) for x, y, _ in square] for z in (1.0, 2.0)]
    mask = write_rtstruct(tmp_path / "rs.dcm", {"GTV": drawn})
    (tmp_path / "plain.yaml").write_text("families: [intensity]\n")
    words = ["radiomics", str(tmp_path / "dwi"), str(mask)]
    assert run([*words, "--map", "adc", "--config", str(tmp_path / "plain.yaml")], as_json=True) == 0
    rows = {row["tag"]: row for row in json.loads(capsys.readouterr().out)["features"]}
    assert rows["stat_mean"]["value"] == pytest.approx(ADC[1:3, 2:6, 2:7].mean(), rel=1e-3)
    assert (rows["stat_mean"]["image"], rows["stat_mean"]["unit"]) == ("adc", "um2/s")
    assert rows["stat_var"]["unit"] == "(um2/s)²"
    assert run([*words, "--map", "adc", "--picture", str(tmp_path / "p.png")], as_json=True) == 0
    capsys.readouterr()
    assert run([*words, "--map", "ktrans"], as_json=False) == 4
    assert "map-no-times" in capsys.readouterr().err
    assert run(words, as_json=False) == 4
    assert "several volumes" in capsys.readouterr().err
    assert run([*words, "--map", "perfusion"], as_json=False) == 4
    assert "There are: adc" in capsys.readouterr().err
