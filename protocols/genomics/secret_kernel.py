"""The tests of a set of variants by a center that sees no variant: the sums come in a basis that it lacks.

An entry of the covariance of scores is about the people who carry two variants, of whom there may be one. But
the tests of a set (`kernel_tests`) are the same in any turned basis. So the sites turn scores and covariance
by an orthogonal matrix of their common secret, which is another for each set; the center, who has the totals,
answers the tests, which all sites then say alike; they have these alone, and no total.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from protocols.core.disclosure import Array
from protocols.core.errors import Code, SiteError, StudyError
from protocols.core.protocol import Arrays, Total
from protocols.core.secret import Turn
from protocols.core.table import Floats
from protocols.genomics.kernel_tests import SetTests, set_tests

AXIS = "member"
_FIELDS = ("effect", "se", "q", "p_burden", "p_skat", "p_skato", "p_acat", "rho")
_LEFT = 1e-9  # the share of the burden's variance that the covariates must leave


class SecretKernel:
    """One copy of a question for the tests of k columns, which is closed after the first reply.

    Args:
        size: k.
        covariance: (t, t) of the coefficients of the model without variants, over the residual variance.
        variance: that of the residuals; 1 for a logistic model.
    """

    columns: Sequence[str] = ()
    factors = 0

    def __init__(self, size: int, covariance: Floats, variance: float) -> None:
        self.size = size
        self._covariance, self._variance = covariance, variance
        self._found: Arrays = {}

    def reply(self, total: Total, normal: Callable[[int], Floats] | None) -> Arrays:
        """The tests, of totals in the basis; they need no dither, for they are what is published.

        Raises:
            StudyError: withheld, the sums stand on too few people; rank-deficient, the covariates leave
                nothing of the columns.
        """
        if not all(np.isfinite(total[name]).all() for name in ("score", "covariance", "with_terms")):
            raise StudyError(Code.WITHHELD, "the sums stand on too few people")
        along = total["with_terms"] @ self._covariance
        score = total["score"] - along @ total["residual"]
        kernel = total["covariance"] - along @ total["with_terms"].T
        ones = total["ones"] * np.sqrt(self.size) / np.linalg.norm(total["ones"])
        if not ones @ kernel @ ones > _LEFT * float(ones @ total["covariance"] @ ones):
            raise StudyError(Code.RANK_DEFICIENT, "the covariates leave nothing of a set of variants")
        found = set_tests(score, (kernel + kernel.T) / 2, ones, self._variance)
        tests = {name: np.array(float(value)) for name, value in zip(_FIELDS, _numbers(found), strict=True)}
        return {**tests, "along": ones @ along}

    def follow(self, reply: Arrays, turn: Turn, *, full: bool) -> None:
        """A site's half: it keeps the reply's single numbers; no (k, k) basis is needed for them.

        Raises:
            SiteError: tampered; the reply is not one.
        """
        shapes = {**dict.fromkeys(_FIELDS, ()), "along": (len(self._covariance),)}
        if {name: array.shape for name, array in reply.items()} != shapes:
            raise SiteError(Code.TAMPERED, "the center's reply about a set of variants is not one")
        self._found = dict(reply)

    def asked(self) -> Arrays:
        """Nothing beside what the question says."""
        return {}

    def dithered(self, arrays: Arrays, normal: Callable[[int], Floats]) -> Arrays:
        """The arrays as they are: of the tests alone no variant can be read."""
        return arrays

    def turned(self, arrays: Arrays, axes: Mapping[str, tuple[str, ...]], turn: Turn) -> Arrays:
        """A site's arrays turned along their axes of columns, by the orthogonal part of the (k, k) basis."""
        orthogonal = np.linalg.qr(turn.basis)[0]
        return {name: _turned(array, axes[name], orthogonal) for name, array in arrays.items()}

    def agreed(self, question: Arrays) -> Arrays:
        """The tests, which every site says alike.

        Raises:
            SiteError: tampered; the center has not replied.
        """
        if not self._found:
            raise SiteError(Code.TAMPERED, "a question about a set of variants is closed without a reply")
        return self._found


def read_tests(reply: Arrays) -> SetTests:
    """The tests that a reply holds."""
    return SetTests(**{name: float(reply[name]) for name in _FIELDS})


def _numbers(tests: SetTests) -> tuple[float, ...]:
    return (
        tests.effect,
        tests.se,
        tests.q,
        tests.p_burden,
        tests.p_skat,
        tests.p_skato,
        tests.p_acat,
        tests.rho,
    )


def _turned(array: Array, axes: tuple[str, ...], turn: Floats) -> Array:
    for position, name in enumerate(axes):
        if name == AXIS:
            array = np.moveaxis(np.tensordot(turn, array, (1, position)), 0, position)
    return array
