"""A site step: a pure function of a spec and a table, and all that it declares of its question and answer."""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from protocols.core.disclosure import Array, Declaration
from protocols.core.errors import Code, SpecError
from protocols.core.spec import Spec
from protocols.core.table import AnalysisTable

Arrays = Mapping[str, Array]


@dataclass(frozen=True)
class SiteStep:
    """A pure function (spec, table, **arrays) -> arrays, and what it declares.

    Attributes:
        run: the function.
        declares: what each array that it returns discloses, by name.
        clear: of a spec, whether a site may be asked this step for itself, in the clear.
        summed: whether it may be asked in a sum over sites.
        numbers: names of the arrays of its question; the last stands for any others, where `open_ended`.
        varies: those of them whose numbers may change from one question of a run to the next. All others are
            the same wherever the analysis, its part, the rows and the transforms before it are.
    """

    run: Callable[..., Arrays]
    declares: Mapping[str, Declaration]
    clear: Callable[[Any], bool]
    summed: bool
    numbers: tuple[str, ...]
    open_ended: bool
    varies: frozenset[str]

    def __call__(self, spec: Spec, table: AnalysisTable, **arrays: Any) -> Arrays:
        return self.run(spec, table, **arrays)

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


def site_step(
    several: Mapping[str, Declaration] = MappingProxyType({}),
    /,
    *,
    clear: bool | Callable[[Any], bool] = False,
    summed: bool = True,
    varies: tuple[str, ...] = (),
    **declares: Declaration,
) -> Callable[[Callable[..., Arrays]], SiteStep]:
    """A decorator that makes a site step of a function and states all that it discloses.

    Args:
        several: what many steps declare alike, before their own.
        clear: whether a site may be asked this step for itself, in the clear: never, unless said; always, or
            where a function of the spec says so. Nobody else can choose it.
        summed: whether it may be asked in a sum over sites.
        varies: the arguments whose numbers may change from one question of a run to the next. A step that
            takes `**fits` names them all `fits`.
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
            summed,
            numbers,
            any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters),
            frozenset(varies),
        )

    return mark
