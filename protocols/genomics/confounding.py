"""What confounders leave of the correlations between features and outcomes (Frisch-Waugh)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular

from protocols.core.disclosure import Array, Declaration, Flag
from protocols.core.errors import StudyError
from protocols.core.people_in_effect import is_dominated
from protocols.core.table import Floats
from protocols.estimation.moments import Moments, positions
from protocols.estimation.newton import aliased

_UNEXPLAINED = 0.05  # the least share of an outcome's variance that a start supposes to be left
FOLLOWS = 1e-9  # the share of a column's variance that the confounders must leave


def product_bounds(found: Mapping[str, Floats], confounders: int, features: int) -> dict[str, Floats]:
    """How large one person's part of each sum and product can be, from the (k,) `sum` of `moment_bounds`."""
    c, f, o = np.split(found["sum"], [confounders, confounders + features])
    return {
        "sum": found["sum"],
        "square": found["square"],
        "confounding": np.outer(c, c),
        "confounded_features": np.outer(c, f),
        "confounded_outcomes": np.outer(c, o),
        "products": np.outer(f, o),
    }


DOMINATED: Mapping[str, Declaration] = {
    "dominated": Flag("column", what="sites where one or two people make up nearly all of its spread")
}


def without_dominated(x: Floats, z: Floats, sums: Mapping[str, Array]) -> tuple[Floats, dict[str, Array]]:
    """The (n, k) columns z and their sums, 0 where one or two people make up nearly all of a column of x."""
    dominated = np.array([is_dominated(column) for column in x.T], dtype=bool)
    empty = {name: np.where(dominated, 0.0, sums[name]) for name in ("sum", "square")}
    return np.where(dominated, 0.0, z), {**sums, **empty, "dominated": dominated.astype(np.int64)}


@dataclass(frozen=True)
class Left:
    """Correlations of f features and o outcomes after c confounders were taken out.

    Attributes:
        kept: the (k,) positions of confounders that are estimated; aliased: of the others, which follow.
        factor: (k, k) Cholesky factor of the kept ones' correlations.
        x, y: (k, f), (k, o) what of each feature and outcome lies along the confounders.
        product: (f, o) what is left of the correlations.
        x_left, y_left: (f,), (o,) the share of the variance that is left.
    """

    kept: list[int]
    aliased: list[int]
    factor: Floats
    x: Floats
    y: Floats
    product: Floats
    x_left: Floats
    y_left: Floats


def taken_out(among: Floats, with_x: Floats, with_y: Floats, product: Floats) -> Left:
    """What (c, c) confounders leave of (f, o) correlations.

    Args:
        with_x, with_y: (c, f), (c, o) correlations of confounders with features and outcomes.
    """
    out = aliased(among)
    kept = [j for j in range(len(among)) if j not in out]
    factor: Floats = np.asarray(np.linalg.cholesky(among[np.ix_(kept, kept)]), dtype=np.float64)
    x, y = (solve_triangular(factor, along[kept], lower=True) for along in (with_x, with_y))
    left_x, left_y = (1 - (along**2).sum(axis=0) for along in (x, y))
    return Left(kept, list(out), factor, x, y, product - x.T @ y, left_x, left_y)


def linear_estimates(
    left: "Left | Unconfounded", df: int, norm_x: Floats, norm_y: Floats
) -> tuple[Floats, Floats]:
    """The (f, o) least-squares coefficients and their standard errors, by (f,) and (o,) norms about the mean.

    Missing where nothing is left of a feature or an outcome.
    """
    x, y = (np.where(share > FOLLOWS, share, np.nan) for share in (left.x_left, left.y_left))
    slope = np.where(np.isnan(y), np.nan, left.product / x[:, None])  # standardized
    rest = np.maximum(y - slope * left.product, 0.0)
    scale = norm_y / norm_x[:, None]
    return slope * scale, np.sqrt(rest / df / x[:, None]) * scale


