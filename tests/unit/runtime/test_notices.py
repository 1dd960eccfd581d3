"""People are told what happened, once, by mail and webhook, and never a result."""

import hashlib
import hmac
import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from protocols.core.errors import Code, ShadowgraphError
from protocols.runtime import notices
from protocols.runtime.notice_kinds import of_folder
from protocols.runtime.notices import SETTINGS, Notice, tell
from server.administration import notices as center
from site_node.administration import notices as site
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study

ARRIVED = Notice("arrived/1", "study-arrived", "study idh1 waits for a decision")


@dataclass
class Received:
    """What came: bodies of posts with their signatures, and mails."""

    posts: list[tuple[bytes, str]] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    status: int = 204


@pytest.fixture
def received() -> Received:
    return Received()


@pytest.fixture
def hook(received: Received) -> Iterator[int]:
    """The port of a webhook."""

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.posts.append((body, self.headers[notices.SIGNATURE]))
            self.send_response(received.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def relay(received: Received) -> Iterator[int]:
    """The port of a mail relay, which speaks as much SMTP as a relay of a machine does."""

    class Relay(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 relay")
            while line := self.rfile.readline().decode().strip().upper():
                if line == "DATA":
                    self._say("354 go on")
                    lines = iter(lambda: self.rfile.readline().decode(), ".\r\n")
                    received.mails.append("".join(lines))
                self._say("221 bye" if line == "QUIT" else "250 ok")
                if line == "QUIT":
                    return

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.TCPServer(("127.0.0.1", 0), Relay) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path: Path, hook: int, relay: int) -> Path:
    secret = tmp_path / "secret"
    secret.write_bytes(b"between us\n")
    (tmp_path / SETTINGS).write_text(f"""
link = "https://shadowgraph.example"
[mail]
host = "127.0.0.1"
port = {relay}
security = "none"
sender = "shadowgraph@hospital.example"
to = ["office@hospital.example"]
[webhook]
url = "http://127.0.0.1:{hook}/"
secret_file = "{secret}"
""")
    return tmp_path


def test_what_is_new_goes_out_once_by_every_way(home: Path, received: Received) -> None:
    told = tell(home, "site oslo", [ARRIVED])
    assert (told.notices, told.ways) == ((ARRIVED.text,), ("mail", "webhook"))
    assert tell(home, "site oslo", [ARRIVED]).notices == ()
    ((body, signature),) = received.posts
    made = hmac.new(b"between us", body, hashlib.sha256).hexdigest()
    assert signature == f"sha256={made}"
    assert json.loads(body)["notices"] == [{"event": "study-arrived", "text": ARRIVED.text}]
    (mail,) = received.mails
    assert "Subject: Shadowgraph, site oslo: study idh1 waits for a decision" in mail
    assert "https://shadowgraph.example" in mail


def test_several_at_once_are_one_message(home: Path, received: Received) -> None:
    tell(home, "site oslo", [ARRIVED, Notice("held/H1", "answer-held", "answer H1 waits")])
    assert len(received.mails) == len(received.posts) == 1
    assert "2 things happened" in received.mails[0]


def test_what_did_not_go_out_is_told_again(home: Path, received: Received) -> None:
    received.status = 500
    with pytest.raises(ShadowgraphError) as failed:
        tell(home, "site oslo", [ARRIVED])
    assert failed.value.code is Code.SOURCE_UNREACHABLE
    received.status = 204
    assert tell(home, "site oslo", [ARRIVED]).notices == (ARRIVED.text,)


def test_a_studys_name_begins_no_header(home: Path, received: Received) -> None:
    tell(home, "site oslo", [Notice("k", "study-arrived", "study x\r\nBcc: everybody@example.org waits")])
    head = received.mails[0].partition("\r\n\r\n")[0]
    assert "\r\nBcc:" not in head


def test_a_trial_is_not_remembered(home: Path) -> None:
    assert tell(home, "site oslo", [], is_trial=True).notices == ("this is a trial",)
    assert tell(home, "site oslo", [], is_trial=True).notices == ("this is a trial",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "every_hours = 1",
        "[webhook]\nurl = 'http://hospital.example/'\nsecret_file = 's'",
        "[mail]\nhost = 'smtp.example'\nsecurity = 'none'\nsender = 'a'\nto = ['b']",
        "[mail]\nhst = 'smtp.example'",
    ],
)
def test_settings_without_a_way_or_with_an_open_one_are_refused(tmp_path: Path, text: str) -> None:
    if text:
        (tmp_path / SETTINGS).write_text(text)
    with pytest.raises(ShadowgraphError):
        tell(tmp_path, "site oslo", [ARRIVED])


@pytest.mark.parametrize(
    ("days", "limits"), [(61, []), (60, [60]), (15, [60]), (14, [14]), (1, [1]), (0, [1]), (-1, [1])]
)
def test_a_certificate_is_told_60_14_and_1_days_before(tmp_path: Path, days: int, limits: list[int]) -> None:
    found = [one.key for one in of_folder(tmp_path, {"certificate": days}) if one.event == "certificate-ends"]
    assert found == [f"certificate/certificate/{limit}" for limit in limits]


def test_both_sides_are_told_of_a_study_that_arrives_and_ends(tmp_path: Path) -> None:
    consortium = Consortium(tmp_path)
    study = logistic_study("told-of")
    run = consortium.propose(study).run
    consortium.coordinator().step()
    arrived = list(site.collect(tmp_path / "a"))
    assert [one.text for one in arrived] == ["study told-of waits for a decision"]
    consortium.decide(study, "refused", "a")
    consortium.decide(study, "approved", "b", "c")
    consortium.store.hasten(run)
    consortium.ends(run)
    events = {one.event for one in center.collect(consortium.home)}
    assert events == {"study-ended", "study-refused"}
