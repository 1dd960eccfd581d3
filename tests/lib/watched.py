"""A study run over sites in this process whose messages are kept."""

from collections.abc import Mapping
from functools import cache

from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.local import LocalSites
from protocols.exchange.rounds import conduct
from protocols.exchange.wire import RoundAnswer, RoundQuestion
from tests.conformance.examples import EXAMPLES
from tests.lib.drawn_sites import SIX, SPLITS, study_of

COMMON = "unequal sites"


class Watched:
    """Sites in this process that keep the messages that went by."""

    def __init__(self, study: Study, tables: list[AnalysisTable]) -> None:
        self.sites = LocalSites(study, {table.site: table for table in tables})
        self.questions: list[RoundQuestion] = []
        self.answers: list[Mapping[str, RoundAnswer]] = []

    def __call__(self, question: RoundQuestion) -> Mapping[str, RoundAnswer]:
        self.questions.append(question)
        self.answers.append(self.sites(question))
        return self.answers[-1]


def sites_of(name: str) -> list[AnalysisTable]:
    """The sites over which the examples of a protocol run: three unequal ones, or six if it needs them."""
    return SIX if EXAMPLES[name].needs_six else SPLITS[COMMON]


@cache
def example_study(name: str, cells: str = "coarse") -> Study:
    """The study of all conformance examples of a protocol, each of its own complete cases."""
    specs = ({"protocol": name, **spec} for spec in EXAMPLES[name].specs)
    return study_of(*specs, complete_cases="analysis", cells=cells)


@cache
def example_run(name: str) -> Watched:
    """That study run once over unequal sites, in plain sums."""
    watched = Watched(example_study(name), sites_of(name))
    conduct(watched.sites.study, watched, run="test", roster=tuple(watched.sites.tables))
    return watched
