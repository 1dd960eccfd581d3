"""The one file to install from holds what a hospital needs: guides, examples, and files for services."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_a_wheel_holds_packages_guides_examples_and_deploy(tmp_path: Path) -> None:
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        (metadata,) = [name for name in names if name.endswith("METADATA")]
        said = file.read(metadata).decode()
    shared = {name.partition(".data/data/")[2] for name in names}
    assert {
        "shadowgraph/__init__.py",
        "cdm/vocabulary/hgnc.tsv.xz",
        "protocols/core/ibsi_features.tsv",
    } <= names
    assert {"server/web/templates/study.html", "protocols/runtime/web/static/style.css"} <= names
    assert {
        "share/doc/shadowgraph/site-guide.md",
        "share/doc/shadowgraph/examples/lgg.yaml",
        "share/doc/shadowgraph/notebooks/2-cohort.ipynb",
        "share/shadowgraph/deploy/README.md",
    } <= shared
    assert "Classifier: Operating System :: POSIX :: Linux" in said
