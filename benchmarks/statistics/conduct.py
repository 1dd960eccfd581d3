"""What conducting costs a site: CPU of its copy of every coordination beside that of its own steps.

    .venv/bin/python -m benchmarks.statistics.conduct
    .venv/bin/python -m benchmarks.statistics.conduct --sites 3 5 10 20 50

For each example of the conformance suite, over three sites with some hundred people: the CPU seconds of one
site's steps in a run, those of its copy (answers joined, the next question computed), their ratio, and the
bytes of the questions and of the answers relayed with them. The copy's cost does not grow with people.

With `--sites` four analyses over so many sites of 200 people, in masked sums: of one site the CPU seconds of
its answers (steps, gate and masks) and of its copy, the kilobytes that it is asked, sends and is relayed, and
the CPU seconds of the center. A run lasts as long as the three together, and what the network takes.
"""

import argparse
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from protocols.core.block import ArrayBlock
from protocols.core.disclosure import Thresholds
from protocols.core.errors import ShadowgraphError
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.coordination import StudyCoordination, join_round
from protocols.exchange.envelope import digest
from protocols.exchange.local import LocalSites
from protocols.exchange.rounds import conduct
from protocols.exchange.secret_basis import OPEN
from protocols.exchange.sides import Site
from protocols.exchange.site_answer import answer
from protocols.exchange.wire import RoundAnswer, RoundQuestion, RoundReply
from tests.conformance.examples import EXAMPLES
from tests.lib.drawn_sites import SPLITS
from tests.lib.studies import a_study_of
from tests.lib.watched import COMMON, Watched, example_run

PEOPLE, COVARIATES, VARIANTS = 200, 10, 2_000
"""Of a site, of a model, of a scan."""


def steps_seconds(run: Watched) -> float:
    """CPU seconds of the first site's steps."""
    table, study, floors = SPLITS[COMMON][0], run.sites.study, Thresholds()
    begun = time.process_time()
    for question in run.questions:
        for ask in question.asks:
            with suppress(ShadowgraphError):
                answer(study, table, ask, floors)  # a climb's copy stands at its end
    return time.process_time() - begun


Message = tuple[RoundQuestion, Mapping[str, RoundAnswer]]


def copy_seconds(study: Study, messages: list[Message]) -> float:
    """CPU seconds of a site's copy of the coordination."""
    begun = time.process_time()
    copy = StudyCoordination(study)
    told = [*(question.told for question, _ in messages[1:]), {}]
    for (question, answers), said in zip(messages, told, strict=True):
        copy.advance(join_round(study, question, digest(question.encode()), answers, said), Site(OPEN))
    return time.process_time() - begun


@dataclass
class OfOneSite:
    """Sites in this process, in masked sums; what the first of them does and all of them is timed."""

    sites: LocalSites
    messages: list[Message] = field(default_factory=list)
    own: float = 0.0
    all: float = 0.0

    def __post_init__(self) -> None:
        begun = time.process_time()
        members = self.sites._members  # each agrees on a mask with each other one
        self.all = time.process_time() - begun
        self.own = self.all / len(members)

    def __call__(self, question: RoundQuestion) -> Mapping[str, RoundAnswer]:
        data, answers = question.encode(), {}
        for place, site in enumerate(question.roster):
            begun = time.process_time()
            asked = RoundQuestion.decode(data)
            answers[site] = self.sites._site(site, asked, question.asks, digest(data))
            self.own += (time.process_time() - begun) * (place == 0)
            self.all += time.process_time() - begun
        self.messages.append((question, answers))
        return answers


def over_sites(study: Study, tables: list[AnalysisTable], times: int = 1) -> str:
    """One line: rounds, CPU seconds of one site and of the center, its kilobytes; the least of runs."""
    seconds = []
    for _ in range(times):
        at = OfOneSite(LocalSites(study, {table.site: table for table in tables}))
        roster, answered = tuple(at.sites.tables), at.all
        begun = time.process_time()
        outcome = conduct(study, at, run="conduct", roster=roster, started=at.sites.started)
        center = time.process_time() - begun - (at.all - answered)
        assert outcome["a"]
        seconds.append((at.own, copy_seconds(study, at.messages), center))
    own, copy, center = np.min(seconds, axis=0)
    asked = sum(len(question.encode()) for question, _ in at.messages)
    replies = (answers[roster[0]] for _, answers in at.messages)
    sent = sum(len(RoundReply.of(said.encode(), said).encode()) for said in replies)
    relayed = sum(len(one.encode()) for _, answers in at.messages[:-1] for one in answers.values())
    kilobytes = "".join(f"{part / 1e3:12.0f}" for part in (asked, sent, relayed))
    return f"{len(at.messages):8}{own:11.3f}{copy:9.3f}{copy / own:7.2f}{kilobytes}{center:10.3f}"


