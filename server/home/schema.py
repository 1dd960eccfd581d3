"""The center's SQLite file, as numbered steps; one that was released is never changed."""

import json
import sqlite3

FILE = "store.sqlite"

# IF NOT EXISTS: files made before steps were numbered have these tables and version 0.
_FIRST = """
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

# The list reads this index and no row: a row holds the study and its outcome, megabytes that it steps over.
_SECOND = """
CREATE INDEX submission_listed ON submission
    (number, run, study, name, title, state, submitted_at, roster, code, text);
CREATE INDEX submission_open ON submission (number, run, state, ask_at) WHERE ended_at IS NULL;
CREATE INDEX submission_by_name ON submission (name);
CREATE INDEX submission_by_study ON submission (study);
CREATE INDEX event_by_run ON event (run, id);
ALTER TABLE submission ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;
"""


def _say_what_failed(db: sqlite3.Connection) -> None:
    """Tells the studies that are done from those of which an analysis failed; until now both were `done`."""
    for run, outcome in db.execute("SELECT run, outcome FROM submission WHERE state = 'done'").fetchall():
        results = json.loads(outcome)["results"] if outcome else {}
        failures = {name: found["failure"]["code"] for name, found in results.items() if "failure" in found}
        if failures:
            said = ", ".join(f"{name} ({code})" for name, code in failures.items())
            db.execute(
                "UPDATE submission SET state = 'done with failures', text = ? WHERE run = ?", (said, run)
            )


# What sites signed in the last two rounds: each of them sees all answers with the next question.
_RELAY = """
CREATE TABLE relay (
    run TEXT NOT NULL REFERENCES submission (run), round INTEGER NOT NULL, site TEXT NOT NULL,
    sealed BLOB NOT NULL, PRIMARY KEY (run, round, site)
);
"""

# The head of a site's audit, as it told it with its latest answer in each run.
_AUDIT_HEADS = """
CREATE TABLE audit_head (
    site TEXT NOT NULL, run TEXT NOT NULL REFERENCES submission (run), head TEXT NOT NULL,
    PRIMARY KEY (site, run)
);
"""

# What sites signed at the start of a run; with it anybody computes its keys and its chance again.
_START = """
CREATE TABLE run_start (
    run TEXT NOT NULL REFERENCES submission (run), phase TEXT NOT NULL, site TEXT NOT NULL,
    sealed BLOB NOT NULL, PRIMARY KEY (run, phase, site)
);
"""

# What people at the sites said about each other's keys (protocols/exchange/membership.py).
_STATEMENTS = """
CREATE TABLE statement (
    consortium TEXT NOT NULL, action TEXT NOT NULL, site TEXT NOT NULL, signing_key TEXT NOT NULL,
    by TEXT NOT NULL, by_key TEXT NOT NULL, signature TEXT NOT NULL,
    PRIMARY KEY (consortium, action, site, signing_key, by, by_key)
);
"""

# Whose a study is that an account submitted; one submitted at the command line is the center's.
_OWNERS = """
CREATE TABLE owner (
    run TEXT PRIMARY KEY REFERENCES submission (run), account TEXT NOT NULL
);
CREATE INDEX owner_account ON owner (account);
CREATE TABLE done_once (
    account TEXT NOT NULL, word TEXT NOT NULL, run TEXT NOT NULL REFERENCES submission (run),
    PRIMARY KEY (account, word)
);
"""

# What each site said last that its policy admits, as JSON.
_POLICIES = """
CREATE TABLE policy (site TEXT PRIMARY KEY, content TEXT NOT NULL, at REAL NOT NULL);
"""

# How the answers of a round are kept: plain, as before; zlib; or gone, when they were deleted by age.
_CODING = "ALTER TABLE round ADD COLUMN coding TEXT NOT NULL DEFAULT 'plain';"

# Since when a site is asked nothing, until a person at the center resumes it.
_SUSPENDED = "ALTER TABLE site ADD COLUMN suspended_at REAL;"

# Models that were taken out of runs (server/registry): their cards, and who lets them leave the center.
_MODELS = """
CREATE TABLE model (
    number INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES submission (run), analysis TEXT NOT NULL,
    title TEXT NOT NULL, card TEXT NOT NULL, result TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'released', 'withdrawn')),
    registered_at TEXT NOT NULL, registered_by TEXT NOT NULL, released_by TEXT NOT NULL DEFAULT '[]',
    withdrawn_by TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '', UNIQUE (run, analysis)
);
"""

# What an analyst can do where a study as a whole failed.
_WAY_OUT = "ALTER TABLE submission ADD COLUMN fix TEXT NOT NULL DEFAULT '';"

STEPS = (
    *(_FIRST, _SECOND, _say_what_failed, _RELAY, _AUDIT_HEADS, _START, _STATEMENTS, _OWNERS, _POLICIES),
    *(_CODING, _SUSPENDED, _MODELS, _WAY_OUT),
)
