"""What a landmark analysis found: effects by landmark, and how well the window was predicted from each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Curves, Figure
from protocols.core.protocol import Arrays, Result
from protocols.core.table import Floats, Integers
from protocols.estimation.wald import wald
from protocols.results.figures import estimate, estimates
from protocols.results.validation_figures import by_day_panel
from protocols.survival.concordance import Pairs
from protocols.survival.landmarking_spec import LandmarkingSpec
from protocols.survival.survival_scores import COUNTS, auc_by_day, censoring_and_survival


@dataclass(frozen=True)
class LandmarkingResult(Result):
    """One model of all landmarks, and how it predicts at each.

    Attributes:
        terms: (p,) covariates, then `NAME:time`, what an effect changes by from first to last landmark.
        coef, se, z, p: (p,) log hazard ratio, its standard error robust for people with several rows, Wald
            statistic and two-sided p-value.
        covariance: (p, p) of coef; model_se: (p,) as if every row were another person.
        center: (p,) means of the rows, to which `hazard` belongs.
        covariates: (q,) names; with_time: (q,) whether the effect changes.
        landmarks: (L,) days; window_days: how far ahead.
        hazard_ratio, lower, upper: (q, L) of each covariate at each landmark, with an interval at `level`.
        hazard: (L,) cumulative baseline hazard of each window, Breslow's over all sites.
        n, n_events: people at the first landmark, and those with an event in a window.
        at_risk, events: (L,) people on the landmark, and of them with the event in its window.
        auc, auc_bound: (L,) of the folds left out, and how far the AUC of the scores themselves can be.
        harrell, harrell_se: (L,) concordance within hospitals and folds, of events in the window.
        brier: (L,) and brier_null, that of one prediction for all; skill: 1 - brier / brier_null.
            NaN, as the AUC is, where nobody is followed beyond the window.
        observed, expected: (L,) share with the event by Kaplan-Meier, and the mean prediction.

    >>> from protocols.exchange.example import run_example
    >>> spec = {"outcome": "os", "covariates": ["age", "idh1"], "landmarks": [0, 180], "window_days": 360}
    >>> found = run_example(protocol="landmarking", step_days=90, folds=3, **spec)
    >>> found.summary()[["at_risk", "events", "auc", "observed", "expected"]].round(2)
         at_risk  events   auc  observed  expected
    day
    0        340     102  0.69      0.30      0.28
    180      287      77  0.70      0.29      0.28
    """

    terms: tuple[str, ...]
    coef: Floats
    se: Floats
    z: Floats
    p: Floats
    covariance: Floats
    model_se: Floats
    center: Floats
    covariates: tuple[str, ...]
    landmarks: tuple[int, ...]
    window_days: int
    hazard_ratio: Floats
    lower: Floats
    upper: Floats
    hazard: Floats
    n: int
    n_events: int
    at_risk: Integers
    events: Integers
    auc: Floats
    auc_bound: Floats
    harrell: Floats
    harrell_se: Floats
    brier: Floats
    brier_null: Floats
    skill: Floats
    observed: Floats
    expected: Floats
    level: float

    def summary(self) -> pd.DataFrame:
        """One row per landmark."""
        columns = ("at_risk", "events", "auc", "harrell", "brier", "skill", "observed", "expected")
        return self.table(self.landmarks, *columns).rename_axis("day")

    def effects(self) -> pd.DataFrame:
        """One row per covariate and landmark: the hazard ratio there, and its interval."""
        index = pd.MultiIndex.from_product([self.covariates, self.landmarks], names=["covariate", "day"])
        ends = {name: np.ravel(value) for name, value in self.named("hazard_ratio", "lower", "upper").items()}
        return pd.DataFrame(ends, index=index)

    def risk(self, x: pd.DataFrame | Floats, day: int) -> Floats:
        """The (n,) chances of the event within the window of a landmark.

        Args:
            x: (n, q) covariates as they are known on that day, or a frame with columns of their names.
            day: one of `landmarks`.

        Raises:
            StudyError: not-found; the model has no such landmark.
        """
        if day not in self.landmarks:
            raise StudyError(Code.NOT_FOUND, f"day {day} is no landmark of this model", "use one of them")
        values = x[list(self.covariates)].to_numpy(float) if isinstance(x, pd.DataFrame) else x
        number = self.landmarks.index(day)
        time = _times(self.landmarks)[number]
        changing = [
            self.covariates.index(name[: -len(":time")]) for name in self.terms[len(self.covariates) :]
        ]
        design = np.column_stack([values, values[:, changing] * time])
        risk: Floats = -np.expm1(-self.hazard[number] * np.exp((design - self.center) @ self.coef))
        return risk

    def figure(self) -> Figure:
        """The effects by landmark, then what was predicted, and how well."""
        rows = [
            estimate(f"{name}, day {day}", (self.hazard_ratio[j, k], self.lower[j, k], self.upper[j, k]))
            for j, name in enumerate(self.covariates)
            for k, day in self._drawn(f"{name}:time" in self.terms)
        ]
        accuracy = {
            "AUC": self.auc,
            "Brier score": self.brier,
            "Brier score of one risk for all": self.brier_null,
        }
        shares = {"observed (Kaplan-Meier)": self.observed, "predicted": self.expected}
        return Figure(
            (
                estimates(rows, "hazard ratio", ratio=True, title="What is known on the day"),
                _on_days("Discrimination and error", self.landmarks, accuracy, "AUC or Brier score"),
                _on_days("Calibration", self.landmarks, shares, "share with the event in the window"),
            ),
            f"Events within {self.window_days} days of each landmark, of {self.n} people at the first with "
            f"{self.n_events} in a window; hazard ratios with {self.level:.0%} confidence intervals, robust "
            f"for people with several rows; predictions of people whom the model never saw. {self._said()}",
        )

    def _drawn(self, changes: bool) -> list[tuple[int, int]]:
        """The landmarks at which an effect is drawn: each, or the first where it is one for all."""
        days = list(enumerate(self.landmarks))
        return days if changes else days[:1]

    def _said(self) -> str:
        low = np.nan_to_num(self.harrell - stats.norm.isf((1 - self.level) / 2) * self.harrell_se)
        better = [str(day) for day, end in zip(self.landmarks, low, strict=True) if end > 0.5]
        if not better:
            return "At no landmark was the order of events predicted better than by chance."
        return f"The order of events was predicted better than by chance on day {', '.join(better)}."


def _on_days(title: str, days: Sequence[int], measures: dict[str, Floats], measure: str) -> Curves:
    panel = by_day_panel(title, days, measures, measure)
    return Curves(title, Axis("landmark", "days since the index date"), panel.y, panel.curves)


def _times(landmarks: Sequence[int]) -> Floats:
    """(L,) from 0, the first landmark, to 1, the last."""
    days = np.array(landmarks, dtype=np.float64)
    found: Floats = (days - days[0]) / max(days[-1] - days[0], 1.0)
    return found


def result(
    spec: LandmarkingSpec,
    coef: Floats,
    covariance: Floats,
    *,
    model_covariance: Floats,
    location: Floats,
    hazard: Floats,
    counts: Arrays,
    scores: Arrays,
    last: Integers,
) -> LandmarkingResult:
    """The result of a model in its original scale, and of joined counts and sums.

    Args:
        counts: of the life table from the first landmark on, in runs that end with the `last` ones.
        scores: sums over landmarks of people whom the models never saw.
    """
    tested, reach = wald(coef, covariance, spec.level), stats.norm.isf((1 - spec.level) / 2)
    names, times = spec.covariates, spec.times()
    effect, error = np.zeros((2, len(names), len(times)))
    for j, name in enumerate(names):
        basis = np.zeros((len(times), len(coef)))
        basis[:, j] = 1
        if name in spec.with_time:
            basis[:, len(names) + spec.with_time.index(name)] = times
        effect[j], error[j] = basis @ coef, np.sqrt(np.einsum("ki,ij,kj->k", basis, covariance, basis))
    at_risk, events = at_landmarks(spec, counts, last)
    _, gone = censoring_and_survival({name: counts[name] for name in ("at_risk", "events", "left")})
    observed = 1 - (1 - gone[spec.ends()]) / (1 - gone[spec.begins()])
    auc, bound = auc_by_day(*(np.asarray(scores[name], np.float64) for name in ("cases", "controls")))
    beyond = scores["controls"].sum(axis=1) > 0
    brier = np.where(beyond, scores["squares"] / at_risk, np.nan)
    null = observed * (1 - observed)
    pairs = [
        Pairs(**dict(zip(COUNTS, row.tolist(), strict=True)), squares=squares)
        for row, squares in zip(scores["harrell"], scores["harrell_squares"], strict=True)
    ]
    return LandmarkingResult(
        terms=spec.terms(),
        coef=coef,
        se=tested.se,
        z=tested.z,
        p=tested.p,
        covariance=covariance,
        model_se=np.sqrt(np.diag(model_covariance)),
        center=location,
        covariates=names,
        landmarks=spec.landmarks,
        window_days=spec.window_days,
        hazard_ratio=np.exp(effect),
        lower=np.exp(effect - reach * error),
        upper=np.exp(effect + reach * error),
        hazard=hazard,
        n=int(counts["n"]),
        n_events=int(counts["n_events"]),
        at_risk=at_risk,
        events=events,
        auc=auc,
        auc_bound=bound,
        harrell=np.array([one.index() for one in pairs]),
        harrell_se=np.array([one.standard_error() for one in pairs]),
        brier=brier,
        brier_null=null,
        skill=1 - brier / np.where(null > 0, null, np.nan),
        observed=observed,
        expected=scores["expected"] / at_risk,
        level=spec.level,
    )


def at_landmarks(spec: LandmarkingSpec, counts: Arrays, last: Integers) -> tuple[Integers, Integers]:
    """(L,) people at risk on each landmark, and events in its window, of counts in runs."""
    windows = zip(spec.begins(), spec.ends(), strict=True)
    events = np.array([counts["events"][begin:end].sum() for begin, end in windows], dtype=np.int64)
    return np.asarray(counts["at_risk"][last[spec.begins()]], dtype=np.int64), events
