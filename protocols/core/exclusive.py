"""Variables of which nobody has two, by how a study defines them: the cell of both is empty, and not judged.

Two values of one `finding` whose `pick` is first exclude each other by themselves. Others a study declares
(`exclusive: [[stage_2, stage_3, stage_4]]`): a person who has two of them then counts as one without a value
of any, as one outside a declared range does, so that the empty cell tells nothing of anybody.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from protocols.core.table import AnalysisTable
from protocols.core.variables import Name, VariableKind
from protocols.core.variables.clinical import Finding

Sets = Sequence[tuple[Name, ...]]


def check_exclusive(sets: Sets, variables: Mapping[str, VariableKind]) -> None:
    """Raises unless each set names two variables of a study or more, none of them twice.

    Raises:
        ValueError: for pydantic.
    """
    if strange := {name for one in sets for name in one} - variables.keys():
        raise ValueError(f"exclusive names no variable of the study: {', '.join(sorted(strange))}")
    if any(len(one) < 2 or len(set(one)) < len(one) for one in sets):
        raise ValueError("each set under exclusive is two different variables or more")


def exclusive_pairs(variables: Mapping[str, VariableKind], sets: Sets = ()) -> frozenset[frozenset[str]]:
    """The pairs of variables of which nobody can have both.

    Of several values of one day `pick: last` takes whichever is asked for, so that both can be 1 there.

    >>> grade = {"kind": "finding", "concept": "LOCAL:grade"}
    >>> grades = {v: Finding.model_validate({**grade, "values": [v]}) for v in ("g2", "g3")}
    >>> [sorted(pair) for pair in exclusive_pairs(grades)]
    [['g2', 'g3']]
    """
    findings = {name: one for name, one in variables.items() if isinstance(one, Finding)}
    by_themselves = (
        (a, b)
        for a, b in combinations(findings, 2)
        if findings[a].pick == "first"
        and findings[a].model_copy(update={"values": findings[b].values}) == findings[b]
        and not set(findings[a].values) & set(findings[b].values)
    )
    declared = (pair for one in sets for pair in combinations(one, 2))
    return frozenset(frozenset(pair) for pair in (*by_themselves, *declared))


def at_most_one(table: AnalysisTable, sets: Sets) -> AnalysisTable:
    """The table in which whoever has two of an exclusive set has no value of any of it."""
    asked = [names for one in sets if len(names := [n for n in one if n in table.columns]) > 1]
    if not asked:
        return table

    def make() -> AnalysisTable:
        columns = dict(table.columns)
        for names in asked:
            both = np.sum([columns[name] == 1 for name in names], axis=0) > 1
            columns |= {name: np.where(both, np.nan, columns[name]) for name in names}
        return table.with_columns(columns)

    return table.derived(("at most one", tuple(sets)), make)
