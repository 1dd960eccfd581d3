"""The notebooks of the docs, executed as they stand: on dummy people, and over a center by a token."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from protocols.runtime.accounts.roles import Role
from server.desk.table import READ, SUBMIT
from server.home.submissions import State
from tests.lib.center_pages import NAMES, Center
from tests.lib.people_with_accounts import person
from tests.web.test_center_pages import center as center

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))
SECONDS = 300

pytestmark = pytest.mark.slow


def executed(path: Path, environment: dict[str, str]) -> str:
    """What the code cells of a notebook print and show, run in a kernel of this Python."""
    nbclient = pytest.importorskip(
        "nbclient", reason="nbclient is not installed: pip install 'shadowgraph[dev]'"
    )
    nbformat = pytest.importorskip(
        "nbformat", reason="nbformat is not installed: pip install 'shadowgraph[dev]'"
    )
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    with mock.patch.dict(os.environ, environment):
        nbclient.NotebookClient(notebook, timeout=SECONDS, kernel_name="python3").execute()
    return "\n".join(str(one) for cell in notebook.cells for one in cell.get("outputs", ()))


@pytest.fixture(scope="module")
def deciding(center: Center) -> Iterator[Center]:
    """A center whose hospitals' people approve whatever waits."""
    over = threading.Event()

    def decide() -> None:
        store = center.consortium.store
        while not over.wait(0.2):
            for entry in store.entries():
                if entry.state is State.WAITING:
                    center.decides(entry.run, "approved", *NAMES)

    thread = threading.Thread(target=decide)
    thread.start()
    yield center
    over.set()
    thread.join()


@pytest.fixture(scope="module")
def token(deciding: Center) -> str:
    deciding.clock.time = time.time()
    return person(deciding.accounts, "nils", Role.ANALYST).token(deciding.accounts, READ, SUBMIT)


def test_there_are_five_notebooks_and_they_hold_no_outputs() -> None:
    assert len(NOTEBOOKS) == 5
    for path in NOTEBOOKS:
        assert '"outputs": []' in path.read_text()
        assert '"output_type"' not in path.read_text()
        assert path.stat().st_size < 20_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_dummy_people(path: Path) -> None:
    shown = executed(path, {"SHADOWGRAPH_CENTER": "", "SHADOWGRAPH_TOKEN": ""})
    assert "text/html" in shown


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_over_a_center(path: Path, deciding: Center, token: str) -> None:
    shown = executed(path, {"SHADOWGRAPH_CENTER": deciding.address, "SHADOWGRAPH_TOKEN": token})
    assert "text/html" in shown
