"""A side's folder as one file, taken while the side works, and the folder again from that file.

The archive is a tar: the databases as SQLite copies them, every other file as it is, and at the end the
SHA-256 of each. It holds private keys, a site's also patients' rows, and is to be guarded like the folder.
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
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any

from protocols.core.errors import Code, InputError, StudyError, not_found

MANIFEST = "backup.json"
_HEADER = b"SQLite format 3\0"
_OF_SQLITE = ("-wal", "-shm", "-journal")


def write_archive(
    home: Path, archive: Path, about: Mapping[str, str], *, skipped: Collection[str], first: str
) -> int:
    """How many files of a folder are in the archive now.

    Args:
        home: the folder.
        archive: the new file.
        about: what the manifest says of the folder beside its files.
        skipped: names at the top of the folder that are left out.
        first: the SQLite file that is copied before all other files.

    Raises:
        InputError: the archive is there already.
        StudyError: it cannot be written; nothing is left of it.
    """
    if archive.exists():
        raise InputError(Code.ALREADY_EXISTS, f"there is a file {archive.name} already", "give another name")
    draft = archive.with_name(archive.name + ".partial")
    with _what_the_disk_says(archive):
        try:
            digests = _write(home, draft, archive, about, skipped, first)
            draft.replace(archive)
        finally:
            draft.unlink(missing_ok=True)
    return len(digests)


def named_archive(place: Path, name: str) -> Path:
    """The archive to write: the place itself, or where it is a folder, a file of it named by the time."""
    return place / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar" if place.is_dir() else place


@dataclass(frozen=True)
class Archive:
    """An archive in a folder, by its name."""

    name: str
    bytes: int
    made_at: datetime


@dataclass(frozen=True)
class Archives:
    """The archives in the folder of a side's settings, the newest first.

    Attributes:
        folder: None where the settings name none.
        is_there: whether the folder can be read.
    """

    folder: Path | None
    is_there: bool
    archives: tuple[Archive, ...] = ()
    schema_version: int = 1


def archives_in(folder: Path | None, name: str) -> Archives:
    """The archives of that name that `named_archive` named."""
    if folder is None or not folder.is_dir():
        return Archives(folder, is_there=False)
    found = [
        Archive(path.name, path.stat().st_size, datetime.fromtimestamp(path.stat().st_mtime, UTC))
        for path in reversed(_archives(folder, name))
    ]
    return Archives(folder, is_there=True, archives=tuple(found))


def _archives(folder: Path, name: str) -> list[Path]:
    """The archives of that name, the oldest first."""
    return sorted(folder.glob(f"{name}-{'[0-9]' * 8}T{'[0-9]' * 6}Z.tar"))


def prune_archives(folder: Path, name: str, keep: int) -> int:
    """How many archives of that name were deleted from a folder, the oldest first, so that `keep` stay."""
    archives = _archives(folder, name)
    for archive in archives[: max(len(archives) - keep, 0)]:
        archive.unlink()
    return max(len(archives) - keep, 0)


def restore_archive(archive: Path, home: Path, settings: str, made_sound: Callable[[Path, int], None]) -> int:
    """How many files of an archive lie in `home` now; the settings last, for they make the folder a side's.

    Args:
        archive: what `write_archive` wrote.
        home: an empty folder, or none yet.
        settings: the name of the side's settings file.
        made_sound: is given the whole folder, not yet in its place, and how many files it has.

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
            made_sound(draft, files)
            for path in sorted(draft.iterdir(), key=lambda path: path.name == settings):
                path.replace(home / path.name)
        finally:
            shutil.rmtree(draft)
    return files


def _write(
    home: Path,
    draft: Path,
    archive: Path,
    about: Mapping[str, str],
    skipped: Collection[str],
    first: str,
) -> dict[str, str]:
    """The SHA-256 of each file of the folder, all of which are in the archive now."""
    digests: dict[str, str] = {}
    files = list(_files(home, skipped, {archive.resolve(), draft.resolve()}))
    databases = sorted((name for name in files if _is_sqlite(home / name)), key=lambda name: name != first)
    beside = {name + tail for name in databases for tail in ("", *_OF_SQLITE)}
    with open(draft, "wb", opener=_private) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for name in databases:
            with _copied(home / name) as copy:
                digests[name] = _add(tar, copy, name)
        for name in files:
            if name not in beside:
                digests[name] = _add_whole(tar, home / name, home)
        with tempfile.TemporaryFile() as manifest:
            content = {"schema_version": 1, **about, "sha256": digests}
            manifest.write(json.dumps(content, sort_keys=True).encode())
            manifest.seek(0)
            _add(tar, manifest, MANIFEST)
    return digests


@contextlib.contextmanager
def _what_the_disk_says(path: Path) -> Iterator[None]:
    """Turns what the disk refuses into words."""
    try:
        yield
    except OSError as error:
        raise StudyError(Code.SITE_FAILED, f"{path} cannot be written: {error.strerror}") from None


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


def _files(home: Path, skipped: Collection[str], archives: set[Path]) -> Iterator[str]:
    """The files of the folder by their paths in it, except what is skipped, and this backup; no links."""
    for path in sorted(home.rglob("*")):
        name = path.relative_to(home)
        if name.parts[0] in skipped or name.name.startswith(".backup-"):
            continue
        if path.is_file() and not path.is_symlink() and path.resolve() not in archives:
            yield name.as_posix()


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_HEADER)) == _HEADER


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
            Code.TAMPERED, f"{archive.name} is not a whole backup", "use an earlier one"
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
