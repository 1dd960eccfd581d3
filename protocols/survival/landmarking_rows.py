"""The people of a landmark analysis at a site: who is followed on each landmark, and what is known then.

They are those whose follow-up goes beyond the first landmark and of whom every covariate is known by then. A
value holds until the next one is recorded, so those at a later landmark are the ones of them who are still
followed: no two counts differ by people who came in between.
"""

from dataclasses import dataclass

import numpy as np

from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.survival.landmarking_spec import LandmarkingSpec
from protocols.survival.life_table import FollowUp, follow_up, known_follow_up
from protocols.survival.partial_likelihood import Stratum


@dataclass(frozen=True)
class Landmark:
    """Who is still followed on one landmark.

    Attributes:
        owner: (m,) whose row it is, of the n people.
        x: (m, terms) what is known of them on that day.
        follow: days from the landmark until the event or the last contact; no event after the window counts.
    """

    owner: Integers
    x: Floats
    follow: FollowUp

    def stratum(self) -> Stratum:
        """The rows, with a baseline hazard of their own; covariates about their mean."""
        centred = self.x - self.x.mean(axis=0) if len(self.x) else self.x
        return Stratum(centred, None, self.follow.time, self.follow.event)


@dataclass(frozen=True)
class Stack:
    """The people, and their rows at each landmark.

    Attributes:
        table: of the n people.
        follow: (n,) of people, in days since the first landmark.
        landmarks: their rows at each.
        events: how many people have the event in a window.
    """

    table: AnalysisTable
    follow: FollowUp
    landmarks: tuple[Landmark, ...]
    events: int

    @property
    def x(self) -> Floats:
        """(rows, terms) of all landmarks."""
        return np.concatenate([landmark.x for landmark in self.landmarks])


def stacked(spec: LandmarkingSpec, table: AnalysisTable) -> Stack:
    """The people here, made once a table."""
    return table.derived(("landmarks", spec), lambda: _stacked(spec, table))


def _stacked(spec: LandmarkingSpec, table: AnalysisTable) -> Stack:
    table = known_follow_up(table, spec.outcome)
    first = spec.landmarks[0]
    known = ~np.isnan(_values(spec, table, first)).any(axis=1)
    table = table.select(known & (table.column(f"{spec.outcome}.time") > first))
    whole = follow_up(table, spec.outcome)
    x = np.full((len(table), len(spec.covariates)), np.nan)
    landmarks, affected = [], np.zeros(len(table), dtype=bool)
    for number, day in enumerate(spec.landmarks):
        today = _values(spec, table, day)
        x = np.where(np.isnan(today), x, today)
        owner = np.flatnonzero(whole.time > day)
        days = whole.time[owner] - day
        event = whole.event[owner] & (days <= spec.window_days)
        affected[owner[event]] = True
        landmarks.append(Landmark(owner, spec.design(x[owner], number), FollowUp(None, days, event)))
    since = FollowUp(None, whole.time - first, whole.event)
    return Stack(table, since, tuple(landmarks), int(affected.sum()))


def _values(spec: LandmarkingSpec, table: AnalysisTable, day: float) -> Floats:
    """The (n, covariates) values that hold on a day: those recorded by then; NaN where none is, or nobody."""
    found = np.full((len(table), len(spec.covariates)), np.nan)
    episodes = table.episodes.get(spec.outcome)
    for j, name in enumerate(spec.covariates):
        if episodes is None or name not in episodes.columns:
            found[:, j] = table.column(name)
            continue
        holds = (episodes.start <= day) & (day < episodes.stop)
        found[episodes.owner[holds], j] = episodes.columns[name][holds]
    return found
