"""What a site decided under an earlier release still holds after the upgrade."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError
from protocols.core.protocol import ask
from protocols.runtime.accounts.machine import unix_user
from site_node.governance import approvals, audit_heads, ledger, peers, proposed
from site_node.governance.approvals import State
from site_node.home.register import FILE, STEPS, register
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import a_study

# The register of the releases before steps were numbered, word for word (November 2026).
YESTERDAY = """
CREATE TABLE IF NOT EXISTS study (
    hash TEXT PRIMARY KEY, canonical BLOB NOT NULL, received_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS approval (
    hash TEXT PRIMARY KEY REFERENCES study (hash),
    decision TEXT NOT NULL CHECK (decision IN ('approved', 'refused', 'revoked')),
    decided_by TEXT NOT NULL, decided_at TEXT NOT NULL, expires_at TEXT NOT NULL,
    max_runs INTEGER NOT NULL, note TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sealed_cohort (
    study TEXT PRIMARY KEY REFERENCES study (hash), people TEXT NOT NULL, attrition TEXT NOT NULL,
    sealed_at TEXT NOT NULL, sha256 TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS standing_approval (
    protocol TEXT PRIMARY KEY, max_studies INTEGER NOT NULL, max_variables INTEGER NOT NULL,
    decided_by TEXT NOT NULL, decided_at TEXT NOT NULL, expires_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS run (
    study TEXT NOT NULL, run TEXT NOT NULL, roster TEXT NOT NULL, started_at TEXT NOT NULL,
    standing INTEGER NOT NULL, PRIMARY KEY (study, run)
);
CREATE TABLE IF NOT EXISTS answer (
    study TEXT NOT NULL, run TEXT NOT NULL, round INTEGER NOT NULL,
    question TEXT NOT NULL, sealed BLOB NOT NULL, answered_at TEXT NOT NULL,
    PRIMARY KEY (study, run, round)
);
CREATE TABLE IF NOT EXISTS answered_people (
    sha256 TEXT PRIMARY KEY, sketch BLOB NOT NULL, people BLOB NOT NULL, answered_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS answered_once (
    study TEXT NOT NULL, place TEXT NOT NULL, question TEXT NOT NULL, answered_at TEXT NOT NULL,
    PRIMARY KEY (study, place)
);
CREATE TABLE IF NOT EXISTS peer (
    site TEXT PRIMARY KEY, signing_key TEXT NOT NULL, masking_key TEXT NOT NULL, pinned_at TEXT NOT NULL
);
"""
STUDY = a_study()
FIRST = replace(ask("counts"), analysis="ages")


def _write_yesterday(home: Path) -> None:
    """A register as the earlier release left it, with a row in each table that a decision rests on."""
    at, until = datetime.now(UTC).isoformat(), (datetime.now(UTC) + timedelta(days=9)).isoformat()
    with closing(sqlite3.connect(home / FILE, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(YESTERDAY)
        study = STUDY.hash()
        db.execute("INSERT INTO study VALUES (?, ?, ?)", (study, STUDY.canonical(), at))
        db.execute(
            "INSERT INTO approval VALUES (?, 'approved', 'Dr. Hansen', ?, ?, 2, 'ok')", (study, at, until)
        )
        db.execute("INSERT INTO standing_approval VALUES ('summary', 5, 6, 'ola', ?, ?)", (at, until))
        db.execute('INSERT INTO run VALUES (?, \'r0\', \'["a", "b", "c"]\', ?, 0)', (study, at))
        db.execute("INSERT INTO answer VALUES (?, 'r0', 0, 'asked', x'0102', ?)", (study, at))
        db.execute("INSERT INTO peer VALUES ('z', 'signing', 'masking', ?)", (at,))


def test_approvals_ledger_and_studies_of_an_earlier_release_are_still_there(tmp_path: Path) -> None:
    _write_yesterday(tmp_path)
    (entry,) = proposed.inbox(tmp_path)
    assert entry.state is State.APPROVED
    approval = approvals.approval(tmp_path, STUDY)
    assert (approval.state, approval.max_runs) == (State.APPROVED, 2)
    assert [(left.run, left.round, left.bytes) for left in ledger.released(tmp_path)] == [("r0", 0, 2)]
    assert [one.protocol for one in approvals.standing(tmp_path)] == ["summary"]
    assert audit_heads.own(tmp_path) == set()
    with register(tmp_path) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(STEPS)
        assert db.execute("SELECT decided_by, unix_user FROM approval").fetchone()[:] == ("Dr. Hansen", "")


def test_an_approved_study_of_an_earlier_release_is_answered_within_its_budget(tmp_path: Path) -> None:
    site = AttackedSite(tmp_path / "a")
    _write_yesterday(site.home)
    site.propose(STUDY)
    assert not next(peer for peer in peers.listed(site.home) if peer.site == "z").is_member  # only pinned
    (answer,) = site.ask(STUDY, FIRST, run="r1")  # type: ignore[misc]
    assert not isinstance(answer, Code)
    assert site.ask(STUDY, FIRST, run="r2") == Code.BUDGET_SPENT  # r0 was one of the two


def test_a_register_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    with register(tmp_path) as db:
        db.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    with pytest.raises(InputError) as caught:
        proposed.inbox(tmp_path)
    assert caught.value.code == Code.NEWER_VERSION


def test_beside_the_name_of_who_decided_stands_the_unix_user(tmp_path: Path) -> None:
    approvals.receive(tmp_path, STUDY.canonical())
    approvals.decide(tmp_path, STUDY, State.APPROVED, by="Dr. Hansen")
    with register(tmp_path) as db:
        row = db.execute("SELECT decided_by, unix_user FROM approval").fetchone()
    assert tuple(row) == ("Dr. Hansen", unix_user())
