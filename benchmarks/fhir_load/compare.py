"""The FHIR load beside its peers, on the same files in one run: parsing alone, validation, pyomop.

python benchmarks/fhir_load/compare.py [--data DIR] [--pyomop PYTHON] [--patients 149]

`--pyomop` is the Python of an environment that has pyomop (it does not go together with ours):
    python -m venv /tmp/pyomop && /tmp/pyomop/bin/pip install pyomop==6.4.0
Each contender is a process of its own; CPU seconds are what the kernel says it used.
"""

import argparse
import gzip
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

SHARED = Path(os.environ.get("SHADOWGRAPH_SHARED", Path(__file__).resolve().parents[3] / "shared"))
ROOT = Path(__file__).resolve().parents[2]

PARSE = """
import sys, orjson
from pathlib import Path
for path in sorted(Path(sys.argv[1]).iterdir()):
    for line in path.open("rb"):
        orjson.loads(line)
"""
VALIDATE = """
import sys, orjson
from pathlib import Path
from fhir.resources.R4B import get_fhir_model_class
for path in sorted(Path(sys.argv[1]).iterdir()):
    for line in path.open("rb"):
        body = orjson.loads(line)
        try:
            get_fhir_model_class(body["resourceType"]).model_validate(body)
        except ValueError:
            pass
"""
OURS = """
import sys
from pathlib import Path
from cdm.vocabulary.athena import load_seed
from cdm.database import connect, migrate
from cdm.etl import Identity
from cdm.etl.loader.load import load
from site_node.sources.fhir import read
engine = connect(sys.argv[2])
migrate(engine)
load_seed(engine)
load(engine, read(Path(sys.argv[1])), "fhir", Identity(b"benchmark".ljust(32)))
engine.dispose()
"""


def measured(command: list[str], folder: Path) -> tuple[float, float]:
    """Wall and CPU seconds of a process."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, cwd=folder, env=environment, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def unpacked(data: Path, folder: Path, patients: int) -> int:
    """The number of resources, those of the first patients, now plain NDJSON in `folder`."""
    with gzip.open(data / "Patient.ndjson.gz") as file:
        wanted = [json.loads(line)["id"].encode() for line in islice(file, patients)]
    total = 0
    for path in sorted(data.iterdir()):
        with gzip.open(path) as packed, (folder / path.name.removesuffix(".gz")).open("wb") as plain:
            kept = [line for line in packed if any(name in line for name in wanted)]
            plain.writelines(kept)
            total += len(kept)
    return total


def rows(database: Path) -> dict[str, int]:
    """The rows of each table that has any."""
    connection = sqlite3.connect(database)
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    counts = {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608
    connection.close()
    return {name: count for name, count in sorted(counts.items()) if count}


def contenders(files: Path, pyomop: Path | None) -> dict[str, Callable[[str], list[str]]]:
    """Name -> the command that loads `files` into the database at a path."""
    python = sys.executable
    found: dict[str, Callable[[str], list[str]]] = {
        "orjson, parsing alone": lambda _: [python, "-c", PARSE, str(files)],
        "fhir.resources, validation alone": lambda _: [python, "-c", VALIDATE, str(files)],
        "shadowgraph": lambda path: [python, "-c", OURS, str(files), f"sqlite:///{path}"],
    }
    if pyomop:
        found["pyomop"] = lambda path: [
            *(str(pyomop), "-m", "pyomop", "--create", "--dbtype", "sqlite"),
            *("--name", path, "--input", str(files)),
        ]
    return found


def main() -> None:
    """Prints one line of JSON a contender."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "synthea" / "ndjson")
    parser.add_argument("--pyomop", type=Path)
    parser.add_argument("--patients", type=int, default=149, help="fewer, where pyomop takes too long")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = folder / "files"
        files.mkdir()
        total = unpacked(arguments.data, files, arguments.patients)
        for contender, command in contenders(files, arguments.pyomop).items():
            database = folder / f"{contender.split()[0].rstrip(',')}.sqlite"
            wall, cpu = measured(command(str(database)), folder)
            line: dict[str, object] = {"what": contender, "resources": total, "seconds": round(wall, 1)}
            line |= {"cpu_seconds": round(cpu, 1), "resources_per_cpu_second": round(total / cpu)}
            print(json.dumps({**line, "rows": rows(database)} if database.exists() else line), flush=True)


if __name__ == "__main__":
    main()
