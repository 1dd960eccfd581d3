"""Whether what is installed is what was built: every file against the hash that the wheel's record has of it.

A wheel's record lists each of its files with its SHA-256 (PyPA's binary distribution format). Whoever can
write the record too is not found by this; the hashes of the lock bind the wheel itself.
"""

import base64
import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path, PurePosixPath

NAME = "shadowgraph"
_CODE = (".py", ".so", ".pth")
_ALGORITHM = "sha256="


@dataclass(frozen=True)
class Installed:
    """What was compared.

    Attributes:
        files: how many the record names with a hash, in this distribution's packages; none in a checkout.
        changed: those that are missing or hold something else.
        added: code beside them that the record does not name.
    """

    files: int
    changed: tuple[str, ...]
    added: tuple[str, ...]


def installed(where: Sequence[Path] = ()) -> Installed:
    """What of the installed files is not as it was built.

    Args:
        where: folders in which the distribution lies; where Python finds it, if none is given.

    Raises:
        PackageNotFoundError: it is not installed there.
    """
    found = _found(where)
    # The record itself: from Python 3.12 on `files` leaves out what is missing.
    lines = csv.reader((found.read_text("RECORD") or "").splitlines())
    recorded = {PurePosixPath(line[0]): line[1] for line in lines if line and line[1]}
    code = {
        file: said
        for file, said in recorded.items()
        if len(file.parts) > 1 and file.parts[0] != ".." and not file.parts[0].endswith(".dist-info")
    }  # without commands
    changed = tuple(
        sorted(str(file) for file, said in code.items() if not _is_as_recorded(found, file, said))
    )
    known = {Path(str(found.locate_file(str(file)))) for file in code}
    folders = {Path(str(found.locate_file(file.parts[0]))) for file in code}
    beside = {path for folder in folders for path in folder.rglob("*") if path.suffix in _CODE}
    added = tuple(sorted(str(path.relative_to(_root(path, folders))) for path in beside - known))
    return Installed(len(code), changed, added)


def _root(path: Path, folders: set[Path]) -> Path:
    """The folder above the package in which a path lies."""
    return next(folder.parent for folder in folders if path.is_relative_to(folder))


def _found(where: Sequence[Path]) -> Distribution:
    if not where:
        return distribution(NAME)
    found: Distribution
    (found,) = distributions(name=NAME, path=[str(folder) for folder in where])
    return found


def _is_as_recorded(found: Distribution, file: PurePosixPath, said: str) -> bool:
    """Whether a file holds what the record says of it."""
    path = Path(str(found.locate_file(str(file))))
    if not said.startswith(_ALGORITHM) or not path.is_file():
        return False
    digest = hashlib.sha256(path.read_bytes()).digest()
    return _ALGORITHM + base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == said
