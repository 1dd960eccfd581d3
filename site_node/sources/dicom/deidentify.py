"""A DICOM object without identity, by the basic profile of PS3.15: what the site stores or hands on.

The object is built anew from what may stay. Beyond the profile, nothing that it does not name stays unless
its value has the form of its VR, free text and bytes only by allow-list, and no text at all that repeats the
patient's name or number. UIDs become keyed hashes, the same for the same site, so that a region still names
its image; without the site's key nobody can go from one to the other.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, UID_dictionary
from pydicom.valuerep import format_number_as_ds

from site_node.sources.dicom.headers import REGIONS, RTSTRUCT, region_names
from site_node.sources.dicom.profile import (
    BYTE_VRS,
    KEPT_BYTES,
    KEPT_TEXT,
    METHODS,
    REPEATING,
    SAFE_PRIVATE,
    TEXT_VRS,
    basic_profile,
)

MOVED_DAYS = 3650  # a patient's dates move back by 1 to this many days
NAMES = (
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientBirthName",
    "AccessionNumber",
)
DS_LENGTH = 16  # of a decimal string; scanners write longer ones
FORMS = {  # of the values that stay; a value that its VR does not allow may be anything
    "AS": re.compile(r"\d{3}[DWMY]"),
    "CS": re.compile(r"[A-Z0-9_ ]{0,16}"),
    "DS": re.compile(r" *[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,2})? *"),
    "IS": re.compile(r" *[-+]?\d{1,12} *"),
    "TM": re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)? *"),
}
DUMMIES = {"AS": "000Y", "DA": "19000101", "DT": "19000101000000", "TM": "000000", "UN": b"", "OB": b""}


@dataclass(frozen=True)
class _Patient:
    """What is true of all elements of one object: how far its dates move, and what no text may repeat."""

    moved: timedelta
    names: frozenset[str]

    def is_named_in(self, text: str) -> bool:
        return not self.names.isdisjoint(_words(text))


class Deidentifier:
    """Makes copies without identity under one key: equal patients and UIDs stay equal."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def uid(self, uid: str) -> str:
        """The UID that takes the place of this one; those of the standard itself stay."""
        return uid if uid in UID_dictionary else f"2.25.{int.from_bytes(self._hash('uid', uid), 'big')}"

    def patient_id(self, patient_id: str) -> str:
        """The pseudonym that takes the place of a PatientID."""
        return self._hash("patient", patient_id).hex()

    def copy(self, dataset: FileDataset) -> FileDataset:
        """The object as it may be stored and handed on, with its own meta information and empty preamble."""
        patient_id = str(dataset.get("PatientID") or "")
        days = 1 + int.from_bytes(self._hash("days", patient_id), "big") % MOVED_DAYS
        clean = self._clean(dataset, _Patient(timedelta(days=days), _names(dataset)))
        clean.PatientID, clean.PatientName = self.patient_id(patient_id), ""
        _declare(clean)
        _name_regions(dataset, clean)
        _mask_unused_bits(dataset, clean)
        made = FileDataset("", clean, file_meta=_meta(dataset, clean), preamble=b"\0" * 128)
        made.set_original_encoding(*dataset.original_encoding, dataset.original_character_set)
        return made

    def _clean(self, dataset: Dataset, patient: _Patient) -> Dataset:
        clean = Dataset()
        for element in _elements(dataset):
            value = self._value(element, patient)
            if value is not None:
                clean.add(DataElement(element.tag, element.VR, value))
        for group, creator, offset, vr in SAFE_PRIVATE:
            _copy_private(dataset, clean, group, creator, offset, vr, patient)
        if "CodeMeaning" in clean:  # required beside a code, and free text
            clean.CodeMeaning = clean.get("CodeValue") or "code"
        return clean

    def _value(self, element: DataElement, patient: _Patient) -> object:
        """What the element may hold; None if it may not be there."""
        if element.tag.is_private or element.tag.group & 0xFF00 in REPEATING or element.tag.group < 8:
            return None
        rule = basic_profile().get(element.tag)
        if rule and not (
            rule.option and (rule.option == "characteristics" or element.VR in ("DA", "DT", "TM"))
        ):
            return self._acted(rule.action, element, patient)
        kept = self._kept(element, patient)
        return self._acted(rule.action, element, patient) if rule and kept is None else kept

    def _acted(self, action: str, element: DataElement, patient: _Patient) -> object:
        """What the profile's action leaves of an element."""
        if action == "X":
            return None
        if action == "Z":
            return [] if element.VR == "SQ" else ""
        if element.VR == "SQ":
            return self._items(element, patient)
        if element.VR == "UI":
            return _each(element, self.uid)
        return DUMMIES.get(element.VR, "REMOVED" if element.VR in TEXT_VRS | {"CS"} else "0")

    def _kept(self, element: DataElement, patient: _Patient) -> object:
        """The value of an element that the profile is silent on or an option keeps."""
        vr = element.VR
        if vr == "SQ":
            return self._items(element, patient)
        if vr == "UI":
            return _each(element, self.uid)
        if vr in ("DA", "DT"):
            return _each(element, lambda text: _moved(text, patient.moved))
        if vr in BYTE_VRS:
            return element.value if element.keyword in KEPT_BYTES else None
        if vr in TEXT_VRS and element.keyword not in KEPT_TEXT:
            return None
        if vr in TEXT_VRS or vr in FORMS:
            return _each(element, lambda text: _formed(text, vr, patient))
        return element.value  # binary numbers and tags

    def _items(self, element: DataElement, patient: _Patient) -> list[Dataset]:
        return [self._clean(item, patient) for item in element.value]

    def _hash(self, purpose: str, text: str) -> bytes:
        return blake2b(
            text.encode(), digest_size=16, key=self._key, person=f"dicom {purpose}".encode()
        ).digest()


