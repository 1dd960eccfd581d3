"""From a PACS into the site's CDM: a pull that goes on where the last ended, and a listener for pushes."""

import re
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import time
from typing import Any

from sqlalchemy import Engine

from cdm.etl import SourceRecord, Unreadable
from cdm.etl.loader.load import load
from cdm.etl.loader.sync_position import position_of, reach
from cdm.progress import Progress
from protocols.core.errors import Code, InputError, SiteError, not_found
from site_node.home.cdm import open_cdm
from site_node.home.config import SiteConfig
from site_node.home.identity import site_identity
from site_node.sources.pacs import Inbox, Pacs, pulled

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
WEB = re.compile(r"https?://\S+")
ENTITY = re.compile(
    r"(?P<title>[^\s@\\]{1,16})@(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})"
)
OWN_TITLE = "SHADOWGRAPH"
QUIET_S = 10.0  # without a new object of a study before it is loaded


@dataclass(frozen=True)
class Tls:
    """The files with which a listener speaks TLS (PS3.15, B.12).

    Attributes:
        certificate, key: its own, in PEM.
        authority: of the certificates that callers have to show; any caller may connect where it is None.
    """

    certificate: Path
    key: Path
    authority: Path | None = None

    def context(self) -> ssl.SSLContext:
        """What the listener's socket is wrapped in: TLS 1.2 or newer.

        Raises:
            InputError: a file is not there, or not what it should be.
        """
        for path in filter(None, (self.certificate, self.key, self.authority)):
            if not path.is_file():
                raise not_found(path)
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            made.load_cert_chain(self.certificate, self.key)
            if self.authority is not None:
                made.load_verify_locations(self.authority)
                made.verify_mode = ssl.CERT_REQUIRED
        except ssl.SSLError:
            raise InputError(
                Code.INVALID_INPUT,
                f"{self.certificate.name} and {self.key.name} are not a certificate with its key in PEM",
            ) from None
        return made


def is_pacs(source: str) -> bool:
    """Whether the words name a server: a URL, or AETITLE@host:port."""
    return bool(WEB.fullmatch(source) or ENTITY.fullmatch(source))


def pacs_at(
    source: str,
    *,
    orthanc: bool = False,
    credentials: Path | None = None,
    own_title: str = OWN_TITLE,
    move_port: int | None = None,
    bind: str = "",
) -> Pacs:
    """The server that the words name.

    Raises:
        InputError: they name none, the credentials are not there, or the extra for PACS is not installed.
    """
    if credentials and not credentials.is_file():
        raise not_found(credentials)
    if WEB.fullmatch(source):
        from site_node.sources.pacs.dicomweb import DicomWeb
        from site_node.sources.pacs.orthanc import Orthanc

        return Orthanc(source, credentials) if orthanc else DicomWeb(source, credentials)
    entity = ENTITY.fullmatch(source)
    if not entity or not 0 < int(entity["port"]) < 65536:
        raise InputError(Code.INVALID_INPUT, "a PACS is a URL or AETITLE@host:port")
    messages = _messages()
    address = messages.Address(entity["title"], entity["host"].strip("[]"), int(entity["port"]))
    found: Pacs = messages.Messages(address, own_title, move_port, bind)
    return found


def pull(config: SiteConfig, pacs: Pacs, name: str, since: str | None, progress: Progress) -> dict[str, Any]:
    """The summary of loading what the PACS has that the site has not; `progress` is told of objects received.

    `since` is the position to begin with, None the one that the last pull of this name reached. The PACS is
    closed at the end.
    """
    inbox = _inbox(config, name)
    engine = open_cdm(config)
    came = 0

    def told(count: int) -> None:
        nonlocal came
        came += count
        progress(count)

    try:
        begin = position_of(engine, name) if since is None else since
        records = pulled(pacs, inbox, begin, lambda position: reach(engine, name, position), told)
        summary = _loaded(engine, config, name, inbox, records)
        return {"received": came, "position": position_of(engine, name), **summary}
    finally:
        engine.dispose()
        pacs.close()


def listen(
    config: SiteConfig,
    name: str,
    allowed: Sequence[str],
    *,
    own_title: str = OWN_TITLE,
    bind: str = "",
    port: int,
    tls: Tls | None = None,
    quiet_s: float = QUIET_S,
    stop: Event,
    serves: Callable[[int], None] = lambda port: None,
    progress: Progress = lambda count: None,
) -> dict[str, Any]:
    """What was received and loaded until `stop`, from callers with an allowed AE title.

    A study is loaded when nothing has come of it for `quiet_s`; what is pending at the end is loaded by the
    next listener or pull of this name. `serves` is told the port when it is open.
    """
    if not allowed:
        raise SiteError(
            Code.REFUSED_BY_POLICY,
            "the listener rejects all senders until you allow their AE titles",
            "name each sender: shadowgraph data listen --allow ITS_AE_TITLE",
        )
    inbox = _inbox(config, name)
    engine = open_cdm(config)
    counts = {"received": 0, "refused": 0, "studies": 0}

    def keep(data: bytes) -> object:
        fault = inbox.keep(data)
        counts["received" if fault is None else "refused"] += 1
        progress(1)
        return fault

    try:
        context = None if tls is None else tls.context()
        with _messages().listening(own_title, bind, port, allowed, keep, context) as server:
            serves(server.server_address[1])
            while not stop.wait(min(quiet_s, 1.0)):
                if studies := inbox.pending(quiet_since=time() - quiet_s):
                    records = (record for study in studies for record in inbox.records(study))
                    _loaded(engine, config, name, inbox, records)
                    counts["studies"] += len(studies)
        return dict(counts)
    finally:
        engine.dispose()


def _loaded(
    engine: Engine,
    config: SiteConfig,
    name: str,
    inbox: Inbox,
    records: Iterable[SourceRecord | Unreadable],
) -> dict[str, Any]:
    summary = load(engine, records, name, site_identity(config), profile=config.mapping)
    inbox.settle()
    return summary.as_dict()


def _inbox(config: SiteConfig, name: str) -> Inbox:
    if not NAME.fullmatch(name):
        raise InputError(
            Code.INVALID_INPUT, "the name of a PACS is a word of at most 40 letters, digits, - and _"
        )
    return Inbox(config.home, name, config.pseudonym_key())


def _messages() -> Any:
    """The module that speaks DICOM messages, which needs the extra."""
    try:
        from site_node.sources.pacs import messages
    except ImportError:
        raise InputError(
            Code.MISSING_EXTRA, "DICOM messages need pynetdicom", "pip install 'shadowgraph[dicom]'"
        ) from None
    return messages
