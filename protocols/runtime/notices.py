"""Notices to people: what happened, in words, by mail or webhook. No result and no number of a study.

They are off until a folder has a `notices.toml`. Each is told once; several at once go in one message.
"""

import email.message
import hashlib
import hmac
import json
import smtplib
import ssl
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from protocols.core.errors import Code, InputError, UnreachableError
from protocols.core.faults import in_words
from protocols.runtime import audit_chain
from protocols.runtime.database import insert, open_database, transaction

SETTINGS, FILE = "notices.toml", "notices.sqlite"
SIGNATURE = "X-Shadowgraph-Signature"
STEPS = ("CREATE TABLE told (key TEXT PRIMARY KEY, at REAL NOT NULL);",)
_SECONDS = 20.0
_KEPT_SECONDS = 400 * 86400


class Mail(BaseModel):
    """How mail is sent.

    Attributes:
        security: `starttls`, `tls` from the first byte, or `none`, for a relay on loopback alone.
        password_file: of `user`; readable by its owner alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password_file: Path | None = None
    sender: str
    to: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_private(self) -> "Mail":
        if self.security == "none" and self.host not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError("security `none` is for a relay on this machine alone")
        return self


class Webhook(BaseModel):
    """Where JSON is posted, with the HMAC-SHA256 of the body under the bytes of a file as its signature."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])")
    secret_file: Path


class NoticeSettings(BaseModel):
    """The content of `notices.toml`.

    Attributes:
        every_hours: how often what is new is told; in one message.
        link: the address of the side's pages, for the reader to follow.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    every_hours: float = Field(default=24, gt=0)
    link: str = ""
    mail: Mail | None = None
    webhook: Webhook | None = None


@dataclass(frozen=True)
class Notice:
    """Something that people may want to know.

    Attributes:
        key: by which it is known to have been told.
        event: its kind, of a closed list for whoever reads the webhook.
        text: in words.
    """

    key: str
    event: str
    text: str


@dataclass(frozen=True)
class Told:
    """What was told just now, and by which ways."""

    notices: tuple[str, ...]
    ways: tuple[str, ...]
    schema_version: int = 1


class Way(Protocol):
    """How a message goes out."""

    def __call__(self, side: str, link: str, notices: Sequence[Notice]) -> None:
        """Sends it. Raises OSError, or what the way raises."""


def read(home: Path) -> NoticeSettings | None:
    """The settings of the folder; None where it has none, and nothing is told.

    Raises:
        InputError: a key is unknown or malformed.
    """
    path = home / SETTINGS
    if not path.is_file():
        return None
    try:
        return NoticeSettings(**tomllib.loads(path.read_text()))
    except ValidationError as error:
        raise InputError(Code.INVALID_INPUT, f"{SETTINGS} is not valid: {in_words(error.errors())}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(Code.INVALID_INPUT, f"{SETTINGS} is not TOML: {error}") from None


def tell(home: Path, side: str, now: Iterable[Notice], *, is_trial: bool = False) -> Told:
    """What was told of these notices: those that were not told before, in one message by every way.

    What one way could not send is told again by all of them the next time.

    Args:
        home: the folder.
        side: how the message names it, as in "site oslo".
        now: all that holds now.
        is_trial: send a message that says so, and note nothing.

    Raises:
        InputError: there are no settings, or they name no way.
        UnreachableError: a way did not take the message.
    """
    settings = read(home)
    ways = _ways(settings) if settings else {}
    if settings is None or not ways:
        raise InputError(
            Code.NOT_INITIALISED,
            f"no {SETTINGS} with [mail] or [webhook] in this folder",
            "deploy/README.md has one to start from",
        )
    with closing(open_database(home / FILE, STEPS)) as db:
        known = {row["key"] for row in db.execute("SELECT key FROM told")}
    new = [Notice("", "trial", "this is a trial")] if is_trial else [n for n in now if n.key not in known]
    if not new:
        return Told((), ())
    for name, way in ways.items():
        try:
            way(side, settings.link, new)
        except (OSError, smtplib.SMTPException) as error:
            text = f"the notices did not go out by {name}: {type(error).__name__}"
            raise UnreachableError(Code.SOURCE_UNREACHABLE, text, f"look at [{name}] in {SETTINGS}") from None
    if not is_trial:
        with closing(open_database(home / FILE, STEPS)) as db, transaction(db):
            for one in new:
                insert(db, "told", "ignore", key=one.key, at=time.time())
            db.execute("DELETE FROM told WHERE at < ?", (time.time() - _KEPT_SECONDS,))
        audit_chain.record(home, "notices-told", events=sorted({one.event for one in new}), ways=sorted(ways))
    return Told(tuple(one.text for one in new), tuple(ways))


def keep_telling(home: Path, once: Callable[[], object], sleep: Callable[[float], object]) -> None:
    """Tells what is new every so many hours, as the settings say; ends when they are gone.

    Args:
        home: the folder.
        once: collects and tells.
        sleep: waits for seconds.
    """
    while (settings := read(home)) is not None:
        try:
            once()
        except UnreachableError as error:
            print(error, flush=True)
        sleep(settings.every_hours * 3600)


def _ways(settings: NoticeSettings) -> dict[str, Way]:
    found: dict[str, Way] = {}
    if mail := settings.mail:
        found["mail"] = lambda side, link, notices: _mail(mail, side, link, notices)
    if webhook := settings.webhook:
        found["webhook"] = lambda side, link, notices: _post(webhook, side, link, notices)
    return found


def _mail(settings: Mail, side: str, link: str, notices: Sequence[Notice]) -> None:
    message = email.message.EmailMessage()
    message["From"], message["To"] = settings.sender, ", ".join(settings.to)
    first = notices[0].text if len(notices) == 1 else f"{len(notices)} things happened"
    message["Subject"] = _one_line(f"Shadowgraph, {side}: {first}")
    lines = [f"- {_one_line(one.text)}" for one in notices]
    message.set_content("\n".join([*lines, "", link or "Look at it there; this message holds no result."]))
    trust = ssl.create_default_context()
    with _connected(settings, trust) as connection:
        if settings.security == "starttls":
            connection.starttls(context=trust)
        if settings.user and settings.password_file:
            connection.login(settings.user, settings.password_file.read_text().strip())
        connection.send_message(message)


def _connected(settings: Mail, trust: ssl.SSLContext) -> smtplib.SMTP:
    if settings.security == "tls":
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=_SECONDS, context=trust)
    return smtplib.SMTP(settings.host, settings.port, timeout=_SECONDS)


def _post(settings: Webhook, side: str, link: str, notices: Sequence[Notice]) -> None:
    said = [{"event": one.event, "text": one.text} for one in notices]
    body = json.dumps({"schema_version": 1, "side": side, "link": link, "notices": said}).encode()
    made = hmac.new(settings.secret_file.read_bytes().strip(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", SIGNATURE: f"sha256={made}"}
    request = urllib.request.Request(settings.url, body, headers, method="POST")
    try:
        urllib.request.urlopen(request, timeout=_SECONDS).close()
    except urllib.error.HTTPError as error:
        error.close()
        raise


def _one_line(text: str) -> str:
    """A text that cannot begin another header or line."""
    return " ".join(text.split())
