"""A site of a running consortium is suspended, comes back, gets new keys, and is removed; monitors see it."""

import json
import urllib.request
from collections.abc import Iterator

import pytest

from protocols.runtime.daemons import free_port
from server.actions import health, network
from server.administration import processes
from server.home.submissions import State
from site_node.actions import site
from tests.lib.federation import Federation, founded, logistic_study, started, until
from tests.lib.processes import living

pytestmark = pytest.mark.slow

NAMES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    folder = tmp_path_factory.mktemp("consortium")
    settings = {"round_seconds": 25.0, "patience_seconds": 180.0, "metrics_port": free_port()}
    with started(founded(folder, NAMES, **settings)) as running:
        yield running
    assert living(folder) == []


def _known(consortium: Federation) -> dict[str, dict[str, object]]:
    """Site -> its key and number, as they are registered at the SuperLink."""
    file = consortium.home / "state" / processes.REGISTERED
    found: dict[str, dict[str, object]] = json.loads(file.read_text())["nodes"]
    return found


def test_a_suspended_site_sits_out_one_study_and_answers_the_next(consortium: Federation) -> None:
    network.suspend(consortium.home, "d")
    first = logistic_study("without-d")
    submitted = consortium.propose(first)
    consortium.approve(first, "a", "b", "c")
    assert consortium.ended(submitted).state is State.DONE
    assert list(consortium.store.submission(submitted.run).roster or ()) == ["a", "b", "c"]
    network.resume(consortium.home, "d")
    second = logistic_study("with-d", min_sites=4)
    submitted = consortium.propose(second)
    consortium.approve(second)
    # what three sites answered may not be answered by four: the difference would be the fourth's
    assert consortium.ended(submitted).state is State.PARTIAL
    assert sorted(consortium.store.submission(submitted.run).roster or ()) == ["a", "b", "c", "d"]


def test_a_running_center_is_well_and_says_so_to_a_monitor(consortium: Federation) -> None:
    assert network.health(consortium.home).is_ready
    found = {one.what: one for one in health.check(consortium.sites["a"]).checks}
    assert found["path of the sites"].is_well
    assert found["clock"].is_well
    assert found["certificate of the center"].is_well
    port = processes.load(consortium.home).metrics_port
    for path in ("readyz", "metrics"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as reply:
            assert reply.status == 200
    assert site.health(consortium.sites["a"]).is_ready


def test_new_keys_replace_the_earlier_ones_and_a_removed_site_is_let_in_no_longer(
    consortium: Federation,
) -> None:
    before, home = _known(consortium)["d"], consortium.sites["d"]
    consortium.stop_site("d")
    site.renew(home, out=home / "answer")
    network.enrol(consortium.home, home / "answer", new_keys=True)
    until(lambda: _known(consortium).get("d", before)["key"] != before["key"], 60)
    consortium.launch_site("d")
    until(lambda: site.status(home).center == "connected", 90)
    network.remove(consortium.home, "d")
    until(lambda: "d" not in _known(consortium), 60)
    consortium.stop_site("d")
    consortium.launch_site("d")
    until(lambda: site.status(home).center == "not-let-in", 90)
    last = logistic_study("after-d")
    submitted = consortium.propose(last)
    consortium.approve(last, "a", "b", "c")
    assert consortium.ended(submitted).state is State.DONE
