"""How well a Cox model that was fitted on other people predicts survival: C, AUC by day, Brier score.

The model, and what is prepared before it, are fitted inside folds: k folds of people by keyed hash, or each
hospital left out in turn. All folds advance together, so they cost the rounds of one.

Harrell's and Uno's C count pairs of one hospital and one fold: exact. The AUC by day compares everybody whose
event came by then with everybody without one, on 200 public bins of the score; `auc_bound` is how far the AUC
of the scores themselves can be. What is not learned is of the people who are judged: censoring is weighed by
their Kaplan-Meier estimate over all sites on the model's grid, to which times are rounded up, and so is the
observed share. Who leaves on the index day without an event is never at risk, and is not judged.

Reference: Harrell et al., JAMA 247 (1982) 2543; Uno et al., Stat Med 30 (2011) 1105; Graf et al., Stat Med 18
(1999) 2529, eq. 8; Hung & Chiang, Can J Stat 38 (2010) 8.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from protocols.core.disclosure import Array, Count, Flag, Moment, Statistic, Thresholds
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Figure
from protocols.core.lockstep import both
from protocols.core.protocol import (
    Arrays,
    Ask,
    Coordination,
    FederatedProtocol,
    Total,
    protocol,
    site_step,
)
from protocols.core.roles import JudgesSites, Model, PredictsSurvival
from protocols.core.site_step import Times
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.core.wording import listed
from protocols.results.validation_figures import by_day_panel, site_panel
from protocols.survival.concordance import Pairs, pairs
from protocols.survival.life_table import FollowUp, counted, ended, known_follow_up
from protocols.survival.survival_scores import (
    BINS,
    COUNTS,
    auc_by_day,
    censoring_and_survival,
    measures,
    nothing,
)
from protocols.validation.followed import ValidatedSurvival, fewer_of_both, followed_by_fold
from protocols.validation.left_out import chosen_folds, clear_notes, scored_sites, sites_are_left_out
from protocols.validation.out_of_fold import (
    Part,
    check_people,
    chosen_by,
    fitted_by_fold,
    mean_of_repeats,
    once_per_repeat,
)

MEASURES = (
    "harrell",
    "harrell_se",
    "uno",
    "uno_se",
    "auc",
    "auc_bound",
    "brier",
    "integrated_brier",
    "expected",
)
"""What is averaged over repeated folds."""


class SurvivalValidationSpec(ValidatedSurvival):
    """A Cox model and how it is validated.

    Attributes:
        model: cox, or tune over cox, with a `grid`, on which its baseline hazard and censoring are estimated.
        days: at which survival is predicted; each is an edge of the grid.
    """

    protocol: Literal["survival_validation"] = "survival_validation"
    model: Model[PredictsSurvival]
    days: tuple[int, ...] = Field(min_length=1, max_length=50)

    @model_validator(mode="after")
    def _is_possible(self) -> "SurvivalValidationSpec":
        if not set(self.days) <= set(self.edges()[1:]) or list(self.days) != sorted(self.days):
            raise ValueError("`days` ascend and are edges of the model's grid")
        return self

    def fitted_models(self) -> Mapping[Part, PredictsSurvival]:
        return {("model",): self.model}

    def at(self) -> Integers:
        """(T,) which of the grid's intervals the days end, from 1."""
        return np.searchsorted(self.edges(), self.days).astype(np.int64)


@dataclass(frozen=True)
class LeftOutSurvival:
    """How the model trained on the other sites did at one site, in the clear: people, events, Harrell's C."""

    n: int
    n_events: int
    harrell: float


