"""Earlier commits of this repository, to measure beside this code."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def cloned(revision: str, folder: Path) -> Path:
    """A clone of this repository at a revision, without an environment."""
    subprocess.run(["git", "clone", "-q", "--no-checkout", str(ROOT), str(folder)], check=True)
    subprocess.run(["git", "checkout", "-q", revision], cwd=folder, check=True)
    return folder
