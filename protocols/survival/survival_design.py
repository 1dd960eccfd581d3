"""The rows of a survival model at a site: people or episodes, their covariates, weights, strata, clusters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from protocols.core.errors import Code, SpecError
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.survival.life_table import FollowUp, follow_up, known_follow_up
from protocols.survival.partial_likelihood import Stratum


@dataclass(frozen=True)
class Design:
    """The complete rows of a model.

    Attributes:
        people: how many people they are of.
        effective: Kish's number of people behind their weights, (sum w)² / sum w²; people, without weights.
        events: how many events they have.
        owner: (n,) whose row it is.
        x: (n, p) covariates.
        follow: how long, of n rows.
        weight: (n,) case weights; None: 1.
        strata: (n,) number of the stratum within the site.
        cluster: (n,) number of the cluster for robust standard errors.
    """

    people: int
    effective: int
    events: int
    owner: Integers
    x: Floats
    follow: FollowUp
    weight: Floats | None
    strata: Integers
    cluster: Integers

    def by_stratum(self, center: bool = True) -> list[tuple[Mask, Stratum]]:
        """The rows of each stratum, and the stratum, its covariates about their mean there."""
        found = []
        for number in np.unique(self.strata):
            rows = self.strata == number
            part = self.follow if rows.all() else self.follow.select(rows)
            x = self.x if rows.all() else self.x[rows]
            x = x - x.mean(axis=0) if center else x
            weight = None if self.weight is None else self.weight[rows]
            found.append((rows, Stratum(x, part.entry, part.time, part.event, weight)))
        return found


def design(
    table: AnalysisTable,
    outcome: str,
    covariates: Sequence[str],
    *,
    entry: str | None = None,
    episodes: bool = False,
    weight: str | None = None,
    strata: Sequence[str] = (),
    cluster: str | None = None,
) -> Design:
    """The rows of the people with nothing missing.

    Raises:
        SpecError: a weight is not positive, there are no episodes, or the outcome is not days and 0/1.
    """
    if episodes:
        rows = _of_episodes(table, outcome, covariates, [*strata, *_named(weight, cluster)])
    else:
        rows = _of_people(table, outcome, covariates, entry, [*strata, *_named(weight, cluster)])
    table, owner, x, follow = rows
    people, effective, weights = len(table), len(table), None
    if weight:
        of_people = table.column(weight)
        if (of_people <= 0).any():
            raise SpecError(
                Code.INVALID_STUDY, f"weight {weight} is not positive everywhere", "leave those people out"
            )
        if people:
            effective = int(of_people.sum() ** 2 / (of_people**2).sum())
        weights = of_people[owner]
    return Design(
        people,
        min(effective, people),
        int(follow.event.sum()),
        owner,
        x,
        follow,
        weights,
        _numbered(table.matrix(strata))[owner],
        (_cluster(table, cluster) if cluster else np.arange(people))[owner],
    )


def _named(*names: str | None) -> list[str]:
    return [name for name in names if name]


def _of_people(
    table: AnalysisTable, outcome: str, covariates: Sequence[str], entry: str | None, others: Sequence[str]
) -> tuple[AnalysisTable, Integers, Floats, FollowUp]:
    table = known_follow_up(table.complete((*covariates, *others)), outcome, entry)
    follow = follow_up(table, outcome, entry)
    return table, np.arange(len(table)), table.matrix(covariates), follow


def _of_episodes(
    table: AnalysisTable, outcome: str, covariates: Sequence[str], others: Sequence[str]
) -> tuple[AnalysisTable, Integers, Floats, FollowUp]:
    """A covariate that episodes lack is the person's. As in R, episodes without a value are left out."""
    if outcome not in table.episodes:
        raise SpecError(
            Code.UNKNOWN_VARIABLE,
            f"{outcome} has no episodes",
            "name its `changing` variables, or remove `episodes` from the analysis",
        )
    names = [name for name in covariates if name in table.episodes[outcome].columns]
    table = table.complete((*(name for name in covariates if name not in names), *others))
    part = table.episodes[outcome]
    known = np.ones(len(part.owner), dtype=bool)
    for name in names:
        known &= ~np.isnan(part.columns[name])
    followed = np.zeros(len(table), dtype=bool)
    followed[part.owner[known]] = True
    table, known = table.select(followed), known[followed[part.owner]]
    part = table.episodes[outcome]
    owner = part.owner[known]
    columns = [
        part.columns[name][known] if name in names else table.column(name)[owner] for name in covariates
    ]
    x = np.column_stack(columns) if columns else np.zeros((len(owner), 0))
    return table, owner, x, FollowUp(part.start[known], part.stop[known], part.event[known] == 1)


def _numbered(values: Floats) -> Integers:
    """(n,) the number of each row's combination of values; 0 where there are no columns."""
    if not values.shape[1] or not len(values):
        return np.zeros(len(values), dtype=np.int64)
    return np.unique(values, axis=0, return_inverse=True)[1].ravel().astype(np.int64)


def _cluster(table: AnalysisTable, name: str) -> Integers:
    values = table.labels[name].astype(str) if name in table.labels else table.column(name)
    numbers: Integers = np.unique(values, return_inverse=True)[1].ravel().astype(np.int64)
    return numbers


def cluster_products(residuals: Floats, cluster: Integers) -> Floats:
    """The (p, p) sum over clusters of the product of their summed (n, p) score residuals."""
    sums = np.zeros((int(cluster.max(initial=-1)) + 1, residuals.shape[1]))
    np.add.at(sums, cluster, residuals)
    found: Floats = sums.T @ sums
    return found
