"""How a study runs: its coordinations in lockstep, one message per round, joined, remembered, replayed.

`conducted` knows no transport. It yields each round's question and receives every site's answer, and it is
given a memory of rounds: what is in it is not asked again, so a run that was killed is finished
by running it again, and a result can be recomputed from the memory alone. `conduct` drives it to its end.
"""

from collections.abc import Callable, Generator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from protocols.core.errors import Code, StudyError
from protocols.core.lockstep import Failure
from protocols.core.protocol import (
    Result,
)
from protocols.core.study import Study
from protocols.exchange.coordination import StudyCoordination, join_round, replies
from protocols.exchange.envelope import digest, pack, unpack
from protocols.exchange.sides import HERE, Side, Told
from protocols.exchange.start import UNSTARTED, Started
from protocols.exchange.wire import RoundAnswer, RoundQuestion

Exchange = Callable[[RoundQuestion], Mapping[str, RoundAnswer]]
"""Carries a question to every site of its roster and returns all their answers, or raises StudyError."""

Memory = MutableMapping[int, bytes]
"""The question's digest, the joined answers and the digests of the sites' own of each round, packed."""

Conduct = Generator[RoundQuestion, Mapping[str, RoundAnswer], "Outcome"]
"""A study under way: yields each round's question, receives the answers of all sites, returns the outcome."""


@dataclass(frozen=True)
class Outcome:
    """What a study found: a result or a failure for each analysis, in how many rounds, from which start."""

    study: str
    run: str
    sites: tuple[str, ...]
    results: Mapping[str, Result | Failure]
    rounds: int
    started: Started = UNSTARTED

    def __getitem__(self, analysis: str) -> Any:
        """The result of an analysis.

        Raises:
            StudyError: with the code of its failure, if it has none.
        """
        found = self.results[analysis]
        if isinstance(found, Failure):
            raise StudyError(found.code, found.text, found.fix)
        return found


def conduct(
    study: Study,
    exchange: Exchange,
    *,
    run: str,
    roster: tuple[str, ...],
    started: Started = UNSTARTED,
    memory: Memory | None = None,
    side: Side = HERE,
) -> Outcome:
    """The outcome of a study over these sites; each round waits for the one before it.

    Args:
        study: what was signed and approved.
        exchange: carries one round.
        run: the run's name, part of every message.
        roster: the sites, fixed for the whole run.
        started: what the run started with: the sites' masking keys, without which sums are plain, and chance.
        memory: rounds that were joined before; new ones are added.
        side: of whoever conducts; by itself one process that holds the sites too.

    Raises:
        StudyError: fewer sites than the study requires, or a site was lost on the way.
    """
    running = conducted(study, run=run, roster=roster, started=started, memory=memory, side=side)
    try:
        question = next(running)
        while True:
            question = running.send(exchange(question))
    except StopIteration as done:
        outcome: Outcome = done.value
        return outcome


def conducted(
    study: Study,
    *,
    run: str,
    roster: tuple[str, ...],
    started: Started = UNSTARTED,
    memory: Memory | None = None,
    side: Side,
) -> Conduct:
    """The same as a generator, for whoever carries the rounds of several studies at once.

    Raises:
        StudyError: fewer sites than the study requires, or answers that are not to the question.
    """
    if len(roster) < study.min_sites:
        raise StudyError(Code.TOO_FEW_SITES, f"{len(roster)} sites; the study requires {study.min_sites}")
    keys = started.keys
    if keys and len(roster) < study.thresholds.min_sites_in_sum:
        raise StudyError(Code.TOO_FEW_SITES, f"{len(roster)} sites are too few for a secure sum")
    memory = {} if memory is None else memory
    coordination, sites = StudyCoordination(study, started), tuple(sorted(roster))
    previous = started.openings
    said: Mapping[int, Told] = {}
    while (asks := coordination.asks) is not None:
        number = coordination.rounds
        question = RoundQuestion(study.hash(), run, number, sites, asks, keys, previous, said)
        kept = _remembered(memory, question) or _joined(study, question, (yield question))
        coordination.advance(kept["joined"], side)
        if number not in memory:
            memory[number] = pack(kept)
        previous, said = kept["answers"], replies(kept["joined"])
    return Outcome(study.hash(), run, sites, coordination.results, coordination.rounds, started)


def _remembered(memory: Memory, question: RoundQuestion) -> dict[str, Any] | None:
    """What is kept of a round that was asked before.

    Raises:
        StudyError: that round was asked with another question: the memory is of something else.
    """
    if question.round not in memory:
        return None
    kept: dict[str, Any] = unpack(memory[question.round])
    if kept["question"] != digest(question.encode()):
        raise StudyError(Code.TAMPERED, f"round {question.round} was kept for another question")
    return kept


def _joined(study: Study, question: RoundQuestion, answers: Mapping[str, RoundAnswer]) -> dict[str, Any]:
    """The joined answers of a round and the digests of each site's own."""
    asked = digest(question.encode())
    return {
        "question": asked,
        "joined": join_round(study, question, asked, answers),
        "answers": {site: digest(answer.encode()) for site, answer in answers.items()},
    }
