"""What acting on the risk of an event by a day would be worth, where some people are censored before it.

Models, and all that comes before them, are fitted inside folds; each site predicts for its own people by
models that never saw them. Among those above a threshold the share with the event is Kaplan-Meier's, on the
models' grid of days, so life tables by threshold leave in sums. Exact for times rounded up to the grid.

Reference: Vickers et al., BMC Med Inform Decis Mak 8 (2008) 53; R dcurves, `dca(Surv(...) ~ ..., time)`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from protocols.core.disclosure import SUPPRESSED, Array, Count
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Figure
from protocols.core.protocol import (
    Arrays,
    Coordination,
    FederatedProtocol,
    Result,
    site_step,
)
from protocols.core.roles import Model, PredictsSurvival
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.results.figures import net_benefit
from protocols.survival.life_table import FollowUp, counted, curve
from protocols.validation.followed import ValidatedSurvival, fewer_of_both, followed_by_fold
from protocols.validation.left_out import chosen_folds, clear_notes, sites_are_left_out
from protocols.validation.net_benefit import THRESHOLDS, Threshold, ascend, net_benefit_table
from protocols.validation.out_of_fold import (
    Part,
    check_people,
    fitted_by_fold,
    mean_of_repeats,
    once_per_repeat,
)

MEASURES = ("net_benefit", "treat_all", "avoided")
"""What is averaged over repeated folds."""


class SurvivalDecisionCurveSpec(ValidatedSurvival):
    """Survival models of one outcome, and the risks at which one would act.

    Attributes:
        models: by name: cox, or tune over cox, each with the same `grid`.
        day: by which the event is predicted; an edge of the grid.
        thresholds: risks from which on one would act.
    """

    protocol: Literal["survival_decision_curve"] = "survival_decision_curve"
    models: dict[Name, Model[PredictsSurvival]] = Field(min_length=1, max_length=10)
    day: int
    thresholds: tuple[Threshold, ...] = Field(default=THRESHOLDS, min_length=1, max_length=99)

    @model_validator(mode="after")
    def _agree(self) -> "SurvivalDecisionCurveSpec":
        models = list(self.models.values())
        if len({(m.outcome_name(), m.entry_name(), m.edges().tobytes()) for m in models}) > 1:
            raise ValueError("the models have different outcomes, entries or grids")
        if self.day not in set(self.edges()[1:]):
            raise ValueError("`day` is an edge of the models' grid")
        ascend(thresholds=self.thresholds)
        return self

    def names(self) -> tuple[str, ...]:
        """The models in the order of the result's axes."""
        return tuple(sorted(self.models))

    def fitted_models(self) -> Mapping[Part, PredictsSurvival]:
        return {("models", name): self.models[name] for name in self.names()}

    def until_day(self) -> Floats:
        """(intervals + 1,) the edges of the grid up to the day."""
        edges = self.edges()
        return edges[edges <= self.day]


@dataclass(frozen=True)
class SurvivalDecisionCurveResult(Result):
    """Net benefit of survival models by threshold, out of fold.

    Attributes:
        models: (m,) names; thresholds: (t,); day: by which the event is predicted.
        n: people with a prediction.
        flagged: (m, t) of them above the threshold; fewer than `min_count` are shown as -1.
        event_share: (m, t) with the event by the day among these, by Kaplan-Meier; NaN where its curve ends
            before the day.
        net_benefit: (m, t); treat_all: (t,) of acting on everybody; acting on nobody has 0.
        avoided: (m, t) needless actions avoided for 100 people, beside acting on everybody.
        by_repeat: measure -> (repeats, ...) of each, where folds are repeated; `MEASURES` are their means
            then, the rest is of the first.

    >>> from protocols.exchange.example import run_example
    >>> grid = {"step_days": 90, "until_days": 1800}
    >>> cox = {"protocol": "cox", "outcome": "os", "covariates": ["age"], "grid": grid}
    >>> found = run_example(
    ...     protocol="survival_decision_curve", models={"cox": cox}, day=360, thresholds=[0.2, 0.4]
    ... )
    >>> found.summary().round(2)
                cox  treat_all  treat_none
    threshold
    0.2  0.16       0.13         0.0
    0.4  0.03      -0.16         0.0
    """

    models: tuple[str, ...]
    thresholds: Floats
    day: int
    n: int
    flagged: Integers
    event_share: Floats
    net_benefit: Floats
    treat_all: Floats
    avoided: Floats
    by_repeat: Mapping[str, Floats] = field(default_factory=dict)

    def summary(self) -> pd.DataFrame:
        """One row per threshold, one column per model."""
        return net_benefit_table(self.models, self.thresholds, self.net_benefit, self.treat_all)

    def figure(self) -> Figure:
        return Figure(
            (net_benefit(self.models, self.thresholds, self.net_benefit, self.treat_all),),
            f"Out-of-fold net benefit over {self.n} people, for the event by day {self.day}; acting on "
            "nobody has a net benefit of 0.",
        )


