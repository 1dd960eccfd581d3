"""A site's folder as one file, taken while the site works, and the folder again from that file.

The archive is a tar: the databases as SQLite copies them, every other file as it is, and at the end the
SHA-256 of each. It holds patients' rows and private keys, and is to be guarded like the folder itself.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from protocols.core.errors import Code, InputError, StudyError, not_found
from site_node.administration.processes import RUN
from site_node.governance import approvals, audit
from site_node.home import config
from site_node.home.register import FILE as REGISTER

MANIFEST = "backup.json"
_SQLITE = "sqlite:///"
_OF_SQLITE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class BackedUp:
    """A backup: `database` is the CDM's file in it, None where the CDM is elsewhere."""

    site: str
    archive: Path
    files: int
    bytes: int
    database: str | None
    schema_version: int = 1


@dataclass(frozen=True)
class Restored:
    """A site that was made again from a backup."""

    site: str
    home: Path
    files: int
    approvals_taken_back: int
    schema_version: int = 1


def back_up(home: Path, archive: Path) -> BackedUp:
    """What was written into `archive`: files, bytes, and where the CDM is, if it is elsewhere.

    The register is copied before the audit, as an answer is audited before it is remembered: so the copy,
    too, holds no answer that is not audited. Flower's own files in `run/` are left out.

    Raises:
        InputError: no site is there, or the archive is there already.
        StudyError: it cannot be written; nothing is left of it.
    """
    settings = config.load(home)
    if archive.exists():
        raise InputError(Code.ALREADY_EXISTS, f"there is a file {archive.name} already", "give another name")
    draft = archive.with_name(archive.name + ".partial")
    with _what_the_disk_says(archive):
        try:
            digests = _write(settings, draft, archive)
            draft.replace(archive)
        finally:
            draft.unlink(missing_ok=True)
    audit.act(settings.home, "backed-up", files=len(digests))
    size = archive.stat().st_size
    return BackedUp(settings.name, archive, len(digests), size, _database_inside(settings))


def _write(settings: config.SiteConfig, draft: Path, archive: Path) -> dict[str, str]:
    """The SHA-256 of each file of the site, all of which are in the archive now."""
    home, inside, digests = settings.home, _database_inside(settings), {}
    databases = [name for name in (REGISTER, inside) if name and (home / name).is_file()]
    with open(draft, "wb", opener=_private) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for name in databases:
            with _copied(home / name) as copy:
                digests[name] = _add(tar, copy, name)
        for path in _other_files(home, databases, {archive.resolve(), draft.resolve()}):
            digests[path.relative_to(home).as_posix()] = _add_whole(tar, path, home)
        with tempfile.TemporaryFile() as manifest:
            content = {"schema_version": 1, "site": settings.name, "sha256": digests}
            manifest.write(json.dumps(content, sort_keys=True).encode())
            manifest.seek(0)
            _add(tar, manifest, MANIFEST)
    return digests


def restore(archive: Path, home: Path) -> Restored:
    """What was put into `home` from an archive; every approval is taken back.

    The site does not know what it answered after the backup was made, so a person has to approve again.

    Raises:
        InputError: something is there already; or the archive is not whole: nothing is left then.
        StudyError: the folder cannot be written; nothing is left of it.
    """
    if not archive.is_file():
        raise not_found(archive)
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise InputError(
            Code.ALREADY_EXISTS, "there is something in this folder already", "give an empty one with --home"
        )
    with _what_the_disk_says(home):
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        home.chmod(0o700)
        draft = home / ".restored"  # inside: the folder itself may be a volume's, which cannot be replaced
        draft.mkdir(mode=0o700)
        try:
            files = _extracted(archive, draft)
            settings = config.load(draft)
            taken_back = approvals.withdraw_all(draft)
            audit.act(draft, "restored", files=files, approvals_taken_back=taken_back)
            # The settings last: they make the folder a site.
            for path in sorted(draft.iterdir(), key=lambda path: path.name == config.SETTINGS):
                path.replace(home / path.name)
        finally:
            shutil.rmtree(draft)
    return Restored(settings.name, home, files, taken_back)


