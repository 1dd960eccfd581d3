"""Sites in this process: the same study file on tables in memory, for notebooks and tests.

Every message goes through its bytes, so what runs here runs over the network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from protocols.core.answering import answer
from protocols.core.disclosure import Thresholds
from protocols.core.errors import Code, ShadowgraphError
from protocols.core.protocol import Arrays, Ask
from protocols.core.rounds import Memory, Outcome, conduct
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.core.wire import RoundAnswer, RoundQuestion, digest


@dataclass(frozen=True)
class LocalSites:
    """An exchange with sites whose tables are in this process."""

    study: Study
    tables: Mapping[str, AnalysisTable]
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __call__(self, question: RoundQuestion) -> dict[str, RoundAnswer]:
        """Each site's answer to the round."""
        data = question.encode()
        return {
            site: RoundAnswer.decode(self._site(site, RoundQuestion.decode(data), digest(data)).encode())
            for site in question.roster
        }

    def _site(self, site: str, question: RoundQuestion, asked: str) -> RoundAnswer:
        answers = tuple(self._one(self.tables[site], ask) for ask in question.asks)
        return RoundAnswer(question.study, question.run, question.round, site, asked, answers)

    def _one(self, table: AnalysisTable, ask: Ask) -> Arrays | Code:
        try:
            return answer(self.study, table, ask, self.thresholds).arrays
        except ShadowgraphError as error:
            return error.code


def run_locally(
    study: Study,
    tables: Sequence[AnalysisTable],
    *,
    thresholds: Thresholds | None = None,
    memory: Memory | None = None,
) -> Outcome:
    """The outcome of a study over tables in this process, one a site."""
    sites = LocalSites(study, {table.site: table for table in tables}, thresholds or Thresholds())
    return conduct(study, sites, run="local", roster=tuple(sites.tables), memory=memory)
