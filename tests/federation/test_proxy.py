"""The reverse proxies that we ship, for real: they let sites in and operators out. Needs nginx, caddy."""

import contextlib
import http.client
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.runtime.daemons import accepts, free_port
from server.home.config import load
from server.home.submissions import State
from tests.lib.federation import Federation, founded, logistic_study, started, until

pytestmark = pytest.mark.slow

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
CADDY = shutil.which("caddy") or "/usr/bin/caddy"


def _shipped(file: str, replaced: dict[str, str]) -> str:
    """A shipped configuration with this test's ports and folders in place of the shipped ones."""
    shipped = (DEPLOY / file).read_text()
    for theirs, ours in replaced.items():
        assert theirs in shipped
        shipped = shipped.replace(theirs, ours)
    return shipped


@contextlib.contextmanager
def _running(command: list[str], listen: int, environment: dict[str, str] | None = None) -> Iterator[None]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
    try:
        until(lambda: accepts("127.0.0.1", listen), 20)
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def _nginx(folder: Path, center: Path, listen: int) -> Iterator[None]:
    shipped = _shipped(
        "nginx/shadowgraph.conf",
        {
            "listen 443 ssl": f"listen 127.0.0.1:{listen} ssl",
            "127.0.0.1:9443": f"127.0.0.1:{load(center).port}",
            "127.0.0.1:9080": f"127.0.0.1:{load(center).web_port}",
            "/srv/center": str(center),
        },
    )
    folder.mkdir()
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log {folder}/access.log;\n{temporary}{shipped}}}\n"
    )
    with _running([NGINX, "-c", str(folder / "nginx.conf"), "-p", str(folder)], listen):
        yield


@contextlib.contextmanager
def _caddy(folder: Path, center: Path, listen: int) -> Iterator[None]:
    shipped = _shipped(
        "caddy/Caddyfile",
        {
            "hub.example.org {": f"https://127.0.0.1:{listen} {{",
            "127.0.0.1:9443": f"127.0.0.1:{load(center).port}",
            "127.0.0.1:9080": f"127.0.0.1:{load(center).web_port}",
            "/srv/center": str(center),
        },
    )
    folder.mkdir()
    (folder / "Caddyfile").write_text(
        "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n" + shipped
    )
    home = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with _running([CADDY, "run", "--config", str(folder / "Caddyfile")], listen, home):
        yield


def _status(center: Path, port: int, method: str, path: str) -> int:
    trust = ssl.create_default_context(cafile=str(center / "keys" / "ca.pem"))
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=trust, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=False)
        connection.putheader("Content-Type", "application/protobuf")
        connection.putheader("Content-Length", "0")
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def behind_proxy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Federation, int]]:
    program, proxy = {"nginx": (NGINX, _nginx), "caddy": (CADDY, _caddy)}[request.param]
    if not Path(program).exists():
        pytest.skip(f"{request.param} is not installed (apt install {request.param})")
    folder, port = tmp_path_factory.mktemp(request.param), free_port()
    settings = {"address": f"127.0.0.1:{port}", "renew_after_studies": 1, "web_port": free_port()}
    consortium = founded(folder, ("a", "b", "c"), **settings)
    with proxy(folder / "proxy", consortium.home, port), started(consortium):
        yield consortium, port


def test_sites_reach_the_center_through_the_proxy(behind_proxy: tuple[Federation, int]) -> None:
    consortium, _ = behind_proxy
    study = logistic_study("through-the-proxy")
    submitted = consortium.propose(study)
    consortium.approve(study)
    assert consortium.ended(submitted).state == State.DONE


def test_a_flower_run_is_renewed_between_studies(behind_proxy: tuple[Federation, int]) -> None:
    consortium, _ = behind_proxy
    first = logistic_study("before-the-renewal")
    submitted = consortium.propose(first)
    consortium.approve(first)
    until(lambda: consortium.store.submission(submitted.run).state == State.RUNNING, 90)
    leader = consortium.store.leader()
    consortium.ended(submitted)
    second = logistic_study("after-the-renewal")
    submitted = consortium.propose(second)
    consortium.approve(second)
    until(lambda: consortium.store.submission(submitted.run).state == State.RUNNING, 90)
    assert consortium.store.leader()[0] != leader[0]
    assert consortium.ended(submitted).state == State.DONE


@pytest.mark.parametrize(
    "path",
    [
        "/v1/control/register-node",
        "/v1/control/start-run",
        "/v1/runtime/acquire-task",
        "/health",
        "/docs",
        "/v1/fleet/../control/start-run",
        "/v1/fleet/%2e%2e/control/start-run",
        "/v1/fleet/..%2fcontrol/start-run",
        "/v1/fleet//..//..//v1/control/start-run",
        "/v1/fleet",
        "/api",
        "/api/../v1/control/start-run",
    ],
)
def test_the_proxy_publishes_nothing_but_the_fleet_and_the_api(
    behind_proxy: tuple[Federation, int], path: str
) -> None:
    consortium, port = behind_proxy
    # The SuperLink itself knows these paths (405 is its answer to the wrong method); the proxy does not.
    assert _status(consortium.home, port, "POST", path) in (301, 404)


def test_analysts_reach_the_api_through_the_proxy(behind_proxy: tuple[Federation, int]) -> None:
    consortium, port = behind_proxy
    until(lambda: _status(consortium.home, port, "GET", "/api/v1/me") == 401, 60)
    assert _status(consortium.home, port, "GET", "/api/v1/nothing") == 404


def test_operators_reach_their_path_on_loopback_alone(behind_proxy: tuple[Federation, int]) -> None:
    consortium, port = behind_proxy
    loopback = load(consortium.home).port
    assert _status(consortium.home, loopback, "POST", "/v1/control/start-run") != 404
    assert _status(consortium.home, port, "POST", "/v1/control/start-run") == 404


def test_a_node_without_a_registered_key_is_not_let_in(behind_proxy: tuple[Federation, int]) -> None:
    consortium, port = behind_proxy
    assert _status(consortium.home, port, "POST", "/v1/fleet/activate-node") in (400, 401, 403)
