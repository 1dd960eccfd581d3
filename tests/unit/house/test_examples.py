"""The study files of docs/examples are studies."""

from pathlib import Path

import pytest
import yaml

from protocols.core.study import Study

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "docs/examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_study_of_its_files_name(path: Path) -> None:
    study = Study.model_validate(yaml.safe_load(path.read_text()))
    assert study.name == path.stem
