"""lifelines' fitters with the numbers of a federated fit: they predict and draw without having seen a row.

A Kaplan-Meier fitter is fitted, on as many people as each interval counted, their times at the interval's
end; a Cox fitter has its fitted attributes set (lifelines 0.30 names them).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.fitters.coxph_fitter import SemiParametricPHFitter
from lifelines.utils import CensoringType, CovariateParameterMappings

from protocols.core.table import Floats, Integers


@dataclass(frozen=True)
class LifeTable:
    """Counts on K intervals, and the curve that they give; all of them known.

    Attributes:
        days: (K,) the intervals' ends.
        at_risk, events: (K,) people.
        lower, upper: (K,) interval of survival at `level`; missing while survival is 1 or 0.
        level: of the interval.
    """

    days: Floats
    at_risk: Integers
    events: Integers
    lower: Floats
    upper: Floats
    level: float


@dataclass(frozen=True)
class Hazards:
    """A Cox model.

    Attributes:
        terms: (p,) covariates.
        coef, se: (p,) log hazard ratios and their standard errors; covariance: (p, p).
        loglik_null, loglik: log partial likelihood at 0 and at coef.
        n, n_events: people and events.
        level: of the confidence intervals.
        penalty, l1_ratio: of the elastic net; 0 without.
        robust: whether the standard errors are.
        outcome: the survival variable.
        baseline: (K,) days, (K,) cumulative hazard of somebody with the (p,) center; or None.
    """

    terms: Sequence[str]
    coef: Floats
    se: Floats
    covariance: Floats
    loglik_null: float
    loglik: float
    n: int
    n_events: int
    level: float
    penalty: float
    l1_ratio: float
    robust: bool
    outcome: str
    baseline: tuple[Floats, Floats, Floats] | None


def kaplan_meier(table: LifeTable, label: str) -> KaplanMeierFitter:
    """A KaplanMeierFitter of the counts, with our confidence interval.

    Who came late (more at risk than stayed from the interval before) enters in the middle of an interval.
    """
    entry, duration, event, weight = _people(table)
    fitter = KaplanMeierFitter(alpha=1 - table.level, label=label)
    fitter.fit(
        duration,
        event,
        entry=entry if entry.any() else None,
        weights=weight,
        timeline=np.append(0.0, table.days),
    )
    # lifelines has the interval of log(-log(S)) alone, a spec may ask for another
    bounds, survival = fitter.confidence_interval_, fitter.survival_function_.to_numpy()[1:, 0]
    for column, ours in zip(bounds, (table.lower, table.upper), strict=True):
        bounds[column] = np.append(1.0, np.where(np.isnan(ours), survival, ours))
    below = fitter.confidence_interval_cumulative_density_
    below[:] = 1 - bounds.to_numpy()[:, ::-1]
    return fitter


def _people(table: LifeTable) -> tuple[Floats, Floats, Integers, Integers]:
    """The (r,) entries, last days, events and numbers of people that make the counts.

    First come, first gone: who entered when is not known and changes no count.
    """
    stayed = table.at_risk - table.events
    change = np.append(table.at_risk[1:], 0) - stayed
    starts = np.append(0.0, table.days[:-1])
    middle = (starts + table.days) / 2
    came = np.append(table.at_risk[0], np.maximum(change[:-1], 0))
    came_on = np.append(0.0, middle[1:])
    gone = np.column_stack([table.events, np.maximum(-change, 0)]).ravel()
    gone_on = np.repeat(table.days, 2)
    died = np.tile([1, 0], len(table.days))
    ends = np.unique(np.concatenate([np.cumsum(came), np.cumsum(gone)]))
    ends = ends[ends > 0]
    weight = np.diff(ends, prepend=0)
    first = np.searchsorted(np.cumsum(came), ends)
    last = np.searchsorted(np.cumsum(gone), ends)
    return came_on[first], gone_on[last], died[last], weight


def cox(model: Hazards) -> CoxPHFitter:
    """A CoxPHFitter that predicts relative to somebody with the baseline's center, or with covariates of 0.

    Strata of the fit are not strata of the fitter: its baseline is that of all of them together. Without a
    baseline it predicts partial hazards alone. What needs rows (residuals, concordance) is not known.
    """
    alpha, ridge = 1 - model.level, {"penalizer": model.penalty, "l1_ratio": model.l1_ratio}
    inner, fitter = SemiParametricPHFitter(alpha=alpha, **ridge), CoxPHFitter(alpha=alpha, **ridge)
    for one in (inner, fitter):
        CensoringType.set_censoring_type(one, CensoringType.RIGHT)
        one.duration_col, one.event_col = f"{model.outcome}.time", f"{model.outcome}.event"
        one.robust, one.cluster_col, one.weights_col, one.entry_col = model.robust, None, None, None
    _set_estimates(inner, model)
    if model.baseline is not None:
        _set_baseline(inner, *model.baseline[:2])
    fitter._model = inner
    return fitter


def _set_estimates(inner: SemiParametricPHFitter, model: Hazards) -> None:
    terms = list(model.terms)
    index = pd.Index(terms, name="covariate")
    center = np.zeros(len(terms)) if model.baseline is None else model.baseline[2]
    inner.formula = None
    inner.regressors = CovariateParameterMappings(
        {"beta_": None}, pd.DataFrame(columns=terms), force_no_intercept=True
    )
    inner.params_ = pd.Series(model.coef.copy(), index=index, name="coef")
    inner.standard_errors_ = pd.Series(model.se.copy(), index=index, name="se")
    inner.variance_matrix_ = pd.DataFrame(model.covariance.copy(), index=index, columns=index)
    inner.confidence_intervals_ = inner._compute_confidence_intervals()
    inner._norm_mean = pd.Series(center.copy(), index=terms)
    inner._norm_std = pd.Series(np.ones(len(terms)), index=terms)
    inner._central_values = pd.DataFrame([center], index=["baseline"], columns=terms)
    inner.log_likelihood_, inner._ll_null_ = model.loglik, model.loglik_null
    inner._concordance_index_ = float("nan")
    inner._time_fit_was_called = "not recorded"
    # two rows that stand for everybody: lifelines counts people and events by their weights
    inner._n_examples = model.n
    inner.event_observed = pd.Series([True, False])
    inner.weights = pd.Series([model.n_events, model.n - model.n_events])
    inner.entries = inner.strata = None


def _set_baseline(inner: SemiParametricPHFitter, days: Floats, hazard: Floats) -> None:
    timeline, cumulative = np.append(0.0, days), np.append(0.0, hazard)
    increments = np.diff(cumulative, prepend=0.0)
    inner.timeline = timeline
    inner.baseline_hazard_ = pd.DataFrame({"baseline hazard": increments}, index=timeline)
    inner.baseline_cumulative_hazard_ = pd.DataFrame(
        {"baseline cumulative hazard": cumulative}, index=timeline
    )
    inner.baseline_survival_ = inner._compute_baseline_survival()
