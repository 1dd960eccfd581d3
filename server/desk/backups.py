"""Backups of the center as pages ask for them: those in the folder of its settings, and one more."""

from pathlib import Path

from protocols.core.errors import Code, InputError
from protocols.runtime.folder_archive import Archives, archives_in
from server.administration import backup
from server.administration.backup import NAME, BackedUp
from server.home.config import load


def listed(home: Path) -> Archives:
    """The center's backups, the newest first."""
    return archives_in(load(home).backup_folder, NAME)


def make(home: Path, by: str = "") -> BackedUp:
    """One backup more, taken while the center works.

    Raises:
        InputError: the settings name no folder. StudyError: it cannot be written.
    """
    folder = load(home).backup_folder
    if folder is None or not folder.is_dir():
        raise InputError(
            Code.NOT_FOUND, "there is no folder for backups", "name one in `backup_folder` of hub.toml"
        )
    return backup.back_up(home, folder, by=by)
