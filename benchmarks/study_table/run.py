"""A study's table, its cohort, the quality run and one record, on drawn CDMs of growing size: before and now.

python -m benchmarks.study_table.run --people 1000 10000 --before REVISION

Each task is a process of its own. `--before` measures a revision of this repository in the same run, on its
own databases; the files of this folder go with it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.revisions import cloned
from tests.lib.databases import PostgreSQL

ROOT = Path(__file__).resolve().parents[2]
TASKS = ("table", "count", "atlas", "quality", "record")


def checked_out(revision: str, folder: Path) -> Path:
    """A clone of a revision with this benchmark in it."""
    where = cloned(revision, folder / "before")
    shutil.copytree(Path(__file__).parent, where / "benchmarks" / "study_table", dirs_exist_ok=True)
    return where


def measured(code: Path, task: str, url: str, people: int, server: int | None) -> str:
    """What `measure.py` prints, of the code in a folder."""
    command = [sys.executable, "-m", "benchmarks.study_table.measure", task, url, "--people", str(people)]
    if server is not None:
        command += ["--server", str(server)]
    environment = {**os.environ, "PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        command, cwd=code, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


def main() -> None:
    """Prints one line of JSON per code, database, size and task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--before", help="a revision to measure in the same run")
    arguments = parser.parse_args()
    server = PostgreSQL() if "postgresql" in arguments.databases else None
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            codes = {"before": checked_out(arguments.before, folder)} if arguments.before else {}
            _all(arguments, codes | {"now": ROOT}, folder, server)
    finally:
        if server:
            server.stop()


def _all(
    arguments: argparse.Namespace, codes: dict[str, Path], folder: Path, server: PostgreSQL | None
) -> None:
    for people in arguments.people:
        for database in arguments.databases:
            for name, code in codes.items():
                url, pid = f"sqlite:///{folder / f'{name}-{people}.sqlite'}", None
                if database == "postgresql":
                    assert server is not None
                    url, pid = server.create(), server.process_id()
                measured(code, "make", url, people, pid)
                for task in arguments.tasks:
                    figures = json.loads(measured(code, task, url, people, pid))
                    line = {"code": name, "database": database, "people": people, **figures}
                    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
