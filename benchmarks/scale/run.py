"""How cost grows with people, sites and variables: CPU seconds, and the exponent from one size to the next.

    python -m benchmarks.scale.run people --people 1000 10000 --databases sqlite postgresql
    python -m benchmarks.scale.run sites --sites 3 10 50
    python -m benchmarks.scale.run variables --variables 20 200 2000 20000

people: the tasks of benchmarks/study_table, a process for each: a study's table, a count, an ATLAS cohort,
the quality checks, a load of one record. sites: a logistic model of ten covariates under secure sums, 1,000
people per site, in one process; per site and round. variables: the bytes of a study of so many expression
variables, reading it, and one `associate` over all of them at three sites of 100 people.

An exponent of 1 is linear, 0 is a cost that does not grow.
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.blocks import GENES, LISTED, OTHERS, SCAN
from benchmarks.study_table.run import ROOT, TASKS, measured
from protocols.core.axis import published
from protocols.core.study import Study, parse_study
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from site_node.study_table.block_readers.reader import StoredBlock
from tests.lib.databases import PostgreSQL
from tests.lib.studies import a_study_of

Costs = dict[str, dict[int, float]]
"""What is measured -> size -> cost."""


def people(sizes: list[int], databases: list[str], tasks: list[str]) -> Costs:
    """CPU seconds, the server's among them, of each task on each database."""
    costs: Costs = {}
    server = PostgreSQL() if "postgresql" in databases else None
    try:
        for size in sizes:
            for database in databases:
                with tempfile.TemporaryDirectory() as folder:
                    url, pid = f"sqlite:///{folder}/cdm.sqlite", None
                    if database == "postgresql":
                        assert server is not None
                        url, pid = server.create(), server.process_id()
                    measured(ROOT, "make", url, size, pid)
                    for task in tasks:
                        found = json.loads(measured(ROOT, task, url, size, pid))
                        print(json.dumps({"database": database, "people": size, **found}), flush=True)
                        cost = found["ours"] + found["server"]
                        costs.setdefault(f"{task}, {database}", {})[size] = cost
    finally:
        if server:
            server.stop()
    return costs


def sites(sizes: list[int]) -> Costs:
    """CPU milliseconds of a site and round, all of its masks and gates among them."""
    names = [f"x{number}" for number in range(10)]
    spec = {"protocol": "logistic", "outcome": "y", "covariates": names}
    study = a_study_of([*names, "y"], {"name": "fit", "spec": spec})
    costs: Costs = {}
    for size in sizes:
        tables = [_site(names, number, 1_000) for number in range(size)]
        seconds, outcome = _clocked(lambda tables=tables: run_locally(study, tables, secure=True))
        costs.setdefault("ms a site and round", {})[size] = seconds * 1e3 / size / outcome.rounds
    return costs


def variables(sizes: list[int]) -> Costs:
    """What a study of so many variables costs whoever reads it, and three sites that answer it.

    As variables one by one up to what a study may list, and as one block whose axis is public.
    """
    costs: Costs = {}
    for size in sizes:
        for how in ("listed", "block"):
            if how == "listed" and size > LISTED:
                continue
            names = GENES[:size]
            text = _wide(names, how == "listed").canonical()
            seconds, study = _clocked(lambda text=text: parse_study(text))
            tables = [_genes(names, number, how == "listed") for number in range(3)]
            costs.setdefault(f"{how}: kB of the study", {})[size] = len(text) / 1e3
            costs.setdefault(f"{how}: s to read it", {})[size] = seconds
            seconds, _ = _clocked(lambda study=study, tables=tables: run_locally(study, tables, secure=True))
            costs.setdefault(f"{how}: s of one scan, 3 sites", {})[size] = seconds
    return costs


def _wide(names: tuple[str, ...], listed: bool) -> Study:
    axis = published(names).model_dump()
    genes = {f"v{i}": {"kind": "expression", "gene": gene} for i, gene in enumerate(names)} if listed else {}
    blocks = {} if listed else {"blocks": {"rna": {"kind": "expression", "genes": "all", "axis": axis}}}
    others = {name: {"kind": "measurement", "concept": f"LOCAL:{name}"} for name in OTHERS}
    return Study.model_validate(
        {
            "name": "wide",
            "title": "Wide",
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C50%"}},
            "variables": {**others, **genes},
            "analyses": [{"name": "scan", "spec": {**SCAN, "features": list(genes) or {"block": "rna"}}}],
            **blocks,
        }
    )


def _genes(names: tuple[str, ...], seed: int, listed: bool) -> AnalysisTable:
    random, count = np.random.default_rng(seed), 100
    of_genes = random.normal(size=(len(names), count))
    columns = {name: random.normal(size=count) for name in OTHERS}
    persons = np.arange(count) + seed * count
    if listed:
        columns |= {f"v{number}": row for number, row in enumerate(of_genes)}
        return AnalysisTable(f"s{seed}", persons, columns)
    block = StoredBlock(published(names), count, iter([(np.arange(len(names)), of_genes)]))
    return AnalysisTable(f"s{seed}", persons, columns, blocks={"rna": block})


def _site(names: list[str], seed: int, count: int) -> AnalysisTable:
    random = np.random.default_rng(seed)
    columns = {name: random.normal(size=count) for name in names}
    columns["y"] = (random.random(count) < 0.4).astype(float)
    return AnalysisTable(f"s{seed}", np.arange(count) + seed * count, columns)


def _clocked(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def lines(costs: Costs) -> Iterator[str]:
    """A table in Markdown: a row per cost, with the exponent between its ends."""
    sizes = sorted({size for row in costs.values() for size in row})
    yield "| | " + " | ".join(f"{size:,}" for size in sizes) + " | exponent |"
    yield "|---" * (len(sizes) + 2) + "|"
    for name, row in costs.items():
        first, last = min(row), max(row)
        grown = math.log(max(row[last], 1e-3) / max(row[first], 1e-3)) / math.log(last / first)
        cells = " | ".join(f"{row[size]:.3g}" if size in row else "" for size in sizes)
        yield f"| {name} | {cells} | {grown:.2f} |"


def main() -> None:
    """Prints the table of one kind of growth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["people", "sites", "variables"])
    parser.add_argument("--people", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--sites", type=int, nargs="+", default=[3, 10, 50])
    parser.add_argument("--variables", type=int, nargs="+", default=[20, 200, 2_000, 20_000])
    asked = parser.parse_args()
    if asked.what == "people":
        costs = people(asked.people, asked.databases, asked.tasks)
    elif asked.what == "sites":
        costs = sites(asked.sites)
    else:
        costs = variables(asked.variables)
    for line in lines(costs):
        print(line)


if __name__ == "__main__":
    main()
