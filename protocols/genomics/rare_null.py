"""The model without variants: its coefficients on changed covariates, and how these vary."""

from dataclasses import dataclass

import numpy as np

from protocols.core.errors import Code, StudyError
from protocols.core.protocol import Coordination
from protocols.core.table import Floats
from protocols.estimation.climb import Climb, climbed
from protocols.estimation.moments import Moments
from protocols.estimation.newton import check_rank
from protocols.estimation.outcome import same_outcome
from protocols.genomics.rare_spec import RareVariantsSpec

FEWEST_DF = 10
"""Residual degrees of freedom below which nothing is tested."""


@dataclass(frozen=True)
class Null:
    """The model without variants, as all sides know it.

    Attributes:
        coef: (t,) of the intercept and the covariates, less `shift` times `scale`, (c,) each.
        covariance: (t, t) of the coefficients over the residual variance.
        variance: that of the residuals; 1 for a logistic model.
    """

    coef: Floats
    covariance: Floats
    variance: float
    shift: Floats
    scale: Floats

    def question(self) -> dict[str, Floats]:
        """What a site has to know of it."""
        return {"coef": self.coef, "shift": self.shift, "scale": self.scale}


def fitted(spec: RareVariantsSpec, moments: Moments) -> Coordination[Null]:
    """The model, from moments, or by Newton's method for a 0/1 outcome.

    Raises:
        StudyError: the covariates follow from each other; too few degrees of freedom; everybody has the
            outcome or nobody.
    """
    c = len(spec.covariates)
    if moments.n - c - 1 < FEWEST_DF:
        raise StudyError(
            Code.WITHHELD,
            f"fewer than {FEWEST_DF} residual degrees of freedom are left",
            "use fewer covariates, or include more people",
        )
    shift, scale = (numbers[:c] for numbers in moments.finer())
    if spec.model == "linear":
        return _linear(spec, moments, shift, scale)
    climb = Climb("null", np.zeros(c + 1), {"shift": shift, "scale": scale}, columns=spec.covariates)
    start = yield climb.ask()
    if int(start["n_events"]) in (0, int(start["n"])):
        raise same_outcome(spec.outcome, "everybody with complete data")
    top = yield from climbed(climb, start, ("(Intercept)", *spec.covariates), np.eye(c + 1))
    return Null(top.coef, top.covariance, 1.0, shift, scale)


def _linear(spec: RareVariantsSpec, moments: Moments, shift: Floats, scale: Floats) -> Null:
    c = len(spec.covariates)
    at = list(range(c))
    among, along = (
        moments.correlation("confounding", at, at),
        moments.correlation("confounded_outcomes", at, [c]),
    )
    norm, outcome_norm = moments.norm[:c] * scale, moments.norm[c]
    mean = (moments.mean[:c] - shift) * scale
    information = np.zeros((c + 1, c + 1))
    information[0, 0] = moments.n
    information[0, 1:] = information[1:, 0] = moments.n * mean
    information[1:, 1:] = among * np.outer(norm, norm) + moments.n * np.outer(mean, mean)
    check_rank(information, ("(Intercept)", *spec.covariates))
    standardized = np.linalg.solve(among, along[:, 0])
    slopes = standardized * outcome_norm / norm
    coef = np.concatenate([[moments.mean[c] - slopes @ mean], slopes])
    rest = float(outcome_norm**2 * (1 - along[:, 0] @ standardized))
    return Null(
        coef,
        np.asarray(np.linalg.inv(information), dtype=np.float64),
        rest / (moments.n - c - 1),
        shift,
        scale,
    )
