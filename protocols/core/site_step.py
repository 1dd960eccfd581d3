"""A site step: a pure function of a spec and a table, and all that it declares of its question and answer."""

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from types import MappingProxyType
from typing import Any, Literal

from protocols.core.disclosure import Array, Declaration, Moment, Update
from protocols.core.errors import Code, SpecError
from protocols.core.ranges import Ranges
from protocols.core.spec import Spec
from protocols.core.table import AnalysisTable, Floats

Arrays = Mapping[str, Array]


@dataclass(frozen=True)
class Times:
    """How often a run asks a step about the same people; never, if `most` is 0."""

    least: int
    most: int

    def words(self) -> str:
        """The same in words."""
        once = "once" if self.most == 1 else "twice" if self.most == 2 else f"{self.most} times"
        if self.least == self.most:
            return once
        return "once or twice" if (self.least, self.most) == (1, 2) else f"at most {once}"

    @classmethod
    def where(cls, asked: bool) -> "Times":
        """Once, if it is asked at all."""
        return ONCE if asked else NEVER


_AGREED = "Leaves at the end, the same from every site: {}."
_COEFFICIENTS = "the coefficients found and their covariance"
_FOUND = "Leaves at the end, the same from every site: what the sites' search found."

ONCE, NEVER = Times(1, 1), Times(0, 0)


Bounds = Callable[[Any, Mapping[str, Any], Ranges], Mapping[str, Floats]]


def _unbounded(spec: Spec, asked: Mapping[str, Any], ranges: Ranges) -> Mapping[str, Floats]:
    return {}


@dataclass(frozen=True)
class SiteStep:
    """A pure function (spec, table, **arrays) -> arrays, and what it declares.

    Attributes:
        run: the function.
        declares: what each array that it returns discloses, by name.
        clear: of a spec, whether a site may be asked this step for itself, in the clear.
        clear_rule: whether that is never so, always, or where the study asks for it.
        summed: whether it may be asked in a sum over sites.
        climbs: of a spec, whether its sums are those of a climb, in a basis that only the sites know.
        agreed: what sites say alike at the end of a climb, in words.
        seals: of a spec, whether its sums are those of a search of the sites, which they alone open.
        last: whether its answers may be for the center alone, since they decide nothing that follows.
        refines: whether it says only which cells stand on enough people, which a study of `cells: exact` does
            not ask.
        crosses: whether it sums products of two variables though none of its arrays is square.
        times: of a spec, how often a run asks it.
        numbers: names of the arrays of its question; the last stands for any others, where `open_ended`.
        bounds: of a spec, a question's arrays and the study's ranges, how large one person's part of each
            entry of an array can be.
        varies: those of them whose numbers may change from one question of a run to the next. All others are
            the same wherever the analysis, its part, the rows and the transforms before it are.
    """

    run: Callable[..., Arrays]
    declares: Mapping[str, Declaration]
    clear: Callable[[Any], bool]
    clear_rule: Literal["never", "asked", "always"]
    summed: bool
    climbs: Callable[[Any], bool]
    times: Callable[[Any], Times]
    numbers: tuple[str, ...]
    open_ended: bool
    varies: frozenset[str]
    bounds: Bounds
    refines: bool = False
    agreed: str = _COEFFICIENTS
    seals: Callable[[Any], bool] = lambda spec: False
    last: bool = False
    crosses: bool = False

    def __call__(self, spec: Spec, table: AnalysisTable, **arrays: Any) -> Arrays:
        return self.run(spec, table, **arrays)

    @cached_property
    def holds_products(self) -> bool:
        """Whether its arrays are sums of products of two variables."""
        return self.crosses or any(
            isinstance(declared, Moment) and len(set(declared.axes)) < len(declared.axes)
            for declared in self.declares.values()
        )

    @cached_property
    def holds_rows(self) -> bool:
        """Whether its sums over the carriers of a 0/1 variable are of their other values as well.

        An update that stands on a count of its own, as on the smaller class, holds those of no few carriers.
        """
        return self.holds_products or any(
            isinstance(declared, Update) and declared.behind == "n" for declared in self.declares.values()
        )

    def describe(self, spec: Spec, sizes: Mapping[str, int]) -> list[str]:
        """What leaves a site by this step, in words: the way, how often, and each array with its axes.

        Args:
            spec: of the analysis.
            sizes: of every axis, as the protocol has them for the spec.
        """
        times = self.times(spec)
        if times == NEVER:
            return []
        ways = ["Leaves in a sum over sites"] if self.summed else []
        if self.climbs(spec):
            ways = ["Leaves in a sum over sites, turned into a basis that only the sites know"]
        elif self.last:
            ways = ["Leaves in a sum over sites, for the center alone unless another analysis needs it"]
        elif self.seals(spec):
            ways = ["Leaves in a sum over sites that only the sites can open"]
        ways += ["Leaves in the clear, for this site"] if self.clear(spec) else []
        arrays = "; ".join(_in_words(self.declares.values(), sizes))
        lines = [f"{way}, {times.words()}: {arrays}." for way in ways]
        return lines + [_AGREED.format(self.agreed)] * self.climbs(spec) + [_FOUND] * self.seals(spec)

    def may_vary(self, name: str) -> bool:
        """Whether the numbers of this array of its question may change from one question to the next."""
        return (name if name in self.numbers or not self.open_ended else self.numbers[-1]) in self.varies

    def check_question(self, names: Collection[str]) -> None:
        """Raises unless these are the arrays that the step is asked with.

        Raises:
            SpecError: invalid-study.
        """
        own = self.numbers[:-1] if self.open_ended else self.numbers
        if set(own) - set(names) or (not self.open_ended and set(names) - set(own)):
            raise SpecError(Code.INVALID_STUDY, f"step {self.run.__name__!r} is asked with other arrays")


