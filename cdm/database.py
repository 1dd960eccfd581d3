"""The one way to a site's database: SQLite embedded, PostgreSQL in production, one code for both."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import cache
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    URL,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Dialect,
    Engine,
    Insert,
    Select,
    Table,
    UniqueConstraint,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    literal_column,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from cdm.migrations import configuration

# A chunk bounds the memory of a load; beyond a thousand rows neither database gets faster.
CHUNK = 1000

# From so many rows on PostgreSQL's COPY is worth its temporary table.
FEW = 50

# Any numbers, the same everywhere: who migrates, who derives, who writes rows that several records tell of,
# who closes runs.
MIGRATION_LOCK, DERIVATION_LOCK, SHARED_ROWS_LOCK, RUNS_LOCK = 5_4_2026, 5_4_2027, 5_4_2028, 5_4_2029

# A page that does not fit is written, and read again, more than once in one transaction.
WRITERS_CACHE = "PRAGMA cache_size=-65536"  # KiB, taken as they are needed
CHECKPOINT = 16_000  # pages of the log that are gathered before the file itself is written

Item = TypeVar("Item")
Cell = str | int | float | None
Bind = Callable[[Any], object]


class RefusedRowError(Exception):
    """The database refused a row; `reason` names the rule and the column, never a value."""

    def __init__(self, table: str, reason: str) -> None:
        super().__init__(f"{table} refused a row: {reason}")
        self.table = table
        self.reason = reason


def connect(url: str | URL) -> Engine:
    """The engine of the database at `url`: `sqlite:///file`, `sqlite://` (in memory) or `postgresql://…`.

    SQLite runs in WAL mode, so that a study reads while a load writes, from any process.

    Raises:
        ModuleNotFoundError: a PostgreSQL URL without the extra `shadowgraph[postgresql]`.
        ValueError: any other database.
    """
    url = make_url(url)
    match url.get_backend_name():
        case "sqlite":
            return _connect_sqlite(url)
        case "postgresql":
            return _connect_postgresql(url)
        case other:
            raise ValueError(f"no support for {other}: use sqlite:/// or postgresql://")


def _connect_sqlite(url: URL) -> Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        Path(url.database).touch(mode=0o600)  # patients' rows: SQLite would make it readable for everybody
    engine = create_engine(url, hide_parameters=True)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _connect_postgresql(url: URL) -> Engine:
    try:
        engine = create_engine(url.set(drivername="postgresql+psycopg"), hide_parameters=True)
    except ModuleNotFoundError:
        raise ModuleNotFoundError("PostgreSQL needs: pip install 'shadowgraph[postgresql]'") from None
    event.listen(engine, "connect", _set_up_postgresql)
    return engine


def _set_up_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # We say BEGIN ourselves: Python's sqlite3 would commit before DDL and let two writers deadlock.
    connection.isolation_level = None
    settings = ("journal_mode=WAL", "synchronous=NORMAL", f"wal_autocheckpoint={CHECKPOINT}")
    for pragma in (*settings, "foreign_keys=ON", "busy_timeout=60000"):
        connection.execute(f"PRAGMA {pragma}")


def _set_up_postgresql(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # To compile a statement of many expressions takes PostgreSQL seconds, to run ours tenths of one.
    connection.execute("SET jit TO off")
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "")
    connection.exec_driver_sql(f"BEGIN {mode}")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection inside one transaction that writes: committed at the end, rolled back on an error.

    On SQLite it takes the write lock at once and waits for it. A transaction that reads first and writes
    later cannot wait: it fails if another process has written in between.
    """
    with engine.connect().execution_options(sqlite_begin="IMMEDIATE") as connection, connection.begin():
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(WRITERS_CACHE)
        yield connection


