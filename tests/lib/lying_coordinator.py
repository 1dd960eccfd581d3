"""A coordinator who asks what he likes inside an approved study, over real agents."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from unittest.mock import patch

import numpy as np

from protocols.core.disclosure import Count
from protocols.core.errors import Code
from protocols.core.protocol import Arrays, Ask, PerSite, protocol
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Floats, fold_hashes
from protocols.exchange.envelope import WireError, unpack, unseal
from protocols.exchange.secure_sum import unmask
from protocols.exchange.wire import Answered, RoundQuestion, RoundReply
from site_node.governance import ledger
from site_node.governance.auditor import Auditor
from site_node.governance.policy import Policy
from tests.lib.agents import Agents
from tests.lib.attacked_site import Obedient

Answer = Arrays | PerSite | Code
MOST_ALIKE = Policy().max_alike


class LyingCoordinator:
    """Asks questions of his own choice, one round after the other.

    `obedient` sites do not conduct the study themselves: they show that an attack is real.

    Attributes:
        agents: the sites, each of which has approved the study.
    """

    def __init__(
        self, folder: Path, study: Study, tables: Mapping[str, AnalysisTable], *, obedient: bool
    ) -> None:
        self.study, self.agents, self._rounds = study, Agents(folder, study, tables), 0
        self._obedient = obedient
        self._weaken()

    def _weaken(self) -> None:
        for site, agent in self.agents.agents.items():
            if self._obedient:
                agent.conductor = Obedient(self.agents.homes[site], site, agent.conductor.key)

    def ask(self, *asks: Ask) -> tuple[Answer, ...]:
        """What each question gives: the sum, what each site said for itself, or the code of a refusal."""
        parts = (asks[i : i + MOST_ALIKE] for i in range(0, len(asks), MOST_ALIKE))
        return tuple(answer for part in parts for answer in self._round(part))

    def sums(self, *asks: Ask) -> list[Arrays] | None:
        """The sums of all of these questions, or None if one is not answered."""
        found = [answer for answer in self.ask(*asks) if isinstance(answer, Mapping)]
        return found if len(found) == len(asks) else None

    def _round(self, asks: tuple[Ask, ...]) -> tuple[Answer, ...]:
        center = self.agents.center
        roster = tuple(sorted(self.agents.tables))
        if not self._rounds:
            handles = {site: agent.handle for site, agent in self.agents.agents.items()}
            center.start(self.study, "r1", roster, handles)
        sealed = center.question(RoundQuestion(self.study.hash(), "r1", self._rounds, roster, asks))
        said = {site: agent.handle("round", sealed) for site, agent in self.agents.agents.items()}
        answers = {site: self._read(site, reply) for site, reply in said.items()}
        refused = [answer for answer in answers.values() if isinstance(answer, Code)]
        if refused:
            return tuple(refused[0] for _ in asks)
        self._rounds += 1
        return tuple(
            self._joined(ask, {site: a[i] for site, a in answers.items()}) for i, ask in enumerate(asks)
        )

    def _read(self, site: str, reply: bytes) -> tuple[Answered, ...] | Code:
        key = self.agents.agents[site].conductor.key
        try:
            return RoundReply.decode(reply).open(key).answers
        except WireError:
            return Code(str(unpack(unseal(reply, key, "status"))["code"]))

    def _joined(self, ask: Ask, sent: Mapping[str, Answered]) -> Answer:
        codes = {site: said for site, said in sent.items() if isinstance(said, Code)}
        arrays = {site: said for site, said in sent.items() if isinstance(said, Mapping)}
        if ask.per_site:
            return PerSite(arrays, codes)
        if codes:
            return PerSite({}, codes)
        declares = protocol(self.study.spec(ask.analysis, ask.part).protocol).steps[ask.step].declares
        return unmask(arrays, {name: isinstance(d, Count) for name, d in declares.items()})


def read_rows(found: Floats, truth: Floats, tolerance: float = 1e-4) -> tuple[int, float]:
    """How many of the (m, p) people's rows are among the (k, p) found ones, and the largest error of these.

    A row counts if each of its numbers is within `tolerance` of the true one.
    """
    if not len(found):
        return 0, 0.0
    apart = np.abs(truth[:, None, :] - found[None, :, :]).max(axis=2).min(axis=1)
    hits = apart[apart <= tolerance]
    return len(hits), float(hits.max(initial=0.0))


Counted = tuple[Floats, Floats]
"""(people, k) edges, and how many people are below each."""


def closed_in(
    count: Callable[[Floats, Floats], Counted | None], people: int, low: float, high: float, rounds: int
) -> Floats:
    """The values of `people`, ascending, each closed in on round by round; none where nobody counts.

    Args:
        count: of (people,) lows and highs, edges between each and how many people are below these; None if
            the sites do not say.
    """
    lows, highs = np.full(people, low), np.full(people, high)
    for _ in range(rounds):
        counted = count(lows, highs)
        if counted is None:
            return np.zeros(0)
        edges, below = counted
        reached = below >= np.arange(1, people + 1)[:, None]
        lows = np.maximum(lows, np.where(reached, -np.inf, edges).max(axis=1))
        highs = np.minimum(highs, np.where(reached, edges, np.inf).min(axis=1))
    return (lows + highs) / 2


def drawn(
    columns: Callable[[np.random.Generator, int], Mapping[str, Floats]], people: int, *, sites: str = "abc"
) -> dict[str, AnalysisTable]:
    """Sites' tables of so many people each, with columns drawn from a seed of each."""
    tables = {}
    for seed, site in enumerate(sites):
        draw, persons = np.random.default_rng(seed), 10_000 * seed + np.arange(people)
        hashes = fold_hashes(persons, b"redteam")
        tables[site] = AnalysisTable(site, persons, columns(draw, people), fold_hashes=hashes)
    return tables


def pooled(tables: Mapping[str, AnalysisTable], *names: str) -> Floats:
    """The true (n, p) rows of all sites."""
    return np.concatenate([table.matrix(names) for table in tables.values()])


@contextmanager
def unaudited(weakened: bool) -> Iterator[None]:
    """Sites that forget about whom they answered before."""
    with (
        weaken(ledger, "refuse_few_apart", lambda *_: None, weakened),
        weaken(Auditor, "admit", lambda *_: True, weakened),
    ):
        yield


def weaken(target: object, name: str, by: object, weakened: bool) -> AbstractContextManager[object]:
    """Replaces a defence for the time of an attack, where the site is to be weakened."""
    return patch.object(target, name, by) if weakened else nullcontext()
