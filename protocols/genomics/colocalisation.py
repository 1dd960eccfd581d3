"""Colocalisation: whether two traits of one region share a causal variant, or have one each nearby.

Each of the region's variants may be the one that causes a trait: the evidence for it is an approximate Bayes
factor of its effect and standard error, with a normal prior of the effect about 0. Five hypotheses are
weighed: none is caused here, the first trait alone, the second alone, both by different variants, both by
the same one. At most one causal variant a trait is taken to be in the region, and to be among those tested.

Reference: Giambartolomei et al., PLoS Genet 10 (2014) e1004383; Wakefield, Genet Epidemiol 33 (2009) 79; R
`coloc::coloc.abf`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from protocols.core.errors import Code, InputError
from protocols.core.figure import Axis, Bar, Bars, Figure
from protocols.core.table import Floats

HYPOTHESES = ("neither", "first alone", "second alone", "both, by different variants", "both, by one variant")


@dataclass(frozen=True)
class ColocalisationResult:
    """How likely each of five hypotheses is of a region of m variants.

    Attributes:
        first, second: the traits' names.
        variants: (m,) names.
        probability: (5,) of HYPOTHESES.
        shared: (m,) the probability that a variant is the one that both share, if one is.
        prior: that a variant causes the first trait, the second, both.

    >>> import numpy as np
    >>> effect, se = np.array([0.0, 0.5, 0.1]), np.full(3, 0.05)
    >>> same = colocalisation("volume", "ki67", list("abc"), (effect, se, 0.15), (effect, se, 0.15))
    >>> same.summary()["probability"].round(3).tolist()
    [0.0, 0.0, 0.0, 0.0, 1.0]
    """

    first: str
    second: str
    variants: tuple[str, ...]
    probability: Floats
    shared: Floats
    prior: tuple[float, float, float]

    def summary(self) -> pd.DataFrame:
        """One row per hypothesis."""
        return pd.DataFrame({"probability": self.probability}, pd.Index(HYPOTHESES, name="hypothesis"))

    def by_variant(self) -> pd.DataFrame:
        """The most likely shared variants first, up to which one of them holds it with 95 % as `credible`."""
        frame = pd.DataFrame({"shared": self.shared}, pd.Index(self.variants, name="variant"))
        frame = frame.sort_values("shared", ascending=False, kind="stable")
        frame["credible"] = frame["shared"].cumsum() - frame["shared"] < 0.95
        return frame

    def figure(self) -> Figure:
        rows = tuple(
            Bar(name, float(p), f"{p:.1%}") for name, p in zip(HYPOTHESES, self.probability, strict=True)
        )
        causes = f"What causes {self.first} (first) and {self.second} (second)"
        return Figure(
            (Bars("", Axis("probability"), rows),), f"{causes} among {len(self.variants)} variants."
        )


def colocalisation(
    first: str,
    second: str,
    variants: list[str],
    of_first: tuple[Floats, Floats, float],
    of_second: tuple[Floats, Floats, float],
    *,
    p1: float = 1e-4,
    p2: float = 1e-4,
    p12: float = 1e-5,
) -> ColocalisationResult:
    """The five hypotheses of the variants of one region, whether or not any is significant.

    Args:
        of_first, of_second: (m,) effects of the same alleles, (m,) standard errors, and the standard
            deviation that an effect has before the data are seen.
        p1, p2, p12: that a variant causes the first trait alone, the second alone, both.

    Raises:
        InputError: not-found; no variant is in both.
    """
    if not variants:
        raise InputError(Code.NOT_FOUND, "there is no variant of the region in both scans")
    one, two = _log_bayes_factors(*of_first), _log_bayes_factors(*of_second)
    both = one + two
    alone, other, shared = logsumexp(one), logsumexp(two), logsumexp(both)
    log_odds = np.array(
        [
            0.0,
            np.log(p1) + alone,
            np.log(p2) + other,
            np.log(p1) + np.log(p2) + _log_less(alone + other, shared),
            np.log(p12) + shared,
        ]
    )
    return ColocalisationResult(
        first=first,
        second=second,
        variants=tuple(variants),
        probability=np.exp(log_odds - logsumexp(log_odds)),
        shared=np.exp(both - shared),
        prior=(p1, p2, p12),
    )


def _log_bayes_factors(effect: Floats, se: Floats, spread: float) -> Floats:
    """(m,) logarithms of the Bayes factors of an effect against none (Wakefield 2009)."""
    shrink = spread**2 / (spread**2 + se**2)
    found: Floats = 0.5 * (np.log1p(-shrink) + shrink * (effect / se) ** 2)
    return found


def _log_less(larger: float, smaller: float) -> float:
    """log(exp(larger) - exp(smaller)); minus infinity of equal ones, as of a region of one variant."""
    with np.errstate(divide="ignore"):
        return float(larger + np.log(-np.expm1(min(smaller - larger, 0.0))))
