"""The study files of docs/examples are studies."""

import shutil
from pathlib import Path

import pytest

from protocols.core.study import read_study
from site_node.synthetic import SEED
from site_node.synthetic.genotypes import manifest, write_manifest, write_score

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "docs/examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_study_with_analyses(tmp_path: Path, path: Path) -> None:
    """Each beside what it is played with: its own lists, and the array of the synthetic hospitals."""
    folder = shutil.copytree(path.parent, tmp_path / "examples")
    (folder / "hospitals").mkdir()
    write_manifest(folder / "hospitals", manifest(100, SEED))
    write_score(folder / "hospitals", manifest(100, SEED))
    assert read_study(folder / path.name).analyses
