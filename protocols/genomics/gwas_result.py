"""What a genome-wide scan found: tests by variant and outcome, the loci, and a Manhattan and a Q-Q plot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import chi2

from protocols.core.figure import Axis, Curve, Curves, Figure, NoFigure
from protocols.core.protocol import Result
from protocols.core.table import Floats, Integers, Mask
from protocols.estimation.wald import two_sided
from protocols.genomics.multiple_testing import benjamini_hochberg, bonferroni
from protocols.results.figures import MOST_PANELS, floats

GENOME_WIDE = 5e-8
"""The p-value below which a variant is called: 0.05 over a million independent variants of a genome."""

LOCUS_BASES = 500_000
_DRAWN = 1500  # points of a panel: all that are strong, and an even choice of the others
_SMALLEST = 1e-320
_MEDIAN = float(chi2.median(1))


@dataclass(frozen=True)
class Untested:
    """Why variants are not tested, by (v,) of the list; a variant has one reason, the first that holds."""

    few_carriers: Mask
    low_call_rate: Mask
    rare: Mask

    @classmethod
    def of(
        cls,
        is_carried: Mask,
        at: Integers,
        share: Floats,
        minor: Floats,
        least: tuple[float, int],
    ) -> "Untested":
        """The reasons, of the (v,) carried variants and the (k,) at some positions.

        Args:
            share, minor: (k,) of the people who have a genotype, and copies of the rarer allele.
            least: of both, what is asked for.
        """
        low, rare = np.zeros(len(is_carried), dtype=bool), np.zeros(len(is_carried), dtype=bool)
        low[at] = share < least[0]
        rare[at] = (minor < least[1]) & ~low[at]
        return cls(~is_carried, low, rare)

    def tested(self) -> Integers:
        """The (k,) positions of the others."""
        return np.flatnonzero(~(self.few_carriers | self.low_call_rate | self.rare))

    def counts(self) -> dict[str, int]:
        """How many, by reason in words; none of those that nobody has."""
        found = {
            "too few people carry both alleles, or none has the variant": self.few_carriers,
            "the call rate is too low": self.low_call_rate,
            "the rarer allele has too few copies": self.rare,
        }
        return {reason: int(mask.sum()) for reason, mask in found.items() if mask.any()}


@dataclass(frozen=True)
class GwasResult(Result):
    """Tests of v variants with o outcomes; what was not tested is missing.

    Attributes:
        variants: (v,) names CHROMOSOME:POSITION:REF:ALT; outcomes: (o,) names.
        beta, se, statistic, p: (v, o) the change of the outcome for a copy of ALT, its standard error, t and
            two-sided p-value. Of a logistic scan: the log odds ratio that one Newton step from the model
            without the variant gives, 1 / sqrt(V), the score as z, and its p-value, by the saddle point where
            that is far out.
        p_bonferroni, q_bh: (v, o) adjusted over the variants of an outcome (Bonferroni, Benjamini-Hochberg).
        inflation: (o,) the genomic inflation factor: the median of chi-square against that of no association.
        tests: how many there are of each outcome.
        df: residual degrees of freedom of t; 0 of a logistic scan.
        aliased: covariates that are combinations of those before them.
        untested: reason -> variants.
        no_saddle_point: how many scores far out have none, so that the normal distribution's p-value stands.
        n: people in the scan; sites: that have any of them.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="gwas", variants={"block": "snps"}, outcomes=["entropy"])
    >>> found.summary()[["beta", "se"]].head(1).round(3)
                           beta     se
    variant      outcome
    3:400000:C:T entropy  0.387  0.043
    """

    variants: tuple[str, ...]
    outcomes: tuple[str, ...]
    beta: Floats
    se: Floats
    statistic: Floats
    p: Floats
    p_bonferroni: Floats
    q_bh: Floats
    inflation: Floats
    tests: int
    df: int
    aliased: tuple[str, ...]
    untested: Mapping[str, int]
    no_saddle_point: int
    n: int
    sites: int

    @classmethod
    def of(
        cls,
        variants: Sequence[str],
        outcomes: Sequence[str],
        beta: Floats,
        se: Floats,
        p: Floats | None = None,
        *,
        df: int,
        aliased: tuple[str, ...],
        untested: Mapping[str, int],
        n: int,
        sites: int,
        no_saddle_point: int = 0,
    ) -> "GwasResult":
        """The result of (v, o) coefficients, standard errors, and p-values that are not those of t or z."""
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = beta / se
        p = two_sided(statistic, df or None) if p is None else p
        by_outcome = p.T
        return cls(
            variants=tuple(variants),
            outcomes=tuple(outcomes),
            beta=beta,
            se=se,
            statistic=statistic,
            p=p,
            p_bonferroni=np.array([bonferroni(one) for one in by_outcome]).T,
            q_bh=np.array([benjamini_hochberg(one) for one in by_outcome]).T,
            inflation=np.array([_inflation(one) for one in by_outcome]),
            tests=int(np.count_nonzero(~np.isnan(p).all(axis=1))),
            df=df,
            aliased=aliased,
            untested=untested,
            no_saddle_point=no_saddle_point,
            n=n,
            sites=sites,
        )

    def summary(self) -> pd.DataFrame:
        """One row per test, the smallest p-value first."""
        names = ("beta", "se", "statistic", "p", "p_bonferroni", "q_bh")
        frame = pd.DataFrame(
            {name: np.ravel(x) for name, x in self.named(*names).items()},
            pd.MultiIndex.from_product([self.variants, self.outcomes], names=["variant", "outcome"]),
        )
        return frame.dropna(subset="p").sort_values("p", kind="stable")

    def loci(self, *, below: float = GENOME_WIDE, bases: int = LOCUS_BASES) -> pd.DataFrame:
        """The strongest variants below a p-value, none within so many bases of a stronger one."""
        leads = []
        chromosomes, positions = _places(self.variants)
        for k, outcome in enumerate(self.outcomes):
            taken: list[tuple[str, int]] = []
            for j in np.argsort(self.p[:, k], kind="stable"):
                if not self.p[j, k] < below:
                    break
                here = (chromosomes[j], int(positions[j]))
                if all(here[0] != c or abs(here[1] - at) > bases for c, at in taken):
                    taken.append(here)
                    leads.append((outcome, self.variants[j], self.beta[j, k], self.se[j, k], self.p[j, k]))
        return pd.DataFrame(leads, columns=["outcome", "variant", "beta", "se", "p"])

    def figure(self) -> Figure | NoFigure:
        """Manhattan and Q-Q plot of each of the first outcomes."""
        known = [k for k in range(len(self.outcomes)) if np.isfinite(self.p[:, k]).any()]
        if not known:
            return NoFigure("nothing could be tested")
        panels = [
            panel for k in known[: MOST_PANELS // 2] for panel in (self._manhattan(k), self._quantiles(k))
        ]
        factors = ", ".join(f"{self.outcomes[k]} {self.inflation[k]:.2f}" for k in known[: MOST_PANELS // 2])
        more = (
            f" {len(known) - len(panels) // 2} more outcomes are not drawn."
            if len(panels) < 2 * len(known)
            else ""
        )
        return Figure(
            tuple(panels),
            f"{self.tests:,} variants tested in {self.n:,} people; the dashed line is p = 5e-8. Genomic "
            f"inflation: {factors}. Of weak variants an even choice is drawn.{more}",
        )

    def _manhattan(self, k: int) -> Curves:
        chromosomes, positions = _places(self.variants)
        strength = _strength(self.p[:, k])
        drawn = _chosen(strength)
        order = sorted(set(chromosomes), key=_chromosome_order)
        curves, begin = [], 0.0
        for name in order:
            here = (chromosomes == name) & drawn
            length = float(positions[chromosomes == name].max())
            if here.any():
                curves.append(
                    Curve("", floats((begin + positions[here]) / 1e6), floats(strength[here]), marks="points")
                )
            begin += length
        line = -np.log10(GENOME_WIDE)
        curves.append(Curve("", (0.0, begin / 1e6), (line, line), marks="guide"))
        x = Axis(f"position along chromosomes {order[0]} to {order[-1]}", "Mb")
        return Curves(self.outcomes[k], x, Axis("−log10 p", low=0.0), tuple(curves))

    def _quantiles(self, k: int) -> Curves:
        strength = np.sort(_strength(self.p[np.isfinite(self.p[:, k]), k]))[::-1]
        expected = -np.log10((np.arange(len(strength)) + 0.5) / len(strength))
        some = np.unique(np.geomspace(1, len(strength), min(len(strength), _DRAWN)).astype(int)) - 1
        points = Curve("", floats(expected[some]), floats(strength[some]), marks="points")
        end = float(expected[0])
        line = Curve("", (0.0, end), (0.0, end), marks="guide")
        return Curves(
            f"{self.outcomes[k]}, quantiles",
            Axis("−log10 p, none associated", low=0.0),
            Axis("−log10 p", low=0.0),
            (points, line),
        )


def _inflation(p: Floats) -> float:
    """The genomic inflation factor of (v,) p-values (Devlin & Roeder 1999); NaN of none."""
    known = p[np.isfinite(p)]
    return float(chi2.isf(np.median(known), 1) / _MEDIAN) if len(known) else float("nan")


def _strength(p: Floats) -> Floats:
    strength: Floats = -np.log10(np.maximum(p, _SMALLEST))
    return strength


def _chosen(strength: Floats) -> Mask:
    """Which of (v,) points are drawn: the strongest, and an even choice of the others."""
    known = np.flatnonzero(np.isfinite(strength))
    order = known[np.argsort(-strength[known], kind="stable")]
    rest = order[_DRAWN // 2 :]
    drawn = np.zeros(len(strength), dtype=bool)
    drawn[order[: _DRAWN // 2]] = True
    drawn[rest[:: max(1, 2 * len(rest) // _DRAWN)]] = True
    return drawn


def _places(variants: Sequence[str]) -> tuple["np.ndarray[tuple[int], np.dtype[np.str_]]", Integers]:
    """(v,) chromosomes and positions; of a list that is not known here, the order on it."""
    cells = [name.split(":", 2) if ":" in name else ("?", str(i)) for i, name in enumerate(variants)]
    return np.array([one[0] for one in cells]), np.array([int(one[1]) for one in cells], dtype=np.int64)


def _chromosome_order(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (100, name)
