"""Enhanced multi-frames, compressed pixels, pictures of people, and files made to exhaust their reader."""

import io
import resource
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image as Picture
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    RLELossless,
)

from cdm.etl import SourceRecord, Unreadable
from site_node.images.series import load_series
from site_node.sources.dicom import read
from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.jpeg_lossless import decode
from site_node.sources.dicom.parser import MAX_INFLATED
from site_node.sources.dicom.pixels import coded_size, frames
from tests.lib.dicom_files import (
    ORIGIN,
    SHAPE,
    SPACING_MM,
    Change,
    lossless_jpeg,
    new_object,
    stored,
    write_enhanced,
    write_series,
)
from tests.lib.lossless_jpegs import JPEGS, PICTURE

SECONDS, MEGABYTES = 10.0, 512  # RT29: what one file may cost at most


def records(folder: Path) -> list[SourceRecord]:
    return [one for one in read(folder, folder.parent / "home") if isinstance(one, SourceRecord)]


def codes(folder: Path) -> list[str]:
    return [one.code for one in read(folder, folder.parent / "home") if isinstance(one, Unreadable)]


# --- enhanced objects


@pytest.mark.parametrize("kind", ["CT", "MR"])
def test_an_enhanced_object_is_the_stack_of_its_frames(tmp_path: Path, kind: str) -> None:
    path = write_enhanced(tmp_path / "in" / "e.dcm", kind)
    image = load_series([path])
    np.testing.assert_array_equal(image.array, stored().astype(float) - 1000)
    assert (image.spacing_mm, image.origin, image.modality) == (SPACING_MM, ORIGIN, kind)
    series = records(tmp_path / "in")[1].body
    assert series["facts"]["slice_spacing_mm"] == 3.0
    assert series["facts"]["number_of_instances"] == 1
    assert series["facts"]["slice_thickness_mm"] == 3.0


@pytest.mark.parametrize("offset", ["", "+0100", "-0330"])
def test_an_enhanced_pet_becomes_suv_by_its_real_world_values(tmp_path: Path, offset: str) -> None:
    """370 MBq (an enhanced object counts in MBq) injected at 10:00, corrected to 11:00, 70 kg."""

    def pet(dataset: FileDataset) -> None:
        injected, unit, mapping = Dataset(), Dataset(), Dataset()
        injected.RadionuclideTotalDose, injected.RadionuclideHalfLife = "370", "6586.2"
        injected.RadiopharmaceuticalStartDateTime = "20240305100000" + offset
        dataset.RadiopharmaceuticalInformationSequence = [injected]
        dataset.DecayCorrected, dataset.DecayCorrectionDateTime = "YES", "20240305110000" + offset
        dataset.SeriesTime = "113000"
        dataset.PatientWeight = "70"
        unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "Bq/ml", "UCUM", "Bq/ml"
        mapping.MeasurementUnitsCodeSequence = [unit]
        mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 2.0, 0.0
        dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = [mapping]

    image = load_series([write_enhanced(tmp_path / "e.dcm", "PT", change=pet)])
    factor = 70_000 / (370e6 * 2 ** (-3600 / 6586.2))
    np.testing.assert_allclose(image.array, stored() * 2.0 * factor, rtol=1e-12)


def test_a_converted_legacy_pet_tells_its_units_in_a_group_of_its_own(tmp_path: Path) -> None:
    def legacy(dataset: FileDataset) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.128.1"
        converted, shared = Dataset(), dataset.SharedFunctionalGroupsSequence[0]
        converted.Units = "GML"
        shared.UnassignedSharedConvertedAttributesSequence = [converted]
        shared.PixelValueTransformationSequence[0].RescaleIntercept = "0"

    image = load_series([write_enhanced(tmp_path / "e.dcm", "PT", change=legacy)])
    np.testing.assert_array_equal(image.array, stored())


def no_rescale(dataset: FileDataset) -> None:
    del dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence


def no_position(dataset: FileDataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence


def tilted(dataset: FileDataset) -> None:
    for y, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        frame.PlanePositionSequence[0].ImagePositionPatient[1] = -20 + y


def turned(dataset: FileDataset) -> None:
    orientation = Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    dataset.PerFrameFunctionalGroupsSequence[2].PlaneOrientationSequence = [orientation]


@pytest.mark.parametrize(
    ("code", "heights_mm", "change"),
    [
        ("dicom-missing-slice", (30, 33, 39, 42), None),
        ("dicom-irregular-spacing", (30, 33, 37.4, 40), None),
        ("dicom-duplicate-position", (30, 33, 33, 36), None),
        ("dicom-several-volumes", (30, 33, 30, 33), None),
        ("dicom-missing-rescale", (), no_rescale),
        ("dicom-malformed-geometry", (), no_position),
        ("dicom-sheared-stack", (), tilted),
        ("dicom-mixed-orientation", (), turned),
    ],
)
def test_a_faulty_enhanced_object_is_told_by_its_code(
    tmp_path: Path, code: str, heights_mm: tuple[float, ...], change: Callable[[FileDataset], None] | None
) -> None:
    write_enhanced(tmp_path / "in" / "e.dcm", heights_mm=heights_mm, change=change)
    assert codes(tmp_path / "in") == [code]


# --- compressed pixels


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, DeflatedExplicitVRLittleEndian])
def test_compression_without_loss_changes_nothing(tmp_path: Path, syntax: str) -> None:
    plain = load_series(write_series(tmp_path / "plain"))
    paths = write_series(tmp_path / "in")
    for path in paths:
        dataset = pydicom.dcmread(path)
        if syntax == DeflatedExplicitVRLittleEndian:
            dataset.file_meta.TransferSyntaxUID = syntax
        else:
            dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(path)
    np.testing.assert_array_equal(load_series(paths).array, plain.array)
    assert [record.kind for record in records(tmp_path / "in")] == ["DicomStudy", "DicomSeries"]


