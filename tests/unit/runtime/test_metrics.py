"""A monitor reads numbers with closed labels on loopback, and learns nothing of a study or a patient."""

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from protocols.core.errors import ExitCode
from protocols.runtime import metrics
from protocols.runtime.checks import Check
from server.administration import metrics as center_metrics
from server.main import run
from site_node.administration import metrics as site_metrics
from site_node.governance import audit
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study

LINE = re.compile(r'shadowgraph_[a-z_]+(\{[a-z]+="[^"]*"\})? -?[0-9.e+-]+')
SECRET = "canary-study-name"


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    """A consortium with a study whose name would be seen, one answer of each site, and a refusal."""
    made = Consortium(tmp_path_factory.mktemp("consortium"))
    study = logistic_study(SECRET)
    made.decide(study, "approved")
    made.ends(made.propose(study).run)
    made.agents["a"].handle("round", b"of nobody")
    return made


def test_a_center_tells_its_studies_and_sites_by_closed_labels(consortium: Consortium) -> None:
    text = metrics.exposition(center_metrics.measure(consortium.home))
    assert 'shadowgraph_studies{state="done"} 1' in text
    assert 'shadowgraph_sites{state="enrolled"} 3' in text
    rounds, seconds = re.findall(r"shadowgraph_rounds(?:_seconds)?_total ([0-9.e+-]+)\n", text)
    assert int(rounds) >= 2
    assert float(seconds) > 0
    _assert_says_nothing(text, consortium)


def test_a_site_tells_its_answers_and_refusals_by_code(consortium: Consortium) -> None:
    home = consortium.folder / "a"
    text = metrics.exposition(site_metrics.measure(home))
    answered = sum(line["event"] == "answered" for line in audit.lines(home))
    assert f"shadowgraph_answers_total {answered}\n" in text
    assert 'shadowgraph_refusals_total{code="bad-signature"} 1' in text
    _assert_says_nothing(text, consortium)


def _assert_says_nothing(text: str, consortium: Consortium) -> None:
    assert SECRET not in text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(LINE.fullmatch(line) for line in lines)
    labels = set(re.findall(r'="([^"]*)"', text))
    assert not labels & {"a", "b", "c", consortium.settings.consortium}


def test_a_label_has_a_value() -> None:
    with pytest.raises(ValueError, match="label"):
        metrics.Family("x", "X.", {"": 1}, "state")


@pytest.fixture
def served() -> Iterator[tuple[str, list[Check]]]:
    """The address of what is served, and the checks behind `/readyz`."""
    checks: list[Check] = []

    def measure() -> list[metrics.Family]:
        if any(one.what == "broken" for one in checks):
            raise ValueError("of a row")
        return [metrics.one("up", "Up.", 1)]

    listening = metrics.server(0, measure, lambda: checks)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    assert listening.server_address[0] == "127.0.0.1"
    yield f"http://127.0.0.1:{listening.server_address[1]}", checks
    listening.shutdown()
    thread.join()
    listening.server_close()


def _get(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_health_is_served_beside_metrics(served: tuple[str, list[Check]]) -> None:
    address, checks = served
    assert _get(f"{address}/healthz") == (200, "ok\n")
    assert _get(f"{address}/readyz") == (200, "ready\n")
    checks.append(Check("disk", "full", False))
    assert _get(f"{address}/readyz") == (503, "not ready: disk\n")
    assert _get(f"{address}/metrics")[1].endswith("shadowgraph_up 1\n")
    assert _get(f"{address}/else")[0] == 404
    checks.append(Check("broken", "", True))
    assert _get(f"{address}/metrics") == (500, "ValueError\n")


@pytest.mark.parametrize("words", [["network"], ["site"]])
def test_the_health_of_a_stopped_side_is_exit_code_1(
    consortium: Consortium, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    home = consortium.home if words == ["network"] else consortium.folder / "b"
    assert run([*words, "health", "--home", str(home)], as_json=True) == ExitCode.FAILED
    said = json.loads(capsys.readouterr().out)
    assert said["is_ready"] is False
    assert said["not_well"]
