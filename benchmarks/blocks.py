"""Blocks beside listed variables: parsing a study, reading the CDM, a scan, ComBat and a scan after it.

    OMP_NUM_THREADS=1 python -m benchmarks.blocks        # two minutes; one line of JSON each

20,000 features of 1,000 people at each of three sites, in one process, masked sums, questions and answers
through their bytes. Each measurement has a process of its own; `mb` is how far it grew beyond what it held
when it began. Studies list at most 5,000 variables, so "listed" is five studies of 4,000 one after the other.
The CDM is SQLite, and its listed variables are 20 of the 20,000: each is a query of its own.

Measured 30 November 2026, 2 cores with a load of 12 from other work, one thread, Python 3.11, numpy 2.4:

    20,000 features                     listed                              block
    a study                             1.6 MB (5 x 319 kB)                 1.45 kB
    parse it, at every site             86 ms (5 x 17 ms)                   0.4 ms
    read it from a CDM of 1,000 people  1,285 s (64 ms each)                12.8 s, 18 MB
    linear scan, 3 x 1,000 people       1.8 s, 75 MB, 10 rounds (5 x 2)     1.1 s, 30 MB, 3 rounds
    ComBat and a scan after it          64 s (5 x 12.7), 193 MB, 20 rounds  3.6 s, 38 MB, 5 rounds

CPU seconds of all sites and the center together. The listed columns themselves, 288 MB for 4,000 features of
three sites, are in memory before and are not counted; a block's numbers lie in files. 43,882 genes of 260
people take 1.2 s for ComBat and a scan.
"""

import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert

from cdm.database import connect, migrate
from cdm.etl.genomics.genomic_profile import BLOCKS, block_of, pack
from cdm.schema import genomic_profile
from cdm.vocabulary.concepts import Vocabulary
from cdm.vocabulary.genes import gene_names
from protocols.core.axis import published
from protocols.core.study import Study, parse_study
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from site_node.study_table import genomic_records
from site_node.study_table.block_readers import BLOCK_READERS
from site_node.study_table.block_readers.reader import StoredBlock
from site_node.study_table.people import People

FEATURES, PEOPLE, SITES, LISTED = 20_000, 1_000, 3, 4_000
GENES = tuple(name for name in gene_names().symbols() if re.fullmatch("[A-Za-z0-9-]{1,20}", name))[:FEATURES]
OTHERS = ("age", "sex", "outcome")
SCAN = {"protocol": "associate", "outcomes": ["outcome"], "confounders": ["age", "sex"]}
COMBAT = {"protocol": "combat", "covariates": ["age", "sex"]}


def study(features: Any, *, chain: bool, listed: tuple[str, ...] = ()) -> Study:
    """A study of a scan, or of ComBat and a scan after it."""
    analyses = [{"name": "scan", "spec": {**SCAN, "features": features}}]
    if chain:
        analyses[0]["after"] = ["harmonized"]
        analyses.insert(0, {"name": "harmonized", "spec": {**COMBAT, "features": features}})
    variables = {name: {"kind": "measurement", "concept": f"LOCAL:{name}"} for name in OTHERS}
    variables |= {f"v{i}": {"kind": "expression", "gene": gene} for i, gene in enumerate(listed)}
    axis = published(GENES).model_dump()
    blocks = {} if listed else {"blocks": {"rna": {"kind": "expression", "genes": "all", "axis": axis}}}
    return Study.model_validate(
        {
            "name": "wide",
            "title": "Wide",
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C50%"}},
            "variables": variables,
            "analyses": analyses,
            **blocks,
        }
    )


def parts(site: int) -> Iterator[tuple[Integers, Floats]]:
    """The expression of a site's people, 100 genes at a time."""
    rng = np.random.default_rng(site)
    for begin in range(0, FEATURES, 100):
        yield np.arange(begin, begin + 100), rng.normal(size=(100, PEOPLE)) + site


