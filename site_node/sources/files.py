"""The files of a source, in a fixed order."""

import os
from collections.abc import Iterator
from pathlib import Path


def files_below(source: Path) -> Iterator[Path]:
    """The file, or the regular files below the folder; links to folders are not followed."""
    if source.is_file():
        yield source
    for parent, folders, names in os.walk(source):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file():
                yield path
