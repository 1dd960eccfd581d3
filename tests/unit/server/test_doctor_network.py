"""The way to a center as `doctor` sees it: name, certificate, path, clock; nothing is asked of strangers."""

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from protocols.runtime.checks import Check
from protocols.runtime.reach import certificate_check, reach
from server.administration.enrolment import make_center
from server.home.identity import root_certificate


class Center(BaseHTTPRequestHandler):
    """What answers for a center."""

    status, behind = 404, timedelta(0)

    def do_GET(self) -> None:
        """Answers with a date of its own."""
        self.send_response_only(type(self).status)
        self.send_header("Date", format_datetime(datetime.now(UTC) - type(self).behind, usegmt=True))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def center(tmp_path: Path) -> Iterator[tuple[str, str, type[Center]]]:
    """A server with a center's certificate: its address, its authority, and what it answers."""
    make_center(tmp_path, "Glioma", port=0)
    kind = type("Answers", (Center,), {})
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tmp_path / "keys" / "server.pem", tmp_path / "keys" / "server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", root_certificate(tmp_path), kind
        server.shutdown()
        thread.join()


def _found(address: str, root: str) -> dict[str, Check]:
    return {one.what: one for one in reach(address, root, is_required=True)}


def test_a_center_that_answers_is_well(center: tuple[str, str, type[Center]]) -> None:
    found = _found(*center[:2])
    assert [name for name, one in found.items() if not one.is_well] == []
    assert {"certificate of the center", "path of the sites", "clock"} <= set(found)


def test_a_clock_more_than_a_minute_apart_is_named(center: tuple[str, str, type[Center]]) -> None:
    center[2].behind = timedelta(seconds=90)
    assert [name for name, one in _found(*center[:2]).items() if one.state == "failed"] == ["clock"]


def test_a_proxy_without_a_center_behind_it_is_named(center: tuple[str, str, type[Center]]) -> None:
    center[2].status = 502
    failed = [one for one in _found(*center[:2]).values() if one.state == "failed"]
    assert [one.what for one in failed] == ["path of the sites"]
    assert "network start" in failed[0].fix


def test_a_center_under_another_authority_is_not_believed(
    center: tuple[str, str, type[Center]], tmp_path: Path
) -> None:
    make_center(tmp_path / "other", "Other", port=0)
    failed = [
        one
        for one in _found(center[0], root_certificate(tmp_path / "other")).values()
        if one.state == "failed"
    ]
    assert [one.what for one in failed] == ["certificate of the center"]


def test_a_name_that_nobody_knows_ends_the_look(tmp_path: Path) -> None:
    make_center(tmp_path, "Glioma", port=0)
    found = _found("no-such-host.invalid:443", root_certificate(tmp_path))
    assert [name for name, one in found.items() if one.state == "failed"] == ["name of the center"]


@pytest.mark.parametrize(
    ("days", "state"), [(60, "ok"), (59, "missing"), (14, "missing"), (13, "failed"), (-1, "failed")]
)
def test_a_certificate_is_required_to_be_renewed_in_the_last_two_weeks(days: int, state: str) -> None:
    assert certificate_check("certificate", days, "renew it").state == state