@contextlib.contextmanager
def _what_the_disk_says(path: Path) -> Iterator[None]:
    """Turns what the disk refuses into words."""
    try:
        yield
    except OSError as error:
        raise StudyError(Code.SITE_FAILED, f"{path} cannot be written: {error.strerror}") from None


def _database_inside(settings: config.SiteConfig) -> str | None:
    """The CDM's file relative to the site's folder; None where it is elsewhere."""
    path = Path(settings.database_url.removeprefix(_SQLITE))
    if not settings.database_url.startswith(_SQLITE) or not path.is_relative_to(settings.home):
        return None
    return path.relative_to(settings.home).as_posix()


@contextlib.contextmanager
def _copied(database: Path) -> Iterator[IO[bytes]]:
    """A consistent copy of a SQLite database that others may be writing to."""
    with tempfile.NamedTemporaryFile(dir=database.parent, prefix=".backup-") as copy:
        with (
            contextlib.closing(sqlite3.connect(database, timeout=60)) as source,
            contextlib.closing(sqlite3.connect(copy.name)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
        with open(copy.name, "rb") as whole:
            yield whole


def _other_files(home: Path, databases: list[str], archives: set[Path]) -> Iterator[Path]:
    """The files of the folder except databases, Flower's own, and this backup; links are not followed."""
    skipped = {name + tail for name in databases for tail in ("", *_OF_SQLITE)}
    for path in sorted(home.rglob("*")):
        name = path.relative_to(home)
        if name.parts[0] == RUN or name.as_posix() in skipped or name.name.startswith(".backup-"):
            continue
        if path.is_file() and not path.is_symlink() and path.resolve() not in archives:
            yield path


def _add_whole(tar: tarfile.TarFile, path: Path, home: Path) -> str:
    """Adds a file while nobody appends to it, as the audit's writer does under the same lock."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        return _add(tar, file, path.relative_to(home).as_posix())


def _add(tar: tarfile.TarFile, file: IO[bytes], name: str) -> str:
    """The SHA-256 of a file that was added under a name, for its owner alone."""
    about = tarfile.TarInfo(name)
    about.mode, about.size = 0o600, os.fstat(file.fileno()).st_size
    about.mtime = int(os.fstat(file.fileno()).st_mtime)
    reader = _Hashing(file)
    tar.addfile(about, reader)
    return reader.digest.hexdigest()


class _Hashing:
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _extracted(archive: Path, into: Path) -> int:
    """How many files of an archive, which is whole, lie in `into` now.

    Raises:
        InputError: tampered; a file is not what the manifest says, or has a name that leads elsewhere.
    """
    try:
        with tarfile.open(archive, mode="r:") as tar:
            return _extract(tar, into)
    except (tarfile.TarError, KeyError, TypeError, ValueError):
        raise InputError(
            Code.TAMPERED, f"{archive.name} is not a whole backup of a site", "use an earlier one"
        ) from None


def _extract(tar: tarfile.TarFile, into: Path) -> int:
    found: dict[str, str] = {}
    manifest: dict[str, Any] = {}
    for member in tar:
        content, name = tar.extractfile(member) if member.isfile() else None, PurePosixPath(member.name)
        if content is None or name.is_absolute() or ".." in name.parts:
            raise ValueError("no plain file of the folder")
        if member.name == MANIFEST:
            manifest = json.load(content)
            break
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        reader = _Hashing(content)
        with open(target, "xb", opener=_private) as file:
            shutil.copyfileobj(reader, file, 2**20)
        found[member.name] = reader.digest.hexdigest()
    if manifest["schema_version"] != 1 or manifest["sha256"] != found:
        raise ValueError("not the files of the manifest")
    return len(found)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
