"""Numbers about a side's work in the text format of Prometheus (0.0.4), and health, on loopback.

Every label has a closed list of values, written in the code: no study's word, no name of a site and nothing
that was counted from patients' rows is ever a label or a number here.
"""

import http.server
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from protocols.runtime.checks import Check, well

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Family:
    """A metric: one number, or one per value of its label.

    Attributes:
        name: without the prefix `shadowgraph_`.
        help: what it counts, in one line.
        numbers: value of the label -> number; the value is "" where there is no label.
        label: its name; "" for none.
        kind: as Prometheus names it.

    Raises:
        ValueError: a label without a value, or a value without a label.
    """

    name: str
    help: str
    numbers: Mapping[str, float]
    label: str = ""
    kind: Literal["gauge", "counter"] = "gauge"

    def __post_init__(self) -> None:
        if any(bool(value) != bool(self.label) for value in self.numbers):
            raise ValueError(f"{self.name}: a label has a value, and a value a label")


def one(name: str, words: str, number: float) -> Family:
    """A metric without a label."""
    return Family(name, words, {"": number})


def by(name: str, words: str, label: str, closed: Iterable[str], counted: Mapping[str, float]) -> Family:
    """A metric with one number for each value of a closed list; what is beside the list is left out."""
    return Family(name, words, {value: counted.get(value, 0) for value in closed}, label)


def exposition(families: Iterable[Family]) -> str:
    """The metrics as Prometheus reads them.

    Example:
        >>> print(exposition([by("studies", "Studies.", "state", ["done"], {"done": 2})]), end="")
        # HELP shadowgraph_studies Studies.
        # TYPE shadowgraph_studies gauge
        shadowgraph_studies{state="done"} 2
    """
    lines = []
    for family in families:
        name = f"shadowgraph_{family.name}"
        lines += [f"# HELP {name} {family.help}", f"# TYPE {name} {family.kind}"]
        for value, number in family.numbers.items():
            label = f'{{{family.label}="{value}"}}' if family.label else ""
            lines.append(f"{name}{label} {number:.15g}")
    return "".join(line + "\n" for line in lines)


def serve(port: int, measure: Callable[[], Iterable[Family]], ready: Callable[[], Iterable[Check]]) -> None:
    """Serves `/metrics`, `/healthz` and `/readyz` on loopback until SIGTERM.

    Args:
        port: on 127.0.0.1.
        measure: the metrics now.
        ready: what has to be well for the side to work; the answer names those that are not.
    """
    with server(port, measure, ready) as listening:
        listening.serve_forever()


def server(
    port: int, measure: Callable[[], Iterable[Family]], ready: Callable[[], Iterable[Check]]
) -> http.server.HTTPServer:
    """What `serve` serves with; port 0 picks a free one."""

    class Answers(http.server.BaseHTTPRequestHandler):
        """One request."""

        timeout = 10

        def do_GET(self) -> None:
            """Answers it; what fails has a status and no words of an exception."""
            try:
                status, text = _answer(self.path, measure, ready)
            except Exception as error:  # a scrape never ends the process
                status, text = HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}\n"
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: a scrape a minute says nothing."""

    return http.server.ThreadingHTTPServer(("127.0.0.1", port), Answers)


def _answer(
    path: str, measure: Callable[[], Iterable[Family]], ready: Callable[[], Iterable[Check]]
) -> tuple[HTTPStatus, str]:
    if path == "/metrics":
        return HTTPStatus.OK, exposition(measure())
    if path == "/healthz":
        return HTTPStatus.OK, "ok\n"
    if path == "/readyz":
        checks = list(ready())
        bad = [check.what for check in checks if check.state == "failed"]
        if well(checks):
            return HTTPStatus.OK, "ready\n"
        return HTTPStatus.SERVICE_UNAVAILABLE, f"not ready: {', '.join(bad)}\n"
    return HTTPStatus.NOT_FOUND, "not here\n"