def _in_words(declared: Iterable[Declaration], sizes: Mapping[str, int]) -> Iterator[str]:
    """What arrays hold, those that follow each other on equal axes together; empty arrays are left out."""
    holding = [d for d in declared if all(sizes[axis] for axis in d.axes)]
    for by, alike in groupby(holding, lambda d: d.by(sizes)):
        what = [d.what for d in alike]
        if not by:
            yield from what
        else:
            listed = " and ".join(filter(None, (", ".join(what[:-1]), what[-1])))
            yield f"{listed}, by {by}"


def site_step(
    several: Mapping[str, Declaration] = MappingProxyType({}),
    /,
    *,
    clear: bool | Callable[[Any], bool] = False,
    summed: bool = True,
    climbs: bool | Callable[[Any], bool] = False,
    seals: bool | Callable[[Any], bool] = False,
    last: bool = False,
    times: Times | Callable[[Any], Times] = ONCE,
    varies: tuple[str, ...] = (),
    bounds: Bounds = _unbounded,
    refines: bool = False,
    agreed: str = _COEFFICIENTS,
    crosses: bool = False,
    **declares: Declaration,
) -> Callable[[Callable[..., Arrays]], SiteStep]:
    """A decorator that makes a site step of a function and states all that it discloses.

    Args:
        several: what many steps declare alike, before their own.
        clear: whether a site may be asked this step for itself, in the clear: never, unless said; always, or
            where a function of the spec says so. Nobody else can choose it.
        summed: whether it may be asked in a sum over sites.
        climbs: whether its sums are those of a climb, in a basis that only the sites know.
        seals: whether they are those of a search of the sites, which they alone open.
        last: whether its answers may be for the center alone, since they decide nothing that follows.
        times: how often a run asks it about the same people.
        varies: the arguments whose numbers may change from one question of a run to the next. A step that
            takes `**fits` names them all `fits`.
        bounds: how large one person's part of an array's entries can be, by the ranges that a study declares.
        refines: whether it only says which cells stand on enough people, in bands.
        agreed: what sites say alike at the end of a climb, in words.
        crosses: whether it sums products of two variables though none of its arrays is square.
        declares: what each array that it returns discloses.
    """

    def mark(run: Callable[..., Arrays]) -> SiteStep:
        parameters = list(inspect.signature(run).parameters.values())[2:]
        numbers = tuple(parameter.name for parameter in parameters)
        if unknown := set(varies) - set(numbers):
            raise TypeError(
                f"step {run.__name__} has no argument {', '.join(sorted(unknown))} that could vary"
            )
        return SiteStep(
            run,
            {**several, **declares},
            clear if callable(clear) else lambda spec: bool(clear),
            "asked" if callable(clear) else "always" if clear else "never",
            summed,
            climbs if callable(climbs) else lambda spec: bool(climbs),
            times if callable(times) else lambda spec: times,
            numbers,
            any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters),
            frozenset(varies),
            bounds,
            refines,
            agreed,
            seals if callable(seals) else lambda spec: bool(seals),
            last,
            crosses,
        )

    return mark
