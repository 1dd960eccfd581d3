"""A study by an analyst's token over real processes: web process, the one that acts, Flower, three sites."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import shadowgraph as sg
from protocols.runtime import daemons
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import CENTER_ROLES, Role
from protocols.runtime.daemons import free_port
from server.home.config import load
from tests.lib.federation import Federation, founded, logistic_study, started, until
from tests.lib.people_with_accounts import PASSWORD, person

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    made = founded(tmp_path_factory.mktemp("api"), ("a", "b", "c"), web_port=free_port())
    with started(made) as running:
        yield running


def test_an_analyst_with_a_token_runs_a_study_and_a_killed_web_process_loses_nothing(
    consortium: Federation, tmp_path: Path
) -> None:
    services = daemons.services(consortium.home / "run")
    nora = person(AccountFile(consortium.home, CENTER_ROLES), "nora", Role.ANALYST)
    address = f"http://127.0.0.1:{_web_port(consortium)}"
    until(lambda: _answers(address), 60)
    net = sg.connect(address, sg.token(address, "nora", PASSWORD, nora.recovery[0]))
    assert set(net.sites().index) == {"a", "b", "c"}
    study = logistic_study("by-token")
    run = net.submit(study)
    consortium.approve(study)
    os.kill(services["web"]["pid"], signal.SIGKILL)
    os.kill(services["actions"]["pid"], signal.SIGKILL)
    until(lambda: _answers(address), 60)
    found = run.wait(show=False)["idh1"].data
    assert found["n"] == 360
    assert run.verify()["analyses"] == 1
    assert "IDH1" in run.report(tmp_path / "report.html").read_text()


def _web_port(consortium: Federation) -> int:
    return load(consortium.home).web_port


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/api/v1/me", trust_env=False).status_code == 401
    except httpx.TransportError:
        return False
