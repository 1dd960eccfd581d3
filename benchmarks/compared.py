"""A run over sites in this process whose messages are weighed, by this code and that of an earlier commit."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.revisions import cloned
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.local import LocalSites
from protocols.exchange.rounds import Outcome, conduct
from protocols.exchange.wire import RoundAnswer, RoundQuestion, RoundReply

HERE = Path(__file__).parents[1]


class Weighed:
    """Sites in this process; bytes by round: of a site's question, of its reply, of all that is relayed."""

    def __init__(self, sites: LocalSites) -> None:
        self.sites = sites
        self.asked: list[int] = []
        self.sent: list[int] = []
        self.relayed: list[int] = []

    def __call__(self, question: RoundQuestion) -> Mapping[str, RoundAnswer]:
        answers = self.sites(question)
        bodies = {site: answer.encode() for site, answer in answers.items()}
        replies = [len(RoundReply.of(bodies[site], answer).encode()) for site, answer in answers.items()]
        self.asked.append(len(question.encode()))
        self.sent.append(max(replies))
        self.relayed.append(sum(map(len, bodies.values())))
        return answers


def weighed(study: Study, tables: Sequence[AnalysisTable]) -> tuple[Outcome, dict[str, Any]]:
    """The outcome of a study in masked sums, and what it cost: megabytes of one site, CPU seconds of all."""
    sites = LocalSites(study, {table.site: table for table in tables})
    at, began = Weighed(sites), time.process_time()
    outcome = conduct(study, at, run="weighed", roster=tuple(sites.tables), started=sites.started)
    seconds = time.process_time() - began
    relayed = at.relayed[:-1]  # what is said in the last round goes to no site
    return outcome, {
        "rounds": outcome.rounds,
        "largest_answer_mb": round(max(at.sent) / 1e6, 3),
        "sent_mb": round(sum(at.sent) / 1e6, 2),
        "asked_mb": round(sum(at.asked) / 1e6, 2),
        "relayed_to_it_mb": round(sum(relayed) / 1e6, 2),
        "cpu_s": round(seconds, 1),
    }


def in_two_processes(module: str, words: Sequence[str], before: str | None) -> dict[str, dict[str, Any]]:
    """What `python -m module --one` prints as JSON, by this code and by that of a commit."""
    found = {"now": _one(HERE, module, words)}
    if before is None:
        return found
    with tempfile.TemporaryDirectory() as name:
        folder = cloned(before, Path(name) / "before")
        for own in (Path(__file__), HERE / (module.replace(".", "/") + ".py")):
            (folder / own.relative_to(HERE)).write_text(own.read_text())
        return found | {"before": _one(folder, module, words)}


def _one(folder: Path, module: str, words: Sequence[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", module, "--one", *words]
    paths = os.environ | {"PYTHONPATH": str(folder)}
    said = subprocess.run(command, cwd=folder, env=paths, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(said.stdout)
    return found
