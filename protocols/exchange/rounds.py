"""How a study runs: its coordinations in lockstep, one message a round, joined, remembered, replayed.

`conducted` knows no transport. It yields each round's question and receives every site's answer, and it is
given a memory of rounds: what is in it is not asked again, so a run that was killed is finished
by running it again, and a result can be recomputed from the memory alone. `conduct` drives it to its end.
"""

from collections.abc import Callable, Generator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from protocols.core.disclosure import Count, check_total
from protocols.core.errors import Code, ShadowgraphError, StudyError
from protocols.core.lockstep import Failure, Lockstep
from protocols.core.protocol import (
    Ask,
    Coordination,
    PerSite,
    Result,
    Total,
    Transform,
    protocol,
    within,
)
from protocols.core.roles import arrays_of
from protocols.core.study import Analysis, Study
from protocols.core.table import EVERYBODY
from protocols.exchange.secure_sum import unmask
from protocols.exchange.wire import RoundAnswer, RoundQuestion, Sent, digest, pack, unpack

Exchange = Callable[[RoundQuestion], Mapping[str, RoundAnswer]]
"""Carries a question to every site of its roster and returns all their answers, or raises StudyError."""

_WAYS_OUT = {
    Code.SEPARATION: "too few people carry the likelihood there: take fewer covariates, or a penalty",
    Code.WITHHELD: "too few people there for this: take fewer covariates or folds, or leave the site out",
    Code.RANK_DEFICIENT: "a variable does not vary there: take it out, or pool it by another batch",
    Code.INVALID_INPUT: "a value there is none that the analysis takes: check the outcome's coding",
    Code.SITE_FAILED: "a number there is not finite, or too large for a sum: use another unit for it",
    Code.UNKNOWN_VARIABLE: "the site's table has no such column",
}
"""What an analyst can do where a site answered with a code alone."""

Memory = MutableMapping[int, bytes]
"""The question's digest and the joined answers of each round, packed."""

Conduct = Generator[RoundQuestion, Mapping[str, RoundAnswer], "Outcome"]
"""A study under way: yields each round's question, receives the answers of all sites, returns the outcome."""


@dataclass(frozen=True)
class Outcome:
    """What a study found: a result or a failure for each analysis, and how many rounds it took."""

    study: str
    run: str
    sites: tuple[str, ...]
    results: Mapping[str, Result | Failure]
    rounds: int

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
    keys: Mapping[str, str] | None = None,
    memory: Memory | None = None,
) -> Outcome:
    """The outcome of a study over these sites; each round waits for the one before it.

    Args:
        study: what was signed and approved.
        exchange: carries one round.
        run: the run's name, part of every message.
        roster: the sites, fixed for the whole run.
        keys: each site's public masking key; sums are then secure, else plain.
        memory: rounds that were joined before; new ones are added.

    Raises:
        StudyError: fewer sites than the study wants, or a site was lost on the way.
    """
    running = conducted(study, run=run, roster=roster, keys=keys, memory=memory)
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
    keys: Mapping[str, str] | None = None,
    memory: Memory | None = None,
) -> Conduct:
    """The same as a generator, for whoever carries the rounds of several studies at once.

    Raises:
        StudyError: fewer sites than the study wants, or answers that are not to the question.
    """
    if len(roster) < study.min_sites:
        raise StudyError(Code.TOO_FEW_SITES, f"{len(roster)} sites; the study wants {study.min_sites}")
    if keys and len(roster) < study.thresholds.min_sites_in_sum:
        raise StudyError(Code.TOO_FEW_SITES, f"{len(roster)} sites are too few for a secure sum")
    memory = {} if memory is None else memory
    coordination = _all_analyses(study)
    rounds = 0
    try:
        asked = next(coordination)
        while True:
            asks = (asked,) if isinstance(asked, Ask) else asked
            question = RoundQuestion(study.hash(), run, rounds, tuple(sorted(roster)), asks, keys or {})
            joined = _remembered(memory, question)
            if joined is None:
                joined = _joined(study, question, (yield question), memory)
            rounds += 1
            asked = coordination.send(tuple(_open(study, a, j) for a, j in zip(asks, joined, strict=True)))
    except StopIteration as done:
        return Outcome(study.hash(), run, tuple(sorted(roster)), done.value, rounds)


