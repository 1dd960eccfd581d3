"""What the numbers of people say about a 0/1 outcome before any model does."""

import numpy as np

from protocols.core.errors import Code, SiteError, StudyError
from protocols.core.table import Floats


def null_loglik(n: int, events: int) -> float:
    """The log-likelihood of a model of the intercept alone, of n people with so many events."""
    return float(events * np.log(events / n) + (n - events) * np.log(1 - events / n))


def zero_one(y: Floats, outcome: str) -> Floats:
    """The (n,) outcome, which is 0 or 1 for everybody.

    Raises:
        SiteError: invalid-input; it is another number for somebody, and no share of people can be meant.
    """
    if not ((y == 0) | (y == 1)).all():
        raise SiteError(Code.INVALID_INPUT, f"{outcome} is not 0 or 1 for everybody here")
    return y


def same_outcome(outcome: str, of: str = "everybody") -> StudyError:
    """The error that the outcome does not vary among these people, to be raised."""
    return StudyError(
        Code.SEPARATION,
        f"{outcome} is the same for {of}",
        "choose an outcome that varies among these people, or other people",
    )
