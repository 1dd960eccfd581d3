"""Runs every engine on every case and prints the table of README.md.

    python -m benchmarks.radiomics.run --peers /tmp/peers --scratch /tmp/cases

CPU seconds of the extraction call on one core (every thread pool is limited to one), the smallest of several.
A peer lives in its own environment; one that cannot be installed is a row that says so.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks.radiomics.cases import SOURCES, make

HERE = Path(__file__).parent
LISTS = ("image", "image+pairs", "14 images", "14 images+pairs")
ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
        "PICTOLOGICS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    )
}  # fmt: skip


class Peer(NamedTuple):
    name: str
    python: str
    steps: tuple[tuple[str, ...], ...]  # arguments of `uv pip install`, in order


PEERS = (
    Peer(
        "pyradiomics",
        "3.11",
        (("numpy<2", "setuptools<80", "wheel", "cython"), ("--no-build-isolation", "pyradiomics==3.0.1")),
    ),
    Peer("pictologics", "3.12", (("pictologics==0.9.0",),)),
)


def install(peer: Peer, folder: Path, pythons: dict[str, str]) -> Path | str:
    """The peer's python, or the reason why there is none."""
    home = folder / peer.name
    python = home / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    commands = [[str(uv), "venv", "--quiet", "--python", pythons.get(peer.python, peer.python), str(home)]]
    commands += [
        [str(uv), "pip", "install", "--quiet", "--python", str(python), *step] for step in peer.steps
    ]
    if (home / "installed").exists():
        return python
    shutil.rmtree(home, ignore_errors=True)
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            return f"not installed: {lines[0].strip() if lines else 'no reason given'}"
    (home / "installed").touch()
    return python


def measure(script: str, python: Path, case: Path, list_: str, repeats: int) -> dict[str, object] | str:
    """What one engine printed, or why it printed nothing."""
    command = [str(python), str(HERE / script), str(case), list_, str(repeats)]
    environment = (
        os.environ | ONE_THREAD | {"PYTHONPATH": str(HERE.parents[1]) if "shadowgraph" in script else ""}
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        return "failed: " + (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=Path, required=True, help="folder of the peers' environments")
    parser.add_argument("--scratch", type=Path, required=True, help="folder of the cases")
    parser.add_argument("--data", type=Path, default=os.environ.get("SHADOWGRAPH_SHARED", "../shared"))
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        type=lambda pair: pair.split("=", 1),
        help="3.12=/path/to/python",
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cases", nargs="*", default=list(SOURCES))
    parser.add_argument("--lists", nargs="*", default=list(LISTS))
    given = parser.parse_args()
    given.scratch.mkdir(parents=True, exist_ok=True)
    pythons: dict[str, Path | str] = {"shadowgraph": Path(sys.executable)}
    pythons |= {peer.name: install(peer, given.peers, dict(given.python)) for peer in PEERS}
    print("| case | list | engine | CPU s | features | peak MB |\n|---|---|---|---|---|---|")
    for name in given.cases:
        case = make(name, Path(given.data) / "data", given.scratch)
        for list_ in given.lists:
            for engine, python in pythons.items():
                found = (
                    python
                    if isinstance(python, str)
                    else measure(f"measure_{engine}.py", python, case, list_, given.repeats)
                )
                if isinstance(found, str):
                    print(f"| {name} | {list_} | {engine} | {found} | | |", flush=True)
                else:
                    row = f"{engine} {found['version']} | {found['cpu_s']:.4f} | {found['features']}"
                    print(f"| {name} | {list_} | {row} | {found['peak_mb']} |", flush=True)


if __name__ == "__main__":
    main()
