"""A SQLite file is at the newest schema when it is open, whole or not at all."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError
from protocols.runtime.database import Step, insert, open_database, transaction

FIRST = """
CREATE TABLE animal (name TEXT PRIMARY KEY, legs INTEGER NOT NULL DEFAULT 4);
CREATE TABLE place (name TEXT PRIMARY KEY);
"""


def _rename(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE animal RENAME COLUMN legs TO feet")
    db.execute("UPDATE animal SET feet = 2 WHERE name = 'hen'")


def _version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_a_new_file_has_seen_every_step_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(open_database(path, [FIRST, _rename])) as db:
        insert(db, "animal", name="cat")
        assert [tuple(row) for row in db.execute("SELECT name, feet FROM animal")] == [("cat", 4)]
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert _version(path) == 2
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    open_database(path, [FIRST]).close()
    path.chmod(0o644)
    open_database(path, [FIRST]).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_only_the_steps_that_a_file_lacks_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(open_database(path, [FIRST])) as db:
        insert(db, "animal", name="hen")
    for _ in range(2):  # FIRST and the renaming would fail if they ran twice
        with closing(open_database(path, [FIRST, _rename])) as db:
            assert db.execute("SELECT feet FROM animal").fetchone()["feet"] == 2


def test_a_failing_step_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(open_database(path, [FIRST])) as db:
        insert(db, "animal", name="hen")
    broken: list[Step] = [FIRST, _rename, "CREATE TABLE b (x);\nCREATE TABLE b (x);\n"]
    with pytest.raises(sqlite3.OperationalError):
        open_database(path, broken)
    assert _version(path) == 1
    with closing(open_database(path, [FIRST])) as db:
        assert db.execute("SELECT legs FROM animal").fetchone()["legs"] == 4
        assert not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'b'").fetchone()


def test_a_file_of_a_newer_release_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    open_database(path, [FIRST, _rename]).close()
    before = path.read_bytes()
    with pytest.raises(InputError) as caught:
        open_database(path, [FIRST])
    assert caught.value.code == Code.NEWER_VERSION
    assert "version 2" in caught.value.text
    assert caught.value.fix
    assert path.read_bytes() == before


@pytest.mark.parametrize("again", range(20))
def test_two_processes_that_open_a_file_at_once_take_each_step_once(tmp_path: Path, again: int) -> None:
    path, taken = tmp_path / "a.sqlite", []
    both = threading.Barrier(2)

    def slow(db: sqlite3.Connection) -> None:
        taken.append(threading.get_ident())

    def opens() -> None:
        both.wait()
        open_database(path, [FIRST, slow]).close()

    threads = [threading.Thread(target=opens) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1


def test_an_error_undoes_a_transaction(tmp_path: Path) -> None:
    with closing(open_database(tmp_path / "a.sqlite", [FIRST])) as db:

        def write_and_fail() -> None:
            with transaction(db):
                insert(db, "animal", name="cat")
                insert(db, "animal", name="cat")

        with pytest.raises(sqlite3.IntegrityError):
            write_and_fail()
        assert not db.execute("SELECT 1 FROM animal").fetchone()


def test_an_insert_says_whether_it_wrote(tmp_path: Path) -> None:
    with closing(open_database(tmp_path / "a.sqlite", [FIRST])) as db:
        assert insert(db, "animal", "ignore", name="cat")
        assert not insert(db, "animal", "ignore", name="cat", legs=3)
        assert insert(db, "animal", "replace", name="cat", legs=3)
        assert db.execute("SELECT legs FROM animal").fetchone()["legs"] == 3
