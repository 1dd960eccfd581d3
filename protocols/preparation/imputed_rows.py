"""A site's people whose missing values chained equations fill in: what a chain of draws makes of them.

A completed row follows from the draws and the person alone. What the last question's draws made is kept, so
that the next question, which brings one draw more, does not begin anew; where it brings others, it does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit

from protocols.core.protocol import Arrays
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.estimation.person_draws import normal, uniform


@dataclass(frozen=True)
class Imputation:
    """Which columns are imputed, and how.

    Attributes:
        columns: (k,) names, those that are imputed first, in the order of visits.
        norm: how many of them by linear regression, the first; imputed: how many in all, the others by
            logistic regression.
        imputations, iterations: completed data sets, and rounds through the variables for each.
        seed: of all draws.
    """

    columns: tuple[str, ...]
    norm: int
    imputed: int
    imputations: int
    iterations: int
    seed: int

    def visits(self) -> Iterator[tuple[int, int]]:
        """The number of each visit to a variable, and the variable's position."""
        return ((visit, visit % self.imputed) for visit in range(self.iterations * self.imputed))


@dataclass(frozen=True)
class _Past:
    """The (visits, k + 1) draws of a chain, and what they made of the missing values of each column."""

    draws: Floats
    made: tuple[Floats, ...]


@dataclass(frozen=True)
class ImputedRows:
    """The people of a table who have all predictors.

    Attributes:
        of: which columns are imputed, and how.
        eligible: (n,) mask of the table: who they are.
        centre, scale: (k,) of the standardized columns.
        x: (m, k + 1) their standardized columns, 0 where a value is missing, and ones.
        missing: the places in x of those without a value, for each imputed column; people: their table.
    """

    of: Imputation
    eligible: Mask
    centre: Floats
    scale: Floats
    x: Floats
    missing: tuple[Integers, ...]
    people: tuple[AnalysisTable, ...]
    _past: dict[int, _Past] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def on(cls, table: AnalysisTable, of: Imputation, chain: Arrays) -> "ImputedRows":
        """Those of a table, standardized as a question says, kept for the next one."""
        centre, scale = (np.asarray(chain[name], dtype=np.float64) for name in ("centre", "scale"))
        key = ("imputed", of, centre.tobytes(), scale.tobytes())

        def make() -> ImputedRows:
            x = (table.matrix(of.columns) - centre) / scale
            eligible: Mask = np.asarray(~np.isnan(x[:, of.imputed :]).any(axis=1), dtype=np.bool_)
            bare = AnalysisTable(table.site, table.persons, {}, fold_hashes=table.fold_hashes)
            x, absent = x[eligible], np.isnan(x[eligible])
            missing = tuple(np.flatnonzero(absent[:, j]) for j in range(of.imputed))
            people = []
            for rows in missing:
                those = np.zeros(len(table), dtype=bool)
                those[np.flatnonzero(eligible)[rows]] = True
                people.append(bare.select(those))
            x = np.column_stack([np.where(absent, 0.0, x), np.ones(len(x))])
            return cls(of, eligible, centre, scale, x, missing, tuple(people))

        return table.derived(key, make)

    def completed(self, chain: Arrays) -> Floats:
        """The (m, k + 1) standardized columns after all draws so far, and ones."""
        imputation, draws = int(chain["imputation"]), np.asarray(chain["draws"], dtype=np.float64)
        x, past = self.x.copy(), self._past.get(imputation)
        begun = 0
        if past is not None and np.array_equal(past.draws, draws[: len(past.draws)]):
            begun = len(past.draws)
            for target, made in enumerate(past.made):
                x[self.missing[target], target] = made
        for (visit, target), draw in list(zip(self.of.visits(), draws, strict=False))[begun:]:
            self._fill(x, target, draw, imputation, visit)
        if 0 <= imputation < self.of.imputations:
            kept: tuple[Floats, ...] = tuple(x[rows, target] for target, rows in enumerate(self.missing))
            self._past[imputation] = _Past(draws.copy(), kept)
        return x

    def _fill(self, x: Floats, target: int, draw: Floats, imputation: int, visit: int) -> None:
        """Imputes one column of x in place, by (k + 1,) coefficients and a residual standard deviation."""
        rows, people = self.missing[target], self.people[target]
        if not len(rows):
            return
        linear = self.others(x[rows], target) @ draw[:-1]
        purpose = (self.of.seed, imputation, visit)
        if target < self.of.norm:
            x[rows, target] = linear + draw[-1] * normal(people, *purpose)
        else:
            coin = (uniform(people, *purpose) < expit(linear)).astype(np.float64)
            x[rows, target] = (coin - self.centre[target]) / self.scale[target]

    def others(self, x: Floats, target: int) -> Floats:
        """The (m, k) columns but the target, and ones, of rows (m, k + 1) of x."""
        order = [j for j in range(x.shape[1]) if j != target]
        return np.take(x, order, axis=1)

    def regressed(self, chain: Arrays, target: int) -> tuple[Floats, Mask]:
        """The (m, k + 1) completed rows of the people who have the target, and the (n,) mask of the table."""
        known = np.ones(len(self.x), dtype=bool)
        if target < self.of.imputed:
            known[self.missing[target]] = False
        rows = self.eligible.copy()
        rows[self.eligible] = known
        return self.completed(chain)[known], rows