@pytest.mark.parametrize(("form", "syntax"), [("JPEG2000", JPEG2000Lossless), ("JPEG", JPEGBaseline8Bit)])
def test_jpeg_and_jpeg_2000_are_read(tmp_path: Path, form: str, syntax: str) -> None:
    """Written by Pillow: JPEG 2000 without loss; JPEG baseline with 8 bits, off by 3 grey levels at most."""
    smooth = (np.add.outer(np.arange(16), np.arange(16)) * 8).astype(np.uint8)
    paths = write_series(tmp_path, values=np.stack([smooth] * 3).astype(np.int16), change=coded(form, syntax))
    found = load_series(paths).array + 1000
    np.testing.assert_allclose(found, np.stack([smooth] * 3), atol=0 if form == "JPEG2000" else 3)


def coded(form: str, syntax: str) -> Change:
    def change(_: int, dataset: Dataset) -> None:
        pixels = (
            np.frombuffer(dataset.PixelData, "<i2").reshape(dataset.Rows, dataset.Columns).astype(np.uint8)
        )
        file = io.BytesIO()
        options = {"irreversible": False, "no_jp2": True} if form == "JPEG2000" else {"quality": 100}
        Picture.fromarray(pixels).save(file, format=form, **options)
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation = 7, 0
        dataset.PixelData = encapsulate([file.getvalue()])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax

    return change


@pytest.mark.parametrize("predictor", range(1, 8))
def test_lossless_jpeg_is_what_dcmtk_wrote(tmp_path: Path, predictor: int) -> None:
    found = load_series(write_series(tmp_path, change=lossless_jpeg(predictor))).array + 1000
    np.testing.assert_array_equal(found, np.stack([PICTURE.astype(float)] * SHAPE[0]))


@pytest.mark.parametrize("cut", range(2, len(JPEGS[0]) - 1, 5))
def test_a_lossless_jpeg_that_is_cut_off_is_no_picture(cut: int) -> None:
    with pytest.raises((ValueError, IndexError, KeyError)):
        decode(JPEGS[0][:cut], *PICTURE.shape)


@pytest.mark.parametrize("name", ["MR_small_RLE", "MR_small_jpeg_ls_lossless", "MR_small_jp2klossless"])
def test_signed_sixteen_bits_without_loss(name: str) -> None:
    """The files that pydicom itself is tested by, against the same image without compression."""
    plain, packed = (pydicom.dcmread(get_testdata_file(f"{one}.dcm")) for one in ("MR_small", name))
    np.testing.assert_array_equal(next(frames(packed)), next(frames(plain)))


@pytest.mark.parametrize("name", ["JPEGLSNearLossless_16", "JPEG2000", "693_J2KI"])
def test_compression_with_loss_keeps_size_and_sign(name: str) -> None:
    dataset = pydicom.dcmread(get_testdata_file(f"{name}.dcm"))
    (found,) = frames(dataset)
    assert (found.shape, found.std() > 0) == ((dataset.Rows, dataset.Columns), True)
    assert found.dtype == ("int16" if dataset.PixelRepresentation else "uint16")


@pytest.mark.parametrize("syntax", [HTJ2KLossless, MPEG2MPML, JPEGExtended12Bit])
def test_a_compression_that_nothing_here_decodes_is_told_apart(tmp_path: Path, syntax: str) -> None:
    def twelve_bits(z: int, dataset: Dataset) -> None:
        coded("JPEG", syntax)(z, dataset)
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11

    with pytest.raises(DicomFault) as caught:
        load_series(write_series(tmp_path, change=twelve_bits))
    assert caught.value.fault is Fault.NO_DECODER


# --- pictures of people


