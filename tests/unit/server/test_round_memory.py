"""The rounds that a center keeps: compressed, the same bytes again, deleted by age and told so."""

import sqlite3
import time
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError
from server.actions import studies
from server.home.round_memory import prune
from server.home.schema import FILE
from server.home.store import Store
from server.home.submissions import State
from tests.lib.consortium import Consortium
from tests.lib.studies import a_study


def a_run(store: Store, name: str) -> str:
    """The run of a submission whose round 0 is a million bytes that repeat."""
    one = store.submit(study=name * 64, name=name, title=name, sealed=b"", invited=(), deadline=9e9)
    store.memory(one.run)[0] = b"0123456789" * 100_000
    return one.run


def test_a_round_comes_back_as_it_was_and_takes_little_room(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run = a_run(store, "a")
    assert store.memory(run)[0] == b"0123456789" * 100_000
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        kept = db.execute("SELECT length(joined), coding FROM round").fetchall()
    assert kept[0][0] < 10_000
    assert kept[0][1] == "zlib"


def test_a_round_that_is_not_as_it_was_kept_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run = a_run(store, "a")
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("UPDATE round SET joined = ?", (zlib.compress(b"other")[:-1],))
    with pytest.raises(InputError, match="not as it was kept") as failed:
        store.memory(run)[0]
    assert failed.value.code is Code.TAMPERED


def test_only_rounds_of_runs_that_ended_before_are_deleted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ended, running = a_run(store, "a"), a_run(store, "b")
    store.finish(ended, b"{}")
    assert prune(tmp_path, time.time() - 3600) == 0
    assert prune(tmp_path, time.time() + 1) == 1
    assert prune(tmp_path, time.time() + 1) == 0
    assert (store.memory(ended).is_pruned(), store.memory(running).is_pruned()) == (True, False)
    assert list(store.memory(ended)) == [0]
    assert store.memory(running)[0]


@pytest.mark.slow
def test_a_result_whose_rounds_are_gone_is_shown_and_not_verified(tmp_path: Path) -> None:
    consortium, study = Consortium(tmp_path), a_study()
    consortium.decide(study, "approved")
    run = consortium.propose(study).run
    consortium.coordinator().step()
    assert studies.verify(consortium.home, run).rounds == len(consortium.store.memory(run))
    prune(consortium.home, time.time() + 1)
    with pytest.raises(InputError, match="its rounds were deleted") as failed:
        studies.verify(consortium.home, run)
    assert failed.value.code is Code.NOT_FOUND
    shown = studies.shown(consortium.home, run)
    assert shown.state is State.DONE
    assert shown.results
