"""What the numbers of people say about a 0/1 outcome before any model does."""

import numpy as np

from protocols.core.errors import Code, StudyError


def null_loglik(n: int, events: int) -> float:
    """The log-likelihood of a model of the intercept alone, of n people with so many events."""
    return float(events * np.log(events / n) + (n - events) * np.log(1 - events / n))


def same_outcome(outcome: str, of: str = "everybody") -> StudyError:
    """The error that the outcome does not vary among these people, to be raised."""
    return StudyError(
        Code.SEPARATION,
        f"{outcome} is the same for {of}",
        "choose an outcome that varies among these people, or other people",
    )