@dataclass(frozen=True)
class SurvivalValidationResult(JudgesSites):
    """Out-of-fold performance over all people scored.

    Attributes:
        folds: (fold,) names: "1 of 5", or the site left out.
        terms, coef: (p,) names and (fold, p) coefficients.
        n, n_events: people scored, and their events.
        harrell, harrell_se, uno, uno_se: C, and its standard error by the infinitesimal jackknife.
        days: (T,).
        auc, auc_bound: (T,) cumulative cases against dynamic controls.
        brier: (T,); integrated_brier: its mean over the days by trapezoids, NaN for a single day.
        observed, expected: (T,) share with the event by Kaplan-Meier, and the mean prediction.
        by_site: site -> performance at the site of a model trained on the other sites.
        not_judged: site -> why it was not left out, or did not show its part.
        chosen: (fold,) the candidate that was chosen, where the model is tuned.
        by_repeat: measure -> (repeats, ...) of each, where folds are repeated; `MEASURES` are their means.

    >>> from protocols.exchange.example import run_example
    >>> grid = {"step_days": 90, "until_days": 1800}
    >>> cox = {"protocol": "cox", "outcome": "os", "covariates": ["age"], "grid": grid}
    >>> found = run_example(protocol="survival_validation", model=cox, days=[360, 720])
    >>> found.summary()[["auc", "brier", "harrell"]].round(2)
            auc  brier  harrell
    day
    360.0  0.70   0.19     0.67
    720.0  0.71   0.22     0.67
    """

    folds: tuple[str, ...]
    terms: tuple[str, ...]
    coef: Floats
    n: int
    n_events: int
    harrell: float
    harrell_se: float
    uno: float
    uno_se: float
    days: Floats
    auc: Floats
    auc_bound: Floats
    brier: Floats
    integrated_brier: float
    observed: Floats
    expected: Floats
    by_site: Mapping[str, LeftOutSurvival]
    not_judged: Mapping[str, Code]
    chosen: tuple[str, ...]
    by_repeat: Mapping[str, Floats] = field(default_factory=dict)

    def summary(self) -> pd.DataFrame:
        """One row per day."""
        frame = self.table(self.days, "auc", "auc_bound", "brier", "observed", "expected")
        return frame.assign(harrell=self.harrell, uno=self.uno).rename_axis("day")

    def figure(self) -> Figure:
        shares = {"observed (Kaplan-Meier)": self.observed, "predicted": self.expected}
        accuracy = {"AUC": self.auc, "Brier score": self.brier}
        panels = [
            by_day_panel("Discrimination and error", self.days, accuracy, "AUC or Brier score"),
            by_day_panel("Calibration", self.days, shares, "share with the event"),
        ]
        sites = {site: (there.harrell, float("nan")) for site, there in self.by_site.items()}
        forest = (site_panel("Each hospital left out", "Harrell's C", sites, 0.5),) if sites else ()
        return Figure(
            (*panels, *forest),
            f"Out-of-fold performance over {self.n} people with {self.n_events} events: Harrell's C "
            f"{self.harrell:.3f} (standard error {self.harrell_se:.3f}), Uno's C {self.uno:.3f}.",
        )


