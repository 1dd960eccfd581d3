"""What a center kept under an earlier release is still there after the upgrade."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError
from server.home.schema import FILE, STEPS
from server.home.store import Store
from server.home.submissions import LISTED, State
from tests.lib.studies import a_study

# The store of the releases before steps were numbered, word for word (November 2026).
YESTERDAY = """
CREATE TABLE IF NOT EXISTS site (
    name TEXT PRIMARY KEY, invited_at REAL NOT NULL, enrolment TEXT, enrolled_at REAL, seen_at REAL
);
CREATE TABLE IF NOT EXISTS submission (
    run TEXT PRIMARY KEY, number INTEGER UNIQUE, study TEXT NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL,
    sealed BLOB NOT NULL, invited TEXT NOT NULL, state TEXT NOT NULL, submitted_at REAL NOT NULL,
    deadline REAL NOT NULL, ask_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    roster TEXT, ended_at REAL, code TEXT, text TEXT, outcome BLOB
);
CREATE TABLE IF NOT EXISTS standing (
    run TEXT NOT NULL REFERENCES submission (run), site TEXT NOT NULL, state TEXT NOT NULL, code TEXT,
    at REAL NOT NULL, PRIMARY KEY (run, site)
);
CREATE TABLE IF NOT EXISTS round (
    run TEXT NOT NULL REFERENCES submission (run), round INTEGER NOT NULL, joined BLOB NOT NULL,
    at REAL NOT NULL, PRIMARY KEY (run, round)
);
CREATE TABLE IF NOT EXISTS answer (
    run TEXT NOT NULL REFERENCES submission (run), round INTEGER NOT NULL, site TEXT NOT NULL,
    bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (run, round, site)
);
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL, at REAL NOT NULL, what TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS coordinator (
    one INTEGER PRIMARY KEY CHECK (one = 1), flower_run TEXT NOT NULL, beat_at REAL NOT NULL
);
"""


def _write_yesterday(home: Path) -> None:
    study = a_study()
    with closing(sqlite3.connect(home / FILE, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(YESTERDAY)
        db.execute("INSERT INTO site (name, invited_at, seen_at) VALUES ('oslo', 1.5, 2.5)")
        db.execute(
            "INSERT INTO submission (run, number, study, name, title, sealed, invited, state, submitted_at,"
            " deadline, ask_at, roster) VALUES ('r0', 7, ?, ?, ?, x'01', '[]', 'running', 1, 9e9, 0, ?)",
            (study.hash(), study.name, study.title, json.dumps({"oslo": "key"})),
        )
        db.execute("INSERT INTO standing VALUES ('r0', 'oslo', 'approved', NULL, 1.5)")
        db.execute("INSERT INTO round VALUES ('r0', 0, x'0203', 1.5)")
        db.execute("INSERT INTO answer VALUES ('r0', 0, 'oslo', 2, 'ab')")
        db.execute("INSERT INTO event (run, at, what, detail) VALUES ('r0', 1.5, 'asked', 'oslo')")


def test_sites_studies_and_joined_rounds_of_an_earlier_release_are_still_there(tmp_path: Path) -> None:
    _write_yesterday(tmp_path)
    store = Store(tmp_path)
    assert [site.name for site in store.sites()] == ["oslo"]
    submission = store.submission("r0")
    assert (submission.state, submission.roster) == (State.RUNNING, {"oslo": "key"})
    assert dict(store.memory("r0")) == {0: b"\x02\x03"}
    assert store.standing("r0") == {"oslo": ("approved", None)}
    assert [event["what"] for event in store.events("r0")] == ["asked"]
    assert store.due() == ["r0"]
    store.keep_head("r0", "oslo", "cd")
    assert store.audit_heads("oslo") == ["cd"]


def test_the_store_is_its_owners_alone(tmp_path: Path) -> None:
    Store(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_store_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    Store(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    with pytest.raises(InputError) as caught:
        Store(tmp_path)
    assert caught.value.code == Code.NEWER_VERSION


def test_a_study_of_an_earlier_release_that_failed_in_part_says_so_after_the_upgrade(tmp_path: Path) -> None:
    _write_yesterday(tmp_path)
    found = {"age": {"result": {}}, "os": {"failure": {"code": "separation", "text": ""}}}
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as db:
        outcome = json.dumps({"results": found})
        db.execute("UPDATE submission SET state = 'done', ended_at = 2, outcome = ?", (outcome,))
    (entry,) = Store(tmp_path).entries()
    assert (entry.state, entry.text, entry.sites) == (State.PARTIAL, "os (separation)", ("oslo",))


def _submitted(store: Store, name: str, study: str) -> str:
    return store.submit(study=study, name=name, title="", sealed=b"sealed", invited=(), deadline=9e9).run


def test_the_latest_study_is_found_by_its_name_or_the_beginning_of_its_run_or_hash(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, second = _submitted(store, "one", "ab12"), _submitted(store, "other", "ab34")
    for reference, run in {"one": first, first[:6]: first, "ab1": first, "ab": second}.items():
        assert store.submission(reference).run == run
    for nothing in ("on", "b12", "ab5"):
        with pytest.raises(InputError, match="no submitted study"):
            store.submission(nothing)


@pytest.mark.parametrize(
    ("sql", "how"),
    [
        (f"SELECT {LISTED} FROM submission ORDER BY number DESC", "COVERING INDEX submission_listed"),  # noqa: S608
        ("SELECT run FROM submission WHERE ended_at IS NULL", "INDEX submission_open"),
    ],
)
def test_the_list_and_what_is_due_are_read_from_an_index(tmp_path: Path, sql: str, how: str) -> None:
    Store(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        plan = [row[-1] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert plan == [f"SCAN submission USING {how}"]


def test_a_process_that_dies_is_counted_against_the_run_in_its_hands(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run, other = _submitted(store, "one", "ab12"), _submitted(store, "other", "ab34")
    with store.at_work(other):
        pass
    with pytest.raises(ValueError), store.at_work(other):
        raise ValueError
    block = store.at_work(run)
    block.__enter__()  # and the process is gone
    assert [store.submission(one).deaths for one in (run, other)] == [1, 0]
