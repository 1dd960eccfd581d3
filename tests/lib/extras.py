"""What a test needs beside `dev`, and how it is skipped without."""

from importlib.util import find_spec

import pytest

from protocols.core.protocol import protocol

NEEDS_TORCH = pytest.mark.skipif(
    find_spec("torch") is None, reason="torch is not installed: pip install 'shadowgraph[neural]'"
)


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    """The marks of a test that runs a protocol: skipped, where the library that it needs is not installed."""
    library = protocol(name).library
    missing = bool(library) and find_spec(library) is None
    return [pytest.mark.skipif(missing, reason=f"{library} is not installed")]