def take_turns(connection: Connection, lock: int) -> None:
    """Wait until no other process has the lock, and keep it to the transaction's end.

    SQLite has one writer at a time as it is.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(lock)))


def key_columns(table: Table) -> tuple[str, ...]:
    """The names of the columns that tell one row from another: primary key, else the unique constraint.

    Raises:
        ValueError: the table has neither; it is replaced as a whole.
    """
    if table.primary_key.columns:
        return tuple(table.primary_key.columns.keys())
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            return tuple(constraint.columns.keys())
    raise ValueError(f"{table.name} has no key")


def upsert(connection: Connection, table: Table, rows: Iterable[Mapping[str, object]]) -> int:
    """The number of rows written; a row whose key is there already is replaced as a whole.

    A column that a row leaves out becomes its default or NULL, also when the older row had a value. Of two
    rows with one key the later stays.

    Raises:
        ValueError: a row names a column that the table does not have.
        RefusedRowError: a required column is empty, or a value does not fit its column.
    """
    blank = {column.name: _default(column) for column in table.c}
    cells = itemgetter(*blank)
    write = _merge if connection.dialect.name == "postgresql" else _insert_or_replace
    written = 0
    for chunk in chunks(rows, CHUNK):
        complete = [{**blank, **row} for row in chunk]
        if any(len(row) != len(blank) for row in complete):
            unknown = sorted({name for row in complete for name in row.keys() - blank.keys()})
            raise ValueError(f"{table.name} has no column {', '.join(unknown)}")
        write(connection, table, [cells(row) for row in complete])
        written += len(complete)
    return written


def upsert_cells(connection: Connection, table: Table, rows: Iterable[tuple[object, ...]]) -> None:
    """As `upsert`, of rows whose cells stand in the order of the table's columns: a third of its time."""
    write = _merge if connection.dialect.name == "postgresql" else _insert_or_replace
    for chunk in chunks(rows, CHUNK):
        write(connection, table, chunk)


def _insert_or_replace(connection: Connection, table: Table, rows: list[tuple[object, ...]]) -> None:
    """Write rows whose cells stand in the table's order; values are bound here, which halves the time."""
    statement, binders = _sqlite_upsert(table, connection.dialect)
    try:
        bound = [_bound(row, binders) for row in rows] if binders else rows
    except (TypeError, ValueError):
        raise RefusedRowError(table.name, "a value is not of its column's type") from None
    with _refusals(table):
        connection.exec_driver_sql(statement, bound)


def _bound(row: tuple[object, ...], binders: list[tuple[int, Bind]]) -> tuple[object, ...]:
    cells = list(row)
    for position, bind in binders:
        if cells[position] is not None:
            cells[position] = bind(cells[position])
    return tuple(cells)


@cache
def _sqlite_upsert(table: Table, dialect: Dialect) -> tuple[str, list[tuple[int, Bind]]]:
    """The statement, and how the cells of days, times and the like become what SQLite stores."""
    names = [column.name for column in table.c]
    compiled = _upsert_statement(table, "sqlite").compile(dialect=dialect, column_keys=names)
    binders = (_sqlite_bind(column, dialect) for column in table.c)
    return str(compiled), [(position, bind) for position, bind in enumerate(binders) if bind]


def _sqlite_bind(column: Column[Any], dialect: Dialect) -> Bind | None:
    """How a cell becomes what SQLite stores; days and times, which most rows have, in a tenth of the time."""
    usual = column.type.dialect_impl(dialect).bind_processor(dialect)
    if isinstance(column.type, Boolean):  # Python's sqlite3 writes it as 0 or 1 itself
        return None
    if isinstance(column.type, Date):
        return date.isoformat
    if isinstance(column.type, DateTime) and usual:
        return lambda cell: (
            cell.isoformat(" ", "microseconds")
            if type(cell) is datetime and cell.tzinfo is None
            else usual(cell)
        )
    return usual


def _merge(connection: Connection, table: Table, rows: list[tuple[object, ...]]) -> None:
    """Write rows by COPY into a temporary table and from there, in one statement, into the table."""
    names = [column.name for column in table.c]
    key = itemgetter(*map(names.index, key_columns(table)))
    last = {key(row): row for row in rows}  # ON CONFLICT takes a key only once in a statement
    # In the order of their keys: two loads that write the same rows would else wait for each other for ever.
    ordered = [last[one] for one in sorted(last)]
    if len(rows) < FEW:
        with _refusals(table):
            statement = _upsert_statement(table, "postgresql")
            connection.execute(statement, [dict(zip(names, row, strict=True)) for row in ordered])
        return
    quote = connection.dialect.identifier_preparer.quote
    target, incoming = quote(table.name), quote(f"incoming_{table.name}")
    columns = ", ".join(map(quote, names))
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {incoming} (LIKE {target} INCLUDING DEFAULTS)"
    )
    connection.exec_driver_sql(f"TRUNCATE {incoming}")
    _copy(connection, table, f"COPY {incoming} ({columns}) FROM STDIN", ordered)
    source: Any = select(*(literal_column(quote(name)) for name in names)).select_from(text(incoming))
    with _refusals(table):
        connection.execute(_upsert_statement(table, "postgresql", source))


