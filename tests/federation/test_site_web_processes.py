"""A site's pages as its units start them: three processes, any of which may be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import SITE_ROLES, Role
from protocols.runtime.daemons import free_port
from site_node.administration.setup import make_site
from tests.lib.federation import until
from tests.lib.people_with_accounts import person

pytestmark = pytest.mark.slow


@contextmanager
def process(home: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    words = (sys.executable, "-m", "site_node.administration.processes", "--home", str(home), name)
    started = subprocess.Popen(words, env={**os.environ, "PYTHONSAFEPATH": "1"})
    try:
        yield started
    finally:
        started.terminate()
        started.wait(30)


def answers(address: str, path: str) -> bool:
    try:
        return httpx.get(address + path, trust_env=False, timeout=30).status_code == 200
    except httpx.TransportError:
        return False


def test_pages_come_back_after_a_kill_with_sessions_and_work(tmp_path: Path) -> None:
    home, export = tmp_path / "site", tmp_path / "export"
    export.mkdir()
    (export / "Patient.ndjson").write_text('{"resourceType": "Patient", "id": "p", "birthDate": "1950"}\n')
    settings = make_site(home, "oslo", runtime_port=0, web_port=free_port())
    with (home / "site.toml").open("a") as file:
        file.write(f'load_folders = ["{export}"]\n')
    address = f"http://127.0.0.1:{settings.web_port}"
    accounts = AccountFile(home, SITE_ROLES, time.time)
    steward = person(accounts, "steward", Role.STEWARD)
    session = steward.signs_in(accounts, code=steward.recovery[0])
    headers = {"Cookie": f"__Host-oslo={session.word}", "Sec-Fetch-Site": "same-origin"}
    with process(home, "web") as web:
        until(lambda: answers(address, "/healthz"), 60)
        assert not answers(address, "/readyz")  # nobody acts yet
        with process(home, "actions") as acts:
            until(lambda: answers(address, "/readyz"), 60)
            for one in (web, acts):
                os.kill(one.pid, signal.SIGKILL)
                one.wait(30)
    with process(home, "web"), process(home, "actions"), process(home, "worker"):
        until(lambda: answers(address, "/readyz"), 60)
        with httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=60) as client:
            page = client.get("/data").text
            secret = page.partition('name="form_secret" value="')[2].partition('"')[0]
            form = {"form_secret": secret, "kind": "load-fhir", "place": str(export)}
            job = client.post("/data/load", data=form).headers["location"]
            until(lambda: "event: ended" in client.get(f"{job}/events").text, 60)
            assert "done" in client.get(job).text
