"""A study's coordination, which the center and every site run alike: analyses in lockstep, answers joined."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import numpy as np

from protocols.core.disclosure import Array
from protocols.core.errors import Code, ShadowgraphError, StudyError
from protocols.core.exclusive import exclusive_pairs
from protocols.core.grid import question_on_grid
from protocols.core.lockstep import Failure, Lockstep
from protocols.core.protocol import (
    Arrays,
    Ask,
    Coordination,
    PerSite,
    Result,
    Total,
    Transform,
    protocol,
    relayed,
    specs_in,
    within,
)
from protocols.core.roles import arrays_of
from protocols.core.secret import ENDED
from protocols.core.study import Analysis, Study
from protocols.core.table import EVERYBODY
from protocols.exchange.every_cell import every_cell
from protocols.exchange.people_first import people_first
from protocols.exchange.secure_sum import added, unmask
from protocols.exchange.sides import Side, Told, declared, integral, told, total_of
from protocols.exchange.start import UNSTARTED, Started
from protocols.exchange.wire import Answered, Apart, RoundAnswer, RoundQuestion, Sent

_WAYS_OUT = {
    Code.SEPARATION: "too few people carry the likelihood there: use fewer covariates, or a penalty",
    Code.WITHHELD: "too few people there for this: use fewer covariates or folds, or leave the site out",
    Code.RANK_DEFICIENT: "a variable does not vary there: remove it, or pool it by another batch",
    Code.INVALID_INPUT: "a value there is not valid for this analysis: check how the outcome is coded",
    Code.SITE_FAILED: "a number there is not finite, or too large for a sum: use another unit for it",
    Code.UNKNOWN_VARIABLE: "the site has no such column of that kind: look at how the study declares it",
}
"""What an analyst can do where a site answered with a code alone."""


_ENDED = "the derivatives of the likelihood are based on too few people, or have too many parameters"

_SAME = 1e-6  # of an array's largest number: how far two processors may be apart in what they agree on


class StudyCoordination:
    """One copy of a study's coordination: what it asks now, and in the end what it found.

    It is a pure function of the study, what the run started with and the joined answers. The center has one
    copy and every site has its own, so that a site answers only what follows (docs/security.md, "The sites
    conduct").

    Attributes:
        asks: the questions of this round, their numbers on the public grid; None when all is done.
        rounds: how many were joined before.
        results: a result or a failure of each analysis, when all is done.
    """

    def __init__(self, study: Study, started: Started = UNSTARTED) -> None:
        self._study, self._chance = study, started.chance
        self._coordination = _all_analyses(study, started)
        self.asks: tuple[Ask, ...] | None = None
        self.rounds = 0
        self.results: Mapping[str, Result | Failure] = {}
        self._go_on(None)

    def advance(self, joined: Sequence[dict[str, Any]], side: Side) -> None:
        """Takes the joined answers of this round, in the order of its questions, and goes on to the next.

        Args:
            joined: as `join_round` has them; the center's replies are added.
            side: whose copy it is.

        Raises:
            SiteError: tampered; a reply of the center is not one.
        """
        opened = tuple(
            _open(self._study, ask, one, side, (self.rounds, position), self._chance)
            for position, (ask, one) in enumerate(zip(self.asks or (), joined, strict=True))
        )
        self.rounds += 1
        self._go_on(opened)

    def _go_on(self, answers: tuple[Total | PerSite | Arrays | StudyError, ...] | None) -> None:
        try:
            asked = next(self._coordination) if answers is None else self._coordination.send(answers)
        except StopIteration as done:
            self.asks, self.results = None, done.value
        else:
            self.asks = tuple(question_on_grid(a) for a in ((asked,) if isinstance(asked, Ask) else asked))


def join_round(
    study: Study,
    question: RoundQuestion,
    asked: str,
    answers: Mapping[str, RoundAnswer],
    said: Mapping[int, Told] | None = None,
) -> list[dict[str, Any]]:
    """The joined answers to each question of a round, as plain data with arrays; `asked` is its digest.

    Args:
        said: the center's replies by position, at a site, which sees no total of a climb or a last question.

    Raises:
        StudyError: not every site of the roster answered, or one answered another question.
    """
    if set(answers) != set(question.roster):
        raise StudyError(Code.SITE_UNREACHABLE, f"round {question.round} was not answered by every site")
    if any(a.question != asked or len(a.answers) != len(question.asks) for a in answers.values()):
        raise StudyError(Code.MALFORMED_MESSAGE, f"round {question.round}: an answer to another question")
    joined = []
    for place, ask in enumerate(question.asks):
        given = {site: answers[site].answers[place] for site in question.roster}
        if ask.secret == "climb" and said is not None:
            joined.append(_replied(given, said.get(place)))
        elif ask.secret == "last" and said is not None:
            joined.append(_of_center_alone(given))
        else:
            joined.append(_join(study, question, ask, given))
        if ask.secret == "climb":
            joined[-1]["full"] = all(place in answer.whole() for answer in answers.values())
    return joined


def replies(joined: Sequence[Mapping[str, Any]]) -> dict[int, Told]:
    """The center's replies of a round by position."""
    return {place: told(one) for place, one in enumerate(joined) if "reply" in one}


def _all_analyses(study: Study, started: Started) -> Coordination[dict[str, Result | Failure]]:
    """All analyses of a study in lockstep; one that comes after others starts when they are done."""
    lockstep: Lockstep[str, Result] = Lockstep()
    waiting = list(study.analyses)
    while True:
        for analysis in [a for a in waiting if all(before in lockstep.results for before in a.after)]:
            waiting.remove(analysis)
            lockstep.start(analysis.name, _one_analysis(study, analysis, lockstep.results, started))
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
    study: Study, analysis: Analysis, results: Mapping[str, Result | ShadowgraphError], started: Started
) -> Coordination[Result]:
    """An analysis on the columns that the harmonizations before it left."""
    _refuse_few_contributors(study, analysis, started)
    transforms = []
    for name in analysis.after:
        before = results[name]
        if isinstance(before, ShadowgraphError):
            raise StudyError(before.code, f"{name} comes before it and failed: {before.text}", before.fix)
        transforms.append(Transform(name, (), EVERYBODY, arrays_of(before)))
    coordination = protocol(analysis.spec.protocol).coordinate(analysis.spec)
    spec_at = partial(study.spec, analysis.name)
    every = study.cells == "exact"
    if every:
        coordination = every_cell(coordination, spec_at, study.thresholds)
    exclusive = None if every else exclusive_pairs(study.variables, study.exclusive)
    judged = people_first(coordination, spec_at, study.thresholds, exclusive)
    if any(analysis.name in other.after for other in study.analyses):
        judged = relayed(judged)
    result: Result = yield from within(judged, analysis=analysis.name, transforms=tuple(transforms))
    return result


