"""A site's agent process whose tables are drawn from a seed instead of a CDM; all else is the real thing.

Run as the real one: `python tests/lib/table_agent.py --home DIR --runtime HOST:PORT`. The people's names are
canaries: whatever they turn up in has leaked.
"""

import hashlib
import os
from pathlib import Path

import numpy as np

from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from site_node.agent.agent import Agent, TableOf
from site_node.agent.executor import run
from site_node.home.config import load

CANARY = "Canary-Patient-7f3a"


def table_of(site: str, people: int = 120) -> TableOf:
    """A function that draws the site's table: age, sex, two markers, a 0/1 outcome that depends on them."""

    def draw(study: Study) -> AnalysisTable:
        if study.name == "raises":
            raise ValueError(f"could not convert {CANARY} to float")
        seed = int.from_bytes(hashlib.sha256(site.encode()).digest()[:4], "big")
        random = np.random.default_rng(seed)
        age, marker = random.normal(60, 10, people), random.normal(size=(2, people))
        sex = random.integers(0, 2, people).astype(float)
        odds = -0.3 + 0.04 * (age - 60) + 0.8 * marker[0] - 0.5 * sex
        outcome = (random.uniform(size=people) < 1 / (1 + np.exp(-odds))).astype(float)
        columns = {"age": age, "sex": sex, "marker_a": marker[0], "marker_b": marker[1], "idh1": outcome}
        return AnalysisTable(site, seed + np.arange(people, dtype=np.int64), columns)

    return draw


def _agent_of(home: Path) -> Agent:
    return Agent(home, table_of=table_of(load(home).name))


if __name__ == "__main__":
    if os.environ.get("SHADOWGRAPH_TEST_FAULT") == "raise":

        def broken(kind: str, sealed: bytes) -> bytes:
            raise RuntimeError(f"{CANARY} born 1961-02-03")

        run(lambda home: broken)
    else:
        run(lambda home: _agent_of(home).handle)
