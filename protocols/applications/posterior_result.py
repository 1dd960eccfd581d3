"""What a finding says of a gene, as a result with its table and its figure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import pandas as pd

from protocols.core.errors import Code
from protocols.core.figure import Axis, Curve, Curves, Estimates, Figure, Marks, Panel
from protocols.core.protocol import Result
from protocols.core.table import Floats, Integers
from protocols.estimation.heterogeneity import Heterogeneity
from protocols.results.figures import MOST_OUTCOMES, estimate, floats, net_benefit
from protocols.results.numerals import shown_p
from protocols.results.validation_figures import Roc, roc_panel

_PREVALENCES = np.linspace(0.01, 0.99, 99)


@dataclass(frozen=True)
class AtSite:
    """What one site shows in the clear.

    Attributes:
        people: (2,) without and with G.
        sensitivity, specificity: (K, 3) value, lower, upper by cut; NaN where people are too few to show.
    """

    people: Integers
    sensitivity: Floats
    specificity: Floats


@dataclass(frozen=True)
class PosteriorResult(Result):
    """A finding F and a gene G at K cuts. An estimate is (..., 3): value, lower, upper; NaN where not known.

    Attributes:
        gene: its name; low_is_positive: whether F is positive below its cuts.
        findings: (K,) what is positive; intervals: (R,) runs of those between the cuts.
        people: (2,) without and with G; prevalence: (3,) of G among them.
        positive: (2, K) people without and with G whose finding is positive; -1 where not shown.
        sensitivity, specificity: (K, 3) P(F given G) and P(not F given not G).
        ppv, npv: (K, 3) P(G given F) and P(not G given not F), at the prevalence here.
        lr_positive, lr_negative, odds_ratio: (K, 3).
        prevalences: (P,) of other populations; ppv_there, npv_there: (P, K, 3) predictive values in them by
            the logits of Mercaldo et al.; ppv_credible, npv_credible: (P, K, 3) median and interval of the
            posterior distribution after uniform ones.
        thresholds: (T,); net_benefit: (K, T) of acting where F is positive; act_on_all: (T,).
        by_interval: (2, R) people without and with G in runs that have enough of both.
        gene_given_interval: (R, 3) P(G given F in the run); interval_ratio: (R, 3) its likelihood ratio.
        monotone: (R,) P(G given F) that never falls from low to high F (rises, where low is positive).
        auc, auc_se: of the runs, ties half, after DeLong; that of low F, where low is positive.
        calibration_intercept, calibration_slope: of G on the log odds of F (means of runs); NaN unless F is a
            probability.
        by_site: site -> its own numbers; withheld: site -> the code with which it gave none.
        differ_sensitivity, differ_specificity: by cut, how much the logits of the sites' own differ; None of
            fewer than two.
        why: what is not shown, and the way out; empty where everything is.
        level: of the intervals.

    >>> from protocols.exchange.example import run_example
    >>> young = {"finding": "age", "cuts": [45], "low_is_positive": True}
    >>> found = run_example(protocol="posterior", gene="idh1", prevalences=[0.1], **young)
    >>> found.summary()[["sensitivity", "specificity", "ppv", "npv", "ppv_at_0.1"]].round(2)
              sensitivity  specificity   ppv   npv  ppv_at_0.1
    age < 45         0.45         0.88  0.78  0.63        0.29
    """

    gene: str
    low_is_positive: bool
    findings: tuple[str, ...]
    intervals: tuple[str, ...]
    people: Integers
    prevalence: Floats
    positive: Integers
    sensitivity: Floats
    specificity: Floats
    ppv: Floats
    npv: Floats
    lr_positive: Floats
    lr_negative: Floats
    odds_ratio: Floats
    prevalences: Floats
    ppv_there: Floats
    npv_there: Floats
    ppv_credible: Floats
    npv_credible: Floats
    thresholds: Floats
    net_benefit: Floats
    act_on_all: Floats
    by_interval: Integers
    gene_given_interval: Floats
    interval_ratio: Floats
    monotone: Floats
    auc: float
    auc_se: float
    calibration_intercept: float
    calibration_slope: float
    by_site: Mapping[str, AtSite]
    withheld: Mapping[str, Code]
    differ_sensitivity: tuple[Heterogeneity | None, ...]
    differ_specificity: tuple[Heterogeneity | None, ...]
    why: str
    level: float

    def summary(self) -> pd.DataFrame:
        """One row per cut: each measure with its interval, then the predictive values elsewhere."""
        measures = ("sensitivity", "specificity", "ppv", "npv", "lr_positive", "lr_negative", "odds_ratio")
        columns = self.named(*measures)
        for p, at in enumerate(self.prevalences):
            columns |= {f"ppv_at_{at:g}": self.ppv_there[p], f"npv_at_{at:g}": self.npv_there[p]}
        ends = ("", "_lower", "_upper")
        flat = {f"{name}{ends[i]}": values[:, i] for name, values in columns.items() for i in range(3)}
        return pd.DataFrame(flat, index=list(self.findings))

    def figure(self) -> Figure:
        """Rates or a ROC curve, P(G given F), the same at other prevalences, sites, net benefit."""
        panels = (*self._rates(), self._by_run(), *self._elsewhere(), *self._sites(), *self._benefit())
        caption = (
            f"{self.people.sum()} people, {self.people[1]} of them with {self.gene}, and {self.level:.0%} "
            "intervals. Predictive values elsewhere take sensitivity and specificity over from here."
        )
        return Figure(panels, f"{caption} {self.why}".strip())

    def _known(self) -> list[int]:
        """The cuts at which all four numbers are shown, as many as a panel has room for."""
        return [int(k) for k in np.flatnonzero((self.positive >= 0).all(axis=0))][:MOST_OUTCOMES]

    def _rates(self) -> Iterator[Panel]:
        if len(self.findings) == 1:
            rates = {"sensitivity": self.sensitivity, "specificity": self.specificity}
            rates |= {"PPV": self.ppv, "NPV": self.npv}
            rows = [estimate(name, value[0], name) for name, value in rates.items()]
            yield Estimates(self.findings[0], Axis("share", low=0.0, high=1.0), tuple(rows))
        elif len(self.intervals) > 1:
            people = self.by_interval if self.low_is_positive else self.by_interval[:, ::-1]
            above = np.cumsum(people, axis=1) / self.people[:, None]
            false, true = np.hstack([np.zeros((2, 1)), above])
            yield roc_panel([Roc(self.gene, false, true, self.auc)])

    def _by_run(self) -> Estimates:
        """P(G given F) in each run of intervals, beside the prevalence."""
        rows = [
            estimate(f"{name} ({people})", value, name)
            for name, value, people in zip(
                self.intervals, self.gene_given_interval, self.by_interval.sum(axis=0), strict=True
            )
        ]
        axis = Axis(f"P({self.gene} given the finding)", low=0.0, high=1.0)
        return Estimates("By interval (people)", axis, tuple(rows), float(self.prevalence[0]))

    def _elsewhere(self) -> Iterator[Curves]:
        """P(G given F) and P(G given not F) by prevalence, with a point for the prevalence here."""
        if not (cuts := self._known()):
            return
        x, curves = floats(_PREVALENCES), []
        for k in cuts:
            se, sp = self.sensitivity[k, 0], self.specificity[k, 0]
            for name, of_gene, of_others in (("", se, 1 - sp), ("not ", 1 - se, sp)):
                found = of_gene * _PREVALENCES / (of_gene * _PREVALENCES + of_others * (1 - _PREVALENCES))
                marks: Marks = "dotted" if name else "line"
                curves.append(Curve(f"{name}{self.findings[k]}", x, floats(found), marks=marks))
        here = float(self.prevalence[0])
        curves.append(Curve("", (here, here), (0.0, 1.0), marks="guide"))
        axes = (
            Axis(f"prevalence of {self.gene}", low=0.0, high=1.0),
            Axis(f"P({self.gene})", low=0.0, high=1.0),
        )
        yield Curves("In other populations", *axes, tuple(curves))

    def _sites(self) -> Iterator[Estimates]:
        """A forest of the sites' own sensitivity and specificity at the first cut that two of them show."""
        for name, of_all, differ, of_site in (
            ("sensitivity", self.sensitivity, self.differ_sensitivity, attrgetter("sensitivity")),
            ("specificity", self.specificity, self.differ_specificity, attrgetter("specificity")),
        ):
            compared = [(k, found) for k, found in enumerate(differ) if found]
            if not compared:
                continue
            k, found = compared[0]
            own = {site: of_site(there)[k] for site, there in sorted(self.by_site.items())}
            rows = [estimate(site, value) for site, value in own.items() if np.isfinite(value[0])]
            rows.append(estimate("all hospitals", of_all[k]))
            title = f"{self.findings[k]}: I² {found.i_squared:.0%}, {shown_p(found.p)} for equal rates"
            yield Estimates(title, Axis(name, low=0.0, high=1.0), tuple(rows))

    def _benefit(self) -> Iterator[Curves]:
        """Net benefit of acting where F is positive."""
        if cuts := self._known():
            names = [self.findings[k] for k in cuts]
            yield net_benefit(names, self.thresholds, self.net_benefit[cuts], self.act_on_all)
