"""Processes of one side: started together, restarted when they die, gone when they are told to stop."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError, UnreachableError
from protocols.runtime import daemons
from tests.lib.federation import until
from tests.lib.processes import living

# A parent with a child in its group, as SuperExec has; the marker names both for `living`.
FAMILY = "import subprocess, sys, time; subprocess.Popen(['sleep', '600.{0}']); time.sleep(600)  # {1}"


def _supervisor(folder: Path, *commands: list[str]) -> tuple[str, ...]:
    # A second service is ready when it has made a file.
    listed = ", ".join(
        f"Service('s{i}', {tuple(c)!r}, {{}}, marker=Path({str(folder / 'made')!r}) if {i} else None)"
        for i, c in enumerate(commands)
    )
    code = (
        "from pathlib import Path; from protocols.runtime.daemons import Service, Supervisor; "
        f"Supervisor(Path({str(folder)!r}), [{listed}]).run()"
    )
    return (sys.executable, "-c", code)


def _family(folder: Path, child: int) -> list[str]:
    return [sys.executable, "-c", FAMILY.format(child, folder)]


def test_a_side_starts_reports_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    makes_a_file = [
        sys.executable,
        "-c",
        f"open({str(folder / 'made')!r}, 'w'); import time; time.sleep(600)",
    ]
    daemons.start(folder, _supervisor(folder, _family(folder, 1), makes_a_file))
    services = daemons.services(folder)
    assert {name: s["state"] for name, s in services.items()} == {"s0": "ready", "s1": "ready"}
    assert daemons.stop(folder)
    assert living(folder) == []
    assert (daemons.services(folder), daemons.stop(folder)) == ({}, False)


@pytest.mark.slow
def test_a_service_that_dies_is_started_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    daemons.start(folder, _supervisor(folder, _family(folder, 3)))
    os.kill(daemons.services(folder)["s0"]["pid"], signal.SIGKILL)
    until(lambda: daemons.services(folder)["s0"]["restarts"] == 1, 10)
    daemons.stop(folder)
    assert living(folder) == []


def test_a_supervisor_that_is_killed_takes_its_services_along(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    daemons.start(
        folder, _supervisor(folder, [sys.executable, "-c", f"import time; time.sleep(600)  # {folder}"])
    )
    supervisor = daemons.supervisor_pid(folder)
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: living(folder) == [], 10)
    assert daemons.services(folder) == {}
    daemons.start(folder, _supervisor(folder, _family(folder, 4)))  # a stale file is no hindrance
    daemons.stop(folder)


def test_a_service_that_cannot_start_is_named_with_its_log(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(UnreachableError, match=r"s1 does not start; see .*s1\.log"):
        daemons.start(
            folder, _supervisor(folder, _family(folder, 5), [sys.executable, "-c", "raise SystemExit(3)"])
        )
    assert living(folder) == []


def test_one_side_runs_once(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    daemons.start(folder, _supervisor(folder, _family(folder, 6)))
    with pytest.raises(InputError) as caught:
        daemons.start(folder, _supervisor(folder, _family(folder, 7)))
    assert caught.value.code == Code.ALREADY_EXISTS
    daemons.stop(folder)


def test_an_interrupt_in_the_foreground_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with subprocess.Popen(_supervisor(folder, _family(folder, 8)), start_new_session=True) as process:
        until(lambda: "s0" in daemons.services(folder), 20)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert living(folder) == []


def test_services_import_nothing_from_the_working_folder() -> None:
    added = daemons.environment({"A": "1"})
    assert (added["PYTHONSAFEPATH"], added["A"], "PYTHONPATH" in added) == ("1", "1", False)
    assert "127.0.0.1" in added["NO_PROXY"]
