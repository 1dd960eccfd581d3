"""How many numbers an analysis publishes about variables whose values can be listed.

A covariance of k 0/1 covariates is k (k + 1) / 2 equations in the counts of their patterns, a table is one
for each cell. Several results about the same people are as many equations together (docs/digits.md; RT68). So
a site counts them, and lets no more than some be published about one person
(`site_node/governance/numbers_told.py`).

What counts is what crosses variables that can be listed: 0/1, levels, labels, whole years. A column that
tells half of the people apart, as a texture does, adds nothing; nor does a scan by the names of its axis,
each of which is published beside the outcome alone (that many frequencies tell who is among them is RT37).
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from protocols.core.joint_cells import together
from protocols.core.privacy import asks_for_noise
from protocols.core.protocol import protocol
from protocols.core.spec import Spec, specs_in
from protocols.core.table import AnalysisTable, Floats

_HUNDREDTHS = 1e-6  # of a hundredth: what rounding leaves of a whole number of them


def numbers_published(spec: Spec, table: AnalysisTable, people: int, floor: int) -> int:
    """How many numbers about columns that can be listed an analysis publishes, those inside it included.

    Args:
        table: of this site's people whom it is about.
        people: whom it is about over all sites.
        floor: the fewest people in a cell that is shown.
    """
    return _counted(spec, partial(columns_listed, table), people, floor)


def most_published(spec: Spec, people: int, floor: int) -> int:
    """How many that could be where every variable can be listed, by the study alone.

    A label counts as one column, since the study does not say how many values it has.
    """
    return _counted(spec, len, people, floor)


def people_needed(specs: Iterable[Spec], sites: int, floor: int, most: float) -> int:
    """How many people each of some sites needs, so that results of these specs are at most so many a person.

    Where every variable can be listed, and nothing was published about them before.
    """
    specs = tuple({one.scans_beside() or i: one for i, one in enumerate(specs)}.values())

    def enough(here: int) -> bool:
        return sum(most_published(spec, here * sites, floor) for spec in specs) <= most * here * sites

    high = 1
    while not enough(high):
        high *= 2
    return bisect_left(range(high + 1), True, lo=1, key=enough)


def _counted(spec: Spec, columns_of: Callable[[set[str]], int], people: int, floor: int) -> int:
    counted = 0
    for one in specs_in(spec):
        if asks_for_noise(one):
            continue
        if together(protocol(one.protocol).steps, one) > 1:
            columns = columns_of({*one.stands_on()} - {*one.linear_in()})
            counted += one.numbers_published(columns) if columns else 0
        counted += min(one.cells_published(), people // floor)
    return counted


def are_shown_by_site(spec: Spec) -> bool:
    """Whether products of an analysis, or of one inside it, leave each site in the clear."""
    return any(
        together(steps, one) > 1 and any(step.clear(one) for step in steps.values())
        for one in specs_in(spec)
        for steps in [protocol(one.protocol).steps]
    )


def columns_listed(table: AnalysisTable, variables: Iterable[str]) -> int:
    """How many columns these variables have in a design whose values can be listed; a label one less than it
    has values."""
    count = 0
    for name in table.read_of(variables):
        if name in table.labels:
            values = {value for value in table.labels[name] if value is not None}
            count += max(len(values) - 1, 0)
        else:
            count += not tells_people_apart(table.columns[name])
    return count


def tells_people_apart(values: Floats) -> bool:
    """Whether half of the (n,) values, and at least ten of them, lie between hundredths, each its own."""
    between = values[np.isfinite(values) & (np.abs(100 * values - np.rint(100 * values)) > _HUNDREDTHS)]
    return len(np.unique(between)) >= max(10, len(values) / 2)
