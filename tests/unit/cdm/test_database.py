"""Connect, migrate, upsert and delete, on a real SQLite and a real PostgreSQL."""

from datetime import date
from pathlib import Path
from threading import Thread
from traceback import format_exception

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, func, insert, inspect, select, text

from cdm.database import CHUNK, RefusedRowError, connect, delete_rows, key_columns, migrate, upsert, writing
from cdm.migrations import configuration
from cdm.schema import (
    concept_synonym,
    death,
    episode_event,
    load_run,
    measurement,
    metadata,
    observation,
    quarantine,
    source_row,
)

BIGGEST_KEY = 2**63 - 1


def row(measurement_id: int, **values: object) -> dict[str, object]:
    """A measurement with what the standard requires."""
    return {
        "measurement_id": measurement_id,
        "person_id": 1,
        "measurement_concept_id": 0,
        "measurement_date": date(2020, 2, 29),
        "measurement_type_concept_id": 32817,
        **values,
    }


def size(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(measurement)) or 0


def test_migrated_database_and_tables_agree(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_rows_of_an_older_file_keep_their_values_and_indexes(tmp_path: Path) -> None:
    """The large tables are made anew there: by person, and no longer by the hash that is their key."""
    engine = connect(f"sqlite:///{tmp_path}/cdm.sqlite")
    with writing(engine) as connection:
        command.upgrade(configuration(connection), "0014")
    rows = [row(2**62 - number, person_id=number % 2) for number in range(6)]
    with writing(engine) as connection:
        connection.execute(insert(measurement), rows)
    migrate(engine)
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT rowid, person_id, measurement_id FROM measurement ORDER BY 1")
        )
        assert [one.person_id for one in found] == [0, 0, 0, 1, 1, 1]
        kept = connection.scalars(select(measurement.c.measurement_id)).all()
        assert sorted(kept) == sorted(one["measurement_id"] for one in rows)
        indexes = {one["name"] for one in inspect(connection).get_indexes("measurement")}
    assert indexes == {index.name for index in measurement.indexes}
    engine.dispose()


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    tables = inspect(engine).get_table_names()
    migrate(engine)
    assert inspect(engine).get_table_names() == tables
    assert set(tables) == metadata.tables.keys() | {"alembic_version"}


