"""The audit of a site or a center: one line per act, each bound to the one before it under a key of its own.

A line holds names, counts, codes and digests, never a value. Its MAC (HMAC-SHA256, `keys/audit.key`) covers
the line and the MAC before it, so whoever lacks the key cannot alter, remove, reorder or add a line. Whoever
has the key can make the whole chain again; against that the last MAC of a site's audit, its head, goes with
every answer to the other sites and the center, who keep it (`site_node/governance/audit_heads.py`).
"""

import fcntl
import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from protocols.core.errors import Code, StudyError
from protocols.core.secret_files import new_secret
from protocols.runtime.accounts.machine import unix_user

FILE = "audit.jsonl"
KEY, FRESH_KEY = "audit.key", "audit.key.new"
KEYED = "audit-keyed"
FIRST = "0" * 64
KEY_BYTES = 32
_LONGEST_LINE = 2**22
_MEND = "shadowgraph audit mend; for a center, shadowgraph network audit mend"

Facts = Mapping[str, object]
_OF_THE_CHAIN = ("at", "event", "after", "hash", "mac")


@dataclass(frozen=True)
class AuditLine:
    """One act or answer; the facts are names, counts, codes and digests."""

    at: datetime
    event: str
    facts: Facts


@dataclass(frozen=True)
class AuditLines:
    """Lines of an audit, the oldest first."""

    lines: tuple[AuditLine, ...]
    schema_version: int = 1


class ChainLine(NamedTuple):
    """A line of a whole chain: where it ends in the file, its head, and what it says."""

    end: int
    head: str
    content: dict[str, Any]


def shown(home: Path, *, last: int = 20) -> AuditLines:
    """The last lines of the audit."""
    return AuditLines(tuple(_shown(line) for line in list(lines(home))[-last:]))


def record(home: Path, event: str, **facts: str | int | list[Any] | dict[str, Any] | None) -> None:
    """Appends a line to the audit of the side in `home`.

    Raises:
        StudyError: audit-damaged; the last line is not one that was written here.
    """
    with locked(home) as file:
        append(file, home, event, facts)


def act(home: Path, event: str, account: str = "", **facts: str | int | list[Any]) -> None:
    """Appends what a person did: under which account, and by which Unix user's process.

    At the command line the account is the Unix user; a page gives the one that signed in.
    """
    user = unix_user()
    record(home, event, **facts, account=account or user, unix_user=user)


def locked(home: Path) -> BinaryIO:
    """The audit's file, locked against every other writer until it is closed."""
    file = open(home / FILE, "a+b", opener=_private)  # noqa: SIM115 who locks it closes it
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except BaseException:
        file.close()
        raise
    return file


def append(file: BinaryIO, home: Path, event: str, facts: Facts, *, is_restarted: bool = False) -> None:
    """Appends a line to the locked file; to an empty one that had lines before if it `is_restarted`.

    Raises:
        StudyError: audit-damaged; the last line is not one that was written here.
    """
    torn = _cut_torn_line(file)
    known = _key(file, home, is_restarted=is_restarted)
    before = _last(file, known)
    key = known or _fresh_key(home)
    if known is None and before != FIRST:
        before = _write(file, key, KEYED, {}, before)
    if torn:
        before = _write(file, key, "torn-line-cut", {"bytes": torn}, before)
    _write(file, key, event, facts, before)
    if known is None:  # from now on an audit without a line that bears it is damaged
        (home / "keys" / FRESH_KEY).rename(home / "keys" / KEY)


def lines(home: Path) -> Iterator[dict[str, Any]]:
    """The audit's lines, oldest first."""
    for number, line in enumerate(_lines(home), start=1):
        yield _read(line, number)


def whole_lines(home: Path) -> Iterator[ChainLine]:
    """The lines of the chain, each checked.

    Raises:
        StudyError: audit-damaged; the text says at which line the chain breaks.
    """
    settled, fresh = (home / "keys" / name for name in (KEY, FRESH_KEY))
    key = next((path.read_bytes() for path in (settled, fresh) if path.exists()), None)
    before, end, is_keyed = FIRST, 0, False
    for number, data in enumerate(_lines(home), start=1):
        line = _read(data, number)
        is_keyed = _changes_to_keyed(line, number, is_keyed=is_keyed)
        found = _checked(line, key if is_keyed else None, before)
        if found is None:
            raise damaged(number)
        before, end = found, end + len(data)
        yield ChainLine(end, found, line)
    if settled.exists() and not is_keyed:
        raise StudyError(Code.AUDIT_DAMAGED, "no line of the audit bears its key", _MEND)


def head(home: Path) -> str:
    """The MAC of the last line, which stands for all lines before it.

    Raises:
        StudyError: audit-damaged.
    """
    with locked(home) as file:
        return _last(file, _key(file, home))


