"""What a genome-wide scan found: tests by variant and outcome, the loci, and a Manhattan and a Q-Q plot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import chi2

from protocols.core.errors import Code, InputError
from protocols.core.figure import Curves, Figure, NoFigure
from protocols.core.protocol import Result
from protocols.core.table import Floats, Integers, Mask
from protocols.estimation.wald import two_sided
from protocols.genomics import gwas_figure
from protocols.genomics.gwas_figure import GENOME_WIDE
from protocols.genomics.linkage import Linkage, clumped
from protocols.genomics.multiple_testing import benjamini_hochberg, bonferroni
from protocols.genomics.summary_statistics import SummaryStatistics, leads, of_scan
from protocols.results.figures import MOST_PANELS

LOCUS_BASES = 500_000
NOTED = 1e-4
"""The p-value below which a variant may belong to a clump."""

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
        linkage_asked: whether there are the fields that follow, of pairs of variants.
        pair_first, pair_second: (m,) places of two variants near one that was called; pair_r2: (m,).
        score_intercept, score_intercept_se: (o,) chi-square at an LD score of 0, which is 1 without structure
            however many small effects there are, and its standard error.
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
    linkage_asked: bool
    pair_first: Integers
    pair_second: Integers
    pair_r2: Floats
    score_intercept: Floats
    score_intercept_se: Floats

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
            linkage_asked=False,
            pair_first=np.zeros(0, dtype=np.int64),
            pair_second=np.zeros(0, dtype=np.int64),
            pair_r2=np.zeros(0),
            score_intercept=np.full(len(outcomes), np.nan),
            score_intercept_se=np.full(len(outcomes), np.nan),
        )

    def with_linkage(self, tested: Integers, found: Linkage) -> "GwasResult":
        """The result with what is known of the linkage of the (t,) tested variants."""
        return replace(
            self,
            linkage_asked=True,
            pair_first=tested[found.first],
            pair_second=tested[found.second],
            pair_r2=found.r2,
            score_intercept=found.intercept,
            score_intercept_se=found.intercept_se,
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
        rows = [
            (outcome, self.variants[j], self.beta[j, k], self.se[j, k], self.p[j, k])
            for k, outcome in enumerate(self.outcomes)
            for j in leads(self.variants, self.p[:, k], below, bases)
        ]
        return pd.DataFrame(rows, columns=["outcome", "variant", "beta", "se", "p"])

    def clumps(self, *, below: float = GENOME_WIDE, r2: float = 0.5) -> pd.DataFrame:
        """The strongest variants below a p-value, with how many are in linkage with each (Purcell 2007).

        Args:
            r2: from which on a variant within 250,000 bases belongs to the clump of a stronger one.

        Raises:
            InputError: the scan did not ask for linkage.
        """
        if not self.linkage_asked:
            raise InputError(Code.NOT_FOUND, "the scan has no linkage", "write `linkage: true` in its spec")
        rows = []
        for k, outcome in enumerate(self.outcomes):
            p = np.where(np.isnan(self.p[:, k]), np.inf, self.p[:, k])
            both = np.maximum(p[self.pair_first], p[self.pair_second]) < NOTED
            pairs = self.pair_first[both], self.pair_second[both], self.pair_r2[both]
            lead_of = clumped(p, *pairs, called=below, least=r2)
            leads = np.flatnonzero(lead_of == np.arange(len(p)))
            for j in leads[np.argsort(p[leads], kind="stable")]:
                size = int(np.count_nonzero(lead_of == j))
                rows.append((outcome, self.variants[j], self.beta[j, k], self.se[j, k], p[j], size))
        return pd.DataFrame(rows, columns=["outcome", "variant", "beta", "se", "p", "variants"])

    def statistics(self, outcome: str, *, sd: float | None = None) -> SummaryStatistics:
        """An outcome's effects, to be compared with another scan's or a published table's.

        Args:
            sd: the outcome's standard deviation, which colocalisation needs of one that is not 0/1.

        Raises:
            InputError: not-found; the scan has no such outcome.
        """
        if outcome not in self.outcomes:
            raise InputError(Code.NOT_FOUND, f"the scan has no outcome {outcome}")
        k = self.outcomes.index(outcome)
        beta, se = self.beta[:, k], self.se[:, k]
        return of_scan(outcome, self.variants, beta, se, n=self.n, is_binary=not self.df, sd=sd)

    def figure(self) -> Figure | NoFigure:
        """Manhattan and Q-Q plot of each of the first outcomes, and the region of its strongest variant."""
        known = [k for k in range(len(self.outcomes)) if np.isfinite(self.p[:, k]).any()]
        if not known:
            return NoFigure("nothing could be tested")
        some = known[: MOST_PANELS // (3 if self.linkage_asked else 2)]
        panels: list[Curves] = []
        for k in some:
            name, p = self.outcomes[k], self.p[:, k]
            panels += [gwas_figure.manhattan(name, self.variants, p), gwas_figure.quantiles(name, p)]
            panels += self._region(k)
        more = f" {len(known) - len(some)} more outcomes are not drawn." if len(some) < len(known) else ""
        return Figure(
            tuple(panels),
            f"{self.tests:,} variants tested in {self.n:,} people; the dashed line is p = 5e-8. Genomic "
            f"inflation: {', '.join(map(self._inflated, some))}. Of weak variants an even choice is drawn."
            + more,
        )

    def _inflated(self, k: int) -> str:
        """An outcome's inflation, and the part of it that is structure."""
        told = f"{self.outcomes[k]} {self.inflation[k]:.2f}"
        if np.isnan(self.score_intercept[k]):
            return told
        return f"{told} (LD score intercept {self.score_intercept[k]:.2f} ± {self.score_intercept_se[k]:.2f})"

    def _region(self, k: int) -> list[Curves]:
        """The region of the strongest variant that was called, if its linkage was asked for."""
        p = self.p[:, k]
        lead = int(np.argmin(np.where(np.isnan(p), np.inf, p)))
        if not (self.linkage_asked and p[lead] < GENOME_WIDE):
            return []
        has = (self.pair_first == lead) | (self.pair_second == lead)
        others = (self.pair_first + self.pair_second)[has] - lead
        return [gwas_figure.region(self.outcomes[k], self.variants, p, lead, others, self.pair_r2[has])]


def _inflation(p: Floats) -> float:
    """The genomic inflation factor of (v,) p-values (Devlin & Roeder 1999); NaN of none."""
    known = p[np.isfinite(p)]
    return float(chi2.isf(np.median(known), 1) / _MEDIAN) if len(known) else float("nan")
