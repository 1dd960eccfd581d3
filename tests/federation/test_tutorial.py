"""The tutorial, typed as it stands: a center and three hospitals on this machine, to a federated result."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lib.processes import living

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"(?:^<!-- (not run|wait)[^\n]*-->\n)?^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
HOSPITALS = ("northgate", "eastmoor", "southbank")
MOST_COMMANDS = 12
MOST_SECONDS = 600.0
PATIENCE_SECONDS = 120.0
IN_PART = 'shadowgraph() { command shadowgraph "$@" || [ $? -eq 6 ]; }'
"""A load with a record in quarantine ends with 6: the shell of a person goes on."""


def blocks() -> list[tuple[str, str]]:
    """(what the page says of it, commands) of each block, in order."""
    return BLOCK.findall(TUTORIAL.read_text())


class Shell:
    """One shell that types the tutorial, block by block, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        scripts = Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))
        path = os.pathsep.join([*map(str, scripts), os.environ["PATH"]])
        self.environment = {**os.environ, "PATH": path}

    def types(self, commands: str) -> str:
        """What the commands print, once all of them succeeded."""
        script = f"set -euo pipefail\n{IN_PART}\n{commands}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def waits_for_the_study(self) -> None:
        """Waits until it is in every inbox."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for name in HOSPITALS:
            while "idh1-survival" not in self.types(f"shadowgraph inbox list --home {name} --json"):
                assert time.monotonic() < deadline, name


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shell, dict[str, str]]]:
    """What each block printed, by its first line; its processes end with the test whatever happens."""
    shell = Shell(tmp_path_factory.mktemp("tutorial"))
    said: dict[str, str] = {}
    try:
        for word, commands in blocks():
            if word == "wait":
                shell.waits_for_the_study()
            if word != "not run":
                began = time.monotonic()
                said[commands] = shell.types(commands)
                print(f"{time.monotonic() - began:6.1f} s  {commands.splitlines()[0]}")
        yield shell, said
    finally:
        for home in (*HOSPITALS, "center"):
            side = "network" if home == "center" else "site"
            shell.types(f"test ! -d {home} || shadowgraph {side} stop --home {home}")
        assert living(shell.folder) == []


@pytest.mark.slow
def test_the_tutorial_ends_with_a_result_that_can_be_verified(typed: tuple[Shell, dict[str, str]]) -> None:
    shell, said = typed
    results: dict[str, Any] = json.loads((shell.folder / "report" / "results.json").read_text())
    assert "IDH1" in (shell.folder / "report" / "report.html").read_text().upper()
    assert "survival_cox" in json.dumps(results)
    (counted,) = [out for commands, out in said.items() if commands.startswith("shadowgraph query")]
    assert "all sites" in counted


def test_a_hospital_types_at_most_twelve_commands_to_the_first_count() -> None:
    said = "\n".join(commands for word, commands in blocks())
    upto = said[: said.index("shadowgraph query")].replace("\\\n", " ")
    lines = [line.strip() for line in upto.splitlines() if line.strip().startswith("shadowgraph")]
    of_one = [line for line in lines if re.search(r"--home (\$name|northgate)\b", line)]
    assert 5 < len(of_one) + 2 <= MOST_COMMANDS, of_one  # with the installation and `doctor`
