"""How each side of a run hears the answers that the center may not read as they are, and sums as they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from protocols.core.disclosure import Declaration, check_total
from protocols.core.errors import Code, StudyError
from protocols.core.protocol import Arrays, Ask, Total, protocol
from protocols.core.study import Study
from protocols.exchange.keyed_draws import derived, normal
from protocols.exchange.secret_basis import OPEN, seal, turn
from protocols.exchange.secure_sum import opened

Told = Arrays | Code
"""The center's reply to the sites' climb in one round, or the code with which it ended."""


class Side(Protocol):
    """How one side hears the answers to a climb: the center as derivatives, a site as the center's reply."""

    def hear(self, study: Study, ask: Ask, joined: dict[str, Any], place: tuple[int, int]) -> Told:
        """The reply of a round and position; `joined` keeps it."""

    def open(self, study: Study, ask: Ask, joined: dict[str, Any], place: tuple[int, int]) -> None:
        """Lets the sites' search hear a sum that they alone open."""


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
            total = total_of(study, ask, joined)
            reply = ask.climb.reply(total, None if joined["full"] else lambda n: normal(key, n))
            joined.setdefault("reply", {"arrays": dict(reply)})
        except StudyError as error:
            joined.setdefault("reply", {"code": str(error.code)})
        return told(joined)

    def open(self, study: Study, ask: Ask, joined: dict[str, Any], place: tuple[int, int]) -> None:
        """Nothing: the center cannot."""


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
            ask.climb.follow(reply, turn(self.secret, place, ask.climb), full=joined["full"])
        return reply

    def open(self, study: Study, ask: Ask, joined: dict[str, Any], place: tuple[int, int]) -> None:
        """Goes on with the search by the sum.

        Raises:
            StudyError: tampered; the sites' parts are not of one question.
        """
        assert ask.search is not None
        if "sealed" in joined:
            key = seal(self.secret, place)
            joined = {**joined, "sum": opened(joined["sealed"], integral(study, ask), key)}
        try:
            ask.search.hear(total_of(study, ask, joined))
        except StudyError as error:
            ask.search.hear(error)


@dataclass(frozen=True)
class InOneProcess:
    """The center and the sites of one process, which hide nothing: one copy of a climb is both sides'."""

    secret: bytes = bytes(32)

    def hear(self, study: Study, ask: Ask, joined: dict[str, Any], place: tuple[int, int]) -> Told:
        """The center's reply, by which the sites go on."""
        Center(self.secret).hear(study, ask, joined, place)
        return Site(OPEN).hear(study, ask, joined, place)

    def open(self, study: Study, ask: Ask, joined: dict[str, Any], place: tuple[int, int]) -> None:
        """As a site does."""
        Site(OPEN).open(study, ask, joined, place)


HERE = InOneProcess()


def told(joined: Mapping[str, Any]) -> Told:
    """The center's reply that joined answers to a climb hold."""
    reply: dict[str, Any] = joined["reply"]
    return Code(reply["code"]) if "code" in reply else reply["arrays"]


def declared(study: Study, ask: Ask) -> Mapping[str, Declaration]:
    """What the step of a question declares of each array."""
    return protocol(study.spec(ask.analysis, ask.part).protocol).steps[ask.step].declares


def integral(study: Study, ask: Ask) -> dict[str, bool]:
    """Which of them hold counts."""
    return {name: declaration.integral for name, declaration in declared(study, ask).items()}


def total_of(study: Study, ask: Ask, joined: Mapping[str, Any], chance: bytes = b"") -> Total:
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
    floors, sites = study.thresholds, tuple(joined["sites"])
    return Total(totals, sites, floors.min_count, chance, floors.enough(len(sites)), floors.enough(1))


def _at_most(study: Study, ask: Ask) -> Arrays:
    """How large one person's part can be by the study's ranges; columns changed before have none."""
    spec = study.spec(ask.analysis, ask.part)
    changed = {name for t in ask.transforms for name in study.spec(t.analysis, t.part).variables()}
    ranges = {name: limits for name, limits in study.ranges.items() if name.split(".")[0] not in changed}
    return protocol(spec.protocol).steps[ask.step].bounds(spec, ask.arrays, ranges) if ranges else {}
