"""How long `make demo` takes from a fresh clone, and once more when all is installed and compiled.

python -m benchmarks.demo.run --before REVISION

Each code is cloned into a folder of its own with its own environment, so that nothing of this checkout
helps it. Seconds of the clock, since most processes of a demo are daemons that outlive whoever starts
them: run it on an idle machine, or read one code beside the other.
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.revisions import cloned

STEP = re.compile(r"… (?P<words>.+?)\n.*?✓ (?P<seconds>\d+) s", re.DOTALL)


def steps(said: str) -> dict[str, int]:
    """The demo's own seconds of each of its steps, in its words."""
    return {found["words"].strip(): int(found["seconds"]) for found in STEP.finditer(said)}


def measured(code: Path) -> Iterator[dict[str, object]]:
    """What it takes to install, then the first and the second demo of one clone."""
    # Where bytecode is not written each process compiles all it imports, which no user's machine does.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for name, target in (("install", ".venv/ready"), ("first demo", "demo"), ("second demo", "demo")):
        began = time.monotonic()
        done = subprocess.run(
            ["make", target], cwd=code, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"make {target} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        yield {
            "what": name,
            "seconds": round(time.monotonic() - began, 1),
            "steps": steps(done.stderr),
            "load": round(os.getloadavg()[0], 1),
        }


def main() -> None:
    """Prints one line of JSON per code and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--before", help="a revision to measure in the same run")
    arguments = parser.parse_args()
    codes = {"now": "HEAD"} if arguments.before is None else {"before": arguments.before, "now": "HEAD"}
    for name, revision in codes.items():
        with tempfile.TemporaryDirectory() as folder:
            for found in measured(cloned(revision, Path(folder) / "clone")):
                print(json.dumps({"code": name, **found}), flush=True)


if __name__ == "__main__":
    main()
