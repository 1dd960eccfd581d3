"""Many coordinations that advance together: the questions of a round are asked in one message."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from protocols.core.errors import Code, ShadowgraphError, StudyError
from protocols.core.protocol import Ask, Asks, Coordination, R

K = TypeVar("K", bound=Hashable)
A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Failure:
    """An analysis that could not be done, with its code and a way out; the study's other analyses go on."""

    code: Code
    text: str
    fix: str = ""


class PartlyAnsweredError(StudyError):
    """Not every question of a round was answered; the error is that of the first that was not.

    Attributes:
        answers: of each question its answer, its error, or None where it was not asked and may be asked anew.
    """

    def __init__(self, answers: Sequence[Any]) -> None:
        first = next(answer for answer in answers if isinstance(answer, ShadowgraphError))
        super().__init__(first.code, first.text, first.fix)
        self.answers = tuple(answers)


@dataclass
class Lockstep(Generic[K, R]):
    """Coordinations by key, each waiting for its answers or done.

    Attributes:
        results: what those that ended returned, or the error with which they ended; one that is not coded
            becomes `center-failed`.
    """

    results: dict[K, R | ShadowgraphError] = field(default_factory=dict)
    _waiting: dict[K, tuple[Coordination[R], Asks]] = field(default_factory=dict)

    def start(self, key: K, coordination: Coordination[R]) -> None:
        """Runs a coordination up to its first question."""
        self._advance(key, coordination, None)

    def asks(self) -> tuple[Ask, ...]:
        """The questions of all that wait, in the order of their answers; empty when all are done."""
        return tuple(ask for _, asks in self._waiting.values() for ask in _several(asks))

    def answer(self, answers: Sequence[Any]) -> None:
        """Hands each that waits its answers, and runs it up to its next question or its end.

        One whose question was not asked (None) waits on.
        """
        rest = iter(answers)
        for key, (coordination, asks) in list(self._waiting.items()):
            mine = tuple(next(rest) for _ in _several(asks))
            if None in mine and not any(isinstance(part, ShadowgraphError) for part in mine):
                continue
            self._advance(key, coordination, mine[0] if isinstance(asks, Ask) else mine)

    def _advance(self, key: K, coordination: Coordination[R], answer: Any) -> None:
        self._waiting.pop(key, None)
        failed: ShadowgraphError | None = answer if isinstance(answer, ShadowgraphError) else None
        if isinstance(answer, tuple) and any(isinstance(part, ShadowgraphError) for part in answer):
            failed = PartlyAnsweredError(answer)
        try:
            asked = coordination.throw(failed) if failed is not None else coordination.send(answer)
        except StopIteration as done:
            self.results[key] = done.value
        except ShadowgraphError as error:
            self.results[key] = error
        except Exception as error:  # one analysis must not stop the others
            self.results[key] = _unexpected(error)
        else:
            self._waiting[key] = (coordination, asked)


def _unexpected(error: Exception) -> StudyError:
    """The failure of a coordination that met an unexpected error; its text might hold a number."""
    failure = StudyError(
        Code.CENTER_FAILED,
        f"the analysis met numbers that it cannot handle: {type(error).__name__}",
        "check that its variables vary, and are not combinations of each other",
    )
    failure.__cause__ = error
    return failure


def together(coordinations: Sequence[Coordination[R]]) -> Coordination[list[R]]:
    """The results of many coordinations that share their rounds.

    Raises:
        ShadowgraphError: of the first that cannot go on, when all others have ended too; at once where one
            cannot go on without an answer that was refused.
    """
    lockstep = _started(coordinations)
    while asks := lockstep.asks():
        answers = yield from answered(asks)
        lockstep.answer(answers)
        if any(isinstance(answer, ShadowgraphError) for answer in answers):
            _without_error(lockstep)
    return _without_error(lockstep)


def both(first: Coordination[A], second: Coordination[B]) -> Coordination[tuple[A, B]]:
    """The results of two different coordinations that share their rounds.

    Raises:
        ShadowgraphError: of the first that cannot go on, when the other has ended too.
    """
    pair: Sequence[Coordination[Any]] = (first, second)
    one, other = yield from together(pair)
    return one, other


def settled(coordinations: Sequence[Coordination[R]]) -> Coordination[list[R | ShadowgraphError]]:
    """The results of many coordinations that share their rounds; an error stands in the place of its own.

    Where a site, or the gate, refuses the question of one, the others go on.
    """
    lockstep = _started(coordinations)
    while asks := lockstep.asks():
        lockstep.answer((yield from answered(asks)))
    return [lockstep.results[index] for index in range(len(coordinations))]


def answered(asks: tuple[Ask, ...]) -> Coordination[tuple[Any, ...]]:
    """The answers to questions; an error stands in the place of one that was refused."""
    try:
        answers: tuple[Any, ...] = yield asks
    except PartlyAnsweredError as some:
        return some.answers
    return answers


def _started(coordinations: Sequence[Coordination[R]]) -> Lockstep[int, R]:
    lockstep: Lockstep[int, R] = Lockstep()
    for index, coordination in enumerate(coordinations):
        lockstep.start(index, coordination)
    return lockstep


def _without_error(lockstep: Lockstep[int, R]) -> list[R]:
    """The results so far, in order.

    Raises:
        ShadowgraphError: of the first that ended with one.
    """
    found: list[R] = []
    for _, result in sorted(lockstep.results.items()):
        if isinstance(result, ShadowgraphError):
            raise result
        found.append(result)
    return found


def _several(asks: Asks) -> tuple[Ask, ...]:
    return (asks,) if isinstance(asks, Ask) else asks