def _elements(dataset: Dataset) -> Iterator[DataElement]:
    """The elements that can be read; one that cannot has no place in a copy."""
    for tag in sorted(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # pydicom's converters have no common error
            continue
        if isinstance(element, DataElement):
            yield element


def _each(element: DataElement, change: Callable[[str], str | None]) -> list[str] | str | None:
    """All values changed; None if one of them may not stay. An empty value stays empty."""
    if element.is_empty:
        return ""
    several = element.VM > 1
    values = [change(str(value)) for value in (element.value if several else [element.value])]
    texts = [value for value in values if value is not None]
    if len(texts) < len(values):
        return None
    return texts if several else texts[0]


def _formed(text: str, vr: str, patient: _Patient) -> str | None:
    if vr in FORMS and not FORMS[vr].fullmatch(text):
        return None
    if vr in ("CS", *TEXT_VRS) and patient.is_named_in(text):
        return None
    return format_number_as_ds(float(text)) if vr == "DS" and len(text) > DS_LENGTH else text


def _moved(text: str, by: timedelta) -> str | None:
    """A DA or DT that many days earlier; None if it has no day."""
    plain = text.strip()
    if not re.fullmatch(r"\d{8}(\d{2,6}(\.\d{1,6})?)?([+-]\d{4})?", plain):
        return None
    try:
        day = date(int(plain[:4]), int(plain[4:6]), int(plain[6:8])) - by
    except (ValueError, OverflowError):
        return None
    return f"{day:%Y%m%d}{plain[8:]}" if day.year >= 1000 else None


def _names(dataset: Dataset) -> frozenset[str]:
    """The words of more than two letters that name the patient."""
    named = (_words(str(dataset.get(keyword) or "")) for keyword in NAMES)
    return frozenset(word for words in named for word in words if len(word) > 2)


def _words(text: str) -> list[str]:
    return re.split(r"[\W_]+", text.casefold())


def _copy_private(
    source: Dataset, clean: Dataset, group: int, creator: str, offset: int, vr: str, patient: _Patient
) -> None:
    try:
        block = source.private_block(group, creator)
        value = _safe(block[offset], vr, patient)
    except (KeyError, TypeError, ValueError):
        return
    if value is not None:
        clean.private_block(group, creator, create=True).add_new(offset, vr, value)


def _safe(element: DataElement, vr: str, patient: _Patient) -> object:
    """What may stay of a private value; of several numbers the first."""
    if vr == "FL":
        return float(element.value)
    text = str(element.value[0] if element.VM > 1 else element.value).strip()
    return _moved(text, patient.moved) if vr == "DT" else _formed(text, vr, patient)


def _declare(clean: Dataset) -> None:
    """Say in the object what was done to it (PS3.15 E.1.1, E.3.6)."""
    clean.PatientIdentityRemoved = "YES"
    clean.LongitudinalTemporalInformationModified = "MODIFIED"
    clean.DeidentificationMethodCodeSequence = [_method(code, text) for code, text in METHODS.items()]


def _method(code: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "DCM", meaning[:64]
    return item


def _name_regions(dataset: Dataset, clean: Dataset) -> None:
    """Give the regions their names back, as the site reads them: without the patient in them."""
    if str(dataset.get("SOPClassUID")) not in REGIONS:
        return
    names = region_names(dataset)
    if str(dataset.SOPClassUID) == RTSTRUCT:
        for roi in clean.get("StructureSetROISequence") or []:
            roi.ROIName = names.get(int(roi.ROINumber), f"region-{roi.ROINumber}")
    else:
        for segment in clean.get("SegmentSequence") or []:
            segment.SegmentLabel = names.get(int(segment.SegmentNumber), "background")


def _mask_unused_bits(dataset: FileDataset, clean: Dataset) -> None:
    """Empty the bits above BitsStored: there older scanners drew their overlays."""
    bits = int(clean.get("BitsStored") or 0)
    transfer_syntax = dataset.file_meta.get("TransferSyntaxUID")
    native = transfer_syntax is not None and not UID(transfer_syntax).is_compressed
    if not (native and clean.get("BitsAllocated") == 16 and 0 < bits < 16 and "PixelData" in clean):
        return
    signed = clean.get("PixelRepresentation") == 1
    order = ">" if UID(transfer_syntax).is_little_endian is False else "<"
    words = np.frombuffer(
        clean.PixelData[: len(clean.PixelData) // 2 * 2], dtype=f"{order}{'i' if signed else 'u'}2"
    )
    unused = 16 - bits
    clean["PixelData"].value = ((words << unused) >> unused).astype(words.dtype).tobytes()


def _meta(dataset: FileDataset, clean: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    meta.MediaStorageSOPClassUID = clean.SOPClassUID
    meta.MediaStorageSOPInstanceUID = clean.SOPInstanceUID
    return meta
