"""DICOM messages over TCP (PS3.7): C-FIND with C-GET or C-MOVE to a PACS, and C-STORE from one.

Presentation contexts are offered for images and regions alone: of secondary captures, ultrasound and reports
not even a byte is accepted.
"""

import logging
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from queue import SimpleQueue
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AE, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.presentation import build_role
from pynetdicom.transport import ThreadedAssociationServer

from protocols.core.errors import Code, UnreachableError
from site_node.sources.dicom.headers import REGIONS
from site_node.sources.dicom.meaning import IMAGES
from site_node.sources.pacs.position import position_of_day, since
from site_node.sources.pacs.pull import MODALITIES, RemoteInstance, RemoteStudy, TransferError

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)  # its lines hold values of the header

VERIFICATION = "1.2.840.10008.1.1"
FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{n}" for n in (1, 2, 3))  # Study Root
SUCCESS, NOT_KEPT, NO_SPACE = 0x0000, 0xB006, 0xA700  # C-STORE statuses: B006 is a warning, not sent again
PENDING = (0xFF00, 0xFF01)
TIMEOUT_S = 60.0
MAX_ASSOCIATIONS = 8
MOST_PDU_BYTES = 2**20
"""A PDU that says it is longer ends the connection: ours are 16 KiB, a request with all contexts below 64."""
OBJECTS = [*IMAGES, *REGIONS]

Keep = Callable[[bytes], object]


@dataclass(frozen=True)
class Address:
    """An application entity: AE@host:port."""

    title: str
    host: str
    port: int


class Messages:
    """A PACS that is asked by C-FIND and sends by C-GET, or by C-MOVE to our own `move_port`."""

    def __init__(self, pacs: Address, own_title: str, move_port: int | None = None, bind: str = "") -> None:
        self._pacs, self._own_title, self._move_port, self._bind = pacs, own_title, move_port, bind

    def close(self) -> None:
        """Nothing: an association lasts as long as its question."""

    def studies(self, position: str) -> Iterator[RemoteStudy]:
        """The studies from some days before `position` on, by their date; without one all, undated first."""
        days = f"{since(position)}-" if position else ""
        try:
            found = self._find("STUDY", StudyDate=days, StudyInstanceUID="")
        except TransferError:
            raise UnreachableError(
                Code.SOURCE_UNREACHABLE,
                "the PACS did not answer the search for studies",
                "check host, port and AE titles, and that the PACS knows this site's AE title",
            ) from None
        dated = sorted((str(one.get("StudyDate") or ""), str(one.StudyInstanceUID)) for one in found)
        for study_date, uid in dated:
            yield RemoteStudy(uid, position_of_day(study_date, position))

    def instances(self, study: RemoteStudy) -> Iterator[RemoteInstance]:
        """The objects of the study's series of images and regions."""
        uid = study.study_uid
        for series in self._find("SERIES", StudyInstanceUID=uid, SeriesInstanceUID="", Modality=""):
            if series.get("Modality") in MODALITIES:
                series_uid = str(series.SeriesInstanceUID)
                keys = {"StudyInstanceUID": uid, "SeriesInstanceUID": series_uid, "SOPInstanceUID": ""}
                for one in self._find("IMAGE", **keys):
                    yield RemoteInstance(uid, series_uid, str(one.SOPInstanceUID))

    def fetch(self, instances: Sequence[RemoteInstance]) -> Iterator[bytes]:
        """The objects, a series at a time."""
        for (study, series), missing in groupby(instances, lambda one: (one.study_uid, one.series_uid)):
            query = _query(
                "IMAGE",
                StudyInstanceUID=study,
                SeriesInstanceUID=series,
                SOPInstanceUID=[one.sop_uid for one in missing],
            )
            yield from self._moved(query) if self._move_port is not None else self._got(query)

    def _find(self, level: str, **keys: str) -> list[Dataset]:
        with self._associated(_entity(self._own_title, FIND)) as association:
            answers = association.send_c_find(_query(level, **keys), FIND)
            return [one for status, one in answers if _status(status) in PENDING and one is not None]

    def _got(self, query: Dataset) -> Iterator[bytes]:
        entity = _entity(self._own_title, GET)
        roles = []
        for sop_class in OBJECTS:
            entity.add_requested_context(sop_class, AllTransferSyntaxes)
            roles.append(build_role(sop_class, scp_role=True))
        arrived: SimpleQueue[bytes] = SimpleQueue()
        handlers = [(evt.EVT_C_STORE, lambda event: _received(event, arrived.put))]
        with self._associated(entity, ext_neg=roles, evt_handlers=handlers) as association:
            for status, _ in association.send_c_get(query, GET):
                _status(status)
                yield from _drained(arrived)
        yield from _drained(arrived)

    def _moved(self, query: Dataset) -> Iterator[bytes]:
        assert self._move_port is not None
        arrived: SimpleQueue[bytes] = SimpleQueue()
        with (
            listening(self._own_title, self._bind, self._move_port, [self._pacs.title], arrived.put),
            self._associated(_entity(self._own_title, MOVE)) as association,
        ):
            for status, _ in association.send_c_move(query, self._own_title, MOVE):
                _status(status)
                yield from _drained(arrived)
        yield from _drained(arrived)

    @contextmanager
    def _associated(self, entity: ApplicationEntity, **options: Any) -> Iterator[Association]:
        """An association with the PACS. Raises TransferError where it refuses or falls silent."""
        association = entity.associate(self._pacs.host, self._pacs.port, ae_title=self._pacs.title, **options)
        if not association.is_established:
            raise TransferError
        try:
            yield association
        except (RuntimeError, ValueError):  # pynetdicom: aborted meanwhile, or a context was not accepted
            raise TransferError from None
        finally:
            if association.is_established:
                association.release()


