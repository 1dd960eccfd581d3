"""The elastic net of a likelihood, as a coordination: proximal Newton, one round per evaluation.

    minimise  -loglik / n + penalty * ((1 - a)/2 |b|² + a |b|_1)

on standardized coordinates (glmnet's objective). Each round the likelihood is replaced by its quadratic at
the last point, whose elastic net the coordinator finds exactly; the step is halved where that does not help.

Reference: Friedman, Hastie & Tibshirani, J Stat Softw 33 (2010); Simon et al., J Stat Softw 39 (2011).
"""

from collections.abc import Callable

import numpy as np

from protocols.core.errors import Code, StudyError
from protocols.core.protocol import Coordination
from protocols.core.table import Floats
from protocols.estimation.elastic_net import path
from protocols.estimation.newton import MAX_EVALUATIONS, TOLERANCE, Maximum, Point


def minimise(
    start: Point,
    evaluate: Callable[[Floats], Coordination[Point]],
    *,
    penalty: float,
    l1_ratio: float,
    n: int,
) -> Coordination[Maximum]:
    """The minimum of the penalized likelihood.

    Args:
        start: the likelihood where the search begins, already known.
        evaluate: asks for the likelihood at (p,) coefficients.
        penalty: above 0.
        l1_ratio: a above; 0 is ridge, 1 the lasso.
        n: people.

    Raises:
        StudyError: not-converged.
    """

    def objective(point: Point) -> float:
        b = point.coef
        size = (1 - l1_ratio) / 2 * float(b @ b) + l1_ratio * float(np.abs(b).sum())
        return -point.loglik / n + penalty * size

    def step_from(point: Point) -> Floats:
        gradient = (point.information @ point.coef + point.score) / n
        step: Floats = path(point.information / n, gradient, [penalty], l1_ratio).coef[0] - point.coef
        return step

    point, step = start, step_from(start)
    for evaluations in range(MAX_EVALUATIONS):
        if np.abs(step).max(initial=0.0) < TOLERANCE:
            return Maximum(point.coef + step, point, evaluations)
        coef = point.coef + step
        new = yield from evaluate(coef)
        if objective(new) > objective(point) + 1e-12 * (1 + abs(objective(point))):
            step = step / 2
            continue
        point, step = new, step_from(new)
    raise StudyError(
        Code.NOT_CONVERGED,
        f"no penalized fit after {MAX_EVALUATIONS} evaluations",
        "choose a larger penalty",
    )
