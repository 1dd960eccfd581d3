"""The site's own register: studies that were proposed, approvals, who is in them, peers, every answer.

A SQLite file in the site's folder, apart from the CDM. Nobody outside the site writes to it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from protocols.runtime.database import open_database, transaction

FILE = "register.sqlite"

# IF NOT EXISTS: files made before steps were numbered have these tables and version 0.
_FIRST = """
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


_UNIX_USERS = """
ALTER TABLE approval ADD COLUMN unix_user TEXT NOT NULL DEFAULT '';
ALTER TABLE standing_approval ADD COLUMN unix_user TEXT NOT NULL DEFAULT '';
"""

# What a site's own copy of a run's coordination was given, so that a restart does not end the run.
_JOINED_ROUNDS = """
CREATE TABLE joined_round (
    study TEXT NOT NULL, run TEXT NOT NULL, round INTEGER NOT NULL, joined BLOB NOT NULL,
    PRIMARY KEY (study, run, round)
);
"""

# Heads of audits (site_node/governance/audit_heads.py): this site's as it told them, the other sites' as they
# did, and those that others keep of this site though it told none such.
_AUDIT_HEADS = """
CREATE TABLE told_head (
    study TEXT NOT NULL, run TEXT NOT NULL, round INTEGER NOT NULL, head TEXT NOT NULL,
    PRIMARY KEY (study, run, round)
);
CREATE INDEX told_head_by_head ON told_head (head);
CREATE TABLE kept_head (
    site TEXT NOT NULL, study TEXT NOT NULL, run TEXT NOT NULL, head TEXT NOT NULL,
    PRIMARY KEY (site, study, run)
);
CREATE TABLE unknown_head (
    site TEXT NOT NULL, head TEXT NOT NULL, noticed_at TEXT NOT NULL, PRIMARY KEY (site, head)
);
"""

# A run's start: this site's own part, encrypted, and what all sites signed; without a part it has ended.
_STARTS = """
CREATE TABLE run_start (
    study TEXT NOT NULL, run TEXT NOT NULL, part BLOB, hello BLOB NOT NULL, began_at TEXT NOT NULL,
    hellos BLOB, opening BLOB, openings BLOB, PRIMARY KEY (study, run)
);
CREATE TABLE nonce (study TEXT NOT NULL, site TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (study, site));
"""

# What people at the sites said about each other's keys (protocols/exchange/membership.py).
_STATEMENTS = """
CREATE TABLE statement (
    consortium TEXT NOT NULL, action TEXT NOT NULL, site TEXT NOT NULL, signing_key TEXT NOT NULL,
    by TEXT NOT NULL, by_key TEXT NOT NULL, signature TEXT NOT NULL,
    PRIMARY KEY (consortium, action, site, signing_key, by, by_key)
);
"""

# The latest time that decisions were looked at, so that a clock set back brings no approval to life again.
_LATEST_TIME = """
CREATE TABLE latest_time (one INTEGER PRIMARY KEY CHECK (one = 1), at TEXT NOT NULL);
"""

# Who was behind the numbers about each variable that left, and over which sites (governance/auditor.py).
_AUDITED_SETS = """
CREATE TABLE audited_set (
    sha256 TEXT PRIMARY KEY, people BLOB NOT NULL, noted_at TEXT NOT NULL
);
CREATE TABLE audited_release (
    variable TEXT NOT NULL, sha256 TEXT NOT NULL REFERENCES audited_set (sha256), roster TEXT NOT NULL,
    UNIQUE (variable, sha256, roster)
);
CREATE INDEX audited_release_by_set ON audited_release (sha256);
"""

# Answers that wait for people (governance/holds.py), and who looked at them.
_HELD_ANSWERS = """
CREATE TABLE held_answer (
    id INTEGER PRIMARY KEY AUTOINCREMENT, study TEXT NOT NULL, run TEXT NOT NULL, round INTEGER NOT NULL,
    question TEXT NOT NULL, sealed BLOB NOT NULL, said TEXT NOT NULL, parts BLOB NOT NULL,
    people_needed INTEGER NOT NULL, held_at TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('held', 'released', 'refused')), UNIQUE (study, run, round)
);
CREATE TABLE held_answer_look (
    held INTEGER NOT NULL REFERENCES held_answer (id), key TEXT NOT NULL, by TEXT NOT NULL,
    unix_user TEXT NOT NULL, decision TEXT NOT NULL, note TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (held, key)
);
"""

# Where the policy needs two persons, what the first of them decided.
_FIRST_APPROVALS = """
CREATE TABLE first_approval (
    hash TEXT PRIMARY KEY REFERENCES study (hash), decided_by TEXT NOT NULL, unix_user TEXT NOT NULL,
    decided_at TEXT NOT NULL, expires_at TEXT NOT NULL, days INTEGER NOT NULL, max_runs INTEGER NOT NULL,
    note TEXT NOT NULL
);
"""

# Keyed digests of the values that people had when numbers about a variable first left (first_values.py).
_FIRST_VALUES = """
CREATE TABLE audited_value (
    variable TEXT PRIMARY KEY, people BLOB NOT NULL, digests BLOB NOT NULL
);
"""

# What noisy answers spent of whose privacy (governance/privacy_budget.py); what standing approvals demand.
_PRIVACY = """
CREATE TABLE privacy_spent (
    place TEXT PRIMARY KEY, study TEXT NOT NULL, analysis TEXT NOT NULL, people BLOB NOT NULL,
    curve BLOB NOT NULL, spent_at TEXT NOT NULL
);
ALTER TABLE standing_approval ADD COLUMN max_epsilon REAL;
"""

# How many numbers were published about which people (governance/numbers_told.py).
_PUBLISHED = """
CREATE TABLE published (
    what TEXT PRIMARY KEY, sha256 TEXT NOT NULL REFERENCES audited_set (sha256), numbers INTEGER NOT NULL,
    over INTEGER NOT NULL, noted_at TEXT NOT NULL
);
"""

STEPS = (
    _FIRST,
    _UNIX_USERS,
    _JOINED_ROUNDS,
    _AUDIT_HEADS,
    _STARTS,
    _STATEMENTS,
    _LATEST_TIME,
    _AUDITED_SETS,
    _HELD_ANSWERS,
    _FIRST_APPROVALS,
    _FIRST_VALUES,
    _PRIVACY,
    _PUBLISHED,
)


@contextmanager
def register(home: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the register of the site in `home`; one transaction, committed at the end.

    Raises:
        InputError: newer-version; a newer release wrote it.
    """
    with closing(open_database(home / FILE, STEPS)) as db, transaction(db):
        yield db


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)