class SurvivalDecisionCurve(FederatedProtocol[SurvivalDecisionCurveSpec, SurvivalDecisionCurveResult]):
    """Cross-validated net benefit of survival models."""

    name = "survival_decision_curve"
    spec_type = SurvivalDecisionCurveSpec

    @site_step(
        clear=sites_are_left_out,
        summed=False,
        smaller=Count(what="people with or without the event, the fewer of both"),
    )
    def classes(spec: SurvivalDecisionCurveSpec, table: AnalysisTable) -> Arrays:
        """How many events there are here: whether this site can be left out and judged."""
        return fewer_of_both(spec, table)

    @site_step(
        times=once_per_repeat,
        varies=("folds", "fits"),
        n=Count(),
        all_at_risk=Count("interval", of="n", what="people at risk"),
        all_events=Count("interval", of="n", what="people with the event"),
        flagged=Count("model", "threshold", of="n", what="people above the threshold"),
        at_risk=Count("model", "threshold", "interval", of="n", what="people above the threshold at risk"),
        events=Count(
            "model", "threshold", "interval", of="n", what="people above the threshold with the event"
        ),
    )
    def life_tables(
        spec: SurvivalDecisionCurveSpec, table: AnalysisTable, folds: Integers, **fits: Array
    ) -> Arrays:
        """People at risk and events by interval, of everybody and of those above each threshold."""
        sizes = spec_sizes(spec)
        shape = (sizes["model"], sizes["threshold"], sizes["interval"])
        flagged = np.zeros(shape[:2], dtype=np.int64)
        at_risk, events = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        everybody = np.zeros((2, shape[2]), dtype=np.int64)
        n, edges = 0, spec.until_day()
        for people, risk in _predicted(spec, table, folds, fits):
            n += len(people.time)
            everybody += counted(people, edges)
            for t, cut in enumerate(spec.thresholds):
                for m, above in enumerate(risk >= cut):
                    flagged[m, t] += above.sum()
                    here, died = counted(people.select(above), edges)
                    at_risk[m, t] += here
                    events[m, t] += died
        whole = {"n": np.array(n), "all_at_risk": everybody[0], "all_events": everybody[1]}
        return whole | {"flagged": flagged, "at_risk": at_risk, "events": events}

    def axes(self, spec: SurvivalDecisionCurveSpec) -> dict[str, int]:
        return spec_sizes(spec)

    def coordinate(self, spec: SurvivalDecisionCurveSpec) -> Coordination[SurvivalDecisionCurveResult]:
        folds, _ = yield from chosen_folds(spec)
        fits = yield from fitted_by_fold(spec, folds)
        totals = yield folds.questions("life_tables", fits)
        check_people(spec, int(totals[0]["n"]), totals[0].min_count)
        found = [result(spec, total.arrays, total.min_count) for total in totals]
        return mean_of_repeats(found, MEASURES)

    def method(self, spec: SurvivalDecisionCurveSpec) -> str:
        return (
            f"Decision curves (Vickers & Elkin 2006) of {listed(spec.models)} for the event by day "
            f"{spec.day}, {spec.scheme}: nobody is judged by a model that was trained on them."
        )

    def about(self, spec: SurvivalDecisionCurveSpec) -> str:
        return f"Decision curves of survival by day {spec.day}, {spec.scheme}; for each fold:"

    def notes(self, spec: SurvivalDecisionCurveSpec) -> Sequence[str]:
        return clear_notes(spec)


def spec_sizes(spec: SurvivalDecisionCurveSpec) -> dict[str, int]:
    """The sizes of the axes."""
    intervals = len(spec.until_day()) - 1
    return {"model": len(spec.models), "threshold": len(spec.thresholds), "interval": intervals}


def _predicted(
    spec: SurvivalDecisionCurveSpec, table: AnalysisTable, folds: Integers, fits: Mapping[str, Array]
) -> Iterator[tuple[FollowUp, Floats]]:
    """For each fold the people here whom no model saw: follow-up, and (models, n) risks by the day."""
    at = np.array([len(spec.until_day()) - 1])
    for people, _, risks in followed_by_fold(spec, table, folds, fits, at):
        risk = risks[:, :, 0]
        judged = ~np.isnan(risk).any(axis=0) & people.on(spec.until_day()).ever_at_risk()
        yield people.select(judged), risk[:, judged]


def result(spec: SurvivalDecisionCurveSpec, total: Arrays, min_count: int) -> SurvivalDecisionCurveResult:
    """The result of joined life tables.

    Raises:
        StudyError: withheld; fewer than `min_count` people are followed up to the day.
    """

    def share(at_risk: Array, events: Array) -> float:
        counts = (np.asarray(x, dtype=np.int64) for x in (at_risk, events))
        return 1 - float(curve(*counts, level=0.95, min_count=min_count).survival[-1])

    n, cut = int(total["n"]), np.array(spec.thresholds)
    odds, prevalence = cut / (1 - cut), share(total["all_at_risk"], total["all_events"])
    if np.isnan(prevalence):
        raise StudyError(
            Code.WITHHELD,
            f"fewer than {min_count} people are at risk until day {spec.day}",
            "choose an earlier day",
        )
    flagged = np.asarray(total["flagged"], dtype=np.int64)
    shares = np.array(
        [
            [share(a, e) for a, e in zip(at_risk, events, strict=True)]
            for at_risk, events in zip(total["at_risk"], total["events"], strict=True)
        ]
    )
    benefit = np.where(flagged == 0, 0.0, flagged / n * (shares - (1 - shares) * odds))
    treat_all = prevalence - (1 - prevalence) * odds
    return SurvivalDecisionCurveResult(
        models=spec.names(),
        thresholds=cut,
        day=spec.day,
        n=n,
        flagged=np.where((flagged > 0) & (flagged < min_count), SUPPRESSED, flagged),
        event_share=shares,
        net_benefit=benefit,
        treat_all=treat_all,
        avoided=100 * (benefit - treat_all) / odds,
    )
