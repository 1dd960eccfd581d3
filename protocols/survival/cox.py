"""Cox's proportional hazards model: a baseline hazard for each hospital, or one for all on a public grid.

Stratified by site (the default) it is exact: the partial likelihood is a sum over strata, so log-likelihood,
score and information are sums over sites, and no event time leaves a hospital. With `stratify: none` all
sites share their risk sets on a public grid of days: exact for times rounded up to its intervals, of which
neighbours are merged until at least `min_count` people leave in each.

Ties after Efron or Breslow; delayed entry, episodes whose covariates change, case weights, strata within a
site; ridge, lasso and elastic net; robust standard errors; tests of proportional hazards; a baseline hazard.

Reference: Therneau & Grambsch, Modeling Survival Data (2000); R `coxph(... + strata(site))`, `cox.zph`,
`basehaz`; glmnet for the penalty.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from protocols.core.cells import gathered, parts, parts_of
from protocols.core.disclosure import Array, Band, Count, Declaration, Moment
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, site_step
from protocols.core.roles import SurvivalModel
from protocols.core.site_step import NEVER, Times
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.core.wording import listed
from protocols.estimation.newton import CLIMB
from protocols.estimation.standards import SCALED, standard_moments
from protocols.survival import cox_fit
from protocols.survival import cox_rows as at_site
from protocols.survival import shared_baseline as shared
from protocols.survival.cox_model import CoxResult, CoxSpec
from protocols.survival.life_table import changes, counted, counted_in_runs, ended
from protocols.survival.partial_likelihood import Increments
from protocols.survival.survival_design import cluster_products

__all__ = ["Cox", "CoxResult", "CoxSpec"]

_RISK_SETS: Mapping[str, Declaration] = {
    "effective": Count(what="people in effect"),
    "at_risk": Count("interval", of="effective", part=False, what="people at risk"),
    "deaths": Moment("interval", behind="effective", what="weighted events"),
    "weight": Moment("interval", behind="effective", what="weights of those with the event"),
    "s0": Moment("interval", behind="effective", what="risks of those at risk"),
    "s1": Moment("interval", "covariate", behind="effective", what="risks times covariates of those at risk"),
    "d0": Moment("interval", behind="effective", what="risks of those with the event"),
    "d1": Moment(
        "interval", "covariate", behind="effective", what="risks times covariates of those with the event"
    ),
}


class Cox(FederatedProtocol[CoxSpec, CoxResult], SurvivalModel[CoxSpec]):
    """Hazard ratios of covariates on a survival outcome."""

    name = "cox"
    version = "5"
    spec_type = CoxSpec

    @site_step(
        times=SCALED,
        varies=("about",),
        effective=Count(what="people in effect"),
        rows=Moment(behind="effective", what="sum of weights"),
        sum=Moment("covariate", behind="effective", what="sums"),
        square=Moment("covariate", behind="effective", what="sums of squares"),
        too_large=Moment("covariate", behind="effective", what="sites whose sum of squares does not fit"),
    )
    def moments(spec: CoxSpec, table: AnalysisTable, **about: Array) -> Arrays:
        """The sums and sums of squares of the covariates: they standardize, and cancel in the result."""
        rows = at_site.rows(spec, table)
        return {
            "effective": np.array(rows.effective),
            "rows": np.array(float(len(rows.x))),
            **standard_moments(rows.x, about),
        }

    @site_step(
        climbs=lambda spec: not spec.is_sparse(),
        seals=lambda spec: spec.is_sparse(),
        times=lambda spec: CLIMB if spec.stratify == "site" else NEVER,
        varies=("coef", "scale"),
        effective=Count(what="people in effect"),
        n=Count(of="effective", part=False),
        n_events=Count(of="effective", part=False, what="people with the event"),
        loglik=Moment(behind="effective", what="log partial likelihood"),
        score=Moment("covariate", behind="effective", what="its first derivatives"),
        information=Moment("covariate", "covariate", behind="effective", what="its second derivatives"),
    )
    def derivatives(spec: CoxSpec, table: AnalysisTable, coef: Floats, scale: Floats) -> Arrays:
        """This hospital's log partial likelihood and its derivatives at `coef`, covariates over `scale`."""
        p = len(spec.covariates)
        loglik, score, information = 0.0, np.zeros(p), np.zeros((p, p))
        for stratum in at_site.strata(spec, table):
            parts = stratum.derivatives(coef / scale, spec.ties)
            loglik, score, information = loglik + parts[0], score + parts[1], information + parts[2]
        return at_site.people(spec, table) | {
            "loglik": np.array(loglik),
            "score": score / scale,
            "information": information / np.outer(scale, scale),
        }

    @site_step(
        times=lambda spec: Times.where(spec.grid is not None),
        refines=True,
        enough=Band("part", what="people (or episodes) that leave or enter, in whole floors"),
        events=Band("part", what="people with the event, in whole floors"),
    )
    def leaving(spec: CoxSpec, table: AnalysisTable) -> Arrays:
        """In which parts of the grid enough people leave or enter, and enough have the event."""
        rows, edges = at_site.rows(spec, table), at_site.edges(spec)
        _, events = counted(rows.follow, edges)
        return {"enough": parts_of(changes(rows.follow, edges)), "events": parts_of(events)}

    @site_step(
        times=lambda spec: Times.where(spec.grid is not None),
        effective=Count(what="people in effect"),
        at_risk=Count("interval", of="effective", part=False, what="people at risk"),
        events=Count("interval", of="effective", part=False, what="people with the event"),
        left=Count("interval", of="effective", part=False, what="people who leave"),
    )
    def intervals(spec: CoxSpec, table: AnalysisTable, last: Integers) -> Arrays:
        """People (or episodes) at risk, events, and ends of follow-up in runs of intervals of the grid."""
        rows, edges = at_site.rows(spec, table), at_site.edges(spec)
        at_risk, events = counted_in_runs(rows.follow, edges, last)
        return {
            "effective": np.array(rows.effective),
            "at_risk": at_risk,
            "events": events,
            "left": gathered(ended(rows.follow, edges), last),
        }

    @site_step(
        _RISK_SETS,
        climbs=lambda spec: not spec.is_sparse(),
        seals=lambda spec: spec.is_sparse(),
        times=lambda spec: CLIMB if spec.stratify == "none" else NEVER,
        varies=("coef",),
        n=Count(of="effective", part=False),
        n_events=Count(of="effective", part=False, what="people with the event"),
        observed=Moment("covariate", behind="effective", what="covariates of those with the event"),
        observed_eta=Moment(behind="effective", what="linear predictors of those with the event"),
    )
    def risk_sums(
        spec: CoxSpec, table: AnalysisTable, coef: Floats, scale: Floats, location: Floats, number: Integers
    ) -> Arrays:
        """Sums over the risk sets in the merged intervals `number`, at `coef`, for a shared baseline."""
        stratum, eta, found = at_site.risk_sets(spec, table, coef, scale, location, number)
        observed = np.where(stratum.event, stratum.case_weight(), 0.0)
        sums = {"observed_eta": np.array(observed @ eta), "observed": observed @ stratum.x}
        return found | at_site.people(spec, table) | sums

    @site_step(
        climbs=lambda spec: not spec.is_sparse(),
        seals=lambda spec: spec.is_sparse(),
        times=lambda spec: CLIMB if spec.stratify == "none" else NEVER,
        varies=("coef", "hazard", "tied"),
        effective=Count(what="people in effect"),
        n=Count(of="effective", part=False),
        products=Moment(
            "covariate",
            "covariate",
            behind="effective",
            what="expected events times products of covariates",
        ),
    )
    def expected_products(
        spec: CoxSpec,
        table: AnalysisTable,
        coef: Floats,
        hazard: Floats,
        tied: Floats,
        scale: Floats,
        location: Floats,
        number: Integers,
    ) -> Arrays:
        """The part of the information less the products of means, by the hazards of all sites at `coef`."""
        stratum = at_site.on_grid(spec, table, scale, location, number)
        _, risk = shared.risk_of(stratum, coef)
        people = at_site.people(spec, table)
        return {
            "effective": people["effective"],
            "n": people["n"],
            "products": shared.expected_products(stratum, risk, hazard, tied),
        }

    @site_step(
        _RISK_SETS,
        times=lambda spec: Times.where(spec.stratify == "none" and spec.looks_again()),
    )
    def risk_sets(
        spec: CoxSpec, table: AnalysisTable, coef: Floats, scale: Floats, location: Floats, number: Integers
    ) -> Arrays:
        """The same sums at the coefficients found, for residuals and the test of the hazards."""
        return at_site.risk_sets(spec, table, coef, scale, location, number)[2]

    @site_step(
        times=lambda spec: Times.where(spec.proportional_hazards is not None and spec.stratify == "site"),
        effective=Count(what="people in effect"),
        score=Moment(
            "covariate", behind="effective", what="first derivatives of the likelihood with respect to time"
        ),
        mixed=Moment("covariate", "covariate", behind="effective", what="mixed derivatives"),
        square=Moment(
            "covariate", "covariate", behind="effective", what="second derivatives with respect to time"
        ),
    )
    def trend(spec: CoxSpec, table: AnalysisTable, coef: Floats, scale: Floats, g: Floats) -> Arrays:
        """Score and information of covariates times g(time); `g` by interval where no site knows it."""
        p = len(spec.covariates)
        score, mixed, square = np.zeros(p), np.zeros((p, p)), np.zeros((p, p))
        for stratum in at_site.strata(spec, table):
            parts = stratum.trend(coef / scale, spec.ties, at_site.of_time(spec, stratum.times, g))
            score, mixed, square = score + parts[0], mixed + parts[1], square + parts[2]
        outer = np.outer(scale, scale)
        effective = at_site.people(spec, table)["effective"]
        return {
            "effective": effective,
            "score": score / scale,
            "mixed": mixed / outer,
            "square": square / outer,
        }

    @site_step(
        times=lambda spec: Times.where(spec.proportional_hazards is not None and spec.stratify == "none"),
        effective=Count(what="people in effect"),
        score=Moment("covariate", behind="effective", what="covariates times time of those with the event"),
        mixed=Moment(
            "covariate", "covariate", behind="effective", what="the same times expected events, in products"
        ),
        square=Moment("covariate", "covariate", behind="effective", what="the same with the square of time"),
    )
    def observed_trend(
        spec: CoxSpec,
        table: AnalysisTable,
        coef: Floats,
        hazard: Floats,
        tied: Floats,
        g: Floats,
        scale: Floats,
        location: Floats,
        number: Integers,
    ) -> Arrays:
        """The sums of `trend` with g of merged intervals, less what follows from the risk sets' means."""
        stratum = at_site.on_grid(spec, table, scale, location, number)
        _, risk = shared.risk_of(stratum, coef)
        weight = stratum.case_weight()[stratum.event] * g[stratum.until[stratum.event] - 1]
        return {
            "effective": at_site.people(spec, table)["effective"],
            "score": weight @ stratum.x[stratum.event],
            "mixed": shared.expected_products(stratum, risk, hazard * g, tied * g),
            "square": shared.expected_products(stratum, risk, hazard * g**2, tied * g**2),
        }

    @site_step(
        times=lambda spec: Times.where(spec.is_robust()),
        effective=Count(what="people in effect"),
        clusters=Moment(behind="effective", what="number of clusters"),
        products=Moment(
            "covariate", "covariate", behind="effective", what="sums of products of score residuals"
        ),
    )
    def residuals(spec: CoxSpec, table: AnalysisTable, coef: Floats, scale: Floats, **joined: Any) -> Arrays:
        """The sum over clusters of the product of their score residuals; `joined`: of a shared baseline."""
        rows = at_site.rows(spec, table)
        found = np.zeros(rows.x.shape)
        if spec.stratify == "none":
            gathered = {name: joined.pop(name) for name in Increments.__dataclass_fields__}
            stratum = at_site.on_grid(spec, table, scale, **joined)
            _, risk = shared.risk_of(stratum, coef)
            found = stratum.score_residuals(risk, Increments(**gathered))
        else:
            parts = at_site.by_stratum(spec, table)
            for of, stratum in parts:
                _, risk = stratum.risk(coef / scale)
                by = stratum.sums(risk, spec.ties).increments()
                found[of] = stratum.score_residuals(risk, by) / scale
        return {
            "effective": np.array(rows.effective),
            "clusters": np.array(float(len(np.unique(rows.cluster)))),
            "products": cluster_products(found, rows.cluster),
        }

    @site_step(
        times=lambda spec: Times.where(spec.grid is not None and spec.stratify == "site"),
        effective=Count(what="people in effect"),
        deaths=Moment("interval", behind="effective", what="weighted events"),
        s0=Moment("interval", behind="effective", what="risks of those at risk"),
    )
    def hazards(
        spec: CoxSpec, table: AnalysisTable, coef: Floats, scale: Floats, location: Floats, number: Integers
    ) -> Arrays:
        """Weighted events and summed risks in merged intervals, for a baseline hazard of all sites."""
        stratum = at_site.on_grid(spec, table, scale, location, number)
        _, risk = shared.risk_of(stratum, coef)
        sums = stratum.sums(risk, "breslow")
        padding = np.zeros(spec.bins() - len(sums.s0))
        return {
            "effective": at_site.people(spec, table)["effective"],
            "deaths": np.append(sums.weight, padding),
            "s0": np.append(sums.s0, padding),
        }

    def axes(self, spec: CoxSpec) -> dict[str, int]:
        bins = spec.bins()
        return {"covariate": len(spec.covariates), "interval": bins, "part": parts(bins)}

    def coordinate(self, spec: CoxSpec) -> Coordination[CoxResult]:
        return (yield from cox_fit.fitted(spec))

    def risks(
        self, spec: CoxSpec, table: AnalysisTable, at: Integers, **arrays: Array
    ) -> tuple[Floats, Floats]:
        """The (n,) linear predictors about the mean, and (n, T) chances by the baseline hazard."""
        score: Floats = (table.matrix(spec.covariates) - arrays["center"]) @ arrays["coef"]
        return score, -np.expm1(-np.outer(np.exp(score), arrays["hazard"][at - 1]))

    def fitter(self, spec: CoxSpec, result: CoxResult, group: str | None = None) -> Any:
        """A CoxPHFitter; it predicts survival where there is a grid, else partial hazards alone."""
        from protocols.results import fitters  # lifelines loads with it

        if group is not None:
            return super().fitter(spec, result, group)
        base = result.baseline
        return fitters.cox(
            fitters.Hazards(
                terms=result.terms,
                coef=result.coef,
                se=result.se,
                covariance=result.covariance,
                loglik_null=result.loglik_null,
                loglik=result.loglik,
                n=result.n,
                n_events=result.n_events,
                level=result.level,
                penalty=result.penalty,
                l1_ratio=result.l1_ratio,
                robust=spec.is_robust(),
                outcome=spec.outcome,
                baseline=(base.days, base.cumulative_hazard, base.center) if base else None,
            )
        )

    def method(self, spec: CoxSpec) -> str:
        strata = [*(["hospital"] if spec.stratify == "site" else []), *spec.strata]
        kind = {0.0: "ridge", 1.0: "lasso"}.get(spec.l1_ratio, "elastic net")
        words = [
            f"Cox regression of {spec.outcome} on {listed(spec.covariates)}",
            f"stratified by {listed(strata)}" if strata else "with one baseline hazard for all hospitals",
            f"ties by {spec.ties.capitalize()}'s method",
            "time-varying covariates" if spec.episodes else "",
            f"delayed entry at {spec.entry}" if spec.entry else "",
            f"case weights {spec.weight}" if spec.weight else "",
            f"a {kind} penalty of {spec.penalty:g} on standardized covariates" if spec.penalty else "",
            "robust standard errors (Lin & Wei 1989)" if spec.robust or spec.cluster else "",
        ]
        tested = (
            " Proportional hazards were tested by scaled Schoenfeld residuals (Grambsch & Therneau 1994)."
        )
        ends = ". People with complete data." + (tested if spec.proportional_hazards else "")
        return ", ".join(word for word in words if word) + ends

    def about(self, spec: CoxSpec) -> str:
        baseline = "stratified by site" if spec.stratify == "site" else "one baseline hazard for all sites"
        return f"Cox regression of {spec.outcome} on {', '.join(spec.covariates)}, {baseline}."

    def notes(self, spec: CoxSpec) -> Sequence[str]:
        if spec.grid is None:
            return ["No event time leaves."]
        until = f"Intervals are of {spec.grid.step_days} days up to day {spec.grid.until_days}"
        return [until + (", merged until enough people leave in each." * (spec.stratify == "none") or ".")]
