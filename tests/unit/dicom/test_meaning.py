"""What an image means by its header, or the code of why it is not told: neighbours of the cases."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless

from cdm.etl import Unreadable
from site_node.images.series import load_series
from site_node.sources.dicom import read
from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.regions import read_regions
from tests.lib.dicom_files import (
    ORIGIN,
    SHAPE,
    SPACING_MM,
    Change,
    stored,
    write_enhanced,
    write_seg,
    write_series,
)
from tests.unit.dicom.test_pet import PER_BQML, activity


def fault_of(load: Callable[[], object]) -> Fault:
    with pytest.raises(DicomFault) as caught:
        load()
    return caught.value.fault


def attribute(keyword: str, value: object) -> Change:
    return lambda z, dataset: dataset.__setattr__(keyword, value)


@pytest.mark.parametrize("unit", ["ED", "HU_MOD", "PCT", "US", "Z_EFF"])
def test_a_ct_in_another_unit_is_coded_in_either_form(tmp_path: Path, unit: str) -> None:
    plain = write_series(tmp_path / "plain", change=attribute("RescaleType", unit))

    def enhanced(dataset: Dataset) -> None:
        dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0].RescaleType = unit

    assert fault_of(lambda: load_series(plain)) is Fault.OTHER_UNIT
    path = write_enhanced(tmp_path / "e.dcm", change=enhanced)
    assert fault_of(lambda: load_series([path])) is Fault.OTHER_UNIT


def test_a_modality_table_is_coded_whatever_the_modality(tmp_path: Path) -> None:
    paths = write_series(tmp_path, "MR", change=attribute("ModalityLUTSequence", [Dataset()]))
    assert fault_of(lambda: load_series(paths)) is Fault.MODALITY_LUT


@pytest.mark.parametrize(
    "change",
    [
        attribute("HighBit", 11),  # of 16 stored bits
        attribute("PhotometricInterpretation", "PALETTE COLOR"),
        attribute("PhotometricInterpretation", "YBR_FULL"),
    ],
)
@pytest.mark.parametrize("kind", ["CT", "MR"])
def test_entries_of_a_palette_and_high_bits_are_coded_when_read_and_loaded(
    tmp_path: Path, kind: str, change: Change
) -> None:
    paths = write_series(tmp_path / "in", kind, change=change)
    assert fault_of(lambda: load_series(paths)) is Fault.PIXEL_FORM
    (found,) = (one for one in read(tmp_path / "in", tmp_path / "home") if isinstance(one, Unreadable))
    assert found.code == Fault.PIXEL_FORM


def test_a_mosaic_whose_type_does_not_say_so_is_known_by_its_count_of_tiles(tmp_path: Path) -> None:
    def tiles(_: int, dataset: Dataset) -> None:
        dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 27)

    write_series(tmp_path / "in", "MR", values=stored()[:1], change=tiles)
    codes = [one.code for one in read(tmp_path / "in", tmp_path) if isinstance(one, Unreadable)]
    assert codes == [Fault.MOSAIC]


def test_a_slide_is_not_said_to_show_a_name(tmp_path: Path) -> None:
    def slide(_: int, dataset: Dataset) -> None:
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.6"
        dataset.SamplesPerPixel = 3

    write_series(tmp_path / "in", values=stored()[:1], change=slide)
    codes = [one.code for one in read(tmp_path / "in", tmp_path) if isinstance(one, Unreadable)]
    assert codes == [Fault.UNSUPPORTED_OBJECT]


def test_jpeg_ls_of_twelve_signed_bits_keeps_its_sign(tmp_path: Path) -> None:
    """JPEG-LS has no sign in its code stream: the header's counts."""
    values = (stored() - 100).astype(np.int16)

    def twelve(_: int, dataset: Dataset) -> None:
        dataset.BitsStored, dataset.HighBit = 12, 11

    paths = write_series(tmp_path, values=values, change=twelve)
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.compress(JPEGLSLossless, generate_instance_uid=False)
        dataset.save_as(path)
    np.testing.assert_array_equal(load_series(paths).array, values - 1000.0)


def test_slices_of_several_frames_of_reference_are_no_stack(tmp_path: Path) -> None:
    def other(z: int, dataset: Dataset) -> None:
        dataset.FrameOfReferenceUID += f".{z // 2}"

    paths = write_series(tmp_path, change=other)
    assert fault_of(lambda: load_series(paths)) is Fault.MIXED_FRAME


