"""What an analyst writes of one analysis, and what stands inside it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from protocols.core.table import EVERYBODY, AnalysisTable, Mask, Rows

WantedKind = Literal["survival", "label", "any"]
"""What a variable has to be that is not a number: a survival variable, a label, or whichever of them."""


class Spec(BaseModel):
    """What an analyst writes of one analysis; every protocol has its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: str

    def variables(self) -> tuple[str, ...]:
        """The study variables that this analysis reads, outcomes by their variable's name."""
        raise NotImplementedError

    def wanted(self) -> Mapping[str, WantedKind]:
        """The variables that need not be numbers: a survival outcome, a batch that is a label."""
        return {}

    def stands_on(self) -> tuple[str, ...]:
        """The variables of which enough people must differ from the rest, before anything else is asked.

        Its sums have an entry for each of them, over the people who have them all. Protocols whose sums have
        counts of their own for every entry say that there are none.
        """
        return self.variables()

    def linear_in(self) -> tuple[str, ...]:
        """Those of `stands_on` that enter each of its sums beside one other variable at most: the outcome."""
        return ()

    def sets_of_people(self, table: AnalysisTable) -> Iterator[tuple[tuple[str, ...], Mask]]:
        """Whom its sums are about: variables, and the (n,) people over whom sums about these are formed.

        They are those who have a value of every variable, unless a protocol says otherwise.
        """
        if names := self.variables():
            yield names, table.present(table.read_of(names))

    def numbers_published(self, columns: int) -> int:
        """How many numbers of its result are about so many of its columns: coefficients and a covariance."""
        terms = columns + 1
        return terms + terms * (terms + 1) // 2

    def scans_beside(self) -> tuple[str, ...]:
        """The covariates of a scan over an axis, whose moments alone count; () for another analysis.

        Scans beside the same values of the same covariates publish the same moments, which count once.
        """
        return ()

    def cells_published(self) -> int:
        """How many cells its result has of tables of two variables and more; 0 without such a table."""
        return 0

    def needs(self) -> tuple[str, ...]:
        """The variables without a value of which nobody is in any of its sums.

        All, unless a protocol counts entry by entry who has a value, or fills what is missing.
        """
        return self.variables()

    def fills(self) -> tuple[str, ...]:
        """The variables whose missing values it fills: for itself, or as a transform for those after it."""
        return ()

    def whole(self) -> tuple[str, ...]:
        """The variables that it takes as shares of one whole, which others should not read as they are."""
        return ()

    def is_of_everybody(self) -> bool:
        """Whether it describes the cohort itself, those included who are in no other analysis."""
        return False

    def of_study(self, needed: Mapping[str, tuple[str, ...]], sets: Mapping[str, tuple[str, ...]]) -> "Spec":
        """The spec in a study whose analyses need these variables, of people who have all of these sets."""
        return self

    def admits(self, rows: Rows) -> bool:
        """Whether a question of this analysis may be about these rows: everybody, unless it validates.

        Sums over freely chosen folds would differ by few people.
        """
        return rows == EVERYBODY

    def inner_folds(self) -> int:
        """Into how many folds this analysis cuts the people that it is asked about; 1: it does not."""
        return 1

    def fewest_sites(self) -> int:
        """The least sites over which a study with this analysis may run."""
        return 1

    def makes(self) -> tuple[str, ...]:
        """The columns that its transform adds, which analyses after it may read as variables."""
        return ()


def inner_specs(spec: Spec) -> dict[tuple[str, ...], Spec]:
    """The specs that stand inside a spec, but not inside another of them, by where they stand."""
    fields = {name: getattr(spec, name) for name in type(spec).model_fields}  # its own fields, whichever
    return {part: inner for name, field in fields.items() for part, inner in _found(field, (name,))}


def _found(value: object, part: tuple[str, ...]) -> list[tuple[tuple[str, ...], Spec]]:
    if isinstance(value, Spec):
        return [(part, value)]
    if isinstance(value, Mapping):
        return [found for name in sorted(value) for found in _found(value[name], (*part, str(name)))]
    if isinstance(value, tuple):
        return [found for i, item in enumerate(value) for found in _found(item, (*part, str(i)))]
    return []


def specs_in(value: object) -> list[Spec]:
    """A spec and all that stand inside it, at any depth: what a policy has to look at."""
    if isinstance(value, BaseModel):
        fields = [getattr(value, name) for name in type(value).model_fields]  # its own fields, whichever
        inner = [s for field in fields for s in specs_in(field)]
        return [value, *inner] if isinstance(value, Spec) else inner
    if isinstance(value, Mapping):
        return [s for part in value.values() for s in specs_in(part)]
    if isinstance(value, tuple | list):
        return [s for part in value for s in specs_in(part)]
    return []


def one_by_one(table: AnalysisTable, variables: Iterable[str]) -> Iterator[tuple[tuple[str, ...], Mask]]:
    """Each variable with the (n,) people who have a value of it."""
    yield from (((name,), table.present(table.read_of([name]))) for name in variables)


def by_group(
    table: AnalysisTable, by: str | None, sets: Iterable[tuple[tuple[str, ...], Mask]]
) -> Iterator[tuple[tuple[str, ...], Mask]]:
    """The sets of (n,) people, each parted by the values of a variable, where there is one."""
    if by is None:
        yield from sets
        return
    values = table.column(by)
    groups = [values == value for value in np.unique(values[~np.isnan(values)])]
    yield from ((names, mask & group) for names, mask in sets for group in groups)
