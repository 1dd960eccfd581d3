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
        """Hands each that waits its answers, and runs it up to its next question or its end."""
        rest = iter(answers)
        for key, (coordination, asks) in list(self._waiting.items()):
            mine = tuple(next(rest) for _ in _several(asks))
            self._advance(key, coordination, mine[0] if isinstance(asks, Ask) else mine)

    def _advance(self, key: K, coordination: Coordination[R], answer: Any) -> None:
        self._waiting.pop(key, None)
        parts = answer if isinstance(answer, tuple) else (answer,)
        failed = next((part for part in parts if isinstance(part, ShadowgraphError)), None)
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
        ShadowgraphError: of the first that cannot go on, when all others have ended too.
    """
    results = yield from settled(coordinations)
    for result in results:
        if isinstance(result, ShadowgraphError):
            raise result
    return [result for result in results if not isinstance(result, ShadowgraphError)]


def both(first: Coordination[A], second: Coordination[B]) -> Coordination[tuple[A, B]]:
    """The results of two different coordinations that share their rounds.

    Raises:
        ShadowgraphError: of the first that cannot go on, when the other has ended too.
    """
    pair: Sequence[Coordination[Any]] = (first, second)
    one, other = yield from together(pair)
    return one, other


def settled(coordinations: Sequence[Coordination[R]]) -> Coordination[list[R | ShadowgraphError]]:
    """The results of many coordinations that share their rounds; an error stands in the place of its own."""
    lockstep: Lockstep[int, R] = Lockstep()
    for index, coordination in enumerate(coordinations):
        lockstep.start(index, coordination)
    while asks := lockstep.asks():
        lockstep.answer((yield asks))
    return [lockstep.results[index] for index in range(len(coordinations))]


def _several(asks: Asks) -> tuple[Ask, ...]:
    return (asks,) if isinstance(asks, Ask) else asks
