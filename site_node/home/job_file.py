"""The SQLite file of long work that pages ask for, as numbered steps."""

FILE = "jobs.sqlite"

STEPS = (
    """
    CREATE TABLE job (
        number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, arguments TEXT NOT NULL,
        by TEXT NOT NULL, state TEXT NOT NULL, asked_at TEXT NOT NULL, ended_at TEXT,
        tries INTEGER NOT NULL DEFAULT 0,
        done INTEGER NOT NULL DEFAULT 0, total INTEGER, result TEXT, code TEXT, text TEXT, fix TEXT
    );
    """,
)
