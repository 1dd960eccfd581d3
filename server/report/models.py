"""What a report says of fitted models and their validation, above their figures and tables."""

from functools import singledispatch

from protocols.core.protocol import Result, Spec
from protocols.regression.linear import LinearResult
from protocols.regression.logistic import LogisticResult
from protocols.results.numerals import MINUS, shown, shown_p
from protocols.survival.cox import CoxResult
from protocols.survival.cox_model import CoxSpec
from protocols.survival.kaplan_meier import KaplanMeierResult
from protocols.validation.discrimination import DiscriminationResult


@singledispatch
def said(found: Result, spec: Spec) -> str:
    """A sentence or two on a result; empty where its figure's caption says enough, as for most kinds."""
    return ""


@said.register
def _(found: LogisticResult, spec: Spec) -> str:
    return f"{found.n} people, {found.n_events} of them with the outcome."


@said.register
def _(found: LinearResult, spec: Spec) -> str:
    return f"{found.n} people; the model explains {found.r_squared:.0%} of the variance."


@said.register
def _cox(found: CoxResult, spec: CoxSpec) -> str:
    penalized = found.penalty > 0
    kind = {0.0: "ridge", 1.0: "lasso"}.get(found.l1_ratio, "elastic net")
    test = f"Likelihood ratio test against no covariate: {shown_p(found.likelihood_ratio_p)}."
    return (
        f"{found.n} people, {found.n_events} events; {baseline(spec)}; "
        f"ties by {found.ties.capitalize()}'s method. "
        + (
            f"Shrunk by a penalty ({kind}, {shown(found.penalty)}), so there is no test."
            if penalized
            else test
        )
    )


def baseline(spec: CoxSpec) -> str:
    """Who shares a baseline hazard, in words."""
    strata = f", one for each value of {' and '.join(spec.strata)}" if spec.strata else ""
    if spec.stratify == "none":
        return f"all hospitals share one baseline hazard{strata}"
    return f"every hospital keeps its own baseline hazard{strata}"


@said.register
def _discrimination(found: DiscriminationResult, spec: Spec) -> str:
    slope, intercept = (
        f"{value:.2f}".replace("-", MINUS) for value in (found.calibration_slope, found.calibration_intercept)
    )
    return (
        f"AUC {shown(found.auc)} (95% interval {shown(found.auc_lower)} to {shown(found.auc_upper)}) over "
        f"{found.n} people, {found.n_events} of them with the outcome, each scored by a model that never saw "
        f"them. The AUC of unbinned scores lies within {shown(found.auc_bound)} of it. Calibration slope "
        f"{slope}, intercept {intercept}; Brier score {found.brier:.3f}."
    )


@said.register
def _medians(found: KaplanMeierResult, spec: Spec) -> str:
    """The median of each group, where the curve reaches it."""
    if 0.5 not in found.quantiles:
        return ""
    q = found.quantiles.index(0.5)
    parts = []
    for g, group in enumerate(found.groups):
        day, low, high = (
            float(part[g, q]) for part in (found.quantile_days, found.quantile_lower, found.quantile_upper)
        )
        name = "" if group == "all" else f" ({group})"
        if day == day:
            limits = f"{shown(low)} to {shown(high) if high == high else 'not reached'}"
            parts.append(f"median{name} {day:,.0f} days, {found.level:.0%} interval {limits}")
        else:
            parts.append(f"median{name} not reached")
    words = "; ".join(parts)
    return words[:1].upper() + words[1:] + "."
