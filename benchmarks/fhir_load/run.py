"""How fast FHIR becomes a CDM: NDJSON to SQLite with vocabulary, provenance and idempotence, on one core.

python benchmarks/fhir_load/run.py [--data DIR] [--vocabulary ZIP] [--validate none] [--repeat 3]
    [--database URL]
"""

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path

from cdm.database import connect, migrate
from cdm.etl import Identity
from cdm.etl.loader.load import load
from cdm.vocabulary.athena import load_athena
from site_node.sources.fhir import Validate, count_bytes, read, validated

SHARED = Path(os.environ.get("SHADOWGRAPH_SHARED", Path(__file__).resolve().parents[3] / "shared"))


def measure(
    data: Path, vocabulary: Path | None, folder: Path, how: Validate, url: str | None
) -> dict[str, object]:
    """Seconds, CPU seconds and peak memory of one load into an empty database, and of loading it again."""
    engine = connect(url or f"sqlite:///{folder / 'cdm.sqlite'}")
    migrate(engine)
    if vocabulary:
        load_athena(engine, vocabulary)
    result: dict[str, object] = {}
    for name in ("first", "again"):
        began, cpu = time.perf_counter(), time.process_time()
        summary = load(engine, validated(read(data), how), "fhir", Identity(b"benchmark".ljust(32)))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        result[name] = {
            "resources": summary.records,
            "mapped": sum(counts.loaded + counts.unchanged for counts in summary.kinds.values()),
            "seconds": round(seconds, 2),
            "cpu_seconds": round(cpu, 2),
            "resources_per_second": round(summary.records / seconds),
            "resources_per_cpu_second": round(summary.records / cpu),
        }
    engine.dispose()
    if url is None:
        result["database_mb"] = round((folder / "cdm.sqlite").stat().st_size / 1e6, 1)
    result["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return result


def main() -> None:
    """Prints one line of JSON a repetition; the fastest counts, since other work only slows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "synthea" / "ndjson")
    parser.add_argument("--vocabulary", type=Path, default=SHARED / "data" / "vocabulary" / "athena_mini.zip")
    parser.add_argument("--validate", type=Validate, default=Validate.NONE, choices=list(Validate))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--database", help="an empty PostgreSQL database instead of SQLite; takes --repeat 1")
    arguments = parser.parse_args()
    print(f"# {arguments.data.name}: {count_bytes(arguments.data) / 1e6:.1f} MB packed")
    for _ in range(arguments.repeat):
        with tempfile.TemporaryDirectory() as folder:
            result = measure(
                *(arguments.data, arguments.vocabulary, Path(folder), arguments.validate),
                url=arguments.database,
            )
        print(json.dumps(result))


if __name__ == "__main__":
    main()
