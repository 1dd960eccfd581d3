"""The site's audit: one line per decision or answer, each bound to the one before it by its hash.

A line holds names, counts, codes and digests, never a value. Whoever alters, removes or reorders a line
breaks the chain from there on; `verify` says where.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from protocols.core.errors import Code, StudyError
from protocols.runtime.accounts import unix_user
from site_node.home.register import now

FILE = "audit.jsonl"
_FIRST = "0" * 64
_LONGEST_LINE = 2**22


def record(home: Path, event: str, **facts: str | int | list[Any] | dict[str, Any] | None) -> None:
    """Appends a line to the audit of the site in `home`."""
    path = home / FILE
    with open(path, "a+b", opener=_private) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if torn := _cut_torn_line(file):
            _append(file, path, "torn-line-cut", {"bytes": torn})
        _append(file, path, event, facts)


def act(home: Path, event: str, account: str = "", **facts: str | int | list[Any]) -> None:
    """Appends what a person did: under which account, and by which Unix user's process.

    At the command line the account is the Unix user; a page gives the one that signed in.
    """
    user = unix_user()
    record(home, event, **facts, account=account or user, unix_user=user)


def _append(file: BinaryIO, path: Path, event: str, facts: Mapping[str, object]) -> None:
    """Writes one line through to the disk; where it does not fit, it leaves none."""
    line = {"at": now().isoformat(timespec="seconds"), "event": event, **facts, "after": _last(str(path))}
    size = file.seek(0, os.SEEK_END)
    try:
        file.write(json.dumps(line | {"hash": _hash(line)}, sort_keys=True).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    except OSError:
        os.ftruncate(file.fileno(), size)
        raise


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


def lines(home: Path) -> Iterator[dict[str, Any]]:
    """The audit's lines, oldest first."""
    path = home / FILE
    if path.exists():
        with path.open("rb") as file:
            yield from (json.loads(line) for line in file)


def verify(home: Path) -> int:
    """The number of lines, when the chain is whole.

    Raises:
        StudyError: code `tampered`; the text says at which line the chain breaks.
    """
    before, count = _FIRST, 0
    try:
        for line in lines(home):
            claimed = line.pop("hash")
            if line["after"] != before or _hash(line) != claimed:
                raise ValueError
            before, count = claimed, count + 1
    except (ValueError, KeyError):
        raise StudyError(Code.TAMPERED, f"the audit's chain breaks at line {count + 1}") from None
    return count


def _hash(line: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(line, sort_keys=True).encode()).hexdigest()


def _last(path: str) -> str:
    """The hash of the last line, read from the end of the file."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        tail, step = b"", 4096
        while size > 0 and tail.count(b"\n") < 2:
            step = min(step, size)
            size = file.seek(size - step)
            tail = file.read(step) + tail
    last = tail.splitlines()[-1:] or [b""]
    return str(json.loads(last[0])["hash"]) if last[0] else _FIRST
