"""What a test needs beside `dev`, and how it is skipped without."""

from importlib.util import find_spec

import pytest

from protocols.core.protocol import protocol

NEEDS_TORCH = pytest.mark.skipif(
    find_spec("torch") is None, reason="torch is not installed: pip install 'shadowgraph[neural]'"
)


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    """The marks of a test that runs a protocol: skipped, where the module that it needs is not installed."""
    module = protocol(name).needs_module
    missing = bool(module) and find_spec(module) is None
    return [pytest.mark.skipif(missing, reason=f"{module} is not installed")]
