"""A PET series becomes SUV by what its headers say."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from site_node.images.series import load_series
from site_node.sources.dicom.faults import DicomFault, Fault
from tests.lib.dicom_files import Change, stored, write_series

F18_S = 6586.2
PER_BQML = 70_000 / (370e6 * 2 ** (-3600 / F18_S))


def activity(dataset: Dataset) -> None:
    """70 kg, 370 MBq injected at 10:00, scanned from 11:00 on, in Bq/mL."""
    injected = Dataset()
    injected.RadionuclideTotalDose, injected.RadionuclideHalfLife = "370000000", str(F18_S)
    injected.RadiopharmaceuticalStartTime = "100000.00"
    dataset.RadiopharmaceuticalInformationSequence = [injected]
    dataset.Units, dataset.DecayCorrection = "BQML", "START"
    dataset.PatientWeight, dataset.PatientSize, dataset.PatientSex = "70", "1.75", "M"
    dataset.SeriesTime, dataset.AcquisitionDate, dataset.AcquisitionTime = "110000", "20240305", "110000"


def after(change: Change) -> Change:
    def changed(z: int, dataset: Dataset) -> None:
        activity(dataset)
        change(z, dataset)

    return changed


def loaded(folder: Path, change: Change) -> np.ndarray:
    return load_series(write_series(folder, "PT", change=after(change))).array


def test_activity_becomes_suv(tmp_path: Path) -> None:
    np.testing.assert_allclose(loaded(tmp_path, lambda z, d: None), stored() * 0.5 * PER_BQML, rtol=1e-12)


@pytest.mark.parametrize(
    ("code", "half_life_s", "has_suv"),
    [
        ("77004003", "6588", True),
        ("C-111A1", "6586.2", True),
        ("77004003", "4062.6", False),
        ("C-131A3", "6586.2", False),
        ("35337001", "4080", True),
        ("126601", "6586.2", True),
        ("", "6586.2", True),
    ],
)
def test_a_half_life_is_that_of_the_nuclide(
    tmp_path: Path, code: str, half_life_s: str, has_suv: bool
) -> None:
    """Fluorine 18 with the half-life of gallium 68 would be a fifth too much within half an hour."""

    def changed(z: int, dataset: Dataset) -> None:
        injected = dataset.RadiopharmaceuticalInformationSequence[0]
        injected.RadionuclideHalfLife = half_life_s
        nuclide = Dataset()
        nuclide.CodeValue = code
        injected.RadionuclideCodeSequence = [nuclide]

    if has_suv:
        assert loaded(tmp_path, changed).any()
        return
    with pytest.raises(DicomFault) as caught:
        loaded(tmp_path, changed)
    assert caught.value.fault is Fault.PET_DOSE


@pytest.mark.parametrize(
    ("keyword", "fault"),
    [("PatientWeight", Fault.PET_BODY), ("RadionuclideTotalDose", Fault.PET_DOSE)],
)
def test_slices_that_tell_two_patients_or_injections_have_no_suv(
    tmp_path: Path, keyword: str, fault: Fault
) -> None:
    def changed(z: int, dataset: Dataset) -> None:
        where = dataset if keyword in dataset else dataset.RadiopharmaceuticalInformationSequence[0]
        setattr(where, keyword, str(float(where[keyword].value) * (1 + (z == 2))))

    with pytest.raises(DicomFault) as caught:
        loaded(tmp_path, changed)
    assert caught.value.fault is fault


def test_an_image_without_attenuation_correction_measures_no_activity(tmp_path: Path) -> None:
    def changed(_: int, dataset: Dataset) -> None:
        dataset.CorrectedImage = ["DECY", "RADL", "DTIM"]

    with pytest.raises(DicomFault) as caught:
        loaded(tmp_path, changed)
    assert caught.value.fault is Fault.PET_ATTENUATION


def test_the_earliest_slice_says_when_the_scan_began(tmp_path: Path) -> None:
    """SeriesTime is 16:00, the time of a reconstruction; the bed moves on every three minutes from 11:00."""

    def reconstructed(z: int, dataset: Dataset) -> None:
        dataset.SeriesTime, dataset.AcquisitionTime = "160000", f"11{3 * z:02d}00"

    np.testing.assert_allclose(loaded(tmp_path, reconstructed), stored() * 0.5 * PER_BQML, rtol=1e-12)


@pytest.mark.parametrize(
    ("group", "creator", "element"), [(0x0009, "GEMS_PETD_01", 0x0D), (0x0071, "SIEMENS MED PT", 0x22)]
)
def test_a_private_attribute_says_when_the_scan_began(
    tmp_path: Path, group: int, creator: str, element: int
) -> None:
    def private(_: int, dataset: Dataset) -> None:
        dataset.SeriesTime, dataset.AcquisitionTime = "160000", "110900"
        block = dataset.private_block(group, creator, create=True)
        block.add_new(element, "DT", "20240305110000.00")

    np.testing.assert_allclose(loaded(tmp_path, private), stored() * 0.5 * PER_BQML, rtol=1e-12)


def test_philips_counts_become_suv(tmp_path: Path) -> None:
    def counts(_: int, dataset: Dataset) -> None:
        dataset.Units = "CNTS"
        dataset.private_block(0x7053, "Philips PET Private Group", create=True).add_new(0x00, "DS", "0.002")

    np.testing.assert_allclose(loaded(tmp_path, counts), stored() * 0.5 * 0.002, rtol=1e-12)


def test_each_uncorrected_frame_decays_on_its_own(tmp_path: Path) -> None:
    def uncorrected(z: int, dataset: Dataset) -> None:
        dataset.DecayCorrection, dataset.ActualFrameDuration = "NONE", "1"  # ms
        dataset.AcquisitionTime = f"11{10 * z:02d}00"

    decayed = 2 ** (600 * np.arange(4) / F18_S)
    expected = stored() * 0.5 * PER_BQML * decayed[:, None, None]
    np.testing.assert_allclose(loaded(tmp_path, uncorrected), expected, rtol=1e-6)


def remove(keyword: str) -> Change:
    return lambda z, dataset: dataset.__delattr__(keyword)


def two_injections(_: int, dataset: Dataset) -> None:
    dataset.RadiopharmaceuticalInformationSequence.append(Dataset())


def counts(_: int, dataset: Dataset) -> None:
    dataset.Units = "CNTS"


@pytest.mark.parametrize(
    ("fault", "change"),
    [
        (Fault.PET_UNIT, counts),
        (Fault.PET_BODY, remove("PatientWeight")),
        (Fault.PET_DOSE, remove("RadiopharmaceuticalInformationSequence")),
        (Fault.PET_DOSE, two_injections),
        (Fault.PET_DECAY, remove("DecayCorrection")),
        (Fault.PET_TIME, remove("AcquisitionTime")),
    ],
)
def test_pet_without_what_suv_needs_is_refused(tmp_path: Path, fault: Fault, change: Change) -> None:
    with pytest.raises(DicomFault) as caught:
        loaded(tmp_path, change)
    assert caught.value.fault is fault
