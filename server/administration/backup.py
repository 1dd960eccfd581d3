"""A center's folder as one file, taken while the center works, and the folder again from that file."""

from dataclasses import dataclass
from pathlib import Path

from protocols.runtime import audit_chain
from protocols.runtime.folder_archive import named_archive, prune_archives, restore_archive, write_archive
from server.administration.processes import RUN
from server.administration.superlink import STATE
from server.home.config import SETTINGS, load
from server.home.schema import FILE as STORE
from server.home.store import Store

NAME = "center"
"""With which the name of an archive begins."""


@dataclass(frozen=True)
class BackedUp:
    """A backup of a center: keys, settings, store, accounts, audit."""

    consortium: str
    archive: Path
    files: int
    bytes: int
    schema_version: int = 1


@dataclass(frozen=True)
class Restored:
    """A center that was made again from a backup.

    Attributes:
        open_studies: those that had not ended; they go on at the next start.
    """

    consortium: str
    home: Path
    files: int
    open_studies: int
    schema_version: int = 1


def back_up(home: Path, place: Path, *, keep: int = 0, by: str = "") -> BackedUp:
    """What was written into the file `place`, or into a new one of the folder `place`.

    Flower's own files, in `run/` and `state/`, are left out.

    Args:
        home: the folder.
        place: a new file, or a folder.
        keep: how many archives stay in the folder; 0 keeps all.
        by: the account that asks; the Unix user, where it is empty.

    Raises:
        InputError: no center is there, or the archive is there already.
        StudyError: it cannot be written; nothing is left of it.
    """
    settings = load(home)
    archive = named_archive(place, NAME)
    about = {"consortium": settings.consortium}
    files = write_archive(settings.home, archive, about, skipped={RUN, STATE}, first=STORE)
    if keep and place.is_dir():
        prune_archives(place, NAME, keep)
    audit_chain.act(settings.home, "backed-up", by, files=files)
    return BackedUp(settings.consortium, archive, files, archive.stat().st_size)


def restore(archive: Path, home: Path) -> Restored:
    """What was put into `home` from an archive.

    A study goes on from the last round that the backup knows, and sites repeat what they answered since. One
    whose sites went so far that they refuse to go back ends with their code.

    Raises:
        InputError: something is there already; or the archive is not whole: nothing is left then.
        StudyError: the folder cannot be written; nothing is left of it.
    """

    def restored(draft: Path, files: int) -> None:
        load(draft)
        Store(draft).resign()  # its Flower run is not in the backup
        audit_chain.act(draft, "restored", files=files)

    files = restore_archive(archive, home, SETTINGS, restored)
    return Restored(load(home).consortium, home, files, len(Store(home).open_runs()))
