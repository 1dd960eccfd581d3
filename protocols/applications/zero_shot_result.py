"""A map from features to descriptions of diseases: its tables, its figure, and people's diseases by it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from protocols.core.figure import Figure
from protocols.core.protocol import Result
from protocols.core.table import Floats, Integers, Mask
from protocols.results.figures import matrix

CLOSE = 0.5
"""The cosine between a person's predicted attributes and a description, below which it is not close."""


@dataclass(frozen=True)
class ZeroShotResult(Result):
    """A linear map of p features to a attributes, and D described diseases.

    Attributes:
        outcome: the variable of classes; features: (p,).
        n: people of each class of the model.
        diseases: (D,) names; seen: (D,) whether a disease has training cases.
        descriptions: (D, a).
        center, spread: (p,) what is taken from features, and what they are divided by, before the map.
        weights: (p, a) the map.
        allowance: taken from the scores of seen diseases.

    >>> from protocols.exchange.example import run_example
    >>> model = {"outcome": "grade", "classes": [0, 1, 2], "covariance": "shared", "measured": ["age"]}
    >>> found = run_example(
    ...     protocol="zero_shot",
    ...     model=model,
    ...     descriptions={"I": [0, 0, 1], "II": [0, 1, 0], "III": [1, 0, 0], "new": [1, 1, 0]},
    ...     seen={"I": 0, "II": 1, "III": 2},
    ... )
    >>> found.summary().round(2)
          seen   age
    I     True -0.06
    II    True -0.00
    III   True  0.06
    new  False  0.06
    >>> found.ranked([found.center + 2 * found.spread])  # of an older person
    [('III',)]
    """

    outcome: str
    features: tuple[str, ...]
    n: Integers
    diseases: tuple[str, ...]
    seen: Mask
    descriptions: Floats
    center: Floats
    spread: Floats
    weights: Floats
    allowance: float

    def attributes(self, x: ArrayLike) -> Floats:
        """The (n, a) attributes that the map predicts of (n, p) features; NaN where a feature is missing."""
        return np.asarray((np.asarray(x) - self.center) / self.spread @ self.weights)

    def scores(self, x: ArrayLike) -> Floats:
        """The (n, D) products of predicted attributes and descriptions, less the allowance of seen ones."""
        return np.asarray(self.attributes(x) @ self.descriptions.T - self.allowance * self.seen)

    def closeness(self, x: ArrayLike) -> Floats:
        """The (n, D) cosines between predicted attributes and descriptions; 0 of a person who has none."""
        predicted = self.attributes(x)
        length = np.linalg.norm(predicted, axis=1)[:, None] * np.linalg.norm(self.descriptions, axis=1)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.nan_to_num(predicted @ self.descriptions.T / length, nan=0.0))

    def ranked(self, x: ArrayLike, close: float = CLOSE) -> list[tuple[str, ...]]:
        """Each person's diseases, the likeliest first, of those whose description is close to the person.

        Args:
            x: (n, p) features.
            close: the least cosine; a person without any such disease, or with a missing feature, has none:
                no close description.
        """
        scores, near = self.scores(x), self.closeness(x) >= close
        order = np.argsort(-scores, axis=1, kind="stable")
        return [
            tuple(self.diseases[d] for d in row if is_near[d])
            for row, is_near in zip(order, near, strict=True)
        ]

    def summary(self) -> pd.DataFrame:
        """One row per disease: whether it has training cases, and how much each feature speaks for it.

        By how much the score rises with one standard deviation of the feature, or one unit where features
        are not standardized.
        """
        effects = pd.DataFrame(self.weights @ self.descriptions.T, self.features, self.diseases).T
        effects.insert(0, "seen", self.seen)
        return effects

    def figure(self) -> Figure:
        """How much each feature speaks for each disease, as in `summary`."""
        names = tuple(
            name if seen else f"{name} (no cases)"
            for name, seen in zip(self.diseases, self.seen, strict=True)
        )
        effects = (self.weights @ self.descriptions.T).T
        panel = matrix(
            names, self.features, effects, measure="score", title="What a feature says of a disease"
        )
        seen, rare = int(self.seen.sum()), int((~self.seen).sum())
        caption = f"Learned from {self.n.sum()} people of {seen} diseases"
        return Figure((panel,), f"{caption}; {rare} more are known by their description alone.")
