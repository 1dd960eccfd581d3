"""What a linear scan of half a million variants sends, now and at an earlier commit, in one run.

    OMP_NUM_THREADS=1 python -m benchmarks.association_rounds [--before COMMIT]

Three sites of 40 people, eight covariates, one outcome, masked sums, each commit in a process of its own:
rounds, megabytes that a site is asked, sends and is relayed, CPU seconds of the whole run (three sites and
the center in one process), and how far the estimates of the two are apart.
"""

import argparse
import json

import numpy as np
from numpy.typing import NDArray

from benchmarks.compared import in_two_processes, weighed
from protocols.core.axis import published
from protocols.core.block import Block
from protocols.core.table import AnalysisTable
from tests.lib.studies import a_study_of

PEOPLE, COVARIATES = 40, 8
"""Of a site: bytes do not grow with people."""


class Drawn(Block):
    """Genotypes that follow from the site and the position, so that none is held."""

    def __init__(self, site: int, names: tuple[str, ...]) -> None:
        self.axis, self.present, self._site = published(names), np.ones(PEOPLE, dtype=bool), site

    def columns(self, at: NDArray[np.int64]) -> NDArray[np.float64]:
        person = np.arange(PEOPLE, dtype=np.uint64)[:, None]
        mixed = (person + np.uint64(1 + 97 * self._site)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ at.astype(np.uint64)) * np.uint64(0xBF58476D1CE4E5B9)
        return np.minimum((mixed >> np.uint64(61)).astype(np.float64) // 2, 2)


def one(variants: int) -> None:
    """Prints one run of this code."""
    names = tuple(f"1:{position}:A:G" for position in range(1, variants + 1))
    covariates = [f"c{j}" for j in range(COVARIATES)]
    tables = []
    for site in range(3):
        numbers = np.random.default_rng(site).normal(size=(PEOPLE, COVARIATES + 1))
        columns = {name: numbers[:, j].copy() for j, name in enumerate([*covariates, "y"])}
        persons = np.arange(PEOPLE) + 1000 * site
        block = Drawn(site, names)
        tables.append(AnalysisTable("abc"[site], persons, columns).with_block("snps", block))
    axis = tables[0].blocks["snps"].axis.model_dump()
    spec = {"protocol": "gwas", "variants": {"block": "snps"}, "outcomes": ["y"], "covariates": covariates}
    snps = {"kind": "genotype", "variants": "listed", "build": "GRCh38", "axis": axis}
    study = a_study_of([*covariates, "y"], {"name": "scan", "spec": spec}, blocks={"snps": snps})
    outcome, cost = weighed(study, tables)
    some = np.nan_to_num(outcome["scan"].beta[:: max(1, variants // 1000)])
    print(json.dumps(cost | {"beta": some.ravel().tolist()}))


def main() -> None:
    """Prints one line of JSON a commit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", help="the commit to compare with")
    parser.add_argument("--variants", type=int, default=500_000)
    parser.add_argument("--one", action="store_true", help="this code alone, with some estimates")
    given = parser.parse_args()
    if given.one:
        one(given.variants)
        return
    words = ["--variants", str(given.variants)]
    found = in_two_processes("benchmarks.association_rounds", words, given.before)
    if given.before:
        now, before = (np.array(found[when]["beta"]) for when in ("now", "before"))
        print(f"estimates apart by {np.abs(now - before).max():.1e}")
    for when, run in found.items():
        print(json.dumps({"commit": when} | {name: cost for name, cost in run.items() if name != "beta"}))


if __name__ == "__main__":
    main()