@contextmanager
def listening(
    own_title: str,
    bind: str,
    port: int,
    allowed: Sequence[str],
    keep: Keep,
    tls: ssl.SSLContext | None = None,
) -> Iterator[ThreadedAssociationServer]:
    """A C-STORE server for callers with an allowed AE title; each object goes to `keep` as a DICOM file.

    `bind` is the address to listen on, loopback where it is empty; `port` 0 takes a free one. What `keep`
    returns, unless None, says that the object was not kept. With `tls` it speaks nothing else.

    Raises:
        ValueError: nobody is allowed to call.
        UnreachableError: the port is taken, or the address is not this machine's.
    """
    if not allowed:
        raise ValueError("a listener needs the AE titles that may call it")
    entity = AE(own_title)
    _limit(entity)
    entity.require_calling_aet = list(allowed)
    entity.require_called_aet = True
    entity.maximum_associations = MAX_ASSOCIATIONS
    entity.add_supported_context(VERIFICATION)
    for sop_class in OBJECTS:
        entity.add_supported_context(sop_class, AllTransferSyntaxes)
    handlers: list[Any] = [
        (evt.EVT_CONN_OPEN, _bound_pdus),
        (evt.EVT_C_STORE, lambda event: _received(event, keep)),
    ]
    address = bind or "127.0.0.1", port
    try:
        server = entity.start_server(address, block=False, ssl_context=tls, evt_handlers=handlers)
    except OSError:
        raise UnreachableError(
            Code.SOURCE_UNREACHABLE,
            "cannot listen there: is the port taken?",
            "give another --port or --bind",
        ) from None
    assert server is not None
    try:
        yield server
    finally:
        server.shutdown()


def _bound_pdus(event: evt.Event) -> None:
    """Bounds what one PDU of a caller, who may be anybody, can make this process hold.

    pynetdicom reads as many bytes as the PDU says that it has, up to 4 GiB, before it looks at the caller's
    title (issue 1086 of pynetdicom, open in 3.0.4).
    """
    connection: Any = event.assoc.dul.socket
    read = connection.recv

    def bounded(length: int) -> bytearray:
        if length > MOST_PDU_BYTES:
            raise OSError("a PDU of more bytes than any caller needs")
        found: bytearray = read(length)
        return found

    connection.recv = bounded


def _received(event: evt.Event, keep: Keep) -> int:
    try:
        return SUCCESS if keep(event.encoded_dataset()) is None else NOT_KEPT
    except OSError:
        return NO_SPACE


def _entity(title: str, model: str) -> ApplicationEntity:
    entity = AE(title)
    _limit(entity)
    entity.add_requested_context(model)
    return entity


def _limit(entity: ApplicationEntity) -> None:
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = TIMEOUT_S
    entity.connection_timeout = TIMEOUT_S


def _query(level: str, **keys: str | list[str]) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    return query


def _status(answer: Dataset) -> int:
    """The status of an answer; one without is the end of a connection that broke."""
    if "Status" not in answer:
        raise TransferError
    return int(answer.Status)


def _drained(queue: "SimpleQueue[bytes]") -> Iterator[bytes]:
    while not queue.empty():
        yield queue.get()
