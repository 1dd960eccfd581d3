"""Where the tests find the real inputs and reference numbers, which the project does not ship."""

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("SHADOWGRAPH_SHARED", Path(__file__).resolve().parents[3] / "shared"))


def shared(relative: str) -> Path:
    """The path of one shared input; skips the calling test where it is absent."""
    path = ROOT / relative
    if not path.exists():
        pytest.skip(f"shared input {relative} is not here (set SHADOWGRAPH_SHARED to its folder)")
    return path
