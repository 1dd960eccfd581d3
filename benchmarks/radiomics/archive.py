"""Measures an archive: series of CT, MR and PET with their tumours, over one process and over two.

    python -m benchmarks.radiomics.archive [--repeats 60] [--rounds 2] [--jobs 2]

The work is what `features radiomics compute` gives to its processes: files read, regions drawn, all features
by each modality's preset. The efficiency is the speed of N processes over N times that of one, the best
of `--rounds` each, in turns; the start of the processes counts. On a machine that others use as well there
are no N free cores: there the CPU seconds tell what the spreading itself costs.
"""

import argparse
import os
import time
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pydicom

from site_node.features.radiomics import ENGINE, VERSION
from site_node.features.radiomics.presets import OF_MODALITY, preset
from site_node.images.cases import Case, Drawn, Outcome, Place, measure
from site_node.images.parallel import run_each

MODALITIES = {"CT": "CT", "MR_T1": "MR", "PET": "PT"}


def archive(folder: Path, repeats: int) -> list[Case]:
    """The series of the three sarcoma patients that have a drawn tumour, over and over, the longest first."""
    found = []
    for objects in sorted(folder.glob("STS_*/*/mask/RS.dcm")):
        series = objects.parent.parent
        if series.name not in MODALITIES:
            continue
        modality = MODALITIES[series.name]
        sequence = pydicom.dcmread(objects).StructureSetROISequence
        names = [str(roi.ROIName) for roi in sequence if "gtv" in str(roi.ROIName).casefold()]
        regions = tuple(Drawn(name, str(objects), name, f"{ENGINE} {VERSION} benchmark") for name in names)
        files = tuple(str(file) for file in sorted((series / "image").iterdir()))
        place = Place(0, 0, date(2000, 1, 1), modality, series.name)
        found.append(Case(place, files, regions, preset(OF_MODALITY[modality])))
    return sorted(found * repeats, key=lambda case: -len(case.files))


def with_cost(case: Case) -> tuple[int, float, list[Outcome]]:
    """The process, the CPU seconds that it has taken so far, and what became of the case."""
    outcomes = measure(case)
    return os.getpid(), time.process_time(), outcomes


class Run(NamedTuple):
    """Seconds of one run over the archive."""

    wall_s: float
    cpu_s: float


def run(cases: list[Case], jobs: int) -> Run:
    """One run; the start of its processes is part of it."""
    wall, before = time.perf_counter(), time.process_time()
    spent: dict[int, float] = {}
    for _, result in run_each(with_cost, cases, jobs):
        assert result is not None, "a process died"
        process, cpu_s, outcomes = result
        spent[process] = cpu_s
        assert all(outcome.features for outcome in outcomes)
    own = time.process_time() - before
    others = sum(cpu_s for process, cpu_s in spent.items() if process != os.getpid())
    return Run(time.perf_counter() - wall, own + others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("SHADOWGRAPH_SHARED", "../shared"))
    parser.add_argument(
        "--repeats", type=int, default=60, help="how often the seven series stand in the archive"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    cases = archive(Path(given.data) / "data/imaging/soft_tissue_sarcoma", given.repeats)
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    run(cases[-7:], 1)  # compiles what this machine has not compiled, and reads the files once
    rounds = [{jobs: run(cases, jobs) for jobs in (1, given.jobs)} for _ in range(given.rounds)]
    print(f"{len(cases)} images, {os.cpu_count()} cores, load before {load}, version {VERSION}\n")
    print("| processes | images/s | wall s | CPU s | efficiency | by CPU |\n|---|---|---|---|---|---|")
    wall, cpu = ({n: min(getattr(r[n], name) for r in rounds) for n in rounds[0]} for name in Run._fields)
    for n in rounds[0]:
        speed, efficiency, by_cpu = len(cases) / wall[n], wall[1] / wall[n] / n, cpu[1] / cpu[n]
        print(f"| {n} | {speed:.2f} | {wall[n]:.1f} | {cpu[n]:.1f} | {efficiency:.0%} | {by_cpu:.0%} |")


if __name__ == "__main__":
    main()