def test_two_processes_may_migrate_at_once(tmp_path: Path) -> None:
    engines = [connect(f"sqlite:///{tmp_path}/new.sqlite") for _ in range(2)]
    threads = [Thread(target=migrate, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inspect(engines[0]).has_table("person")
    for engine in engines:
        engine.dispose()


def test_upserting_twice_changes_nothing(engine: Engine) -> None:
    rows = [row(number, value_as_number=0.1 * number) for number in range(1, 2 * CHUNK + 2)]
    for _ in range(2):
        with writing(engine) as connection:
            assert upsert(connection, measurement, iter(rows)) == len(rows)
    assert size(engine) == len(rows)


def test_a_newer_row_replaces_the_older_as_a_whole(engine: Engine) -> None:
    with writing(engine) as connection:
        upsert(connection, measurement, [row(1, value_as_number=1.5, unit_source_value="mm")])
        upsert(connection, measurement, [row(1, value_as_number=2.5)])
        found = connection.execute(select(measurement)).one()
    assert (found.value_as_number, found.unit_source_value) == (2.5, None)


def test_of_two_rows_with_one_key_the_last_stays(engine: Engine) -> None:
    with writing(engine) as connection:
        upsert(connection, measurement, [row(1, value_as_number=1.0), row(1, value_as_number=2.0)])
        assert connection.scalar(select(measurement.c.value_as_number)) == 2.0


def test_63_bit_keys_dates_and_doubles_come_back_exactly(engine: Engine) -> None:
    with writing(engine) as connection:
        upsert(connection, measurement, [row(BIGGEST_KEY, person_id=BIGGEST_KEY, value_as_number=0.1 + 0.2)])
        found = connection.execute(select(measurement)).one()
    assert (found.measurement_id, found.person_id) == (BIGGEST_KEY, BIGGEST_KEY)
    assert found.measurement_date == date(2020, 2, 29)
    assert found.value_as_number == 0.1 + 0.2


def test_a_column_that_the_table_lacks_is_an_error_without_a_value(engine: Engine) -> None:
    with (
        pytest.raises(ValueError, match="measurement has no column measurment_date") as caught,
        writing(engine) as it,
    ):
        upsert(it, measurement, [row(1, measurment_date="canary")])
    assert "canary" not in str(caught.value)
    assert size(engine) == 0


def test_a_row_that_the_database_refuses_is_named_by_its_column_alone(engine: Engine) -> None:
    canary = 424242
    with pytest.raises(RefusedRowError) as caught, writing(engine) as connection:
        upsert(connection, measurement, [{**row(1, value_as_number=canary), "person_id": None}])
    assert caught.value.table == "measurement"
    assert "person_id" in caught.value.reason
    assert str(canary) not in "".join(format_exception(caught.value))


def test_a_column_left_out_gets_its_default(engine: Engine) -> None:
    entry = {
        "quarantine_id": 1,
        "source": "s",
        "position": "f:1",
        "kind": "Patient",
        "code": "c",
        "reason": "r",
    }
    with writing(engine) as connection:
        upsert(connection, quarantine, [{**entry, "run_id": 1}])
        assert connection.scalar(select(quarantine.c.resolved)) is False


def test_a_table_without_primary_key_is_upserted_by_its_unique_constraint(engine: Engine) -> None:
    with writing(engine) as connection:
        for day in (1, 2):
            upsert(connection, death, [{"person_id": 7, "death_date": date(2021, 1, day)}])
        assert connection.scalars(select(death.c.death_date)).all() == [date(2021, 1, 2)]


def test_a_table_that_is_nothing_but_key_keeps_its_row(engine: Engine) -> None:
    link = {"source_record_id": 1, "table_name": "person", "row_id": 2}
    with writing(engine) as connection:
        upsert(connection, source_row, [link, link])
        assert connection.scalar(select(func.count()).select_from(source_row)) == 1


def test_a_table_without_any_key_is_refused() -> None:
    with pytest.raises(ValueError, match="concept_synonym has no key"):
        key_columns(concept_synonym)


def test_rows_are_deleted_by_key_and_counted(engine: Engine) -> None:
    with writing(engine) as connection:
        upsert(connection, measurement, (row(number) for number in range(1, CHUNK + 11)))
        assert delete_rows(connection, measurement, range(6, CHUNK + 11)) == CHUNK + 5
        assert delete_rows(connection, measurement, [6, 7]) == 0
    assert size(engine) == 5


def test_an_episode_event_goes_with_its_episode(engine: Engine) -> None:
    events = [{"episode_id": 1, "event_id": n, "episode_event_field_concept_id": 1147127} for n in (1, 2)]
    with writing(engine) as connection:
        upsert(connection, episode_event, [*events, {**events[0], "episode_id": 2}])
        assert delete_rows(connection, episode_event, [1]) == 2


def test_a_failed_transaction_leaves_nothing(engine: Engine) -> None:
    def write_and_fail() -> None:
        with writing(engine) as connection:
            upsert(connection, measurement, [row(1)])
            upsert(connection, observation, [{"nonsense": 1}])

    with pytest.raises(ValueError, match="no column"):
        write_and_fail()
    assert size(engine) == 0


def test_a_reader_sees_the_old_state_while_a_writer_writes(engine: Engine) -> None:
    with writing(engine) as connection:
        upsert(connection, measurement, [row(1)])
        assert size(engine) == 0
    assert size(engine) == 1


def test_a_writer_waits_for_the_other(database_url: str) -> None:
    first, second = connect(database_url), connect(database_url)

    def write() -> None:
        with writing(second) as connection:
            upsert(connection, measurement, [row(1, value_as_number=2.0)])

    with writing(first) as connection:
        upsert(connection, measurement, [row(1, value_as_number=1.0)])
        waiting = Thread(target=write)
        waiting.start()
    waiting.join()
    with first.connect() as connection:
        assert connection.scalar(select(measurement.c.value_as_number)) == 2.0
    first.dispose()
    second.dispose()


def test_sqlite_reads_while_another_process_writes_and_syncs_lazily(sqlite_engine: Engine) -> None:
    with sqlite_engine.connect() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA synchronous")) == 1


def test_another_database_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no support for mysql"):
        connect("mysql://localhost/x")


def test_every_table_but_two_of_the_vocabulary_can_be_upserted() -> None:
    keyless = {name for name, table in metadata.tables.items() if not _has_key(name)}
    assert keyless == {"concept_synonym", "drug_strength"}
    assert _has_key(load_run.name)


def _has_key(name: str) -> bool:
    try:
        return bool(key_columns(metadata.tables[name]))
    except ValueError:
        return False


def test_a_new_sqlite_file_is_its_owners_alone(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'cdm.sqlite'}")
    migrate(engine)
    engine.dispose()
    assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {0}
