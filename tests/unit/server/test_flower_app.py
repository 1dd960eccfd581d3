"""The ServerApp's loop over a grid whose sites never answer."""

import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest
from flwr.app import Message
from flwr.supercore.task_identity import TaskIdentity

from server.coordination import flower_app
from server.home.submissions import State
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study, until


class SilentGrid:
    """A grid on which every site is online and none replies; what flower_app needs of Flower's own."""

    def __init__(self, names: Iterable[str]) -> None:
        self.nodes = [SimpleNamespace(name=name, node_id=number) for number, name in enumerate(names, 1)]
        self.sent: list[int] = []

    def get_nodes(self) -> list[SimpleNamespace]:
        return self.nodes

    def push_messages(self, messages: list[Message]) -> list[str]:
        self.sent += [message.metadata.dst_node_id for message in messages]
        return [f"{len(self.sent)}-{place}" for place in range(len(messages))]

    def pull_messages(self, ids: list[str]) -> list[Message]:
        return []


def test_sites_stay_online_while_a_study_is_in_its_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_run_id", "_node_id", "_task_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)
    for name in ("BEAT_SECONDS", "LOOK_SECONDS", "POLL_SECONDS"):
        monkeypatch.setattr(flower_app, name, 0.05)
    consortium = Consortium(tmp_path)
    run = consortium.propose(logistic_study()).run
    consortium.store.begin(run, _masking_keys(consortium))
    grid = SilentGrid(consortium.names)
    thread = threading.Thread(target=flower_app.coordinate, args=(grid, consortium.home, "1"))
    thread.start()
    try:
        until(lambda: sorted(grid.sent) == [1, 2, 3], 20)
        asked_at = time.time()
        until(lambda: all((s.seen_at or 0) > asked_at for s in consortium.store.sites()), 20)
        assert consortium.store.submission(run).state == State.RUNNING
    finally:
        consortium.store.take_lead("2")
        thread.join(20)
    assert not thread.is_alive()


def _masking_keys(consortium: Consortium) -> dict[str, str]:
    return {s.name: s.enrolment.masking_key for s in consortium.store.sites() if s.enrolment}
