"""The climb of a Cox model with one baseline hazard for all sites, in a secret basis: two questions a step.

A partial likelihood of joined risk sets is no sum over sites, but it follows from sums over the risk sets: of
risks (S0), of risks times covariates (S1), and the same of events, for Efron's ties. The first question of a
point asks for these. Of S0 and S1 the center needs the ratio alone, so the sites multiply both by a secret
factor, one for each interval and question: else the fall of S0 from interval to interval is an equation about
those who left. The center answers the increments of the hazard in that scale; the second question asks for
the products of covariates, weighted by each person's expected events, in the basis of the first.

A hazard tells the sites, who know the coefficients, what the risks of those at risk come to. So where digits
are not full it is off by a third of what S0 would vary by in another sample; the center takes each interval's
share of the information by the same factor, which stays positive definite and changes no score.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from protocols.core.disclosure import Array
from protocols.core.errors import Code, SiteError, StudyError
from protocols.core.protocol import Arrays, Ask, Total
from protocols.core.secret import Turn
from protocols.core.table import Floats
from protocols.estimation.climb import DITHER, Climb, State, margin
from protocols.survival.partial_likelihood import RiskSums, Ties

_OFF = 0.3  # of the standard deviation of a sum over so many people, over the sum
_MOST_OFF = 0.9
_SCALED = ("s0", "s1", "d0", "d1")


class SharedClimb(Climb):
    """A climb whose sums are over the risk sets of all sites together.

    Args:
        start: (p,) coefficients, known to all.
        common: the arrays of both questions beside the coefficients.
        bins: intervals of the grid.
        ties: as the model counts them.
        columns, ridge: as in `Climb`.
    """

    def __init__(
        self,
        start: Floats,
        common: Mapping[str, Array],
        *,
        bins: int,
        ties: Ties,
        columns: Sequence[str],
        ridge: float = 0.0,
    ) -> None:
        super().__init__("risk_sums", start, common, columns=columns, axis="covariate", ridge=ridge)
        self._bins, self._ties = bins, ties
        self._point: tuple[Total, RiskSums, Floats] | None = None  # the center's, between its two questions
        self._weighs = False  # a site's, between them
        self._hazard, self._tied = np.zeros((2, bins))
        self._turn = Turn.none(self.size, bins)

    @property
    def factors(self) -> int:
        return self._bins

    def ask(self) -> Ask:
        """The question for the sums over risk sets, or for the information where these are known."""
        asked = super().ask()
        return replace(asked, step="expected_products") if self._point or self._weighs else asked

    # The center's half

    def reply(self, total: Total, normal: Callable[[int], Floats] | None) -> Arrays:
        if self._point is not None:
            return self._weighed(*self._point, total, normal)
        _refuse_hidden(total)
        sums = RiskSums.of(total, self._ties)
        loglik, score = sums.loglik_and_score(total)
        if halved := self._ascent.halved(loglik, margin(self.size, normal)):
            return halved
        weight = np.ones(self._bins)
        if normal is not None:
            off = _OFF * normal(self._bins) / np.sqrt(np.maximum(total["at_risk"], 1))
            weight = 1 + np.clip(off, -_MOST_OFF, _MOST_OFF)
        derivatives = {
            "loglik": np.array(loglik),
            "score": score,
            **{name: total[name] for name in ("n", "n_events")},
        }
        self._point = replace(total, arrays=derivatives), sums, weight
        state = np.array(int(State.WEIGH))
        return {"state": state, "hazard": weight * sums.hazard, "tied": weight * sums.tied}

    def _weighed(
        self,
        point: Total,
        sums: RiskSums,
        weight: Floats,
        total: Total,
        normal: Callable[[int], Floats] | None,
    ) -> Arrays:
        """The reply to the second question of a point, whose sums and (bins,) weights these are."""
        self._point = None
        _refuse_hidden(total)
        information = total["products"] - sums.outer(weight)
        return super().reply(replace(point, arrays={**point.arrays, "information": information}), normal)

    # A site's half

    def follow(self, reply: Arrays, turn: Turn, *, full: bool) -> None:
        """Goes on at a site by the center's reply to the round of this turn.

        Raises:
            SiteError: tampered; a step is further than any search goes, or it is no such reply.
        """
        if reply.get("state") == State.WEIGH and not self._weighs:
            hazards = [np.asarray(reply.get(name)) for name in ("hazard", "tied")]
            if any(h.shape != (self._bins,) or not (h >= 0).all() for h in hazards):
                raise SiteError(Code.TAMPERED, "the center's reply holds no hazards")
            self._hazard, self._tied = (h * turn.factors for h in hazards)
            self._turn, self._weighs, self._full = turn, True, self._full and full
            return
        super().follow(reply, self._turn if self._weighs else turn, full=full)
        self._weighs = False

    def asked(self) -> Arrays:
        """The coefficients at which a site evaluates; in the second question the hazards too."""
        known = {"hazard": self._hazard, "tied": self._tied} if self._weighs else {}
        return {**super().asked(), **known}

    def dithered(self, arrays: Arrays, normal: Callable[[int], Floats]) -> Arrays:
        """A site's sums, those of covariates at events off by a hundredth of what they vary by."""
        if self._weighs:
            return arrays
        noise = DITHER * np.sqrt(float(arrays["n_events"])) * normal(self.size)
        return {**arrays, "observed": arrays["observed"] + noise}

    def turned(self, arrays: Arrays, axes: Mapping[str, tuple[str, ...]], turn: Turn) -> Arrays:
        """A site's arrays in the basis of the point, sums over risk sets times their secret factors.

        The log-likelihood keeps its value: what the factors add to the logarithms is added to `observed_eta`.
        """
        if self._weighs:
            return super().turned(arrays, axes, self._turn)
        scaled = {name: (arrays[name].T * turn.factors).T for name in _SCALED}
        eta = float(arrays["observed_eta"]) + float(arrays["weight"] @ np.log(turn.factors))
        return super().turned({**arrays, **scaled, "observed_eta": np.array(eta)}, axes, turn)

    def penalized(self, arrays: Arrays) -> Arrays:
        """The same with the ridge of its `n` people."""
        ridge, coef = float(arrays["n"]) * self.ridge, self.asked()["coef"]
        if self._weighs:
            return {**arrays, "products": arrays["products"] + np.diag(ridge)}
        observed, eta = arrays["observed"] - ridge * coef, arrays["observed_eta"] - ridge @ coef**2 / 2
        return {**arrays, "observed": observed, "observed_eta": np.asarray(float(eta))}

    def agreed(self, question: Arrays) -> Arrays:
        """Coefficients, covariance, and the (bins,) increments of the hazard; or the terms at fault."""
        found = super().agreed(question)
        return found if "terms" in found else {**found, "hazard": self._hazard}


def _refuse_hidden(total: Total) -> None:
    """Raises where sums are missing.

    Raises:
        StudyError: withheld.
    """
    if not all(np.isfinite(array).all() for array in total.arrays.values()):
        raise StudyError(Code.WITHHELD, "the risk sets hold too few people", "use fewer variables")
