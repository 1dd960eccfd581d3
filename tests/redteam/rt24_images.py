"""RT24 to RT26: who an image is of, in its headers and its pixels, on the way to whoever gets a copy."""

from functools import partial
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from site_node.sources.dicom import copies, headers
from site_node.sources.dicom.deidentify import Deidentifier
from tests.lib.dicom_files import ROOT, canaries, write_rtstruct, write_series
from tests.lib.lying_coordinator import weaken
from tests.redteam.attack import Figure, attack

TOKEN = b"canary"
SQUARE = [(0.5, 0.5, 1.0), (5.5, 0.5, 1.0), (5.5, 5.5, 1.0), (0.5, 5.5, 1.0)]


@attack(
    "RT24",
    "a name planted in standard, nested, private and overlay attributes of what is handed on",
    works_from=20,
)
def planted_names(folder: Path, weakened: bool) -> Figure:
    source, out = folder / "in", folder / "out"
    write_series(source / "ct", change=_canaries_in_a_chest)
    write_rtstruct(source / "rs.dcm", {"GTV": [SQUARE], "of CANARY": [SQUARE]})
    with weaken(Deidentifier, "copy", lambda self, dataset: dataset, weakened):
        copies.copy_folder(source, out, bytes(32))
    files = [path for path in out.rglob("*") if path.is_file()]
    assert files, "nothing was copied, so nothing was tried"
    found = sum(path.read_bytes().lower().count(TOKEN) for path in files)
    found += sum(TOKEN in str(path.relative_to(out)).lower().encode() for path in files)
    return Figure(found, f"tokens in {len(files)} copies")


def _canaries_in_a_chest(z: int, dataset: Dataset) -> None:
    canaries(z, dataset)
    dataset.BodyPartExamined = "CHEST"


@attack(
    "RT26",
    "a face rendered from a head: scans of heads, of no named part, and an outer contour, in copies",
    works_from=9,
)
def faces(folder: Path, weakened: bool) -> Figure:
    source, out = folder / "in", folder / "out"
    for number, part in enumerate(("HEAD", "")):
        write_series(
            source / str(number), series_uid=f"{ROOT}1.{60 + number}", change=partial(_of_part, part)
        )
    write_rtstruct(source / "rs.dcm", {"BODY": [SQUARE]})
    contour = pydicom.dcmread(source / "rs.dcm")
    contour.RTROIObservationsSequence = [Dataset()]
    contour.RTROIObservationsSequence[0].RTROIInterpretedType = "EXTERNAL"
    contour.save_as(source / "rs.dcm", enforce_file_format=True)
    objects = len([path for path in source.rglob("*") if path.is_file()])
    with weaken(copies, "screen_face", lambda dataset: None, weakened):
        copies.copy_folder(source, out, bytes(32))
    copied = list(out.rglob("*.dcm")) if out.exists() else []
    return Figure(len(copied), f"of {objects} objects with a face are copied")


def _of_part(part: str, _: int, dataset: Dataset) -> None:
    dataset.BodyPartExamined = part


def _burned_in(_: int, dataset: Dataset) -> None:
    dataset.BurnedInAnnotation, dataset.BodyPartExamined = "YES", "CHEST"


def _screenshot(_: int, dataset: Dataset) -> None:
    dataset.ImageType, dataset.BodyPartExamined = ["DERIVED", "SECONDARY", "SCREEN SAVE"], "CHEST"


def _captured(_: int, dataset: Dataset) -> None:
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.BodyPartExamined = "CHEST"


@attack("RT25", "pictures with words in their pixels: burned in, screenshots, captures", works_from=8)
def words_in_pixels(folder: Path, weakened: bool) -> Figure:
    source, out = folder / "in", folder / "out"
    for number, change in enumerate((_burned_in, _screenshot, _captured)):
        write_series(source / str(number), series_uid=f"{ROOT}1.{50 + number}", change=change)
    pictures = len([path for path in source.rglob("*") if path.is_file()])
    with (
        weaken(headers, "screen_class", lambda dataset: None, weakened),
        weaken(headers, "screen_pixels", lambda dataset: None, weakened),
    ):
        copies.copy_folder(source, out, bytes(32))
    copied = [pydicom.dcmread(path) for path in out.rglob("*.dcm")] if out.exists() else []
    return Figure(len(copied), f"of {pictures} pictures are copied")
