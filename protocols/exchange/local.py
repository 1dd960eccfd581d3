"""Sites in this process: the same study file on tables in memory, for notebooks and tests.

Every message goes through its bytes, so what runs here runs over the network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocols.core.disclosure import Thresholds
from protocols.core.errors import ShadowgraphError
from protocols.core.protocol import Ask
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.envelope import digest
from protocols.exchange.keys import public_text
from protocols.exchange.rounds import Memory, Outcome, conduct
from protocols.exchange.secret_basis import OPEN, seal, turn
from protocols.exchange.secure_sum import Member
from protocols.exchange.site_answer import Shared, answer, bears_all_digits
from protocols.exchange.start import UNSTARTED, Chance, Started
from protocols.exchange.wire import Answered, RoundAnswer, RoundQuestion, RoundReply, as_sent

LOCAL_RUN = "local"
"""The name of a run over tables in one process."""


@dataclass(frozen=True)
class LocalSites:
    """An exchange with sites whose tables are in this process.

    Attributes:
        full: whether their results bear all their digits.
    """

    study: Study
    tables: Mapping[str, AnalysisTable]
    thresholds: Thresholds = field(default_factory=Thresholds)
    chance: Chance = UNSTARTED.chance
    full: bool = True

    @cached_property
    def started(self) -> Started:
        """What `conduct` needs for secure sums."""
        return Started(self.keys, self.chance, {})

    @cached_property
    def keys(self) -> dict[str, str]:
        """The public masking key of each site."""
        return {site: public_text(key.public_key()) for site, key in self._keys.items()}

    @cached_property
    def drawn(self) -> Mapping[str, AnalysisTable]:
        """The tables whose people fall into folds by the run's chance."""
        if not self.chance:
            return self.tables
        return {site: table.drawn_by(self.chance) for site, table in self.tables.items()}

    @cached_property
    def _keys(self) -> dict[str, X25519PrivateKey]:
        return {site: X25519PrivateKey.generate() for site in self.tables}

    @cached_property
    def _members(self) -> dict[str, Member]:
        return {site: Member(site, key, self.keys, self.keys) for site, key in self._keys.items()}

    def __call__(self, question: RoundQuestion) -> dict[str, RoundAnswer]:
        """Each site's answer to the round."""
        data = question.encode()
        return {
            site: self._site(site, RoundQuestion.decode(data), question.asks, digest(data))
            for site in question.roster
        }

    def _site(self, site: str, question: RoundQuestion, own: Sequence[Ask], asked: str) -> RoundAnswer:
        """A site's answer; climbs and searches are those of `own`, which do not cross the wire."""
        member = self._members[site] if question.keys else None
        asks = [
            replace(ask, climb=mine.climb, search=mine.search)
            for ask, mine in zip(question.asks, own, strict=True)
        ]
        answers = tuple(
            self._one(site, ask, member, question.round, (asked, position))
            for position, ask in enumerate(asks)
        )
        where = question.study, question.run, question.round, site, asked
        full = tuple(self.full or bears_all_digits(self.tables[site], ask) for ask in asks)
        said = RoundAnswer(*where, answers, full=full)
        reply = RoundReply.decode(RoundReply.of(said.encode(), said).encode())
        return reply.with_apart(RoundAnswer.decode(reply.sealed))

    def _one(
        self, site: str, ask: Ask, member: Member | None, number: int, place: tuple[str, int]
    ) -> Answered:
        full = self.full or bears_all_digits(self.tables[site], ask)
        shared = Shared(partial(turn, OPEN, (number, place[1])), full=full)
        try:
            release = answer(self.study, self.drawn[site], ask, self.thresholds, shared)
            key = seal(OPEN, (number, place[1])) if ask.secret == "sealed" else b""
            said = member.protect(release, *place, key) if member else release.arrays
        except ShadowgraphError as error:
            return error.code
        return as_sent(ask, said)


def run_locally(
    study: Study,
    tables: Sequence[AnalysisTable],
    *,
    thresholds: Thresholds | None = None,
    secure: bool | None = None,
    memory: Memory | None = None,
    chance: Chance = UNSTARTED.chance,
    full: bool = True,
) -> Outcome:
    """The outcome of a study over tables in this process, one per site.

    Args:
        secure: whether sums are masked; None masks them where there are sites enough.
        full: whether results bear all their digits; else what they have earned.
        memory: rounds that were joined before; with it sums are plain, for the keys of a masked run are gone.
        chance: of another run, whose folds and draws are to come again; else people fall into folds as their
            tables say.

    >>> from protocols.exchange.example import example_study, example_tables
    >>> study = example_study(ages={"protocol": "summary", "of": ["age"]})
    >>> outcome = run_locally(study, example_tables())
    >>> outcome["ages"].summary()[["n", "mean", "sd"]].round(1)
           n  mean    sd
    0  340.0  51.3  12.5
    """
    named = {table.site: table for table in tables}
    sites = LocalSites(study, named, thresholds or Thresholds(), chance, full)
    if secure is None:
        secure = memory is None and len(tables) >= study.thresholds.min_sites_in_sum
    begun = sites.started if secure else replace(UNSTARTED, chance=chance)
    return conduct(study, sites, run=LOCAL_RUN, roster=tuple(sites.tables), started=begun, memory=memory)
