"""Work spread over the machines of an existing Dask cluster: the package `distributed`, the extra `cluster`.

Items and results pass between the scheduler and its workers, and Dask's workers run whatever a scheduler
hands them. So the engine must be the site's own and speak TLS, where only who has a certificate of its
authority gets in; and results come back as plain bytes, of which nothing is unpickled here. Workers need this
package and the files under the same paths, and no database.
"""

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import islice
from typing import Any, TypeVar

from protocols.core.errors import Code, ExitCode, InputError, ShadowgraphError

Item = TypeVar("Item")

AHEAD = 4  # items a thread of a worker may have waiting: bounds the results that wait for the consumer
TIMEOUT_S = 30
TLS = "tls://"


class ClusterError(ShadowgraphError):
    """The engine cannot be reached, or its workers cannot do the work."""

    exit_code = ExitCode.UNREACHABLE


def run_on_cluster(
    function: Callable[[Item], bytes], items: Iterable[Item], address: str
) -> Iterator[tuple[Item, bytes | None]]:
    """Each item with its result, as they come; None where the item killed its workers (memory, a crash).

    `function` and the items must be importable and picklable; `function` itself handles what it can.

    Raises:
        InputError: the extra `cluster` is not installed, or the address is not one of TLS.
        ClusterError: no scheduler or worker answers, or the workers lack this package.
    """
    dask = _distributed()
    if not address.startswith(TLS):
        raise InputError(
            Code.INVALID_INPUT,
            "the cluster address is not one of TLS",
            f"{TLS}HOST:PORT, with the certificates in Dask's configuration (distributed.comm.tls)",
        )
    with _client(dask, address) as client:
        threads = sum(client.nthreads().values())
        waiting = iter(items)
        running = {
            client.submit(function, item, pure=False): item for item in islice(waiting, threads * AHEAD)
        }
        completed = dask.as_completed(list(running), loop=client.loop)
        for future in completed:
            item, error = running.pop(future), future.exception()
            if error is not None and not isinstance(error, dask.KilledWorker):
                raise _cannot_run()
            yield item, None if error is not None else _bytes_of(future)
            for following in islice(waiting, 1):
                future = client.submit(function, following, pure=False)
                running[future] = following
                completed.add(future)


def _bytes_of(future: Any) -> bytes:
    """A worker's result. Raises ClusterError where it is anything but bytes."""
    try:
        result = future.result()
    except TypeError:  # of Dask: no other serialization is accepted
        raise _cannot_run() from None
    if not isinstance(result, bytes):
        raise _cannot_run()
    return result


def _cannot_run() -> ClusterError:
    fix = "Install the same version of shadowgraph on the scheduler and on every worker."
    return ClusterError(Code.SITE_FAILED, "a worker of the cluster cannot run the engine", fix)


def _distributed() -> Any:
    """The package, which ships no types."""
    try:
        return import_module("distributed")
    except ImportError:
        fix = "pip install 'shadowgraph[cluster]'"
        raise InputError(Code.MISSING_EXTRA, "--cluster needs the extra cluster", fix) from None


def _client(dask: Any, address: str) -> Any:
    """A client whose scheduler answers and has a worker."""
    fix = "Start `dask scheduler` and `dask worker ADDRESS --nthreads 1`, and look at the address."
    try:
        client = dask.Client(
            address,
            timeout=TIMEOUT_S,
            set_as_default=False,
            security=dask.Security(require_encryption=True),
            deserializers=["msgpack"],
        )
    except (TypeError, ValueError):
        fix = "Give a host and port, and the certificates in Dask's configuration (distributed.comm.tls)."
        raise InputError(Code.INVALID_INPUT, "the cluster cannot be reached by TLS like this", fix) from None
    except OSError:
        raise ClusterError(Code.SOURCE_UNREACHABLE, "no scheduler answers at this address", fix) from None
    try:
        client.wait_for_workers(1, timeout=TIMEOUT_S)
    except TimeoutError:
        client.close()
        raise ClusterError(Code.SOURCE_UNREACHABLE, "the cluster has no worker", fix) from None
    return client