def residual_variances(
    left: "Left | Unconfounded", df: int, norm_x: Floats, norm_y: Floats
) -> tuple[Floats, Floats, Floats]:
    """Each feature explained by each outcome: (f, o) coefficients and variances, (o,) unscaled errors.

    The error of a coefficient is the root of its variance times the unscaled error of its outcome.
    """
    turned = replace(left, product=left.product.T, x_left=left.y_left, y_left=left.x_left)
    slope, se = (of.T for of in linear_estimates(turned, df, norm_y, norm_x))
    unscaled = 1 / (norm_y * np.sqrt(np.where(left.y_left > FOLLOWS, left.y_left, np.nan)))
    return slope, (se / unscaled) ** 2, unscaled


@dataclass(frozen=True)
class Unconfounded:
    """Correlations of f features and o outcomes after c confounders were taken out.

    Attributes:
        kept: the (k,) positions of confounders that are estimated; aliased: the others' names.
        confounders: c.
        factor: (k, k) Cholesky factor of the kept ones' correlations.
        x, y: (k, f), (k, o) what of each feature and outcome lies along the confounders.
        product: (f, o) what is left of the correlations.
        x_left, y_left: (f,), (o,) the share of the variance that is left; 0 where it is not to be tested.
        untested: name -> why.
    """

    kept: list[int]
    aliased: tuple[str, ...]
    confounders: int
    factor: Floats
    x: Floats
    y: Floats
    product: Floats
    x_left: Floats
    y_left: Floats
    untested: Mapping[str, str]

    def discriminants(self, share: Floats) -> Floats:
        """The (f, o, c + 2) coefficients of Fisher's discriminant, on standardized columns.

        They are the logistic ones where the columns are normal about the means of those with and without the
        outcome. Terms are the intercept, the confounders and the feature; `share` (o,) is how many have it.
        """
        f, o = self.product.shape
        coef = np.zeros((f, o, self.confounders + 2))
        slope = self.product / np.where(self.x_left > 0, self.x_left, 1.0)[:, None]
        along = self.y[:, None, :] - self.x[:, :, None] * slope  # (k, f, o)
        along = solve_triangular(self.factor, along.reshape(len(along), f * o), lower=True, trans="T")
        coef[:, :, [1 + j for j in self.kept]] = along.reshape(len(self.kept), f, o).transpose(1, 2, 0)
        coef[:, :, -1] = slope
        explained = (self.y**2).sum(axis=0) + slope * self.product  # R^2 of the linear model
        unexplained = np.maximum(1 - explained, _UNEXPLAINED)
        variance = share * (1 - share)
        coef /= (np.sqrt(variance) * unexplained)[:, :, None]
        distance = explained / unexplained / variance  # Mahalanobis, squared
        coef[:, :, 0] = np.log(share / (1 - share)) - (1 - 2 * share) * distance / 2
        return coef


def unconfounded(
    moments: Moments, confounders: Sequence[str], features: Sequence[str], outcomes: Sequence[str]
) -> Unconfounded:
    """What is left beside the confounders, from the arrays of products that `associate` declares.

    Raises:
        StudyError: a confounder does not vary or is rare; names it and the rule.
    """
    at_c, at_f, at_o = (positions(moments.columns, names) for names in (confounders, features, outcomes))
    faults = moments.faults()
    for name in confounders:
        if name in faults:
            raise StudyError(faults[name][0], f"confounder {name}: {faults[name][1]}", "remove it")
    left = taken_out(
        moments.correlation("confounding", at_c, at_c),
        moments.correlation("confounded_features", at_c, at_f),
        moments.correlation("confounded_outcomes", at_c, at_o),
        moments.correlation("products", at_f, at_o),
    )
    untested = {name: reason for name, (_, reason) in faults.items()}
    shares = []
    for names, share in ((features, left.x_left), (outcomes, left.y_left)):
        for name, rest in zip(names, share, strict=True):
            if rest < FOLLOWS:
                untested.setdefault(name, "follows from the confounders")
        shares.append(np.where([name in untested for name in names], 0.0, share))
    return Unconfounded(
        left.kept,
        tuple(confounders[j] for j in left.aliased),
        len(confounders),
        left.factor,
        left.x,
        left.y,
        left.product,
        shares[0],
        shares[1],
        untested,
    )
