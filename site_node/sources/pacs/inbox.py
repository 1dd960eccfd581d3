"""Where objects from a PACS lie: without identity, under keyed names, until and after they are loaded.

An object arrives with its identity, which the CDM needs: the PatientID to find the person, the UIDs to join
FHIR's ImagingStudy. What the CDM may know of it, the allow-listed header, is sealed with the site's key and
laid beside the de-identified copy; who takes the folder without the key has images without names.

    home/images/pacs/NAME/STUDY/SERIES/INSTANCE.dcm    the copy without identity
                                      /INSTANCE.seal   its header as it came, sealed
                                      /INSTANCE.refused   the code, where it could not be kept
    home/images/pacs/NAME/.pending/STUDY   something came that is not in the CDM yet

Every file appears whole or not at all, so a process may be killed at any moment: what is pending is loaded by
the next one.
"""

import io
import os
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import pydicom

from cdm.etl import SourceRecord, Unreadable
from cdm.etl.fhir.imaging_study import is_uid
from site_node.sources.dicom import Found, records_of
from site_node.sources.dicom.deidentify import Deidentifier
from site_node.sources.dicom.faults import REASONS, DicomFault, Fault
from site_node.sources.dicom.headers import Header, header_of
from site_node.sources.dicom.parser import parse, reading
from site_node.sources.dicom.series import place
from site_node.sources.pacs.seal import Seal

UNNAMED = "unnamed"  # the study and series of what has no UIDs
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


class Inbox:
    """The received objects of one source."""

    def __init__(self, home: Path, name: str, key: bytes) -> None:
        self._home = home
        self._root = home / "images" / "pacs" / name
        self._pending, self._loading = self._root / ".pending", self._root / ".loading"
        for folder in (self._pending, self._loading):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._key = key
        self._seal = Seal(key)
        self._deidentifier = Deidentifier(key)

    def study_name(self, study_uid: str) -> str:
        """The folder of a study."""
        return self._named(study_uid)

    def has(self, study_uid: str, series_uid: str, sop_uid: str) -> bool:
        """Whether this object came already, to be kept or refused."""
        path = self._root / self._named(study_uid) / self._named(series_uid) / self._named(sop_uid)
        return path.with_suffix(".seal").exists() or path.with_suffix(".refused").exists()

    def keep(self, data: bytes) -> Fault | None:
        """None if the object was kept, else why not; both will be told to the loader."""
        names = (UNNAMED, UNNAMED, blake2b(data, digest_size=16).hexdigest())
        try:
            with reading(Fault.UNREADABLE):
                dataset = parse(data)
                names = self._names(dataset) or names
                header = header_of(dataset, "/".join(names) + ".dcm")
                copy = io.BytesIO()
                self._deidentifier.copy(dataset).save_as(copy, enforce_file_format=True)
        except DicomFault as error:
            self._write(names, ".refused", error.fault.value.encode())
            return error.fault
        self._write(names, ".dcm", copy.getvalue())
        self._write(names, ".seal", self._seal.close(header))
        self._path(names, ".refused").unlink(missing_ok=True)
        return None

    def mark(self, study: str) -> None:
        """Take note that something of a study is not in the CDM."""
        (self._pending / study).touch(mode=0o600)

    def pending(self, quiet_since: float | None = None) -> list[str]:
        """The studies of which something is not in the CDM, or those with nothing newer than this time."""
        found = [path for folder in (self._pending, self._loading) for path in folder.iterdir()]
        old = [path.name for path in found if quiet_since is None or path.stat().st_mtime <= quiet_since]
        return sorted(set(old))

    def records(self, study: str) -> Iterator[Found]:
        """The records of a study as it is now; `settle` when they are in the CDM."""
        if (self._pending / study).exists():
            os.replace(self._pending / study, self._loading / study)
        headers: list[Header] = []
        folder = self._root / study
        for path in sorted(folder.glob("*/*")):
            if path.suffix == ".seal":
                headers.append(replace(self._seal.open(path.read_bytes()), path=self._below(path)))
            elif path.suffix == ".refused":
                fault = Fault(path.read_text())
                yield Unreadable("DicomFile", place(self._below(path)), fault.value, REASONS[fault])
        for found in records_of(headers, self._home, folder, self._root):
            is_study = isinstance(found, SourceRecord) and found.kind == "DicomStudy"
            yield found._replace(position=f"{study}:") if is_study else found

    def settle(self) -> None:
        """Take note that all records read since they came are in the CDM."""
        for path in self._loading.iterdir():
            path.unlink()

    def _below(self, path: Path) -> str:
        return path.relative_to(self._root).with_suffix(".dcm").as_posix()

    def _names(self, dataset: pydicom.Dataset) -> tuple[str, str, str] | None:
        study, series, instance = (str(dataset.get(keyword) or "").strip("\0 ") for keyword in UIDS)
        if not (is_uid(study) and is_uid(series) and is_uid(instance)):
            return None
        return self._named(study), self._named(series), self._named(instance)

    def _named(self, uid: str) -> str:
        return blake2b(uid.encode(), digest_size=16, key=self._key, person=b"inbox").hexdigest()

    def _path(self, names: tuple[str, str, str], suffix: str) -> Path:
        study, series, instance = names
        return self._root / study / series / f"{instance}{suffix}"

    def _write(self, names: tuple[str, str, str], suffix: str, content: bytes) -> None:
        target = self._path(names, suffix)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.mark(names[0])
        part = target.with_name(target.name + ".part")
        part.touch(mode=0o600)
        part.write_bytes(content)
        os.replace(part, target)
