"""A PACS by DICOMweb (PS3.18): QIDO-RS finds, WADO-RS sends.

QIDO has no word for "what came since": studies are asked for by their date, from some days before the newest
that was seen. Studies of older dates that reach the PACS later are found by a pull from an earlier day.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from cdm.etl.fhir.imaging_study import is_uid
from site_node.sources.pacs.multipart import parts
from site_node.sources.pacs.position import position_of_day, since
from site_node.sources.pacs.pull import MODALITIES, RemoteInstance, RemoteStudy, TransferError
from site_node.sources.pacs.web import MAX_OBJECT, client, listed, reached, streamed, understood

STUDY_DATE, MODALITY = "00080020", "00080060"
STUDY_UID, SERIES_UID, SOP_UID = "0020000D", "0020000E", "00080018"
PAGE = 200
DICOM = 'multipart/related; type="application/dicom"; transfer-syntax=*'
UNLIMITED = 2**62


class DicomWeb:
    """A DICOMweb server."""

    def __init__(self, url: str, credentials: Path | None = None) -> None:
        self._web = client(url, credentials)

    def close(self) -> None:
        """Close the connections."""
        self._web.close()

    def studies(self, position: str) -> Iterator[RemoteStudy]:
        """The studies from some days before `position` on, by their date; without one all, undated first."""
        found: dict[str, str] = {}
        day: dict[str, str | int] = {"StudyDate": f"{since(position)}-"} if position else {}
        with reached("the search for studies"), understood():
            for page in count():
                wanted = {**day, "limit": PAGE, "offset": page * PAGE, "includefield": STUDY_DATE}
                studies = listed(self._web, "/studies", wanted)
                new = {_value(study, STUDY_UID): _value(study, STUDY_DATE) for study in studies}
                if not new.keys() - found.keys():  # the end, or a server that does not know pages
                    break
                found |= new
        for uid, date in sorted(found.items(), key=lambda item: (item[1], item[0])):
            if is_uid(uid):
                yield RemoteStudy(uid, position_of_day(date, position))

    def instances(self, study: RemoteStudy) -> Iterator[RemoteInstance]:
        """The objects of the study's series of images and regions."""
        path = f"/studies/{study.study_uid}/series"
        with understood():
            for series in listed(self._web, path):
                uid = _value(series, SERIES_UID)
                if is_uid(uid) and _value(series, MODALITY) in MODALITIES:
                    for instance in listed(self._web, f"{path}/{uid}/instances"):
                        yield RemoteInstance(study.study_uid, uid, _uid(instance, SOP_UID))

    def fetch(self, instances: Sequence[RemoteInstance]) -> Iterator[bytes]:
        """The objects, a series at a time; of a series of which some are here already, one at a time."""
        wanted: dict[tuple[str, str], list[RemoteInstance]] = defaultdict(list)
        for one in instances:
            wanted[one.study_uid, one.series_uid].append(one)
        for (study, series), missing in wanted.items():
            path = f"/studies/{study}/series/{series}"
            if len(missing) == len(listed(self._web, f"{path}/instances")):
                yield from self._retrieve(path, UNLIMITED)
            else:
                for one in missing:
                    yield from self._retrieve(f"{path}/instances/{one.sop_uid}", MAX_OBJECT)

    def _retrieve(self, path: str, limit: int) -> Iterator[bytes]:
        with streamed(self._web, path, DICOM, limit) as (content_type, chunks):
            boundary = re.search(r'boundary="?([^";]+)', content_type)
            if not boundary:
                raise TransferError
            yield from parts(chunks, boundary.group(1).encode(), MAX_OBJECT)


def _uid(item: dict[str, Any], tag: str) -> str:
    """A UID in DICOM's JSON; TransferError where it is not valid, since it becomes part of an address."""
    uid = _value(item, tag)
    if not is_uid(uid):
        raise TransferError
    return uid


def _value(item: dict[str, Any], tag: str) -> str:
    """The first value of an attribute in DICOM's JSON; empty where there is none."""
    values = (item.get(tag) or {}).get("Value") or [""]
    return str(values[0]).strip()
