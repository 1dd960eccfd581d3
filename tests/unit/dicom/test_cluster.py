"""An archive over the machines of a Dask cluster: here one worker process, on loopback alone."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
from distributed import Client, LocalCluster, Security
from sqlalchemy import Engine

from cdm.etl import Identity
from cdm.etl.loader.load import load
from protocols.core.errors import Code, ExitCode, InputError
from site_node.features.radiomics import Settings
from site_node.images import cases, cluster
from site_node.images.cluster import ClusterError, run_on_cluster
from site_node.images.feature_store import Computed, compute, failures
from site_node.sources.dicom import read
from tests.lib.dicom_files import write_rtstruct, write_series
from tests.lib.pem import in_pem

BOX = [[(0.5, 0.5, z), (5.5, 0.5, z), (5.5, 5.5, z), (0.5, 5.5, z)] for z in (1.0, 2.0)]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    certificate, key = map(str, in_pem(tmp_path_factory.mktemp("tls")))
    files = {"cert": certificate, "key": key}
    quick = {
        "distributed.comm.tls.ca-file": certificate,
        **{f"distributed.comm.tls.{side}": files for side in ("scheduler", "worker", "client")},
        "distributed.scheduler.allowed-failures": 0,  # the first death is the verdict
        "distributed.worker.memory.terminate": False,
        "distributed.admin.low-level-log-length": 0,
    }
    with (
        pytest.MonkeyPatch.context() as patience,
        dask.config.set(quick),
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            host="tls://127.0.0.1",
            security=Security(require_encryption=True),
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=50,
        ) as started,
    ):
        patience.setattr(
            cluster, "TIMEOUT_S", 120
        )  # a busy machine starts a dead worker anew in its own time
        yield started.scheduler_address


def square(number: int) -> bytes:
    if number == 3:
        os._exit(1)  # as the kernel ends a process that wants too much memory
    return str(number * number).encode()


def fail(number: int) -> bytes:
    raise ModuleNotFoundError(f"no package for {number}")


@pytest.mark.slow
def test_the_archive_is_measured_by_the_workers(sqlite_engine: Engine, tmp_path: Path, address: str) -> None:
    folder = tmp_path / "images"
    write_series(folder / "a")
    write_rtstruct(folder / "a.rs", {"GTV": BOX, "far away": [[(90, 90, 1), (95, 90, 1), (95, 95, 1)]]})
    load(sqlite_engine, read(folder, tmp_path), "pacs", Identity(bytes(32)))
    settings = Settings(families=("intensity",))
    seen: list[tuple[int, int]] = []
    found = compute(
        sqlite_engine,
        tmp_path,
        Identity(bytes(32)),
        settings=settings,
        cluster=address,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert found == Computed(computed=1, skipped=0, failed=1, features=18)
    assert seen == [(0, 1), (1, 1)]
    assert len(failures(sqlite_engine)) == 1
    again = compute(sqlite_engine, tmp_path, Identity(bytes(32)), settings=settings, cluster=address)
    assert again.skipped == 1


@pytest.mark.slow
def test_an_item_that_kills_its_worker_costs_only_itself(address: str) -> None:
    # items that only waited on the dead worker are given to the next one
    assert dict(run_on_cluster(square, [0, 1, 3], address))[3] is None
    assert dict(run_on_cluster(square, range(3), address)) == {0: b"0", 1: b"1", 2: b"4"}


def test_workers_without_the_package_are_named(address: str) -> None:
    with pytest.raises(ClusterError, match="cannot run") as error:
        list(run_on_cluster(fail, [7], address))
    assert "7" not in error.value.text


def test_an_engine_of_another_version_is_a_coded_failure() -> None:
    """Numbers of another version would be stored under this one's name."""
    region = cases.Drawn("GTV", "rs.dcm", "GTV", "shadowgraph-radiomics 0.0.1 settings x input y")
    case = cases.Case(None, (), (region,), Settings())  # type: ignore[arg-type]
    assert [outcome.fault for outcome in cases.measure(case)] == [cases.OTHER_VERSION]


def test_an_engine_without_tls_is_refused() -> None:
    for address in ("tcp://127.0.0.1:8786", "127.0.0.1:8786", "carrier-pigeon://north"):
        with pytest.raises(InputError, match="TLS"):
            list(run_on_cluster(square, [1], address))


def test_who_has_no_certificate_of_the_authority_is_not_let_in(address: str, tmp_path: Path) -> None:
    """An engine runs whatever it is handed: a stranger's client must not be able to hand it anything."""
    certificate, key = map(str, in_pem(tmp_path))
    stranger = Security(
        tls_ca_file=certificate, tls_client_cert=certificate, tls_client_key=key, require_encryption=True
    )
    with pytest.raises(OSError, match=r"Timed out|certificate|refused"):
        Client(address, security=stranger, timeout=5, set_as_default=False)


class Planted:
    """What makes a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.path, "w")


def test_a_workers_result_is_not_unpickled(address: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(ClusterError):
        list(run_on_cluster(Planted, [str(mark)], address))  # type: ignore[arg-type]
    assert not mark.exists()


def test_what_a_worker_writes_is_checked() -> None:
    region = cases.Drawn("GTV", "rs.dcm", "GTV", "x")
    case = cases.Case(None, (), (region,), Settings())  # type: ignore[arg-type]
    for said in (b"", b"[[1, [], null]]", b"[[0, [7], null]]", b"[7]", b"7"):
        assert [outcome.fault for outcome in cases.outcomes_of(case, said)] == [cases.KILLED]


def test_what_is_wrong_with_an_engine_is_said(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "TIMEOUT_S", 0.2)
    with pytest.raises(ClusterError) as absent:
        list(run_on_cluster(square, [1], address.rpartition(":")[0] + ":1"))
    assert (absent.value.code, absent.value.exit_code) == (Code.SOURCE_UNREACHABLE, ExitCode.UNREACHABLE)
    with pytest.raises(InputError):
        list(run_on_cluster(square, [1], "tls://north:south"))
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError) as extra:
        list(run_on_cluster(square, [1], "tcp://127.0.0.1:1"))
    assert extra.value.code is Code.MISSING_EXTRA
    assert "shadowgraph[cluster]" in extra.value.fix
