"""A folder of DICOM copied without identity: what may be handed on, object by object."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from protocols.core.errors import Code, InputError
from site_node.sources.dicom.deidentify import Deidentifier
from site_node.sources.dicom.faults import REASONS, DicomFault, Fault
from site_node.sources.dicom.headers import header_of
from site_node.sources.dicom.parser import parse, reading
from site_node.sources.dicom.screening import screen_face
from site_node.sources.files import files_below


def copy_folder(
    source: Path, out: Path, key: bytes, progress: Callable[[int], None] = lambda count: None
) -> dict[str, Any]:
    """How many objects were copied, and how many not, by reason; `out` must be new or empty.

    Only images and regions that the site itself would load are copied: what may show people in its pixels
    is not, nor is a head with its face. A file's name is made of its new UIDs.

    Raises:
        InputError: `out` holds something, or lies inside of `source`.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(Code.ALREADY_EXISTS, "the folder to write to is not empty", "give a new folder")
    if out.resolve().is_relative_to(source.resolve()):
        raise InputError(Code.INVALID_INPUT, "the folder to write to lies inside of the one to read")
    deidentifier = Deidentifier(key)
    refused: Counter[Fault] = Counter()
    copied = 0
    for path in files_below(source):
        try:
            copied += _copy(path, out, deidentifier)
        except DicomFault as error:
            refused[error.fault] += 1
        progress(1)
    left_out = [
        {"code": fault.value, "files": count, "reason": REASONS[fault]}
        for fault, count in sorted(refused.items())
    ]
    return {"copied": copied, "left out": left_out}


def _copy(path: Path, out: Path, deidentifier: Deidentifier) -> int:
    """1 if the object was copied."""
    with reading(Fault.UNREADABLE):
        dataset = parse(path)
        header_of(dataset, "")
        screen_face(dataset)
        copy = deidentifier.copy(dataset)
        folder = out / str(copy.StudyInstanceUID) / str(copy.SeriesInstanceUID)
        folder.mkdir(parents=True, exist_ok=True)
        copy.save_as(folder / f"{copy.SOPInstanceUID}.dcm", enforce_file_format=True)
    return 1
