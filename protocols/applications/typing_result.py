"""A class-conditional model as a result: its tables, its figure, and people's classes by it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from protocols.applications.class_model import ClassModel
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Estimates, Figure, HeatMap, Panel
from protocols.core.protocol import Arrays
from protocols.core.roles import Applicable
from protocols.core.table import Floats, Integers, Mask
from protocols.estimation.two_by_two import share
from protocols.estimation.waiting import decisions, waiting_zone
from protocols.results.figures import estimate, matrix


@dataclass(frozen=True)
class Sets:
    """Sets of classes by C thresholds, and how often they hold the true class of people who calibrated them.

    Attributes:
        miss: the probability with which a set may lack the true class.
        n: people who calibrated; people: (C,) of each class; covered: (C,) of them whose set holds it.
        threshold: (C,) a set has the classes that are improbable by no more than this.
        size: mean number of classes in a set.
        accuracy: share of people whose class is the most probable one.
        by_site: site -> people who calibrated there, and the share of them whose set holds their class.
    """

    miss: float
    n: int
    people: Integers
    covered: Integers
    threshold: Floats
    size: float
    accuracy: float
    by_site: Mapping[str, tuple[int, float]]


@dataclass(frozen=True)
class TypingResult(Applicable):
    """Distributions of features within C classes.

    Attributes:
        outcome: its name; classes: (C,) codes; n: (C,) people.
        prior: (C,) share of each class where the model is used.
        measured: (p,) features; known: (C, p) people with a value, of those who
            have them all where there is a matrix.
        mean: (C, p); covariance: (C, p, p).
        levels: (L,) of the coded features, "feature=level"; sizes: (q,) how many each has.
        shares: (C, L) of each level in the class, with Laplace's rule.
        guessed: (C, L) whether people with the level are too few, or hide those, so that the share is not
            their own.
        sets: sets of classes, where they were asked for.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="typing", outcome="idh1", measured=["age"], coded={"grade": [0, 1, 2]})
    >>> found.summary().round(2)
             idh1=0  sd of idh1=0  idh1=1  sd of idh1=1
    age       57.43          11.0   44.86          10.5
    grade=0    0.27           NaN    0.42           NaN
    grade=1    0.33           NaN    0.35           NaN
    grade=2    0.40           NaN    0.23           NaN
    """

    outcome: str
    classes: tuple[float, ...]
    n: Integers
    prior: Floats
    measured: tuple[str, ...]
    known: Integers
    mean: Floats
    covariance: Floats
    levels: tuple[str, ...]
    sizes: Integers
    shares: Floats
    guessed: Mask
    sets: Sets | None

    def names(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(f"{self.outcome}={code:g}" for code in self.classes)

    def summary(self) -> pd.DataFrame:
        """One row per feature or level: its mean and standard deviation, or its share, in each class."""
        sd = np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))
        columns = {}
        for c, name in enumerate(self.names()):
            columns[name] = np.concatenate([self.mean[c], self.shares[c]])
            columns[f"sd of {name}"] = np.concatenate([sd[c], np.full(len(self.levels), np.nan)])
        return pd.DataFrame(columns, index=[*self.measured, *self.levels])

    def model(self) -> ClassModel:
        """The model, which gives probabilities of rows."""
        return ClassModel(self.prior, self.mean, self.covariance, self.shares, self.sizes)

    def decisions(
        self, x: Floats, codes: Integers, *, false_alarm: float, missed: float, wait: float
    ) -> Integers:
        """(n,) 0 to leave, 1 to wait for another test, 2 to act, by the chance of the last of two classes.

        Args:
            x, codes: (n, p) measured features and (n, q) levels, as `ClassModel.probabilities` takes them.
            false_alarm, missed, wait: what acting without the event, missing it, and waiting cost.

        Raises:
            StudyError: invalid-study; there are more classes than two.
        """
        if len(self.classes) > 2:
            raise StudyError(Code.INVALID_STUDY, "a decision is about two classes", "merge the others")
        return decisions(self.model().probabilities(x, codes)[:, 1], waiting_zone(false_alarm, missed, wait))

    def transform_arrays(self) -> Arrays:
        return self.named("prior", "mean", "covariance", "shares", "sizes")

    def figure(self) -> Figure:
        """Class means in standard deviations, shares of levels, and how often sets hold the true class."""
        panels = (*self._means(), *self._shares(), *self._coverage())
        caption = f"{self.n.sum()} people of {len(self.classes)} classes."
        if self.guessed.any():
            caption += " Shares of levels that too few people of a class have are not their own."
        if self.sets is not None:
            caption += (
                f" Sets hold {self.sets.size:.2f} classes on average; the most probable one is the true one "
                f"of {self.sets.accuracy:.0%} of {self.sets.n} people who did not train the model."
            )
        return Figure(panels, caption)

    def _means(self) -> Iterator[Panel]:
        if not self.measured:
            return
        weight = self.n / self.n.sum()
        middle = weight @ self.mean
        spread = np.sqrt(weight @ np.diagonal(self.covariance, axis1=1, axis2=2))
        title = "Means about that of all, in standard deviations within a class"
        away = (self.mean - middle) / spread
        yield matrix(self.names(), self.measured, away, measure="standard deviations", title=title)

    def _shares(self) -> Iterator[Panel]:
        if not self.levels:
            return
        cells = tuple(tuple(float(value) for value in row) for row in self.shares)
        yield HeatMap("Shares within the class", self.names(), self.levels, cells, "share", 0.0, 1.0)

    def _coverage(self) -> Iterator[Panel]:
        if self.sets is None:
            return
        found = share(self.sets.covered, self.sets.people, 0.95)
        rows = [
            estimate(f"{name} ({people})", value)
            for name, people, value in zip(self.names(), self.sets.people, found, strict=True)
        ]
        for site, (n, covered) in sorted(self.sets.by_site.items()):
            if np.isfinite(covered):
                rows.append(estimate(f"{site} ({n})", share(covered * n, n, 0.95)))
        axis = Axis("share of sets with the true class", low=0.0, high=1.0)
        yield Estimates("Sets of classes", axis, tuple(rows), 1 - self.sets.miss)