def _refuse_few_contributors(study: Study, analysis: Analysis, started: Started) -> None:
    """Raises where a sum would show a site's part, before anything is asked.

    Raises:
        StudyError: withheld; too few sites contribute, and no step may leave in the clear.
    """
    contributors, fewest = started.contributors.get(analysis.name), study.thresholds.min_sites_in_sum
    if contributors is None or len(contributors) >= fewest:
        return
    specs = specs_in(analysis.spec)
    if not any(step.clear(spec) for spec in specs for step in protocol(spec.protocol).steps.values()):
        raise StudyError(
            Code.WITHHELD,
            f"fewer than {fewest} sites can hide each other in a sum: the others have too few people with "
            "complete data, or nearly those of an earlier answer",
            "use fewer variables, impute those that many people lack, ask about exactly the people behind an "
            "earlier answer, or ask more sites",
        )


def _join(study: Study, question: RoundQuestion, ask: Ask, answers: Mapping[str, Answered]) -> dict[str, Any]:
    """The joined answers to one question, as plain data with arrays."""
    codes = {site: str(a) for site, a in answers.items() if isinstance(a, Code)}
    arrays = {site: _shown(a) for site, a in answers.items() if not isinstance(a, Code)}
    if ask.per_site:
        return {"per_site": arrays, "withheld": codes}
    if codes:
        return {"refused": codes}
    if ask.secret == "close":
        return {"agreed": _agreed(arrays)}
    if ask.secret == "sealed":
        ends = [ENDED in said for said in arrays.values()]
        if all(ends):
            return {"agreed": _agreed(arrays)}
        if any(ends):
            raise StudyError(Code.TAMPERED, "sites found different ends of one search")
        if question.keys:
            return {"sealed": added(arrays), "sites": sorted(arrays)}
    names = declared(study, ask)
    if question.keys:
        return {"sum": unmask(arrays, integral(study, ask)), "sites": sorted(arrays)}
    if any(a.keys() != names.keys() for a in arrays.values()):
        raise StudyError(Code.MALFORMED_MESSAGE, "sites answered with other arrays than the step declares")
    sites = sorted(arrays)
    return {
        "sum": {name: np.asarray(np.sum([arrays[site][name] for site in sites], axis=0)) for name in names},
        "sites": sites,
    }


