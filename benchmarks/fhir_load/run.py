"""How fast FHIR becomes a CDM: NDJSON to a database with vocabulary, provenance and idempotence.

python -m benchmarks.fhir_load.run [--data DIR] [--vocabulary ZIP] [--validate none] [--repeat 3]
    [--database URL] [--times 1] [--processes 1] [--before REVISION]

`--times 20` loads the data so many times under new ids; `--processes 2` shares the work; `--before` measures
a revision of this repository in the same run, by turns.
"""

import argparse
import gzip
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.study_table.run import ROOT, checked_out
from cdm.database import connect, migrate
from cdm.etl import Identity
from cdm.etl.loader.load import load
from cdm.etl.loader.summary import LoadSummary
from cdm.vocabulary.athena import load_athena
from site_node.sources.fhir import Validate, count_bytes, read, validated

SHARED = Path(os.environ.get("SHADOWGRAPH_SHARED", ROOT.parent / "shared"))
IDENTITY = Identity(b"benchmark".ljust(32))
UUID = re.compile(rb"\b([0-9a-f]{8})(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b")


def copies(data: Path, times: int, folder: Path) -> Path:
    """A folder with the files so many times, each time under other ids."""
    if times == 1:
        return data
    folder.mkdir()
    for path in sorted(data.iterdir()):
        lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        with (folder / path.name.removesuffix(".gz")).open("wb") as file:
            for number in range(times):
                other = (number * 2654435761) & 0xFFFFFFFF
                file.writelines(
                    UUID.sub(lambda m, other=other: b"%08x" % (int(m[1], 16) ^ other) + m[2], line)  # type: ignore[misc]
                    for line in lines
                )
    return folder


def cpu_seconds() -> float:
    """Of this process and of those that it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def written_mb() -> int | None:
    """What this process has written to disks so far."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return None
    return int(next(line for line in lines if line.startswith("write_bytes")).split()[1]) >> 20


def measure(
    data: Path, vocabulary: Path | None, folder: Path, how: Validate, url: str | None, processes: int
) -> dict[str, object]:
    """Seconds, CPU seconds and peak memory of one load into an empty database, and of loading it again."""
    address = url or f"sqlite:///{folder / 'cdm.sqlite'}"
    engine = connect(address)
    migrate(engine)
    if vocabulary:
        load_athena(engine, vocabulary)
    result: dict[str, object] = {}
    for name in ("first", "again"):
        began, cpu, written = time.perf_counter(), cpu_seconds(), written_mb()
        if processes == 1:
            pace: list[tuple[int, float]] = []
            records = validated(read(data), how)
            each: list[float] = []
            summary = load(engine, records, "fhir", IDENTITY, lambda n: pace.append((n, cpu_seconds())))  # noqa: B023
        else:
            pace, (summary, each) = [], _together(address, data, how, processes)
        seconds, cpu = time.perf_counter() - began, cpu_seconds() - cpu
        result[name] = {
            "resources": summary.records,
            "mapped": sum(counts.loaded + counts.unchanged for counts in summary.kinds.values()),
            "seconds": round(seconds, 2),
            "cpu_seconds": round(cpu, 2),
            "resources_per_second": round(summary.records / seconds),
            "resources_per_cpu_second": round(summary.records / cpu),
            **_paces(pace),
            **({"cpu_seconds_of_each": each} if each else {}),
            **({"written_mb": (written_mb() or 0) - written} if written is not None else {}),
        }
    engine.dispose()
    if url is None:
        result["database_mb"] = round((folder / "cdm.sqlite").stat().st_size / 1e6, 1)
    result["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return result


def _paces(pace: list[tuple[int, float]]) -> dict[str, int]:
    """Resources a CPU second in the first and in the last fifth of a long load's batches."""
    fifth = len(pace) // 5
    if fifth < 5:
        return {}
    ends = {"at_first": pace[: fifth + 1], "at_last": pace[-fifth - 1 :]}
    return {
        name: round(sum(n for n, _ in part[1:]) / (part[-1][1] - part[0][1])) for name, part in ends.items()
    }


def _together(url: str, data: Path, how: Validate, processes: int) -> tuple[LoadSummary, list[float]]:
    """What several processes loaded, and the CPU seconds of each: the most is what idle cores would wait."""
    # An earlier revision, measured with this file, has no parts.
    from cdm.etl.loader.load import finish_parts

    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(_part, url, data, how, number, processes) for number in range(processes)]
        parts = [one.result() for one in waiting]
    engine = connect(url)
    try:
        began = time.process_time()
        whole = finish_parts(engine, [summary for summary, _ in parts], IDENTITY)
        last = time.process_time() - began
    finally:
        engine.dispose()
    return whole, [round(seconds, 2) for seconds in (*(cpu for _, cpu in parts), last)]


def _part(url: str, data: Path, how: Validate, number: int, processes: int) -> tuple[LoadSummary, float]:
    from cdm.etl.loader.parts import Part

    engine, began = connect(url), time.process_time()
    try:
        records = validated(read(data), how)
        summary = load(engine, records, "fhir", IDENTITY, part=Part(number, processes))
        return summary, time.process_time() - began
    finally:
        engine.dispose()


def main() -> None:
    """Prints one line of JSON a repetition; the fastest counts, since other work only slows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "synthea" / "ndjson")
    parser.add_argument("--vocabulary", type=Path, default=SHARED / "data" / "vocabulary" / "athena_mini.zip")
    parser.add_argument("--validate", type=Validate, default=Validate.NONE, choices=list(Validate))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--database", help="an empty PostgreSQL database instead of SQLite; takes --repeat 1")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--before", help="a revision to measure in the same run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as whole:
        folder = Path(whole)
        data = copies(arguments.data, arguments.times, folder / "copies")
        print(f"# {arguments.data.name}: {count_bytes(data) / 1e6:.1f} MB on disk", flush=True)
        before = checked_out(arguments.before, folder) if arguments.before else None
        for _ in range(arguments.repeat):
            if before:
                _elsewhere(before, data, arguments)
            with tempfile.TemporaryDirectory() as name:
                result = measure(
                    *(data, arguments.vocabulary, Path(name), arguments.validate),
                    url=arguments.database,
                    processes=arguments.processes,
                )
            print(json.dumps(result), flush=True)


def _elsewhere(code: Path, data: Path, arguments: argparse.Namespace) -> None:
    """One repetition of an earlier revision, in a process of its own."""
    where = code / "benchmarks" / "fhir_load" / "run.py"
    where.write_text(Path(__file__).read_text())
    options = ["--repeat", "1", "--data", str(data), "--vocabulary", str(arguments.vocabulary)]
    command = [sys.executable, "-m", "benchmarks.fhir_load.run", *options, "--validate", arguments.validate]
    environment = {**os.environ, "PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, cwd=code, env=environment, check=True, capture_output=True, text=True)
    print("before", done.stdout.splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