def damaged(number: int) -> StudyError:
    """The error that the chain breaks at a line."""
    return StudyError(Code.AUDIT_DAMAGED, f"the audit's chain breaks at line {number}", _MEND)


def _shown(line: Facts) -> AuditLine:
    facts = {name: fact for name, fact in line.items() if name not in _OF_THE_CHAIN}
    return AuditLine(datetime.fromisoformat(str(line["at"])), str(line["event"]), facts)


def _changes_to_keyed(line: Mapping[str, Any], number: int, *, is_keyed: bool) -> bool:
    """Whether lines bear the key from here on; earlier releases wrote hashes without a key."""
    if "mac" in line and not is_keyed and number > 1 and line.get("event") != KEYED:
        raise damaged(number)
    return is_keyed or "mac" in line


def _key(file: BinaryIO, home: Path, *, is_restarted: bool = False) -> bytes | None:
    """The audit's key; None before the first line, and for the audit of an earlier release.

    Raises:
        StudyError: audit-damaged; lines bear a key that is not there, or a key is there but no line.
    """
    path = home / "keys" / KEY
    if path.exists():
        if not _last_line(file) and not is_restarted:
            raise StudyError(Code.AUDIT_DAMAGED, "the audit is empty, and was not", _MEND)
        return path.read_bytes()
    if b'"mac"' in _last_line(file):
        if (home / "keys" / FRESH_KEY).exists():  # killed right after the first line that bears it
            (home / "keys" / FRESH_KEY).rename(path)
            return path.read_bytes()
        raise StudyError(Code.AUDIT_DAMAGED, f"the key {KEY} is missing", "restore it from a backup")
    return None


def _fresh_key(home: Path) -> bytes:
    """The key of the first line that will bear one; the same where a kill came before that line."""
    path = home / "keys" / FRESH_KEY
    if path.exists() and len(path.read_bytes()) == KEY_BYTES:
        return path.read_bytes()
    path.unlink(missing_ok=True)
    return new_secret(path)


def _write(file: BinaryIO, key: bytes, event: str, facts: Facts, before: str) -> str:
    """The head after one line, which is written through to the disk; what does not fit leaves none."""
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "event": event, **facts, "after": before}
    line["mac"] = mac = _mac(key, line)
    size = file.seek(0, os.SEEK_END)
    try:
        file.write(json.dumps(line, sort_keys=True).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    except OSError:
        os.ftruncate(file.fileno(), size)
        raise
    return mac


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _cut_torn_line(file: BinaryIO) -> int:
    """How many bytes of a line without its end were cut off: a power cut came while it was written."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _LONGEST_LINE, 0))
    tail = file.read()
    torn = len(tail) - (tail.rfind(b"\n") + 1)
    if torn:
        os.ftruncate(file.fileno(), size - torn)
    return torn


def _last(file: BinaryIO, key: bytes | None) -> str:
    """The head of the file, whose last line was written here.

    Raises:
        StudyError: audit-damaged.
    """
    last = _last_line(file)
    if not last:
        return FIRST
    try:
        line = json.loads(last)
        found = _checked(line, key, str(line["after"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        found = None
    if found is None:
        raise StudyError(
            Code.AUDIT_DAMAGED, "the last line of the audit is not one that was written here", _MEND
        )
    return found


def _last_line(file: BinaryIO) -> bytes:
    """The last line that has its end; empty where there is none."""
    size = file.seek(0, os.SEEK_END)
    tail, step = b"", 4096
    while size > 0 and tail.count(b"\n") < 2:
        step = min(step, size)
        size = file.seek(size - step)
        tail = file.read(step) + tail
    return tail[: tail.rfind(b"\n") + 1].rstrip(b"\n").rpartition(b"\n")[2]


def _lines(home: Path) -> Iterator[bytes]:
    """The lines as bytes; one without its end was torn by a power cut, and the next writer cuts it off."""
    path = home / FILE
    if path.exists():
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))


def _read(data: bytes, number: int) -> dict[str, Any]:
    try:
        line = json.loads(data)
    except ValueError:
        raise damaged(number) from None
    if not isinstance(line, dict):
        raise damaged(number)
    return line


def _checked(line: dict[str, Any], key: bytes | None, before: str) -> str | None:
    """A line's head, if it follows that one and is what was written under the key; without a key, hashed."""
    name = "hash" if key is None else "mac"
    content = {field: value for field, value in line.items() if field != name}
    made = _hash(content) if key is None else _mac(key, content)
    is_whole = line.get("after") == before and hmac.compare_digest(str(line.get(name)), made)
    return made if is_whole else None


def _mac(key: bytes, line: Mapping[str, object]) -> str:
    return hmac.new(key, json.dumps(line, sort_keys=True).encode(), hashlib.sha256).hexdigest()


def _hash(line: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(line, sort_keys=True).encode()).hexdigest()
