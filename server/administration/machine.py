"""Checks which of Shadowgraph's requirements this machine meets."""

import importlib.metadata
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from protocols.runtime.checks import Check
from protocols.runtime.installed import installed

FLOWER = "1.41."
_GIGABYTE = 2**30


def machine() -> Iterator[Check]:
    """Every check, the most basic first."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Check("Python", version, sys.version_info >= (3, 11), "install Python 3.11 or newer")
    flower = importlib.metadata.version("flwr")
    yield Check("Flower", flower, flower.startswith(FLOWER), f"install flwr {FLOWER}*: `make .venv/ready`")
    yield _as_built()
    yield _loopback()
    yield _processor()
    yield _disk()
    yield _program("PostgreSQL server", "/usr/lib/postgresql/*/bin/postgres", "apt install postgresql")
    yield _program(
        "reverse proxy", "/usr/sbin/nginx", "apt install nginx (for a center that is reached from outside)"
    )


def _as_built() -> Check:
    """Whether the installed files are those of the wheel; of a source checkout nothing can be said."""
    found = installed()
    if not found.files:
        return Check("installed files", "a source checkout", True)
    wrong = [f"changed: {', '.join(found.changed[:5])}"] * bool(found.changed)
    wrong += [f"added: {', '.join(found.added[:5])}"] * bool(found.added)
    said = "; ".join(wrong) or f"{found.files} files, as they were built"
    return Check("installed files", said, not wrong, "find out who changed them, and install the wheel anew")


def _loopback() -> Check:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 0))
        except OSError:
            return Check("loopback network", "no port could be opened", False, "allow sockets on 127.0.0.1")
    return Check("loopback network", "a port could be opened", True)


def _processor() -> Check:
    cores = os.cpu_count() or 1
    return Check(
        "processor", f"{cores} cores", cores >= 2, "2 cores are better: one is slow", is_required=False
    )


def _disk() -> Check:
    free = shutil.disk_usage(tempfile.gettempdir()).free / _GIGABYTE
    return Check("disk for temporary files", f"{free:.0f} GiB free", free >= 2, "free 2 GiB")


def _program(what: str, pattern: str, fix: str) -> Check:
    found = sorted(Path("/").glob(pattern.lstrip("/")))
    return Check(what, str(found[-1]) if found else "not here", bool(found), fix, is_required=False)
