"""About whom the analyses of a study are: one set of people, one for each set of variables, or each its own.

Two analyses whose complete cases differ by a few people tell of these few by the difference of their sums. So
by default every analysis of a study is about the people who have a value of all that any of them needs: its
analysis population, as a paper's Table 1 describes it. What is filled before an analysis is not needed there.

A site where fewer than `min_count_in_sum` people have a variable adds nothing to the analyses that need it,
so there the people of the others need not have it.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

from protocols.core.spec import Spec, specs_in
from protocols.core.table import AnalysisTable
from protocols.core.variables import Name

Sets = tuple[tuple[Name, ...], ...]
CompleteCases = Literal["study", "analysis"] | Sets
"""One set of people for the study; each analysis' own; or one for each of the declared sets of variables."""


class Analysed(Protocol):
    """What is read of a study's analysis here."""

    @property
    def name(self) -> str: ...
    @property
    def spec(self) -> Spec: ...
    @property
    def after(self) -> tuple[str, ...]: ...


def needs(analyses: Iterable[Analysed], variables: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Analysis -> the study's variables that its people must have a value of."""
    analyses, known = list(analyses), set(variables)
    filled = {a.name: set(a.spec.fills()) for a in analyses}
    return {
        a.name: tuple(
            v
            for v in dict.fromkeys(a.spec.needs())
            if v in known and not any(v in filled.get(before, ()) for before in a.after)
        )
        for a in analyses
    }


def sets_of_variables(
    rule: CompleteCases, analyses: Iterable[Analysed], variables: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Analysis -> the variables of its set of people; none where it goes by its own complete cases.

    Raises:
        ValueError: for pydantic; no declared set holds all that an analysis needs, or one names no variable.
    """
    analyses, known = list(analyses), dict.fromkeys(variables)
    own = needs(analyses, known)
    if rule == "analysis":
        return {name: () for name in own}
    if rule == "study":
        every = {v for needed in own.values() for v in needed}
        sets: Sets = (tuple(v for v in known if v in every),)
    else:
        sets = rule
        if strange := {v for one in sets for v in one} - known.keys():
            raise ValueError(f"complete_cases names no variable of the study: {', '.join(sorted(strange))}")
    found = {
        a.name: () if a.spec.is_of_everybody() else _first_that_holds(a.name, own, sets) for a in analyses
    }
    _check_filled(analyses, found)
    return found


def _first_that_holds(name: str, own: Mapping[str, tuple[str, ...]], sets: Sets) -> tuple[str, ...]:
    found = next((one for one in sets if set(own[name]) <= set(one)), None)
    if found is None:
        raise ValueError(f"analysis {name}: no set in complete_cases holds {', '.join(own[name])}")
    return found


def _check_filled(analyses: Iterable[Analysed], sets: Mapping[str, tuple[str, ...]]) -> None:
    """Raises where an analysis fills a variable that all of its people have, so that it would fill nothing.

    Raises:
        ValueError: for pydantic.
    """
    for a in analyses:
        filled = {v for spec in specs_in(a.spec) for v in spec.fills()}
        if both := filled & set(sets[a.name]):
            raise ValueError(
                f"analysis {a.name} fills {', '.join(sorted(both))}, which another analysis needs, so that "
                "nobody in the study lacks a value: fill it before that analysis too, or set "
                "`complete_cases: analysis`"
            )


def people_of_set(table: AnalysisTable, variables: Iterable[str], fewest: int) -> AnalysisTable:
    """The table of the people who have a value of every variable that at least `fewest` people here have."""
    names = tuple(variables)
    if not names:
        return table

    def make() -> AnalysisTable:
        read = {v: table.read_of([v]) for v in names}
        asked = [v for v in names if table.present(read[v]).sum() >= fewest]
        return table.complete([column for v in asked for column in read[v]])

    return table.derived(("people of a set", names, fewest), make)
