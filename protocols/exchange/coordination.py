"""A study's coordination, which the center and every site run alike: analyses in lockstep, answers joined."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from protocols.core.disclosure import check_total
from protocols.core.errors import Code, ShadowgraphError, StudyError
from protocols.core.grid import question_on_grid
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
from protocols.exchange.people_first import people_first
from protocols.exchange.secure_sum import unmask
from protocols.exchange.wire import RoundAnswer, RoundQuestion, Sent

_WAYS_OUT = {
    Code.SEPARATION: "too few people carry the likelihood there: use fewer covariates, or a penalty",
    Code.WITHHELD: "too few people there for this: use fewer covariates or folds, or leave the site out",
    Code.RANK_DEFICIENT: "a variable does not vary there: remove it, or pool it by another batch",
    Code.INVALID_INPUT: "a value there is not valid for this analysis: check how the outcome is coded",
    Code.SITE_FAILED: "a number there is not finite, or too large for a sum: use another unit for it",
    Code.UNKNOWN_VARIABLE: "the site's table has no such column",
}
"""What an analyst can do where a site answered with a code alone."""


class StudyCoordination:
    """One copy of a study's coordination: what it asks now, and in the end what it found.

    It is a pure function of the study, the run's chance and the joined answers. The center has one copy and
    every site has its own, so that a site answers only what follows (docs/security.md, "The sites conduct").

    Attributes:
        asks: the questions of this round, their numbers on the public grid; None when all is done.
        rounds: how many were joined before.
        results: a result or a failure of each analysis, when all is done.
    """

    def __init__(self, study: Study, chance: bytes = b"") -> None:
        self._study, self._chance = study, chance
        self._coordination = _all_analyses(study)
        self.asks: tuple[Ask, ...] | None = None
        self.rounds = 0
        self.results: Mapping[str, Result | Failure] = {}
        self._go_on(None)

    def advance(self, joined: Sequence[Mapping[str, Any]]) -> None:
        """Takes the joined answers of this round, in the order of its questions, and goes on to the next."""
        opened = tuple(
            _open(self._study, a, j, self._chance) for a, j in zip(self.asks or (), joined, strict=True)
        )
        self.rounds += 1
        self._go_on(opened)

    def _go_on(self, answers: tuple[Total | PerSite | StudyError, ...] | None) -> None:
        try:
            asked = next(self._coordination) if answers is None else self._coordination.send(answers)
        except StopIteration as done:
            self.asks, self.results = None, done.value
        else:
            self.asks = tuple(question_on_grid(a) for a in ((asked,) if isinstance(asked, Ask) else asked))


def join_round(
    study: Study, question: RoundQuestion, asked: str, answers: Mapping[str, RoundAnswer]
) -> list[dict[str, Any]]:
    """The joined answers to each question of a round, as plain data with arrays; `asked` is its digest.

    Raises:
        StudyError: not every site of the roster answered, or one answered another question.
    """
    if set(answers) != set(question.roster):
        raise StudyError(Code.SITE_UNREACHABLE, f"round {question.round} was not answered by every site")
    if any(a.question != asked or len(a.answers) != len(question.asks) for a in answers.values()):
        raise StudyError(Code.MALFORMED_MESSAGE, f"round {question.round}: an answer to another question")
    return [
        _join(study, question, ask, {site: answers[site].answers[index] for site in question.roster})
        for index, ask in enumerate(question.asks)
    ]


def _all_analyses(study: Study) -> Coordination[dict[str, Result | Failure]]:
    """All analyses of a study in lockstep; one that comes after others starts when they are done."""
    lockstep: Lockstep[str, Result] = Lockstep()
    waiting = list(study.analyses)
    while True:
        for analysis in [a for a in waiting if all(before in lockstep.results for before in a.after)]:
            waiting.remove(analysis)
            lockstep.start(analysis.name, _one_analysis(study, analysis, lockstep.results))
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
    study: Study, analysis: Analysis, results: Mapping[str, Result | ShadowgraphError]
) -> Coordination[Result]:
    """An analysis on the columns that the harmonizations before it left."""
    transforms = []
    for name in analysis.after:
        before = results[name]
        if isinstance(before, ShadowgraphError):
            raise StudyError(before.code, f"{name} comes before it and failed: {before.text}")
        transforms.append(Transform(name, (), EVERYBODY, arrays_of(before)))
    coordination = protocol(analysis.spec.protocol).coordinate(analysis.spec)
    judged = people_first(coordination, partial(study.spec, analysis.name), study.thresholds)
    result: Result = yield from within(judged, analysis=analysis.name, transforms=tuple(transforms))
    return result


def _join(
    study: Study, question: RoundQuestion, ask: Ask, answers: Mapping[str, Sent | Code]
) -> dict[str, Any]:
    """The joined answers to one question, as plain data with arrays."""
    codes = {site: str(a) for site, a in answers.items() if isinstance(a, Code)}
    arrays = {site: a for site, a in answers.items() if not isinstance(a, Code)}
    if ask.per_site:
        return {"per_site": arrays, "withheld": codes}
    if codes:
        return {"refused": codes}
    declared = protocol(study.spec(ask.analysis, ask.part).protocol).steps[ask.step].declares
    if question.keys:
        integral = {name: declaration.integral for name, declaration in declared.items()}
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


def _open(study: Study, ask: Ask, joined: Mapping[str, Any], chance: bytes) -> Total | PerSite | StudyError:
    """The joined answer as the coordination receives it; what is based on too few people is removed."""
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
            axes=analysis.sizes(spec, ask.arrays),
            thresholds=study.thresholds,
        )
    except ShadowgraphError as error:
        return StudyError(error.code, error.text, error.fix)
    return Total(totals, tuple(joined["sites"]), study.thresholds.min_count, chance)
