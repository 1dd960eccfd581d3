"""A folder of an earlier release is brought to this one: said before, backed up, all of it or nothing."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from protocols.core.errors import Code, ExitCode, InputError, StudyError
from protocols.runtime import audit_chain
from protocols.runtime.accounts import file as accounts
from server.actions import upgrade
from server.administration.enrolment import make_center
from server.home import schema
from server.home.store import Store
from server.main import run
from site_node.actions import site
from site_node.home import register


def _version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


@pytest.fixture
def center(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A center whose store lacks the last two steps, and which runs a release that knows them."""
    with monkeypatch.context() as earlier:
        earlier.setattr("server.home.store.STEPS", schema.STEPS[:-2])
        earlier.setattr("server.home.store.SITES", "SELECT name, enrolment, seen_at FROM site")
        make_center(tmp_path / "center", "Glioma", port=0)
    return tmp_path / "center"


def test_a_dry_run_says_what_would_change_and_changes_nothing(
    center: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (center / schema.FILE).read_bytes()
    assert run(["upgrade", "--home", str(center), "--dry-run"], as_json=True) == ExitCode.DONE
    said = json.loads(capsys.readouterr().out)
    newest = str(len(schema.STEPS))
    assert said["stores"] == [{"name": schema.FILE, "seen": str(len(schema.STEPS) - 2), "newest": newest}]
    assert (said["is_ready"], said["is_done"], said["backup"]) == (True, False, None)
    assert (center / schema.FILE).read_bytes() == before


def test_an_upgrade_backs_up_migrates_and_is_audited(center: Path, tmp_path: Path) -> None:
    done = upgrade.upgrade(center)
    assert done.is_done
    assert done.backup is not None
    assert done.backup.is_file()
    assert _version(center / schema.FILE) == len(schema.STEPS)
    (line,) = audit_chain.shown(center, last=1).lines
    assert line.event == "upgraded"
    assert upgrade.upgrade(center).backup is None  # nothing is left to do


def test_an_upgrade_that_fails_leaves_every_store_as_it_was(
    center: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (center / "accounts.sqlite").touch(mode=0o600)

    def broken(db: sqlite3.Connection) -> None:
        raise ValueError("of a row")

    monkeypatch.setattr(accounts, "STEPS", (*accounts.STEPS, broken))
    with pytest.raises(StudyError, match="as it was before") as failed:
        upgrade.upgrade(center)
    assert "of a row" not in str(failed.value)
    assert _version(center / schema.FILE) == len(schema.STEPS) - 2
    assert not (center / ".upgrade").exists()


def test_a_store_of_a_newer_release_is_refused(center: Path) -> None:
    with closing(sqlite3.connect(center / schema.FILE)) as db:
        db.execute("PRAGMA user_version = 999")
    assert not upgrade.plan(center).is_ready
    with pytest.raises(InputError, match="version 999"):
        upgrade.upgrade(center)


def test_a_site_is_upgraded_with_its_database(tmp_path: Path) -> None:
    home = tmp_path / "oslo"
    site.init(home, "oslo", port=0)
    with register.register(home):
        pass
    with closing(sqlite3.connect(home / "cdm.sqlite")) as db:
        (head,) = db.execute("SELECT version_num FROM alembic_version").fetchone()
        db.execute("UPDATE alembic_version SET version_num = '0015'")
        for table in ("genotype_sample", "genotype_check"):
            db.execute(f"DROP TABLE {table}")
        db.commit()
    planned = upgrade.plan(home)
    assert [(one.name, one.seen, one.newest) for one in planned.stores][-1] == ("CDM", "0015", head)
    assert (planned.is_ready, planned.is_done) == (True, False)
    assert upgrade.upgrade(home).is_done
    assert [one.seen for one in upgrade.plan(home).stores][-1] == head


def test_a_folder_of_neither_side_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        upgrade.plan(tmp_path)
    assert refused.value.code is Code.NOT_INITIALISED


def test_an_upgraded_store_knows_its_sites(center: Path) -> None:
    upgrade.upgrade(center)
    Store(center).invite("oslo")
    assert [one.name for one in Store(center).sites()] == ["oslo"]
