"""An incremental pull: what a PACS has that the inbox has not, study by study, from where the last one ended.

A position is the server's own word for how far it was read. It moves on when a study is in the inbox, and
stays from the first study on that did not come whole; a study that is asked for again costs a listing, since
an object in the inbox is not fetched twice. So a pull may be killed at any moment and run again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from cdm.etl import Unreadable
from site_node.sources.dicom import Found
from site_node.sources.pacs.inbox import Inbox

MODALITIES = frozenset({"CT", "MR", "PT", "RTSTRUCT", "SEG"})
NOT_TRANSFERRED = (
    "dicom-not-transferred",
    "the PACS did not send all of the study; the next pull asks again",
)


@dataclass(frozen=True)
class RemoteStudy:
    """A study of a PACS; `position` is reached when it and all before it are here."""

    study_uid: str
    position: str
    handle: str = ""  # the server's own name of it


@dataclass(frozen=True)
class RemoteInstance:
    """An object of a PACS."""

    study_uid: str
    series_uid: str
    sop_uid: str
    handle: str = ""


class Pacs(Protocol):
    """What a pull asks of a server, whatever its language.

    All may raise UnreachableError, and `instances` and `fetch` TransferError.
    """

    def studies(self, position: str) -> Iterable[RemoteStudy]:
        """The studies that may hold something new since `position`, in the order of their positions."""

    def instances(self, study: RemoteStudy) -> Iterable[RemoteInstance]:
        """The objects of a study that the site can use."""

    def fetch(self, instances: Sequence[RemoteInstance]) -> Iterable[bytes]:
        """These objects as DICOM files; they are of one study."""

    def close(self) -> None:
        """End what the questions left open."""


class TransferError(Exception):
    """The server did not answer for one study; carries no word of what it said."""


def pulled(
    pacs: Pacs,
    inbox: Inbox,
    position: str,
    reached: Callable[[str], None],
    progress: Callable[[int], None] = lambda count: None,
) -> Iterator[Found]:
    """The records of what came and of what an earlier pull left; `inbox.settle` when they are loaded.

    `reached` is told the position to begin with next time, `progress` the number of objects that came.
    """
    for study in inbox.pending():
        yield from inbox.records(study)
    whole = True
    for remote in pacs.studies(position):
        name = inbox.study_name(remote.study_uid)
        try:
            if _fetch(pacs, inbox, remote, progress):
                yield from inbox.records(name)
        except TransferError:
            whole = False
            inbox.mark(name)  # the next pull loads what came of it, whole or not
            yield Unreadable("DicomStudy", f"{name}:", *NOT_TRANSFERRED)
        if whole:
            reached(remote.position)


def _fetch(pacs: Pacs, inbox: Inbox, study: RemoteStudy, progress: Callable[[int], None]) -> bool:
    """Whether the study had anything new, which is now in the inbox."""
    missing = [one for one in pacs.instances(study) if not _has(inbox, one)]
    for data in pacs.fetch(missing) if missing else ():
        inbox.keep(data)
        progress(1)
    if not all(_has(inbox, one) for one in missing):
        raise TransferError
    return bool(missing)


def _has(inbox: Inbox, one: RemoteInstance) -> bool:
    return inbox.has(one.study_uid, one.series_uid, one.sop_uid)
