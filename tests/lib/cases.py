"""The cases: small inputs on which other tools, or an earlier version of this one, went wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from server.main import run
from tests.lib.shared import shared


def case(name: str) -> Path:
    """The folder of a case; skips the calling test where it is absent."""
    return shared(f"cases/{name}")


class Command:
    """`shadowgraph` as a person runs it, and what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: object) -> tuple[int, dict[str, Any]]:
        """The exit code and the JSON of one command line."""
        code = run([str(word) for word in words], as_json=True)
        return code, json.loads(self._capsys.readouterr().out)
