"""An Orthanc by its own REST interface: its list of changes says exactly what came since the last pull."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from site_node.sources.pacs.pull import MODALITIES, RemoteInstance, RemoteStudy
from site_node.sources.pacs.web import (
    MAX_OBJECT,
    GoneError,
    answer,
    client,
    listed,
    reached,
    streamed,
    understood,
)

PAGE = 500
# NewStudy comes with its first image, StableStudy when for some time none has come, also to an old study.
CHANGES = {"NewStudy", "StableStudy"}


class Orthanc:
    """An Orthanc server; a position is the number of a change."""

    def __init__(self, url: str, credentials: Path | None = None) -> None:
        self._web = client(url, credentials)

    def close(self) -> None:
        """Close the connections."""
        self._web.close()

    def studies(self, position: str) -> Iterator[RemoteStudy]:
        """The studies that changed since `position` and are still there."""
        last = int(position) if position.isdecimal() else 0
        while True:
            with reached("the list of changes"), understood():
                page = answer(self._web, "/changes", {"since": last, "limit": PAGE})
                found = self._changed(page["Changes"])
                done, last_here = bool(page["Done"]), int(page["Last"])
            yield from found
            if done or last_here <= last:
                return
            last = last_here

    def _changed(self, changes: list[dict[str, str | int]]) -> list[RemoteStudy]:
        """The studies of a page of changes, each once, in the order of its last change."""
        numbers = {
            str(change["ID"]): int(change["Seq"]) for change in changes if change["ChangeType"] in CHANGES
        }
        studies = []
        for identifier, number in sorted(numbers.items(), key=lambda item: item[1]):
            with suppress(GoneError):  # it was deleted since
                study = answer(self._web, f"/studies/{identifier}")
                uid = str(study["MainDicomTags"]["StudyInstanceUID"])
                studies.append(RemoteStudy(uid, str(number), identifier))
        return studies

    def instances(self, study: RemoteStudy) -> Iterator[RemoteInstance]:
        """The objects of the study's series of images and regions."""
        with understood():
            yield from self._instances(study)

    def _instances(self, study: RemoteStudy) -> Iterator[RemoteInstance]:
        series = {
            str(one["ID"]): str(one["MainDicomTags"]["SeriesInstanceUID"])
            for one in listed(self._web, f"/studies/{study.handle}/series")
            if one["MainDicomTags"].get("Modality") in MODALITIES
        }
        for one in listed(self._web, f"/studies/{study.handle}/instances"):
            if one["ParentSeries"] in series:
                uid = str(one["MainDicomTags"]["SOPInstanceUID"])
                yield RemoteInstance(study.study_uid, series[one["ParentSeries"]], uid, str(one["ID"]))

    def fetch(self, instances: Sequence[RemoteInstance]) -> Iterator[bytes]:
        """The objects, one at a time."""
        for one in instances:
            path = f"/instances/{one.handle}/file"
            with streamed(self._web, path, "application/dicom", MAX_OBJECT) as (_, chunks):
                yield b"".join(chunks)