def attribute(keyword: str, value: object) -> Change:
    return lambda z, dataset: setattr(dataset, keyword, value)


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("dicom-burned-in", attribute("BurnedInAnnotation", "YES")),
        ("dicom-burned-in", attribute("SamplesPerPixel", 3)),
        ("dicom-secondary-capture", attribute("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7")),
        ("dicom-secondary-capture", attribute("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7.4")),
        ("dicom-secondary-capture", attribute("ConversionType", "WSD")),
        ("dicom-secondary-capture", attribute("ImageType", ["DERIVED", "SECONDARY", "SCREEN SAVE"])),
        ("dicom-ultrasound", attribute("SOPClassUID", "1.2.840.10008.5.1.4.1.1.6.1")),
        ("dicom-ultrasound", attribute("SOPClassUID", "1.2.840.10008.5.1.4.1.1.3.1")),
    ],
)
def test_a_picture_that_may_show_who_it_is_goes_to_quarantine(
    tmp_path: Path, code: str, change: Change
) -> None:
    write_series(tmp_path / "in", change=change)
    assert codes(tmp_path / "in") == [code] * 4
    assert records(tmp_path / "in") == []


@pytest.mark.parametrize("image_type", [["ORIGINAL", "PRIMARY", "AXIAL"], ["DERIVED", "SECONDARY", "MPR"]])
def test_a_reformatted_image_is_no_picture_of_a_screen(tmp_path: Path, image_type: list[str]) -> None:
    write_series(tmp_path / "in", change=attribute("ImageType", image_type))
    assert codes(tmp_path / "in") == []


# --- files made to exhaust their reader


def element(tag: int, vr: bytes, length: int) -> bytes:
    return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, length)


def base() -> bytes:
    file = io.BytesIO()
    new_object("RTSTRUCT", "1.2.3").save_as(file, enforce_file_format=True)
    return file.getvalue()


ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, 10) + struct.pack("<HH2sH2s", 8, 0x104, b"LO", 2, b"ab")
END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
MILLION = 1_000_000
BOMBS: dict[str, Callable[[], bytes]] = {
    "a million elements": lambda: (
        base()
        + b"".join(
            struct.pack("<HH2sH2s", 0x111 + 2 * (i >> 16), i & 0xFFFF, b"LO", 2, b"ab")
            for i in range(MILLION)
        )
    ),
    "a million items": lambda: base() + element(0x30060039, b"SQ", 0xFFFFFFFF) + ITEM * MILLION + END,
    "a million items of known length": lambda: (
        base() + element(0x30060039, b"SQ", len(ITEM) * MILLION) + ITEM * MILLION
    ),
    "a million private items": lambda: base() + element(0x30070039, b"SQ", 0xFFFFFFFF) + ITEM * MILLION + END,
    "a length beyond the file": lambda: base() + element(0x30060039, b"SQ", 0xFFFFFFF0) + ITEM,
}


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_that_is_long_to_read_is_given_up(tmp_path: Path, bomb: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bomb").write_bytes(BOMBS[bomb]())
    began = time.process_time()
    assert codes(tmp_path / "in")[0] in {"dicom-too-complex", "dicom-unreadable", "dicom-no-region"}
    assert time.process_time() - began < SECONDS


@pytest.mark.slow
def test_a_file_that_inflates_without_end_is_given_up(tmp_path: Path) -> None:
    """Two gigabytes of zeros in two megabytes."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    whole = base().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    length = int.from_bytes(whole[140:144], "little") + 2
    head = whole[:140] + length.to_bytes(4, "little") + whole[144:]
    at = head.index(b"1.2.840.10008.1.2.1.99")
    head = head[: at - 2] + (22).to_bytes(2, "little") + head[at:]
    meta, body = head[: 144 + length], head[144 + length :]
    zeros = b"".join(packed.compress(bytes(2**20)) for _ in range(2048))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bomb").write_bytes(meta + packed.compress(body) + zeros + packed.flush())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert codes(tmp_path / "in") == ["dicom-too-complex"]
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEGABYTES
    assert MAX_INFLATED < MEGABYTES * 2**20


def huge(_: int, dataset: Dataset) -> None:
    dataset.Rows = dataset.Columns = 65535


def many_frames(_: int, dataset: Dataset) -> None:
    dataset.NumberOfFrames = str(2**31 - 1)


def huge_codestream(_: int, dataset: Dataset) -> None:
    coded("JPEG2000", JPEG2000Lossless)(0, dataset)
    data = bytearray(dataset.PixelData)
    at = data.index(b"\xff\x4f\xff\x51")
    data[at + 8 : at + 16] = (60_000).to_bytes(4, "big") * 2
    dataset.PixelData = bytes(data)


@pytest.mark.parametrize("change", [huge, many_frames, huge_codestream])
def test_pixels_larger_than_told_or_than_any_are_refused_before_they_are_decoded(
    tmp_path: Path, change: Change
) -> None:
    paths = write_series(tmp_path, change=change)
    began = time.process_time()
    with pytest.raises(DicomFault) as caught:
        load_series(paths)
    assert caught.value.fault in {Fault.TOO_LARGE, Fault.MALFORMED_GEOMETRY}
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("form", ["JPEG", "JPEG2000"])
def test_a_codestream_tells_its_size(form: str) -> None:
    file = io.BytesIO()
    options = {"no_jp2": True} if form == "JPEG2000" else {}
    Picture.fromarray(np.zeros((31, 17), np.uint8)).save(file, format=form, **options)
    assert coded_size(file.getvalue()) == (31, 17)
    assert coded_size(b"something else") is None