class SurvivalValidation(FederatedProtocol[SurvivalValidationSpec, SurvivalValidationResult]):
    """Cross-validated survival."""

    name = "survival_validation"
    version = "2"
    spec_type = SurvivalValidationSpec

    @site_step(
        clear=sites_are_left_out,
        summed=False,
        smaller=Count(what="people with or without the event, the fewer of both"),
    )
    def classes(spec: SurvivalValidationSpec, table: AnalysisTable) -> Arrays:
        """How many events there are here: whether this site can be left out and judged."""
        return fewer_of_both(spec, table)

    @site_step(n=Count(what="people with a known follow-up"))
    def people(spec: SurvivalValidationSpec, table: AnalysisTable) -> Arrays:
        """How many people's follow-up is known."""
        table = known_follow_up(table, spec.model.outcome_name(), spec.model.entry_name())
        return {"n": np.array(len(table))}

    @site_step(
        varies=("folds", "fits"),
        n=Count(),
        at_risk=Count("interval", of="n", what="people at risk"),
        events=Count("interval", of="n", what="people with the event"),
        left=Count("interval", of="n", what="people who leave"),
    )
    def life_table(
        spec: SurvivalValidationSpec, table: AnalysisTable, folds: Integers, **fits: Array
    ) -> Arrays:
        """People at risk, events, and ends of follow-up by interval, of those who are judged."""
        edges, n = spec.edges(), 0
        at_risk, events, left = np.zeros((3, len(edges) - 1), dtype=np.int64)
        for people, _, _ in _scored(spec, table, folds, fits):
            n += len(people.time)
            here, died = counted(people, edges)
            at_risk, events, left = at_risk + here, events + died, left + ended(people, edges)
        return {"n": np.array(n), "at_risk": at_risk, "events": events, "left": left}

    @site_step(
        times=once_per_repeat,
        varies=("folds", "fits"),
        n=Count(),
        n_events=Count(of="n", what="people with the event"),
        harrell=Moment("pair", what="pairs by how the score orders them"),
        harrell_squares=Moment("square", what="sums of squares for their standard error"),
        uno=Moment("pair", what="weighted pairs by how the score orders them"),
        uno_squares=Moment("square", what="sums of squares for their standard error"),
        cases=Moment("day", "bin", what="weights of those with the event by then"),
        controls=Moment("day", "bin", what="people without it"),
        squares=Moment("day", what="squared errors"),
        expected=Moment("day", what="sums of predicted risks"),
    )
    def scores(
        spec: SurvivalValidationSpec, table: AnalysisTable, folds: Integers, followed: Floats, **fits: Array
    ) -> Arrays:
        """Pairs within folds, weighted histograms of scores of cases and controls, and squared errors."""
        totals = nothing(len(spec.days))
        for people, score, risk in _scored(spec, table, folds, fits):
            for name, value in measures(people, spec.edges(), spec.at(), score, risk, followed).items():
                totals[name] = totals[name] + value
        return totals

    @site_step(
        times=lambda spec: Times.where(sites_are_left_out(spec)),
        varies=("folds", "fits"),
        few=Flag(what="sites with too few people with or without the event to show them"),
    )
    def hidden(spec: SurvivalValidationSpec, table: AnalysisTable, folds: Integers, **fits: Array) -> Arrays:
        """Whether fewer than `min_count` people with or without the event are judged here, if any are."""
        judged = np.concatenate([np.zeros(0), *(of.event for of, _, _ in _scored(spec, table, folds, fits))])
        fewer = min(judged.sum(), len(judged) - judged.sum())
        return {"few": np.array(len(judged) > 0 and fewer < Thresholds().min_count, dtype=np.int64)}

    @site_step(
        times=Times(0, 1),
        clear=sites_are_left_out,
        summed=False,
        n=Count(),
        events=Count(what="people with the event"),
        smaller=Count(what="people with or without the event, the fewer of both"),
        harrell=Statistic(behind="smaller", what="concordance"),
    )
    def left_out(
        spec: SurvivalValidationSpec, table: AnalysisTable, folds: Integers, **fits: Array
    ) -> Arrays:
        """People, events and Harrell's C of this site by the model trained on the other sites."""
        n = events = smaller = 0
        harrell = 0.5
        for people, score, _ in _scored(spec, table, folds, fits):
            n, events = len(score), int(people.event.sum())
            smaller, harrell = min(events, n - events), float(np.nan_to_num(pairs(people, score).index()))
        counts = {"n": n, "events": events, "smaller": smaller}
        return {name: np.array(count) for name, count in counts.items()} | {"harrell": np.array(harrell)}

    def axes(self, spec: SurvivalValidationSpec) -> dict[str, int]:
        sizes = {"interval": len(spec.edges()) - 1, "day": len(spec.days)}
        return sizes | {"bin": BINS, "pair": len(COUNTS), "square": 3}

    def coordinate(self, spec: SurvivalValidationSpec) -> Coordination[SurvivalValidationResult]:
        known, (folds, not_judged) = yield from both(_number_known(), chosen_folds(spec))
        check_people(spec, int(known["n"]), known.min_count)
        fits = yield from fitted_by_fold(spec, folds)
        counts = yield folds.questions("life_table", fits)[0]  # every repeat judges the same people
        followed, observed = censoring_and_survival(counts.arrays)
        totals, by_site, silent = yield from scored_sites(
            folds, fits, _if_enough, _left_out, followed=followed
        )
        at, not_judged = observed[spec.at()], {**not_judged, **silent}
        found = [result(spec, folds.names, fits, total, at, by_site, not_judged) for total in totals]
        return mean_of_repeats(found, MEASURES)

    def method(self, spec: SurvivalValidationSpec) -> str:
        model = protocol(spec.model.protocol).method(spec.model)
        return (
            f"Validation {spec.scheme}: nobody is judged by a model that was trained on them. Harrell's "
            "(1982) and Uno's (2011) concordance, time-dependent AUC, Brier score, and the predicted and "
            f"observed shares with the event at days {listed(map(str, spec.days))}. The model: {model}"
        )

    def about(self, spec: SurvivalValidationSpec) -> str:
        return f"Validation of a survival model, {spec.scheme}; for each fold:"

    def notes(self, spec: SurvivalValidationSpec) -> Sequence[str]:
        return clear_notes(spec)