@contextmanager
def _refusals(table: Table) -> Iterator[None]:
    """Turn what the database says about a row into our words; not `from` it: PostgreSQL quotes the row."""
    try:
        yield
    except (IntegrityError, DataError) as error:
        raise RefusedRowError(table.name, _reason(error.orig)) from None
    except OverflowError:  # Python's sqlite3 says so itself of a number beyond 64 bits
        raise RefusedRowError(table.name, "a number is too large") from None


def _reason(error: BaseException | None) -> str:
    diagnosis = getattr(error, "diag", None)
    if diagnosis is None:  # SQLite names the constraint and the column, never a value
        return str(error)
    return (
        f"SQLSTATE {diagnosis.sqlstate} {diagnosis.column_name or diagnosis.constraint_name or ''}".rstrip()
    )


def _default(column: Column[Any]) -> object:
    return column.default.arg if isinstance(column.default, ScalarElementColumnDefault) else None


def _upsert_statement(table: Table, dialect: str, source: Select[Any] | None = None) -> Insert:
    insert = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    if source is not None:
        insert = insert.from_select([column.name for column in table.c], source)
    key = key_columns(table)
    replaced = {column.name: insert.excluded[column.name] for column in table.c if column.name not in key}
    if replaced:
        return insert.on_conflict_do_update(index_elements=key, set_=replaced)
    return insert.on_conflict_do_nothing(index_elements=key)


def delete_rows(connection: Connection, table: Table, ids: Iterable[int]) -> int:
    """The number of rows deleted: those whose key is among `ids`.

    Of a key of several columns `ids` are the values of the first: an `episode_event` belongs to its episode.
    """
    column = table.c[key_columns(table)[0]]
    statement = delete(table).where(column.in_(bindparam("ids", expanding=True)))
    return sum(connection.execute(statement, {"ids": chunk}).rowcount for chunk in chunks(ids, CHUNK))


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items; the last one is shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def append(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> int:
    """The number of rows added, by the fastest way that the database has; none of them may be there already.

    Values go to the driver as they are: a day is its ISO text.

    Raises:
        RefusedRowError: a key is there already, a required column is empty, or a value does not fit.
    """
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(table.c[name].name) for name in columns)
    if connection.dialect.name == "postgresql":
        return _copy(connection, table, f"COPY {quote(table.name)} ({names}) FROM STDIN", rows)
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})"  # noqa: S608 - names of our tables
    added = 0
    for chunk in chunks(rows, CHUNK):
        with _refusals(table):
            connection.exec_driver_sql(statement, [tuple(row) for row in chunk])
        added += len(chunk)
    return added


def _copy(connection: Connection, table: Table, statement: str, rows: Iterable[Sequence[object]]) -> int:
    driver = connection.dialect.loaded_dbapi
    added = 0
    try:
        cursor: Any = connection.connection.cursor()
        with cursor, cursor.copy(statement) as copy:
            for added, row in enumerate(rows, start=1):  # noqa: B007
                copy.write_row(row)
    except (driver.IntegrityError, driver.DataError, driver.ProgrammingError) as error:
        raise RefusedRowError(table.name, _reason(error)) from None
    return added


def revisions(engine: Engine) -> tuple[str, str]:
    """The revision in which the database is, "" before the first, and the newest one. Nothing is changed."""
    with engine.connect() as connection:
        newest = ScriptDirectory.from_config(configuration(connection)).get_current_head()
        return MigrationContext.configure(connection).get_current_revision() or "", newest or ""


def migrate(engine: Engine) -> None:
    """Bring the database to the newest schema, from whatever revision it is at; there nothing happens."""
    with writing(engine) as connection:
        take_turns(connection, MIGRATION_LOCK)  # of two processes at once the second finds it done
        command.upgrade(configuration(connection), "head")
