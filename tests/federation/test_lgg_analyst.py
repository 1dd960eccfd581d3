"""One study from a file, a notebook and the pages, by an analyst whose Unix user cannot read any key."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import CENTER_ROLES, Role
from protocols.runtime.daemons import free_port
from tests.federation.test_api_processes import _answers
from tests.lib.federation import until
from tests.lib.lgg import ONE_SET
from tests.lib.lgg_play import MODELS, STUDY, Play
from tests.lib.people_with_accounts import PASSWORD, person
from tests.lib.processes import living
from tests.lib.shared import shared

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NOBODY = 65534
WAYS = ("file", "notebook", "forms")


ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": f"{ROOT}{os.pathsep}{sysconfig.get_path('purelib')}",
    "HOME": "/nonexistent",
    "MPLCONFIGDIR": "/tmp",
}
PYTHONS = (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
"""This one, and the machine's own of this version: this one may lie in a home that is closed to others."""


def _other_user() -> tuple[str, dict[str, Any]]:
    """A Python that another Unix user can start, and how; this one by this user where there is none."""
    how: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": ()}
    for python in PYTHONS:
        command = [python, "-c", "import numpy, shadowgraph"]
        try:
            subprocess.run(command, check=True, cwd="/", env=ENVIRONMENT, capture_output=True, **how)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python, how
    return sys.executable, {}


PYTHON, OTHER_USER = _other_user()


@pytest.fixture(scope="module")
def told() -> Iterator[dict[str, Any]]:
    """What the analyst's process told."""
    shared("data/tcga_lgg")
    folder = Path(tempfile.mkdtemp(prefix="lgg-"))
    folder.chmod(0o755)  # what keeps the analyst out is the center's own folder
    play = Play(folder, web_port=free_port())
    try:
        play.found()
        yield _told_by_the_analyst(play)
    finally:
        play.stop()
        assert living(folder) == []
        shutil.rmtree(folder)


def _told_by_the_analyst(play: Play) -> dict[str, Any]:
    address, center = f"http://127.0.0.1:{play.web_port}", play.folder / "center"
    until(lambda: _answers(address), 60)
    nora = person(AccountFile(center, CENTER_ROLES), "nora", Role.ANALYST)
    secrets = [center / "hub.toml", *sorted((center / "keys").iterdir()), *sorted(center.glob("*.sqlite"))]
    assert center / "keys" / "coordinator.key" in secrets
    given = {
        "name": "nora",
        "password": PASSWORD,
        "codes": nora.recovery,
        "secrets": [str(p) for p in secrets],
    }
    approving = threading.Thread(target=play.approve)
    approving.start()
    done = subprocess.run(
        [PYTHON, "-m", "tests.lib.lgg_analyst", address],
        input=json.dumps(given),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        **OTHER_USER,
    )
    approving.join()
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_three_ways_are_one_study(told: dict[str, Any]) -> None:
    import shadowgraph as sg

    assert {told[way]["hash"] for way in WAYS} == {sg.read(STUDY).hash()}


@pytest.mark.parametrize("way", WAYS)
def test_the_models_equal_r(told: dict[str, Any], way: str) -> None:
    reference = json.loads(shared("reference/tcga_lgg.json").read_text()) | ONE_SET
    for name in MODELS:
        found, expected = told[way]["models"][name], reference[name]
        assert found["terms"] == expected["term"]
        assert found["n"] == expected["n"]
        np.testing.assert_allclose(found["coef"], expected["coef"], rtol=1e-8)
        np.testing.assert_allclose(found["se"], expected["se"], rtol=1e-8)
    assert told[way]["verified"] == 6


@pytest.mark.skipif(not OTHER_USER, reason="another Unix user can start no Python of this version")
def test_the_analyst_can_read_nothing_of_the_center(told: dict[str, Any]) -> None:
    assert set(told["secrets"].values()) == {"PermissionError"}
