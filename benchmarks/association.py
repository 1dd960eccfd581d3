"""A genome-wide scan at one site beside plink2's own: CPU seconds and memory of 500 people by many variants.

    OMP_NUM_THREADS=1 python -m benchmarks.association [VARIANTS]

plink2 draws the genotypes (1 % missing); the ten covariates and the outcome are drawn here. Of ours, all
that a site computes is timed: finding its variants on the list, and the three questions about all of them.
Each runs in a process of its own, on one thread; the start of Python is not counted.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from protocols.core.axis import published
from protocols.core.block import rounds_of
from protocols.core.table import AnalysisTable
from protocols.genomics.alignment import aligned, axis_table
from protocols.genomics.gwas import Gwas, GwasSpec
from site_node.sources.genotypes.fileset import Fileset
from site_node.study_table.block_readers.genotype import GenotypesOfFiles, Sample

PEOPLE, COVARIATES = 500, 10
NAMES = [f"c{i}" for i in range(COVARIATES)]


def draw(folder: Path, variants: int) -> Path:
    """A fileset drawn by plink2, with alleles that are bases, and a table of covariates and an outcome."""
    path = folder / "drawn"
    run("plink2", "--dummy", str(PEOPLE), str(variants), "0.01", "acgt", "--seed", "1", "--out", str(path))
    rng = np.random.default_rng(1)
    numbers = rng.normal(size=(PEOPLE, COVARIATES + 1))
    samples = Fileset(path.with_suffix(".pgen")).read_samples()
    lines = ["\t".join(["#IID", *NAMES, "y"])]
    lines += [
        "\t".join([name, *(f"{x:.6f}" for x in row)]) for name, row in zip(samples, numbers, strict=True)
    ]
    (folder / "people.tsv").write_text("\n".join(lines) + "\n")
    return path


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def of_plink2(path: Path) -> None:
    people = path.parent / "people.tsv"
    run(
        *(
            "plink2",
            "--pfile",
            str(path),
            "--pheno",
            str(people),
            "--pheno-name",
            "y",
            "--covar",
            str(people),
        ),
        *("--covar-name", ",".join(NAMES), "--glm", "hide-covar", "omit-ref", "--threads", "1"),
        *("--out", str(path.parent / "scan")),
    )


def of_a_site(path: Path) -> None:
    """All that a site computes for a scan."""
    fileset = Fileset(path.with_suffix(".pgen"))
    found = fileset.read_variants()
    cells = (found[name].astype(str) for name in ("chromosome", "position", "ref", "alt"))
    names = [":".join(one) for one in zip(*cells, strict=True)]
    axis = published(names)
    block = GenotypesOfFiles(axis, np.zeros(PEOPLE, dtype=bool))
    on_axis = aligned(axis_table(names), found, "forward")
    block.add(fileset, [Sample(i, i) for i in range(PEOPLE)], found, on_axis)
    table = np.loadtxt(path.parent / "people.tsv", skiprows=1, usecols=range(1, COVARIATES + 2))
    columns = {name: table[:, j] for j, name in enumerate([*NAMES, "y"])}
    here = AnalysisTable("a", np.arange(PEOPLE), columns, blocks={"snps": block})
    spec = GwasSpec.model_validate(
        {"variants": {"block": "snps", "axis": axis}, "outcomes": ["y"], "covariates": NAMES}
    )
    at = np.arange(axis.size)
    shift, scale = np.zeros(COVARIATES + 1), np.ones(COVARIATES + 1)
    Gwas.moments(spec, here, shift=shift, scale=scale)
    for part in rounds_of(at, 2):
        Gwas.carriers(spec, here, at=part)
        found_copies = Gwas.copies(spec, here, at=part)
        mean = found_copies["copies"] / found_copies["known"]
        for some in rounds_of(part, COVARIATES + 2):
            Gwas.products(spec, here, at=some, mean=mean[some - part[0]], shift=shift, scale=scale)


def timed(work: Callable[[Path], None], path: Path) -> tuple[float, float]:
    """CPU seconds, with those of children, and MB of the largest process, in a process of its own."""
    script = (
        "import resource, sys; from pathlib import Path; from benchmarks import association as a; "
        f"a.{work.__name__}(Path(sys.argv[1])); "
        "u = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]; "
        "print(sum(x.ru_utime + x.ru_stime for x in u), max(x.ru_maxrss for x in u) / 1024)"
    )
    base = subprocess.run(
        [sys.executable, "-c", script.replace(f"a.{work.__name__}(Path(sys.argv[1])); ", ""), str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    found = subprocess.run(
        [sys.executable, "-c", script, str(path)], check=True, capture_output=True, text=True
    )
    seconds, memory = map(float, found.stdout.split())
    return seconds - float(base.stdout.split()[0]), memory


def main() -> None:
    variants = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        path = draw(Path(folder), variants)
        for name, work in (("plink2 --glm", of_plink2), ("a site", of_a_site)):
            seconds, memory = timed(work, path)
            print(f"{name:14} {PEOPLE} x {variants:,}: {seconds:6.1f} CPU s, {memory:5.0f} MB")


if __name__ == "__main__":
    main()