def hospitals(number: int) -> list[AnalysisTable]:
    """Sites with ten covariates, a 0/1 outcome, a number, a survival time and genotypes."""
    found = []
    for seed in range(number):
        draw = np.random.default_rng(seed)
        x = draw.normal(size=(PEOPLE, COVARIATES))
        risk = x @ np.linspace(-0.5, 0.5, COVARIATES)
        until, censored = draw.exponential(700 * np.exp(-risk)), draw.uniform(100, 2000, PEOPLE)
        columns = {f"x{j}": np.ascontiguousarray(x[:, j]) for j in range(COVARIATES)}
        columns |= {
            "y": risk + draw.normal(size=PEOPLE),
            "event": (draw.random(PEOPLE) < 1 / (1 + np.exp(-risk))).astype(float),
            "os.time": np.ceil(np.minimum(until, censored)),
            "os.event": (until <= censored) * 1.0,
        }
        names = tuple(f"1:{position}:A:G" for position in range(1, VARIANTS + 1))
        copies = draw.binomial(2, 0.3, (PEOPLE, VARIANTS)).astype(float)
        table = AnalysisTable(f"s{seed:02}", np.arange(PEOPLE) + 10**6 * seed, columns)
        found.append(table.with_block("snps", ArrayBlock(names, copies)))
    return found


def analyses(tables: list[AnalysisTable]) -> dict[str, Study]:
    """Four studies of one analysis each."""
    names = [f"x{j}" for j in range(COVARIATES)]
    axis = tables[0].blocks["snps"].axis.model_dump()
    snps = {"snps": {"kind": "genotype", "variants": "listed", "build": "GRCh38", "axis": axis}}
    specs: dict[str, dict[str, Any]] = {
        "linear": {"outcome": "y", "covariates": names},
        "logistic": {"outcome": "event", "covariates": names},
        "cox": {"outcome": "os", "covariates": names},
        "gwas": {"variants": {"block": "snps"}, "outcomes": ["y"], "covariates": names[:3]},
    }
    return {
        name: a_study_of(
            [*names, "y", "event"],
            {"name": "a", "spec": {"protocol": name, **spec}},
            survival=["os"],
            **({"blocks": snps} if name == "gwas" else {}),
        )
        for name, spec in specs.items()
    }


def print_over_sites(numbers: list[int]) -> None:
    """The table by analysis and number of sites."""
    heads = f"{'rounds':>8}{'answers s':>11}{'copy s':>9}{'ratio':>7}{'asked kB':>12}{'sent kB':>12}"
    print(f"{'protocol':12}{'sites':>6}{heads}{'relayed kB':>12}{'center s':>10}")
    tables = hospitals(max(numbers))
    for name, study in analyses(tables).items():
        over_sites(study, tables[:3])  # what is compiled or imported at the first use is no site's cost
        for number in numbers:
            print(f"{name:12}{number:6}{over_sites(study, tables[:number], 3)}", flush=True)


def print_examples() -> None:
    """The table of every protocol."""
    heads = f"{'rounds':>7}{'steps s':>9}{'copy s':>9}{'ratio':>7}{'question kB':>13}{'relayed kB':>12}"
    print(f"{'protocol':26}{heads}")
    total = [0.0, 0.0]
    for name in sorted(EXAMPLES):
        run = example_run(name)
        messages = list(zip(run.questions, run.answers, strict=True))
        steps, copy = steps_seconds(run), copy_seconds(run.sites.study, messages)
        total = [total[0] + steps, total[1] + copy]
        asked = sum(len(question.encode()) for question in run.questions) / 1024
        relayed = sum(len(a.encode()) for answers in run.answers[:-1] for a in answers.values()) / 1024
        rounds = len(run.questions)
        print(f"{name:26}{rounds:7}{steps:9.3f}{copy:9.3f}{copy / steps:7.2f}{asked:13.0f}{relayed:12.0f}")
    print(f"{'all':26}{'':7}{total[0]:9.3f}{total[1]:9.3f}{total[1] / total[0]:7.2f}")


def main() -> None:
    """Prints the one table or the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sites", type=int, nargs="+", help="over so many sites each, four analyses")
    given = parser.parse_args()
    if given.sites:
        print_over_sites(given.sites)
    else:
        print_examples()


if __name__ == "__main__":
    main()