@pytest.mark.parametrize(("off_mm", "fault"), [(0.25, None), (0.7, Fault.IRREGULAR_SPACING)])
def test_a_slice_may_lie_a_tenth_off_an_even_stack(
    tmp_path: Path, off_mm: float, fault: Fault | None
) -> None:
    def moved(z: int, dataset: Dataset) -> None:
        dataset.ImagePositionPatient = [*ORIGIN[:2], ORIGIN[2] + z * SPACING_MM[0] + off_mm * (z == 2)]

    paths = write_series(tmp_path, change=moved)
    if fault:
        assert fault_of(lambda: load_series(paths)) is fault
    else:
        assert load_series(paths).spacing_mm[0] == pytest.approx(SPACING_MM[0])


@pytest.mark.parametrize(
    ("zone", "start", "time", "suv"),
    [
        ("+0200", "20240305080000+0000", None, PER_BQML),
        ("-0500", "20240305150000.00+0000", None, PER_BQML),
        (None, "20240305100000+0100", "100000", PER_BQML),  # one wall clock
        (None, "20240305080000+0000", "100000", PER_BQML),  # the DT may be UTC: the time of day counts
        (None, "20240305080000+0000", None, None),
    ],
)
def test_offsets_from_utc_are_counted_or_the_suv_is_not_known(
    tmp_path: Path, zone: str | None, start: str, time: str | None, suv: float | None
) -> None:
    def injected(_: int, dataset: Dataset) -> None:
        activity(dataset)
        (item,) = dataset.RadiopharmaceuticalInformationSequence
        del item.RadiopharmaceuticalStartTime
        item.RadiopharmaceuticalStartDateTime = start
        if time:
            item.RadiopharmaceuticalStartTime = time
        if zone:
            dataset.TimezoneOffsetFromUTC = zone

    paths = write_series(tmp_path, "PT", change=injected)
    if suv is None:
        assert fault_of(lambda: load_series(paths)) is Fault.PET_TIME
    else:
        np.testing.assert_allclose(load_series(paths).array, stored() * 0.5 * suv, rtol=1e-12)


def test_of_two_mappings_slope_and_unit_of_one_count(tmp_path: Path) -> None:
    def mapping(code: str, slope: float) -> Dataset:
        unit, found = Dataset(), Dataset()
        unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = code, "UCUM", code
        found.MeasurementUnitsCodeSequence = [unit]
        found.RealWorldValueSlope, found.RealWorldValueIntercept = slope, 0.0
        return found

    def pet(dataset: Dataset) -> None:
        both = [mapping("{hounsfield}", 7.0), mapping("g/ml{SUVbw}", 0.25)]
        dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = both
        dataset.Units = "BQML"

    image = load_series([write_enhanced(tmp_path / "e.dcm", "PT", change=pet)])
    np.testing.assert_allclose(image.array, stored() * 0.25)


@pytest.mark.parametrize("padding", [None, 2])
def test_the_background_of_a_label_map_is_that_of_its_padding(tmp_path: Path, padding: int | None) -> None:
    labels = np.ones(SHAPE[1:], dtype=np.uint8)
    labels[2:] = 2
    path = write_seg(tmp_path / "seg", [(1, 0, labels)], kind="LABELMAP")
    if padding is not None:
        dataset = pydicom.dcmread(path)
        dataset.add_new("PixelPaddingValue", "US", padding)
        dataset.save_as(path)
    grid = load_series(write_series(tmp_path / "in")).grid
    assert list(read_regions(path, grid)) == ["segment 1"] + ["segment 2"] * (padding is None)


def test_a_copy_that_was_written_anew_is_the_same_object_and_other_pixels_are_not(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in", "MR")
    copy = pydicom.dcmread(paths[0])
    copy.InstitutionName = "Elsewhere"
    copy.save_as(tmp_path / "in" / "copy.dcm")
    assert [one for one in read(tmp_path / "in", tmp_path) if isinstance(one, Unreadable)] == []
    whole = (tmp_path / "in" / "copy.dcm").read_bytes()
    copy.PixelData = bytes(len(copy.PixelData))
    copy.save_as(tmp_path / "in" / "copy.dcm")
    codes = [one.code for one in read(tmp_path / "in", tmp_path) if isinstance(one, Unreadable)]
    assert codes == [Fault.REPEATED_UID]
    (tmp_path / "in" / "copy.dcm").write_bytes(whole[:-50])
    codes = [one.code for one in read(tmp_path / "in", tmp_path) if isinstance(one, Unreadable)]
    assert codes == [Fault.REPEATED_UID]
