"""The study files of docs/examples are studies."""

from pathlib import Path

import pytest

from protocols.core.study import read_study

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "docs/examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_study_with_analyses(path: Path) -> None:
    assert read_study(path).analyses
