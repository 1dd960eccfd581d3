"""A study's coordination, which the center and every site run alike: analyses in lockstep, answers joined."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

import numpy as np

from protocols.core.disclosure import Array, check_total
from protocols.core.errors import Code, ShadowgraphError, StudyError
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
    specs_in,
    within,
)
from protocols.core.roles import arrays_of
from protocols.core.study import Analysis, Study
from protocols.core.table import EVERYBODY
from protocols.exchange.every_cell import every_cell
from protocols.exchange.keyed_draws import derived, normal
from protocols.exchange.people_first import people_first
from protocols.exchange.secret_basis import OPEN, basis
from protocols.exchange.secure_sum import unmask
from protocols.exchange.start import UNSTARTED, Started
from protocols.exchange.wire import Answered, Apart, RoundAnswer, RoundQuestion, Sent

_WAYS_OUT = {
    Code.SEPARATION: "too few people carry the likelihood there: use fewer covariates, or a penalty",
    Code.WITHHELD: "too few people there for this: use fewer covariates or folds, or leave the site out",
    Code.RANK_DEFICIENT: "a variable does not vary there: remove it, or pool it by another batch",
    Code.INVALID_INPUT: "a value there is not valid for this analysis: check how the outcome is coded",
    Code.SITE_FAILED: "a number there is not finite, or too large for a sum: use another unit for it",
    Code.UNKNOWN_VARIABLE: "the site's table has no such column",
}
"""What an analyst can do where a site answered with a code alone."""


_ENDED = "the derivatives of the likelihood are based on too few people, or have too many parameters"

_SAME = 1e-6  # of an array's largest number: how far two processors may be apart in what they agree on

Told = Arrays | Code
"""The center's reply to the sites' climb in one round, or the code with which it ended."""


class Side(Protocol):
    """How one side hears the answers to a climb: the center as derivatives, a site as the center's reply."""

    def hear(self, study: Study, ask: Ask, joined: dict[str, Any], place: tuple[int, int]) -> Told:
        """The reply of a round and position; `joined` keeps it."""


@dataclass(frozen=True)
class Center:
    """The center, which replies to totals in a basis that it lacks.

    Attributes:
        secret: of its dither, which nobody else can draw.
    """

    secret: bytes = bytes(32)

    def hear(self, study: Study, ask: Ask, joined: dict[str, Any], place: tuple[int, int]) -> Told:
        """The reply to a total, or the code of what is based on too few people."""
        assert ask.climb is not None
        key = derived(self.secret, {"study": study.hash(), "place": list(place)})
        try:
            total = _total(study, ask, joined)
            reply = ask.climb.reply(total, None if joined["full"] else lambda n: normal(key, n))
            joined.setdefault("reply", {"arrays": dict(reply)})
        except StudyError as error:
            joined.setdefault("reply", {"code": str(error.code)})
        return told(joined)


@dataclass(frozen=True)
class Site:
    """A site, which goes on by the center's replies.

    Attributes:
        secret: that the sites of the run share.
    """

    secret: bytes

    def hear(self, study: Study, ask: Ask, joined: dict[str, Any], place: tuple[int, int]) -> Told:
        """The center's reply.

        Raises:
            SiteError: tampered; it is not one.
        """
        assert ask.climb is not None
        reply = told(joined)
        if not isinstance(reply, Code):
            turn = basis(self.secret, place, ask.climb.size)
            ask.climb.follow(reply, turn, full=joined["full"])
        return reply


@dataclass(frozen=True)
class InOneProcess:
    """The center and the sites of one process, which hide nothing: one copy of a climb is both sides'."""

    secret: bytes = bytes(32)

    def hear(self, study: Study, ask: Ask, joined: dict[str, Any], place: tuple[int, int]) -> Told:
        """The center's reply, by which the sites go on."""
        Center(self.secret).hear(study, ask, joined, place)
        return Site(OPEN).hear(study, ask, joined, place)


HERE = InOneProcess()


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
        said: the center's replies by position, at a site, which sees no total of a climb.

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
        else:
            joined.append(_join(study, question, ask, given))
        if ask.secret == "climb":
            joined[-1]["full"] = all(place in answer.whole() for answer in answers.values())
    return joined


def told(joined: Mapping[str, Any]) -> Told:
    """The center's reply that joined answers to a climb hold."""
    reply: dict[str, Any] = joined["reply"]
    return Code(reply["code"]) if "code" in reply else reply["arrays"]


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
            raise StudyError(before.code, f"{name} comes before it and failed: {before.text}")
        transforms.append(Transform(name, (), EVERYBODY, arrays_of(before)))
    coordination = protocol(analysis.spec.protocol).coordinate(analysis.spec)
    spec_at = partial(study.spec, analysis.name)
    if study.cells == "exact":
        coordination = every_cell(coordination, spec_at, study.thresholds)
    judged = people_first(coordination, spec_at, study.thresholds)
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
            f"fewer than {fewest} sites have enough people with complete data to hide each other in a sum",
            "use fewer variables, impute those that many people lack, or ask more sites",
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
        return StudyError(Code(code), text, _WAYS_OUT.get(Code(code), ""))
    if "per_site" in joined:
        withheld = {site: Code(code) for site, code in joined["withheld"].items()}
        return PerSite(joined["per_site"], withheld)
    if ask.secret == "close":
        found: Arrays = joined["agreed"]
        return found
    if ask.secret == "climb":
        said = side.hear(study, ask, joined, place)
        return StudyError(said, _ENDED, _WAYS_OUT.get(said, "")) if isinstance(said, Code) else said
    try:
        return _total(study, ask, joined, chance)
    except StudyError as error:
        return error


def _at_most(study: Study, ask: Ask) -> Arrays:
    """How large one person's part can be by the study's ranges; columns changed before have none."""
    spec = study.spec(ask.analysis, ask.part)
    changed = {name for t in ask.transforms for name in study.spec(t.analysis, t.part).variables()}
    ranges = {name: limits for name, limits in study.ranges.items() if name.split(".")[0] not in changed}
    return protocol(spec.protocol).steps[ask.step].bounds(spec, ask.arrays, ranges) if ranges else {}


def _total(study: Study, ask: Ask, joined: Mapping[str, Any], chance: bytes = b"") -> Total:
    """The joined sum without what is based on too few people.

    Raises:
        StudyError: all of it is.
    """
    spec = study.spec(ask.analysis, ask.part)
    analysis = protocol(spec.protocol)
    totals = check_total(
        analysis.steps[ask.step].declares,
        joined["sum"],
        axes=analysis.sizes(spec, ask.arrays),
        thresholds=study.thresholds,
        sites=len(joined["sites"]),
        at_most=_at_most(study, ask),
    )
    floors = study.thresholds
    return Total(totals, tuple(joined["sites"]), floors.min_count, chance, floors.floors())
