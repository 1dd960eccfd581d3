"""A class-conditional model of mixed features: how likely a person's features are in each class.

Within a class, measured features are normal with a covariance matrix, coded ones have a share for each level,
and all coded ones are independent of each other and of the measured ones. A value that is missing is
integrated out exactly: a normal distribution of fewer features is normal again, a coded feature drops out.

Reference: Anderson, An Introduction to Multivariate Statistical Analysis (2003), ch. 2 and 6; Hastie,
Tibshirani & Friedman, The Elements of Statistical Learning (2009), ch. 4.3 and 6.6.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import chdtrc, logsumexp

from protocols.core.disclosure import Array
from protocols.core.table import Floats, Integers

ABSENT = -1
"""Stands for a coded feature that is missing."""


@dataclass(frozen=True)
class ClassModel:
    """The numbers of a model of C classes, p measured features, and coded ones with L levels in all.

    Attributes:
        prior: (C,) share of each class among the people whom the model is applied to.
        mean: (C, p); covariance: (C, p, p).
        shares: (C, L) of each level of each coded feature in the class, feature after feature.
        sizes: (q,) how many levels each coded feature has.
    """

    prior: Floats
    mean: Floats
    covariance: Floats
    shares: Floats
    sizes: Integers

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> "ClassModel":
        """From the arrays that a site is sent."""
        prior, mean, covariance, shares = (
            np.asarray(arrays[name], dtype=np.float64) for name in ("prior", "mean", "covariance", "shares")
        )
        return cls(prior, mean, covariance, shares, np.asarray(arrays["sizes"], dtype=np.int64))

    def probabilities(self, x: Floats, codes: Integers) -> Floats:
        """The (n, C) probabilities of the classes; those of the prior where nothing is known.

        Args:
            x: (n, p) measured features, NaN where missing.
            codes: (n, q) levels of coded features from 0, `ABSENT` where missing.
        """
        log = self.log_density(x, codes) + np.log(self.prior)
        return np.asarray(np.exp(log - logsumexp(log, axis=1, keepdims=True)))

    def log_density(self, x: Floats, codes: Integers) -> Floats:
        """The (n, C) logarithms of the density of what is known of each person; arguments as above."""
        found, _ = self._measured(x)
        first = np.cumsum(self.sizes) - self.sizes
        for q, begin in enumerate(first):
            known = codes[:, q] != ABSENT
            found[known] += np.log(self.shares[:, begin + codes[known, q]]).T
        return found

    def typicality(self, x: Floats) -> Floats:
        """(n,) the largest chance over the classes that one of the class lies as far out; 1: nothing known.

        Of measured features, by the chi-squared distribution of their squared Mahalanobis distances.
        """
        _, distance = self._measured(x)
        known = (~np.isnan(x)).sum(axis=1)
        chance = chdtrc(np.maximum(known, 1)[:, None], distance).max(axis=1)
        return np.asarray(np.where(known > 0, chance, 1.0))

    def _measured(self, x: Floats) -> tuple[Floats, Floats]:
        """The (n, C) log densities of the measured features and their squared Mahalanobis distances."""
        log, distance = np.zeros((2, len(x), len(self.prior)))
        patterns, which = np.unique(~np.isnan(x), axis=0, return_inverse=True)
        for number, known in enumerate(patterns):
            if not known.any():
                continue
            rows = which.ravel() == number
            for c, (mean, covariance) in enumerate(zip(self.mean, self.covariance, strict=True)):
                root = np.linalg.cholesky(covariance[np.ix_(known, known)])
                z = solve_triangular(root, (x[np.ix_(rows, known)] - mean[known]).T, lower=True)
                distance[rows, c] = (z**2).sum(axis=0)
                size = np.log(np.diag(root)).sum() + known.sum() * np.log(2 * np.pi) / 2
                log[rows, c] = -distance[rows, c] / 2 - size
        return log, distance


def shrunken(covariance: Floats, shrinkage: float) -> Floats:
    """The (C, p, p) covariances moved towards the mean variance times the identity, by a share of 0 to 1."""
    p = covariance.shape[-1]
    middle = np.trace(covariance, axis1=1, axis2=2) / max(p, 1)
    return np.asarray((1 - shrinkage) * covariance + shrinkage * middle[:, None, None] * np.eye(p))
