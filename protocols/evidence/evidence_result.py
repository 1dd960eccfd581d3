"""What is known of each link: the hospitals' estimates, what they come to, and the verdict."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from protocols.core.errors import Code
from protocols.core.figure import Axis, Estimate, Estimates, Figure, HeatMap, NoFigure
from protocols.core.protocol import Result
from protocols.core.table import Floats
from protocols.estimation.meta_analysis import Synthesis
from protocols.evidence.scorecard import Companion, Judged, Verdict
from protocols.results.figures import MOST_ESTIMATES, MOST_PANELS, MOST_ROWS

PARTS = ("robust", "consistent", "coherent")
_NORMAL = 1.959963984540054


@dataclass(frozen=True)
class Evidence:
    """One link. Effects are Fisher's z; `tanh` gives the correlation.

    Attributes:
        pair: feature and outcome in words; sign: the expected one, -1 or 1.
        by_model: adjustment -> the effect over the hospitals that were not held out, by REML with Hartung and
            Knapp's interval, never narrower than without it, simultaneous over the links.
        by_method: method -> the effect under the last adjustment, with intervals of 95 %.
        left_out: hospital -> the effect without it (REML, normal interval, simultaneous over the links).
        replication: over the hospitals that were held out (common effect, likewise).
        companions: the pathway's other genes, and the control.
        robust, consistent, coherent: the parts of the verdict.
    """

    pair: str
    sign: int
    by_model: Mapping[str, Synthesis | None]
    by_method: Mapping[str, Synthesis | None]
    left_out: Mapping[str, Synthesis | None]
    replication: Synthesis | None
    companions: tuple[Companion, ...]
    robust: Judged
    consistent: Judged
    coherent: Judged
    verdict: Verdict

    @property
    def effect(self) -> Synthesis | None:
        """Under the last adjustment."""
        return list(self.by_model.values())[-1]


@dataclass(frozen=True)
class EvidenceResult(Result):
    """The evidence for L links over S hospitals.

    Attributes:
        links: name -> what is known of it.
        sites: (S,) hospitals that show an estimate; held_out: those that only replicate.
        models: (M,) adjustments, from none on; pairs: (P,) feature and outcome in words.
        n: (S,) people.
        z, se: (S, P, M) Fisher's z of partial correlations, rounded to a hundredth of its standard error, and
            that; missing where a hospital has no estimate of the pair under every adjustment.
        withheld: hospital -> why it shows none.

    >>> from protocols.exchange.example import run_example
    >>> link = {"feature": "entropy", "outcome": "idh1", "sign": "negative"}
    >>> found = run_example(protocol="evidence", links={"texture": link}, confounders=["age"])
    >>> found.summary()[["r", "lower", "upper", "verdict"]].round(2)
                r  lower  upper     verdict
    texture -0.45  -0.62  -0.24  not judged
    """

    links: Mapping[str, Evidence]
    sites: tuple[str, ...]
    held_out: tuple[str, ...]
    models: tuple[str, ...]
    pairs: tuple[str, ...]
    n: tuple[int, ...]
    z: Floats
    se: Floats
    withheld: Mapping[str, Code]

    def summary(self) -> pd.DataFrame:
        """One row per link: the correlation under the last adjustment, and the scorecard."""
        rows = {name: {**_correlation(one.effect), **_scores(one)} for name, one in self.links.items()}
        return pd.DataFrame.from_dict(rows, orient="index")

    def by_model(self) -> pd.DataFrame:
        """One row per link and adjustment, from none on: before and after, side by side."""
        rows = {
            (name, model): _correlation(effect)
            for name, one in self.links.items()
            for model, effect in one.by_model.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def by_site(self) -> pd.DataFrame:
        """One row per hospital and pair: people, and the correlation under each adjustment."""
        index = pd.MultiIndex.from_product([self.sites, self.pairs], names=["hospital", "pair"])
        frame = pd.DataFrame(np.tanh(self.z).reshape(len(index), -1), index, self.models)
        frame.insert(0, "n", np.repeat(self.n, len(self.pairs)))
        return frame.dropna()

    def figure(self) -> Figure | NoFigure:
        """A forest of each of the first links, and the scorecard."""
        known = [name for name, one in self.links.items() if one.effect is not None]
        if not known:
            return NoFigure("too few hospitals show an estimate of any link")
        panels = [self._forest(name) for name in known[: MOST_PANELS - 1]]
        more = f" {len(known) - len(panels)} more links are not drawn." if len(known) > len(panels) else ""
        return Figure(
            (*panels, self._scorecard()),
            "Correlations at each hospital with 95 % intervals, what they come to, without each hospital, "
            "and from no adjustment to all. The scorecard has 1 where a part holds, -1 where not, and 0 "
            f"where it cannot be judged.{more}",
        )

    def _forest(self, name: str) -> Estimates:
        one = self.links[name]
        rows = [*self._sites(one)]
        rows += [_row(method, effect) for method, effect in one.by_method.items()]
        rows += [_row(f"without {site}", effect) for site, effect in one.left_out.items()]
        rows += [_row(f"adjustment: {model}", effect) for model, effect in one.by_model.items()]
        if one.replication is not None:
            rows.append(_row("held-out hospitals", one.replication))
        return Estimates(
            f"{name}: {one.verdict}", Axis(f"correlation, {one.pair}"), tuple(rows[:MOST_ESTIMATES]), 0.0
        )

    def _sites(self, one: Evidence) -> Iterator[Estimate]:
        at = self.pairs.index(one.pair)
        for site, n, z, se in zip(self.sites, self.n, self.z[:, at, -1], self.se[:, at, -1], strict=True):
            if np.isfinite(z):
                low, high = np.tanh(z - _NORMAL * se), np.tanh(z + _NORMAL * se)
                yield Estimate(f"{site} ({n})", float(np.tanh(z)), float(low), float(high))

    def _scorecard(self) -> HeatMap:
        names = tuple(self.links)[:MOST_ROWS]
        cells = tuple(
            tuple(
                0.0 if part.holds is None else 1.0 if part.holds else -1.0
                for part in (self.links[name].robust, self.links[name].consistent, self.links[name].coherent)
            )
            for name in names
        )
        return HeatMap("Scorecard", names, PARTS, cells, "holds")


def _row(label: str, effect: Synthesis | None) -> Estimate:
    found = _correlation(effect)
    return Estimate(label, found["r"], found["lower"], found["upper"])


def _correlation(effect: Synthesis | None) -> dict[str, float]:
    """A correlation with its interval, the variance between hospitals, and how many there are."""
    if effect is None:
        missing = float("nan")
        return {"r": missing, "lower": missing, "upper": missing, "i_squared": missing, "hospitals": 0}
    r, low, high = (float(np.tanh(x)) for x in (effect.effect, effect.lower, effect.upper))
    return {"r": r, "lower": low, "upper": high, "i_squared": effect.i_squared, "hospitals": effect.k}


def _scores(one: Evidence) -> dict[str, object]:
    found: dict[str, object] = {}
    for part, judged in zip(PARTS, (one.robust, one.consistent, one.coherent), strict=True):
        found[f"{part}_number"] = judged.number
        found[part] = "not judged" if judged.holds is None else "yes" if judged.holds else "no"
    return {**found, "verdict": one.verdict}
