"""CPU seconds, ours and the server's, of one task on a drawn CDM: a process for each, one line of JSON.

python -m benchmarks.study_table.measure TASK URL [--people N] [--server PID]
"""

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from sqlalchemy import Engine

from benchmarks.study_table import hospital, questions
from cdm.database import connect, migrate
from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.etl.record import SourceRecord
from cdm.quality import check
from protocols.core.study import Study
from site_node.study_table.build import build_table

IDENTITY = Identity(b"benchmark".ljust(32))
ARRIVES = {
    "resourceType": "Observation",
    "id": "arrives",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": hospital.LABORATORY[0][0]}]},
    "subject": {"reference": "Patient/new"},
    "effectiveDateTime": "2020-05-05",
    "valueQuantity": {"value": 120, "code": "mm[Hg]"},
}
NEW = {"resourceType": "Patient", "id": "new", "birthDate": "1960-01-01"}


def _table(study: Study) -> Callable[[Engine], int]:
    return lambda engine: len(build_table(engine, study, "site").table)


def _quality(engine: Engine) -> int:
    return len(check(engine, date(2024, 6, 30)))


def _record(engine: Engine) -> int:
    records = [SourceRecord(body["resourceType"], body["id"], "drawn", body) for body in (NEW, ARRIVES)]
    return load(engine, records, "fhir", IDENTITY).records


TASKS: dict[str, Callable[[Engine], int]] = {
    "table": _table(questions.study()),
    "count": _table(questions.counted()),
    "atlas": _table(questions.study({}, circe=questions.atlas())),
    "quality": _quality,
    "record": _record,
}


def server_seconds(postmaster: int | None) -> float:
    """The CPU seconds so far of a PostgreSQL server with all its processes, those that ended among them."""
    if postmaster is None:
        return 0.0
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(path.parent.name) == postmaster:
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == postmaster:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Prints the figures of one task; `make` fills the database instead."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=["make", *TASKS])
    parser.add_argument("url")
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--server", type=int)
    arguments = parser.parse_args()
    engine = connect(arguments.url)
    if arguments.task == "make":
        migrate(engine)
        hospital.make(engine, arguments.people)
        return
    task = TASKS[arguments.task]
    if arguments.task in ("table", "count", "atlas"):  # an agent has its modules and gene names already
        _warm_up()
    began, cpu, server = time.perf_counter(), time.process_time(), server_seconds(arguments.server)
    found = task(engine)
    line = {
        "task": arguments.task,
        "found": found,
        "ours": round(time.process_time() - cpu, 2),
        "server": round(server_seconds(arguments.server) - server, 2),
        "wall": round(time.perf_counter() - began, 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    engine.dispose()
    print(json.dumps(line), flush=True)


def _warm_up() -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = connect(f"sqlite:///{folder}/cdm.sqlite")
        migrate(engine)
        build_table(engine, questions.study(), "nobody")
        engine.dispose()


if __name__ == "__main__":
    main()
