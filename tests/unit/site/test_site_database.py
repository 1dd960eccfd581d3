"""What a person reads whose database cannot be opened, and that they can try again."""

from pathlib import Path

import pytest

from cdm.database import connect
from protocols.core.errors import UnreachableError
from protocols.runtime.daemons import free_port
from site_node.actions import site
from tests.lib.databases import PostgreSQL
from tests.lib.federation import until


def refused(home: Path, database: str) -> tuple[str, str]:
    """The words and the way out with which `site init` ends; no word of the address is in them."""
    with pytest.raises(UnreachableError) as raised:
        site.init(home, "oslo", database=database, port=0)
    assert "127.0.0.1" not in raised.value.text
    return raised.value.text, str(raised.value.fix)


def test_a_server_that_does_not_run_is_told_from_a_password(tmp_path: Path) -> None:
    text, fix = refused(tmp_path / "oslo", f"postgresql://shadowgraph@127.0.0.1:{free_port()}/cdm")
    assert "it is not running there" in text
    assert "site.toml" in fix


@pytest.mark.slow
def test_database_role_rights_and_password_are_told_apart(tmp_path: Path, postgresql: PostgreSQL) -> None:
    server = postgresql.url("").rpartition("@")[2]
    assert "no database of that name" in refused(tmp_path / "a", postgresql.url("nowhere"))[0]
    assert "no such role" in refused(tmp_path / "b", f"postgresql://nobody@{server}postgres")[0]
    engine = connect(postgresql.url("postgres"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CREATE ROLE guarded LOGIN PASSWORD 'right'")
        guarded = f"postgresql://guarded:wrong@{server}postgres"
        assert "make no tables" in refused(tmp_path / "c", guarded)[0]
        hba = Path(str(connection.exec_driver_sql("SHOW hba_file").scalar()))
        before = hba.read_text()
        hba.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{before}")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        try:
            until(lambda: "refuses the password" in refused(tmp_path / "c", guarded)[0], 10)
            assert "~/.pgpass" in refused(tmp_path / "c", guarded)[1]
        finally:
            hba.write_text(before)
            connection.exec_driver_sql("SELECT pg_reload_conf()")
            connection.exec_driver_sql("DROP ROLE guarded")
    engine.dispose()


def test_a_site_whose_database_failed_is_made_by_a_second_call(tmp_path: Path) -> None:
    refused(tmp_path / "oslo", f"postgresql://shadowgraph@127.0.0.1:{free_port()}/cdm")
    assert site.init(tmp_path / "oslo", "oslo", port=0).name == "oslo"