def _all_analyses(study: Study) -> Coordination[dict[str, Result | Failure]]:
    """All analyses of a study in lockstep; one that comes after others starts when they are done."""
    lockstep: Lockstep[str, Result] = Lockstep()
    waiting = list(study.analyses)
    while True:
        for analysis in [a for a in waiting if all(before in lockstep.results for before in a.after)]:
            waiting.remove(analysis)
            lockstep.start(analysis.name, _one_analysis(analysis, lockstep.results))
        if asks := lockstep.asks():
            lockstep.answer((yield asks))
        elif not waiting:
            return {
                name: Failure(found.code, found.text, found.fix)
                if isinstance(found, ShadowgraphError)
                else found
                for name, found in lockstep.results.items()
            }


def _one_analysis(
    analysis: Analysis, results: Mapping[str, Result | ShadowgraphError]
) -> Coordination[Result]:
    """An analysis on the columns that the harmonizations before it left."""
    transforms = []
    for name in analysis.after:
        before = results[name]
        if isinstance(before, ShadowgraphError):
            raise StudyError(before.code, f"{name} comes before it and failed: {before.text}")
        transforms.append(Transform(name, (), EVERYBODY, arrays_of(before)))
    coordination = protocol(analysis.spec.protocol).coordinate(analysis.spec)
    result: Result = yield from within(coordination, analysis=analysis.name, transforms=tuple(transforms))
    return result


def _remembered(memory: Memory, question: RoundQuestion) -> list[Any] | None:
    """The joined answers of a round that was asked before.

    Raises:
        StudyError: that round was asked with another question: the memory is of something else.
    """
    if question.round not in memory:
        return None
    kept = unpack(memory[question.round])
    if kept["question"] != digest(question.encode()):
        raise StudyError(Code.TAMPERED, f"round {question.round} was kept for another question")
    return list(kept["joined"])


def _joined(
    study: Study, question: RoundQuestion, answers: Mapping[str, RoundAnswer], memory: Memory
) -> list[Any]:
    """The joined answers of a round, remembered."""
    if set(answers) != set(question.roster):
        raise StudyError(Code.SITE_UNREACHABLE, f"round {question.round} was not answered by every site")
    expected = digest(question.encode())
    if any(a.question != expected or len(a.answers) != len(question.asks) for a in answers.values()):
        raise StudyError(Code.MALFORMED_MESSAGE, f"round {question.round}: an answer to another question")
    joined = [
        _join(study, question, ask, {site: answers[site].answers[index] for site in question.roster})
        for index, ask in enumerate(question.asks)
    ]
    memory[question.round] = pack({"question": expected, "joined": joined})
    return joined


def _join(
    study: Study, question: RoundQuestion, ask: Ask, answers: Mapping[str, Sent | Code]
) -> dict[str, Any]:
    """What the coordinator keeps of one question's answers, as plain data with arrays."""
    codes = {site: str(a) for site, a in answers.items() if isinstance(a, Code)}
    arrays = {site: a for site, a in answers.items() if not isinstance(a, Code)}
    if ask.per_site:
        return {"per_site": arrays, "withheld": codes}
    if codes:
        return {"refused": codes}
    declared = protocol(study.spec(ask.analysis, ask.part).protocol).steps[ask.step].declares
    if question.keys:
        integral = {name: isinstance(declaration, Count) for name, declaration in declared.items()}
        return {"sum": unmask(arrays, integral), "sites": sorted(arrays)}
    if any(a.keys() != declared.keys() for a in arrays.values()):
        raise StudyError(Code.MALFORMED_MESSAGE, "sites answered with other arrays than the step declares")
    sites = sorted(arrays)
    return {
        "sum": {
            name: np.asarray(np.sum([arrays[site][name] for site in sites], axis=0)) for name in declared
        },
        "sites": sites,
    }


def _open(study: Study, ask: Ask, joined: Mapping[str, Any]) -> Total | PerSite | StudyError:
    """The joined answer as the coordination receives it; what stands on too few people is taken out."""
    if "refused" in joined:
        site, code = next(iter(joined["refused"].items()))
        variables = ", ".join(study.spec(ask.analysis, ask.part).variables()[:20])
        text = f"site {site} did not answer step {ask.step!r} about {variables}"
        return StudyError(Code(code), text, _WAYS_OUT.get(Code(code), ""))
    if "per_site" in joined:
        withheld = {site: Code(code) for site, code in joined["withheld"].items()}
        return PerSite(joined["per_site"], withheld)
    spec = study.spec(ask.analysis, ask.part)
    analysis = protocol(spec.protocol)
    try:
        totals = check_total(
            analysis.steps[ask.step].declares,
            joined["sum"],
            axes=analysis.axes(spec),
            thresholds=study.thresholds,
        )
    except ShadowgraphError as error:
        return StudyError(error.code, error.text, error.fix)
    return Total(totals, tuple(joined["sites"]), study.thresholds.min_count)
