"""Files that hold a secret: their owner's alone, and never written over."""

import os
from pathlib import Path


def write_secret(path: Path, content: bytes) -> None:
    """Writes a file that only its owner reads (0600). Raises FileExistsError rather than replace a secret."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def new_secret(path: Path) -> bytes:
    """32 random bytes, now in a file of their own. Raises FileExistsError."""
    secret = os.urandom(32)
    write_secret(path, secret)
    return secret
