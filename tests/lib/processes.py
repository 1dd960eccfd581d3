"""Which processes of this machine name a path in their command line."""

import contextlib
from pathlib import Path


def living(path: Path) -> list[tuple[int, str]]:
    """Process id and command line of every living process that names the path."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(path) in words and (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    found.append((int(folder.name), words))
    return found