def _shown(said: Sent | Apart) -> Sent:
    if not isinstance(said, Apart):
        return said
    if said.arrays is None:
        raise StudyError(Code.MALFORMED_MESSAGE, "an answer to the center alone did not come with it")
    return said.arrays


def _replied(answers: Mapping[str, Answered], said: Told | None) -> dict[str, Any]:
    """What a site keeps of a climb's round: a site's refusal, or the center's reply."""
    if codes := {site: str(a) for site, a in answers.items() if isinstance(a, Code)}:
        return {"refused": codes}
    if said is None or not all(isinstance(a, Apart) for a in answers.values()):
        raise StudyError(Code.TAMPERED, "the center did not reply to the sites' climb")
    return {"reply": {"code": str(said)} if isinstance(said, Code) else {"arrays": dict(said)}}


def _of_center_alone(answers: Mapping[str, Answered]) -> dict[str, Any]:
    """What a site keeps of a last question: a site's refusal, or that all answered."""
    if codes := {site: str(a) for site, a in answers.items() if isinstance(a, Code)}:
        return {"refused": codes}
    return {"sites": sorted(answers)}


def _agreed(arrays: Mapping[str, Sent]) -> Arrays:
    """What all sites say alike, in the words of the first.

    Raises:
        StudyError: tampered; they do not.
    """
    first, *others = (cast("Arrays", arrays[site]) for site in sorted(arrays))
    for other in others:
        if other.keys() != first.keys() or not all(_alike(other[name], first[name]) for name in first):
            raise StudyError(Code.TAMPERED, "sites found different ends of one climb")
    return first


def _alike(one: Array, other: Array) -> bool:
    """Whether two sites' arrays are of one form, and as near as two processors bring them."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool(np.abs(one - other).max(initial=0.0) <= _SAME * np.abs(other).max(initial=0.0))


def _open(
    study: Study, ask: Ask, joined: dict[str, Any], side: Side, place: tuple[int, int], chance: bytes
) -> Total | PerSite | Arrays | StudyError:
    """The joined answer as the coordination receives it; what is based on too few people is removed."""
    if "refused" in joined:
        site, code = next(iter(joined["refused"].items()))
        variables = ", ".join(study.spec(ask.analysis, ask.part).variables()[:20])
        text = f"site {site} did not answer step {ask.step!r} about {variables}"
        if ask.secret == "sealed":
            text = f"the sites' search about {variables} found nothing"
        return StudyError(Code(code), text, _WAYS_OUT.get(Code(code), ""))
    if "per_site" in joined:
        withheld = {site: Code(code) for site, code in joined["withheld"].items()}
        return PerSite(joined["per_site"], withheld)
    if "agreed" in joined:
        found: Arrays = joined["agreed"]
        return found
    if ask.secret == "last" and "sum" not in joined:
        return Total({}, tuple(joined["sites"]))
    if ask.secret == "sealed":
        side.open(study, ask, joined, place)
        return {}
    if ask.secret == "climb":
        said = side.hear(study, ask, joined, place)
        return StudyError(said, _ENDED, _WAYS_OUT.get(said, "")) if isinstance(said, Code) else said
    try:
        return total_of(study, ask, joined, chance)
    except StudyError as error:
        return error