def _scored(
    spec: SurvivalValidationSpec, table: AnalysisTable, folds: Integers, fits: Mapping[str, Array]
) -> Iterator[tuple[FollowUp, Floats, Floats]]:
    """For each fold the people here whom its model never saw: follow-up, (n,) score, (n, T) risk by day."""
    for people, (score,), (risk,) in followed_by_fold(spec, table, folds, fits, spec.at()):
        judged = ~np.isnan(score) & people.on(spec.edges()).ever_at_risk()
        yield people.select(judged), score[judged], risk[judged]


def _number_known() -> Coordination[Total]:
    """How many people's follow-up is known."""
    known: Total = yield Ask("people")
    return known


def _if_enough(hidden: Total) -> Arrays | None:
    """Nothing more to be asked; None where one site has too few people to show them."""
    return None if hidden["few"] else {}


def _left_out(shown: Arrays) -> LeftOutSurvival | None:
    """What a left-out site showed; None where its gate removed anything from it."""
    if np.isnan(shown["harrell"]):
        return None
    return LeftOutSurvival(int(shown["n"]), int(shown["events"]), float(shown["harrell"]))


def result(
    spec: SurvivalValidationSpec,
    folds: tuple[str, ...],
    fits: Sequence[Mapping[str, Array]],
    total: Total,
    observed: Floats,
    by_site: Mapping[str, LeftOutSurvival],
    not_judged: Mapping[str, Code],
) -> SurvivalValidationResult:
    """The result of joined sums.

    Raises:
        StudyError: separation; nobody who was scored has the event.
    """
    if not total["n_events"]:
        raise StudyError(
            Code.SEPARATION,
            f"nobody who was scored has an event of {spec.model.outcome_name()}",
            "use a longer follow-up, or more people",
        )
    harrell, uno = (_pairs(total, name) for name in ("harrell", "uno"))
    days = np.array(spec.days, dtype=np.float64)
    auc, bound = auc_by_day(total["cases"], total["controls"])
    brier = total["squares"] / total["n"]
    several = len(days) > 1
    integrated = float(np.trapezoid(brier, days) / (days[-1] - days[0])) if several else float("nan")
    return SurvivalValidationResult(
        folds=folds,
        terms=spec.model.terms(),
        coef=np.array([fit.get("model.coef", np.zeros(0)) for fit in fits], dtype=np.float64),
        n=int(total["n"]),
        n_events=int(total["n_events"]),
        harrell=harrell.index(),
        harrell_se=harrell.standard_error(),
        uno=uno.index(),
        uno_se=uno.standard_error(),
        days=days,
        auc=auc,
        auc_bound=bound,
        brier=brier,
        integrated_brier=integrated,
        observed=observed,
        expected=total["expected"] / total["n"],
        by_site=by_site,
        not_judged=not_judged,
        chosen=chosen_by(spec.model, "model", fits),
    )


def _pairs(total: Total, name: str) -> Pairs:
    return Pairs(**dict(zip(COUNTS, total[name].tolist(), strict=True)), squares=total[f"{name}_squares"])
