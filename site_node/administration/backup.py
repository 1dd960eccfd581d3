"""A site's folder as one file, taken while the site works, and the folder again from that file."""

from dataclasses import dataclass
from pathlib import Path

from protocols.runtime.folder_archive import named_archive, prune_archives, restore_archive, write_archive
from site_node.administration.processes import RUN
from site_node.governance import approvals, audit
from site_node.home import config
from site_node.home.register import FILE as REGISTER

_SQLITE = "sqlite:///"


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


def back_up(home: Path, place: Path, *, keep: int = 0, by: str = "") -> BackedUp:
    """What was written into the file `place`, or into a new one of the folder `place`.

    The register is copied before the audit, as an answer is audited before it is remembered: so the copy,
    too, holds no answer that is not audited. Flower's own files in `run/` are left out.

    Args:
        home: the folder.
        place: a new file, or a folder.
        keep: how many archives stay in the folder; 0 keeps all.
        by: the account that asks; the Unix user, where it is empty.

    Raises:
        InputError: no site is there, or the archive is there already.
        StudyError: it cannot be written; nothing is left of it.
    """
    settings = config.load(home)
    archive = named_archive(place, settings.name)
    inside = database_inside(settings)
    files = write_archive(settings.home, archive, {"site": settings.name}, skipped={RUN}, first=REGISTER)
    if keep and place.is_dir():
        prune_archives(place, settings.name, keep)
    audit.act(settings.home, "backed-up", by, files=files)
    return BackedUp(settings.name, archive, files, archive.stat().st_size, inside)


def restore(archive: Path, home: Path) -> Restored:
    """What was put into `home` from an archive; every approval is taken back.

    The site does not know what it answered after the backup was made, so a person has to approve again.

    Raises:
        InputError: something is there already; or the archive is not whole: nothing is left then.
        StudyError: the folder cannot be written; nothing is left of it.
    """
    taken_back = 0

    def take_back(draft: Path, files: int) -> None:
        nonlocal taken_back
        config.load(draft)
        taken_back = approvals.withdraw_all(draft)
        audit.act(draft, "restored", files=files, approvals_taken_back=taken_back)

    files = restore_archive(archive, home, config.SETTINGS, take_back)
    return Restored(config.load(home).name, home, files, taken_back)


def database_inside(settings: config.SiteConfig) -> str | None:
    """The CDM's file relative to the site's folder; None where it is elsewhere."""
    path = Path(settings.database_url.removeprefix(_SQLITE))
    if not settings.database_url.startswith(_SQLITE) or not path.is_relative_to(settings.home):
        return None
    return path.relative_to(settings.home).as_posix()
