"""What a server answers wrongly ends in a code, and not in our memory."""

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from protocols.core.errors import UnreachableError
from site_node.ingest.receiving import pacs_at
from site_node.sources.pacs import Inbox, pulled
from site_node.sources.pacs.multipart import parts
from site_node.sources.pacs.position import position_of_day, since
from site_node.sources.pacs.pull import TransferError
from tests.lib.dicom_files import SERIES, STUDY, write_series

ANSWER = b"--edge\r\nContent-Type: application/dicom\r\n\r\none\r\n--edge\r\n\r\ntwo\r\n--edge--\r\n"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 1000])
def test_parts_are_found_wherever_the_answer_is_cut(size: int) -> None:
    chunks = [ANSWER[at : at + size] for at in range(0, len(ANSWER), size)]
    assert list(parts(chunks, b"edge", 1000)) == [b"one", b"two"]


def test_a_part_that_is_cut_off_is_left_out() -> None:
    assert list(parts([ANSWER[:-14]], b"edge", 1000)) == [b"one"]


def test_a_part_without_end_is_given_up() -> None:
    endless = (bytes(100) for _ in range(10**9))
    with pytest.raises(TransferError):
        list(parts(endless, b"edge", 1000))


def test_a_position_never_goes_back_and_never_into_the_future() -> None:
    assert position_of_day("20240305", "") == "20240305"
    assert position_of_day("20240305", "20240401") == "20240401"
    assert position_of_day("", "20240401") == position_of_day("soon", "20240401") == "20240401"
    assert position_of_day("99991231", "") == f"{date.today():%Y%m%d}"
    assert since("20240305") == f"{date(2024, 3, 5) - timedelta(days=7):%Y%m%d}"


Answer = tuple[int, str, bytes]


@pytest.fixture
def server() -> Iterator[Callable[[dict[str, Answer]], str]]:
    """Starts an HTTP server that gives these answers by the end of the path; its URL."""
    answers: dict[str, Answer] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            fitting = [answer for end, answer in answers.items() if path.endswith(end)]
            status, content_type, content = fitting[0] if fitting else (404, "text/plain", b"")
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            return

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=serving.serve_forever)
    thread.start()

    def start(given: dict[str, Answer]) -> str:
        answers.update(given)
        return f"http://127.0.0.1:{serving.server_address[1]}"

    yield start
    serving.shutdown()
    thread.join()
    serving.server_close()


def attributes(**values: str) -> bytes:
    return json.dumps([{tag[1:]: {"vr": "UI", "Value": [value]} for tag, value in values.items()}]).encode()


JSON = "application/dicom+json"
STUDIES = (200, JSON, attributes(_0020000D=STUDY, _00080020="20240305"))
SERIES_LIST = (200, JSON, attributes(_0020000E=SERIES, _00080060="CT"))
INSTANCES = (200, JSON, attributes(_00080018=SERIES + ".1"))


def pull(url: str, home: Path) -> tuple[list[str], list[str]]:
    """The codes of what was not loaded, and the positions reached."""
    pacs, positions = pacs_at(url), list[str]()
    try:
        found: list[Any] = list(pulled(pacs, Inbox(home, "pacs", bytes(32)), "", positions.append))
    finally:
        pacs.close()
    return [one.code for one in found if hasattr(one, "code")], positions


@pytest.mark.parametrize(
    "studies",
    [
        (500, "text/plain", b"patient Canary not found"),
        (401, "text/plain", b""),
        (200, "text/html", b"<html>please log in</html>"),
        (200, JSON, b'{"error": "no"}'),
        (200, JSON, b'["a", "b"]'),
        (200, JSON, b'[{"0020000D": 7}]'),
        (200, JSON, b"[" * 100_000),
    ],
)
def test_a_search_that_fails_ends_the_pull_without_the_servers_words(
    server: Callable[[dict[str, Answer]], str], tmp_path: Path, studies: Answer
) -> None:
    with pytest.raises(UnreachableError) as caught:
        pull(server({"/studies": studies}), tmp_path)
    assert "Canary" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "retrieved",
    [
        (500, "text/plain", b""),
        (200, "application/dicom", b"no boundary"),
        (200, "multipart/related; boundary=edge", b"--edge\r\n\r\nnot DICOM"),
        (200, "multipart/related; boundary=edge", b"--edge\r\n\r\nnot DICOM\r\n--edge--"),
        (200, "multipart/related; boundary=other", ANSWER),
    ],
)
def test_a_study_that_does_not_come_is_told_and_asked_for_again(
    server: Callable[[dict[str, Answer]], str], tmp_path: Path, retrieved: Answer
) -> None:
    url = server(
        {"/studies": STUDIES, "/series": SERIES_LIST, "/instances": INSTANCES, f"/series/{SERIES}": retrieved}
    )
    codes, positions = pull(url, tmp_path)
    assert codes == ["dicom-not-transferred"]
    assert positions == []


def test_another_object_than_the_one_asked_for_is_kept_and_the_missing_one_told(
    server: Callable[[dict[str, Answer]], str], tmp_path: Path
) -> None:
    other = write_series(tmp_path / "in")[-1].read_bytes()  # instance 4, where 1 was asked for
    body = b"--edge\r\n\r\n" + other + b"\r\n--edge--"
    url = server(
        {
            "/studies": STUDIES,
            "/series": SERIES_LIST,
            "/instances": INSTANCES,
            f"/series/{SERIES}": (200, 'multipart/related; boundary="edge"', body),
        }
    )
    codes, positions = pull(url, tmp_path)
    assert codes == ["dicom-not-transferred"]
    assert positions == []


def test_a_server_of_study_uids_that_are_paths_writes_nowhere_else(
    server: Callable[[dict[str, Answer]], str], tmp_path: Path
) -> None:
    evil = (200, JSON, attributes(_0020000D="../../../evil", _00080020="20240305"))
    assert pull(server({"/studies": evil}), tmp_path / "home") == ([], [])
    assert [path for path in tmp_path.rglob("*") if "evil" in path.name] == []
