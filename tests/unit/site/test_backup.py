"""A site's folder goes into one file while the site works, and comes back whole or not at all."""

import contextlib
import io
import json
import sqlite3
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from protocols.core.errors import Code, ExitCode, ShadowgraphError
from protocols.core.protocol import ask
from protocols.runtime.folder_archive import MANIFEST
from server.main import run
from site_node.administration.backup import back_up, restore
from site_node.governance import approvals, audit, audit_check, ledger
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import a_study

FIRST = replace(ask("counts"), analysis="ages")


@pytest.fixture
def site(tmp_path: Path) -> AttackedSite:
    """A site that has answered one round, with a database beside."""
    site = AttackedSite(tmp_path / "site")
    study = a_study()
    site.approve(study)
    site.ask(study, FIRST)
    (site.home / "run").mkdir(exist_ok=True)
    (site.home / "run" / "supernode.log").write_text("of Flower\n")
    with _cdm(site.home) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE person (person_id INTEGER)")
        db.execute("INSERT INTO person VALUES (1)")
    return site


@contextlib.contextmanager
def _cdm(home: Path) -> object:  # type: ignore[misc]
    with contextlib.closing(sqlite3.connect(home / "cdm.sqlite", isolation_level=None)) as db:
        yield db


def _files(home: Path) -> dict[str, bytes]:
    return {
        path.relative_to(home).as_posix(): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and path.suffix not in (".sqlite", ".sqlite-wal", ".sqlite-shm")
    }


def _code(error: pytest.ExceptionInfo[ShadowgraphError]) -> Code:
    return error.value.code


def test_a_site_comes_back_with_its_keys_its_answers_and_its_audit(
    site: AttackedSite, tmp_path: Path
) -> None:
    told = back_up(site.home, tmp_path / "a.tar")
    assert told.database == "cdm.sqlite"
    before, answered = _files(site.home), ledger.released(site.home)
    restore(tmp_path / "a.tar", tmp_path / "again")
    after = _files(tmp_path / "again")
    lost = {Path(name).parent.as_posix() for name in before.keys() - after.keys()}
    assert lost == {"run", "run/starts"}  # Flower's own, and the keys of runs
    assert {name for name in after if after[name] != before[name]} == {"audit.jsonl"}
    assert ledger.released(tmp_path / "again") == answered
    assert [line["event"] for line in audit.lines(tmp_path / "again")][-2:] == ["answered", "restored"]
    audit_check.verify(tmp_path / "again")
    with _cdm(tmp_path / "again") as db:
        assert db.execute("SELECT person_id FROM person").fetchall() == [(1,)]  # type: ignore[attr-defined]


def test_what_was_approved_is_approved_again_by_a_person(site: AttackedSite, tmp_path: Path) -> None:
    approvals.approve_standing(site.home, "summary", by="t", max_studies=9, max_variables=9, days=1)
    back_up(site.home, tmp_path / "a.tar")
    assert restore(tmp_path / "a.tar", tmp_path / "again").approvals_taken_back == 2
    site.home = tmp_path / "again"
    site.restart()
    assert site.ask(a_study(), FIRST, run="r2") == Code.APPROVAL_REVOKED
    assert site.propose(a_study(title="another"))["state"] == "pending"


def test_a_backup_holds_what_was_committed_and_nothing_half_written(
    site: AttackedSite, tmp_path: Path
) -> None:
    with _cdm(site.home) as db:
        db.execute("BEGIN IMMEDIATE")  # type: ignore[attr-defined]
        db.execute("INSERT INTO person VALUES (2)")  # type: ignore[attr-defined]
        back_up(site.home, tmp_path / "a.tar")
        db.execute("COMMIT")  # type: ignore[attr-defined]
    restore(tmp_path / "a.tar", tmp_path / "again")
    with _cdm(tmp_path / "again") as db:
        assert db.execute("SELECT person_id FROM person").fetchall() == [(1,)]  # type: ignore[attr-defined]


def test_a_backup_and_a_restored_folder_are_the_owners_alone(site: AttackedSite, tmp_path: Path) -> None:
    back_up(site.home, tmp_path / "a.tar")
    (tmp_path / "again").mkdir(mode=0o755)
    restore(tmp_path / "a.tar", tmp_path / "again")
    made = [tmp_path / "a.tar", tmp_path / "again", *(tmp_path / "again").rglob("*")]
    assert {path.name: path.stat().st_mode & 0o077 for path in made} == {path.name: 0 for path in made}


def test_nothing_is_written_over(site: AttackedSite, tmp_path: Path) -> None:
    back_up(site.home, tmp_path / "a.tar")
    kept = (tmp_path / "a.tar").read_bytes()
    with pytest.raises(ShadowgraphError) as archive:
        back_up(site.home, tmp_path / "a.tar")
    with pytest.raises(ShadowgraphError) as folder:
        restore(tmp_path / "a.tar", site.home)
    assert (_code(archive), _code(folder)) == (Code.ALREADY_EXISTS, Code.ALREADY_EXISTS)
    assert (tmp_path / "a.tar").read_bytes() == kept


def _changed_byte(data: bytes) -> bytes:
    at = data.index(b'"event"')  # in the audit
    return data[:at] + b"X" + data[at + 1 :]


def _with_a_way_out(data: bytes) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, content in (("../outside", b"x"), (MANIFEST, json.dumps({}).encode())):
            about = tarfile.TarInfo(name)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    return written.getvalue()


@pytest.mark.parametrize(
    "spoil",
    [_changed_byte, _with_a_way_out, lambda data: data[: len(data) // 2], lambda data: b"no tar", bytes],
    ids=["a byte", "a way out", "half of it", "something else", "nothing"],
)
def test_a_backup_that_is_not_whole_is_refused_and_leaves_nothing(
    site: AttackedSite, tmp_path: Path, spoil: object
) -> None:
    back_up(site.home, tmp_path / "a.tar")
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(b"" if spoil is bytes else spoil(whole))  # type: ignore[operator]
    with pytest.raises(ShadowgraphError) as error:
        restore(tmp_path / "a.tar", tmp_path / "again")
    assert _code(error) == Code.TAMPERED
    assert not any((tmp_path / "again").iterdir())
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("backup", "new/folder/a.tar", "--home", "site"), ExitCode.FAILED),
        (("backup", "a.tar", "--home", "nowhere"), ExitCode.INVALID_INPUT),
        (("restore", "none.tar", "--home", "again"), ExitCode.INVALID_INPUT),
        (("backup", "a.tar", "--home", "site"), ExitCode.DONE),
    ],
)
def test_the_commands_say_how_it_went(
    site: AttackedSite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: ExitCode,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["site", *words], as_json=True) == code
    assert not list(tmp_path.rglob("*.partial"))
