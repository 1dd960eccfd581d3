"""A real SQLite file and a real PostgreSQL for the tests: `engine` is an empty, migrated database on each."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from cdm.database import connect, migrate
from cdm.schema import metadata

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
# The tests are about statements and not about disks: a server that dies with them needs no fsync.
SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB")
TEMPLATE = "migrated"


class PostgreSQL:
    """A server of our own in a temporary folder, on a free loopback port; `stop` ends it."""

    def __init__(self) -> None:
        self._bin = BINARIES[-1].parent
        self._folder = Path(tempfile.mkdtemp(prefix="shadowgraph-postgresql-"))
        self._as = _unprivileged(self._folder)
        self._run(
            "initdb", "--auth=trust", "--username=shadowgraph", "--no-sync", "--encoding=UTF8", "--locale=C"
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        options = ["-h 127.0.0.1", f"-p {self._port}", f"-k {self._folder}", *(f"-c {it}" for it in SETTINGS)]
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "--wait", "--silent", "--log", log, "--options", " ".join(options))
        self._databases = count()

    def url(self, database: str) -> str:
        """The URL of one database of this server."""
        return f"postgresql://shadowgraph@127.0.0.1:{self._port}/{database}"

    def create(self, template: str = "template0", name: str | None = None) -> str:
        """The URL of a new database, a copy of `template`."""
        name = name or f"test_{next(self._databases)}"
        engine = connect(self.url("postgres"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        engine.dispose()
        return self.url(name)

    def process_id(self) -> int:
        """The process of which all others of the server are children."""
        return int((self._folder / "data" / "postmaster.pid").read_text().split()[0])

    def stop(self) -> None:
        """End the server at once and remove its folder."""
        self._run("pg_ctl", "stop", "--mode=immediate", "--silent")
        shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(self._bin / program), "-D", str(self._folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self._folder)


def _unprivileged(folder: Path) -> list[str]:
    """The words before a command that run it as `postgres`: PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres", "postgres")
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """One PostgreSQL server for the session; skips where Debian's package `postgresql` is not installed."""
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed (Debian package: postgresql)")
    pytest.importorskip("psycopg", reason="PostgreSQL needs the extra: shadowgraph[postgresql]")
    server = PostgreSQL()
    _migrate(server.create(name=TEMPLATE))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied: a migration takes a second, a copy a millisecond."""
    path = tmp_path_factory.mktemp("sqlite") / f"{TEMPLATE}.sqlite"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_url(postgresql: PostgreSQL) -> str:
    """One migrated database of the server: to empty it takes milliseconds, to make another a second."""
    return postgresql.create(TEMPLATE)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty, migrated database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield _copy(request.getfixturevalue("sqlite_template"), tmp_path / "cdm.sqlite")
    else:
        url = request.getfixturevalue("postgresql_url")
        yield url
        _empty(url)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An empty, migrated database, once on SQLite and once on PostgreSQL."""
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_engine(sqlite_template: Path, tmp_path: Path) -> Iterator[Engine]:
    """An empty, migrated SQLite database, for tests where the database does not matter."""
    engine = connect(_copy(sqlite_template, tmp_path / "cdm.sqlite"))
    yield engine
    engine.dispose()


def _copy(template: Path, path: Path) -> str:
    shutil.copy(template, path)
    return f"sqlite:///{path}"


def _empty(url: str) -> None:
    """Delete, not TRUNCATE: that would wait for ever on a connection which a failed test left open."""
    engine = connect(url)
    with engine.begin() as connection:
        for table in metadata.tables.values():
            connection.execute(table.delete())
    engine.dispose()


def _migrate(url: str) -> None:
    engine = connect(url)
    migrate(engine)
    engine.dispose()