def tables(part: int | None) -> list[AnalysisTable]:
    """The sites with a block in a file, or with one of the five parts of it as 4,000 columns."""
    found = []
    for site in range(SITES):
        rng = np.random.default_rng(100 + site)
        columns = {name: rng.normal(size=PEOPLE) for name in OTHERS}
        persons = np.arange(PEOPLE) + site * PEOPLE
        if part is None:
            blocks = {"rna": StoredBlock(published(GENES), PEOPLE, parts(site))}
            found.append(AnalysisTable(f"s{site}", persons, columns, blocks=blocks))
            continue
        for at, values in parts(site):
            inside = (at >= part * LISTED) & (at < (part + 1) * LISTED)
            columns |= {f"v{at[i] - part * LISTED}": values[i] for i in np.flatnonzero(inside)}
        found.append(AnalysisTable(f"s{site}", persons, columns))
    return found


def fitted(chain: bool, part: int | None) -> Callable[[], Outcome]:
    """A run over the sites, whose tables are made before."""
    listed = GENES[part * LISTED : (part + 1) * LISTED] if part is not None else ()
    features = [f"v{i}" for i in range(LISTED)] if listed else {"block": "rna"}
    asked, sites = study(features, chain=chain, listed=listed), tables(part)
    return lambda: run_locally(asked, sites)


def parsed(part: int | None) -> Callable[[], Study]:
    """Parsing the canonical bytes, as every site and the center do."""
    listed = GENES[part * LISTED : (part + 1) * LISTED] if part is not None else ()
    features = [f"v{i}" for i in range(LISTED)] if listed else {"block": "rna"}
    data = study(features, chain=True, listed=listed).canonical()
    print(json.dumps({"measured": "bytes of a study", "listed": bool(listed), "bytes": len(data)}))
    return lambda: parse_study(data)


def read(folder: Path, part: int | None) -> Callable[[], object]:
    """Reading everything from a CDM with everybody's profiles, or 20 variables of it."""
    engine = connect(f"sqlite:///{folder / 'cdm.sqlite'}")
    migrate(engine)
    by_block = [[gene for gene in GENES if block_of(gene) == block] for block in range(BLOCKS)]
    rng = np.random.default_rng(0)
    with engine.begin() as connection:
        for block, genes in enumerate(by_block):
            rows = [
                {
                    "genomic_profile_id": person * BLOCKS + block,
                    "person_id": person,
                    "genomic_test_id": person,
                    "quantity": "tpm",
                    "block": block,
                    "content": pack(genes, rng.gamma(1.0, 20.0, len(genes)).astype(np.float32)),
                }
                for person in range(PEOPLE)
            ]
            connection.execute(insert(genomic_profile), rows)
    index = np.full(PEOPLE, np.datetime64("2020-01-01"), dtype="datetime64[D]")
    people = People(engine.connect(), Vocabulary(engine), np.arange(PEOPLE), index)
    if part is not None:
        return lambda: [genomic_records.profile(people, "tpm", gene) for gene in GENES[::1000]]
    kind = study({"block": "rna"}, chain=False).blocks["rna"]
    return lambda: BLOCK_READERS[type(kind)].read(kind, people, folder)


MEASURED: Mapping[str, Callable[[Path, int | None], Callable[[], object]]] = {
    "parse": lambda folder, part: parsed(part),
    "read": read,
    "scan": lambda folder, part: fitted(False, part),
    "combat and scan": lambda folder, part: fitted(True, part),
}


def measure(name: str, part: int | None) -> dict[str, Any]:
    """CPU seconds and growth in memory of one measurement, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        act = MEASURED[name](Path(folder), part)
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        found = act()
        seconds = time.process_time() - began
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    rounds = {"rounds": found.rounds} if isinstance(found, Outcome) else {}
    return {"measured": name, "listed": part, "cpu_s": round(seconds, 4), "mb": round(grown), **rounds}


def main(arguments: list[str]) -> None:
    """Prints every measurement, or in a process of its own the one that is named."""
    if arguments:
        name, part = arguments
        print(json.dumps(measure(name, None if part == "block" else int(part))))
        return
    for name in MEASURED:
        for part in ("block", *(range(1) if name in ("parse", "read") else range(5))):
            subprocess.run([sys.executable, "-m", "benchmarks.blocks", name, str(part)], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
