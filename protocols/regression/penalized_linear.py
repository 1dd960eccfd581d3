"""Ridge, lasso and elastic net paths of a linear model, from its moments."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from protocols.core.table import Floats, Integers
from protocols.estimation import elastic_net
from protocols.estimation.moments import Intercepts, Moments
from protocols.estimation.newton import aliased


class Penalty(BaseModel):
    """A path of penalties on standardized covariates.

    Attributes:
        l1_ratio: 0 is ridge, 1 the lasso.
        lambdas: of RSS / 2n + lambda * (...); empty takes `number` of them, from the one that leaves none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    l1_ratio: float = Field(default=1.0, ge=0, le=1)
    lambdas: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(), max_length=1000)
    number: int = Field(default=100, ge=1, le=1000)


@dataclass(frozen=True)
class PenalizedPath:
    """Penalized fits, coefficients on the original scale.

    Attributes:
        lambdas: (L,) descending.
        coef: (L, p) of the covariates; intercept: (L,), missing with an intercept for each site.
        nonzero: (L,) coefficients that are not 0; df: (L,) effective degrees of freedom.
        r_squared: (L,); bic: (L,) n log(RSS / n) + df log(n), least where it would be chosen.
        violation: largest departure from optimality, as a share of the largest gradient; 0 if rounding.
    """

    lambdas: Floats
    coef: Floats
    intercept: Floats
    nonzero: Integers
    df: Floats
    r_squared: Floats
    bic: Floats
    violation: float


def path_of_moments(
    penalty: Penalty, intercepts: Intercepts, moments: Moments, R: Floats, gradient: Floats
) -> PenalizedPath:
    """Penalized fits from correlations and covariances; for the lasso, aliased covariates stay at 0."""
    out = aliased(R) if penalty.l1_ratio == 1 else []
    kept = [j for j in range(len(R)) if j not in out]
    lambdas = penalties(penalty, gradient[kept])
    found = elastic_net.path(R[np.ix_(kept, kept)], gradient[kept], lambdas, penalty.l1_ratio)
    coef = np.zeros((len(lambdas), len(R)))
    coef[:, kept] = found.coef
    explained = 2 * coef @ gradient - np.einsum("li,ij,lj->l", coef, R, coef)
    original = coef / (moments.norm[:-1] / np.sqrt(moments.n))
    return penalized_path(
        intercepts,
        found,
        original,
        moments.mean[-1] - original @ moments.mean[:-1],
        (explained, float(moments.norm[-1] ** 2 / moments.n)),
        moments.n,
        elastic_net.degrees_of_freedom(R, coef, lambdas * (1 - penalty.l1_ratio)),
    )


def penalties(penalty: Penalty, gradient: Floats) -> Floats:
    """(L,) penalties, descending, from the (p,) covariances of standardized covariates with the outcome."""
    if penalty.lambdas:
        return np.sort(np.array(penalty.lambdas))[::-1]
    return elastic_net.penalties(gradient, penalty.l1_ratio, penalty.number)


def penalized_path(
    intercepts: Intercepts,
    found: elastic_net.Path,
    coef: Floats,
    intercept: Floats,
    variance: tuple[Floats, float],
    n: int,
    df: Floats,
) -> PenalizedPath:
    """The path of coefficients on the original scale; `variance` is what each explains, and the outcome's."""
    explained, total = variance
    return PenalizedPath(
        lambdas=found.lambdas,
        coef=coef,
        intercept=intercept if intercepts == "common" else np.full(len(intercept), np.nan),
        nonzero=np.count_nonzero(coef, axis=1),
        df=df,
        r_squared=explained / total,
        bic=n * np.log(total - explained) + np.log(n) * df,
        violation=found.violation,
    )
