"""Backups of the site as pages ask for them: those in the folder of its settings, and one more."""

from collections.abc import Iterator
from pathlib import Path

from protocols.core.errors import Code, InputError
from protocols.runtime.folder_archive import Archives, archives_in
from site_node.administration import backup
from site_node.administration.backup import BackedUp
from site_node.home.config import load


def listed(home: Path) -> Archives:
    """The site's backups, the newest first."""
    settings = load(home)
    return archives_in(settings.backup_folder, settings.name)


def make(home: Path, by: str) -> Iterator[BackedUp]:
    """One backup more, taken while the site works.

    Raises:
        InputError: the settings name no folder. StudyError: it cannot be written.
    """
    folder = load(home).backup_folder
    if folder is None or not folder.is_dir():
        raise InputError(
            Code.NOT_FOUND, "there is no folder for backups", "name one in `backup_folder` of site.toml"
        )
    yield backup.back_up(home, folder, by=by)
