"""What a test needs beside `dev`, and how it is skipped without."""

from importlib.util import find_spec

import pytest

NEEDS_TORCH = pytest.mark.skipif(
    find_spec("torch") is None, reason="torch is not installed: pip install 'shadowgraph[neural]'"
)
