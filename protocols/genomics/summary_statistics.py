"""What a genome-wide scan says of one trait: an effect and a standard error for each variant.

A scan of one's own gives them (`GwasResult.statistics`), and so does a table that somebody published. Two of
them are brought onto the same alleles, and then tell what one trait does to the other (`mendelian`) and
whether they share a cause in a region (`colocalisation`). Nothing of this asks a site.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from protocols.core.errors import Code, InputError, not_found
from protocols.core.table import Floats, Integers
from protocols.estimation.wald import two_sided
from protocols.genomics.alignment import Aligned, Strand, aligned, axis_table, chromosome
from protocols.genomics.colocalisation import ColocalisationResult, colocalisation
from protocols.genomics.gwas_figure import GENOME_WIDE, names_and_positions
from protocols.genomics.ld_score_regression import (
    GeneticCorrelationResult,
    HeritabilityResult,
    genetic_correlation,
    heritability,
)
from protocols.genomics.mendelian import MendelianResult, mendelian

APART_BASES = 1_000_000
"""How far the variants are from each other by which an exposure is judged, unless they are named."""

_COLUMNS = {
    "chromosome": "chromosome",
    "base_pair_location": "position",
    "other_allele": "ref",
    "effect_allele": "alt",
    "standard_error": "se",
}
"""Columns of a published table, as the GWAS Catalog's standard (GWAS-SSF) names them."""

_PRIOR_OF_LOG_ODDS, _PRIOR_OF_ONE_SD = 0.2, 0.15  # Wakefield 2009; Giambartolomei et al. 2014
_P_AGREES = 0.1  # of its logarithm, which a table may round


@dataclass(frozen=True)
class SummaryStatistics:
    """Effects of v variants on one trait.

    Attributes:
        trait: its name.
        variants: (v,) names CHROMOSOME:POSITION:OTHER:EFFECT; the effect is that of one more EFFECT allele.
        beta, se: (v,) the effect (of a 0/1 trait the log odds ratio) and its standard error.
        n: (v,) people of a variant, NaN where a table does not say.
        prior: the standard deviation of an effect before the data are seen; None where nobody said what the
            trait's standard deviation is.
        strand: whether alleles are of the forward strand, or nobody knows.
        left_out: rows of a table that had no effect or no place.
    """

    trait: str
    variants: tuple[str, ...]
    beta: Floats
    se: Floats
    n: Floats
    prior: float | None
    strand: Strand
    left_out: int = 0

    @property
    def p(self) -> Floats:
        """(v,) two-sided p-values by the normal distribution."""
        return two_sided(self.beta / self.se)

    def instruments(self, *, below: float = GENOME_WIDE, bases: int = APART_BASES) -> list[str]:
        """The strongest variants below a p-value, none within so many bases of a stronger one."""
        return [self.variants[i] for i in leads(self.variants, self.p, below, bases)]

    def effect_on(
        self, outcome: "SummaryStatistics", instruments: Sequence[str] | None = None, *, level: float = 0.95
    ) -> MendelianResult:
        """What this trait does to another one, by the variants that move it: see `mendelian`.

        Args:
            instruments: names of variants of this scan, in no linkage with each other, such as the leads of
                its clumps; `instruments()` where they are not named.
            level: of the intervals.

        Raises:
            InputError: not-found; a variant is not in this scan, or none of them is in the other one.
        """
        names = self.instruments() if instruments is None else [*dict.fromkeys(instruments)]
        at = self._at(names)
        own, other, sign, found = _on_same_alleles(self, outcome, at)
        moves = self.beta[own] != 0
        own, other, sign = own[moves], other[moves], sign[moves]
        lost = {
            "not in the other scan, or twice": len(at) - len(found.at) - found.ambiguous,
            "strand not known": found.ambiguous,
            "no effect on the exposure": int(np.count_nonzero(~moves)),
        }
        return mendelian(
            self.trait,
            outcome.trait,
            [self.variants[i] for i in own],
            self.beta[own],
            self.se[own],
            sign * outcome.beta[other],
            outcome.se[other],
            left_out={why: count for why, count in lost.items() if count},
            level=level,
        )

    def shares_cause_with(
        self,
        other: "SummaryStatistics",
        region: str,
        *,
        p1: float = 1e-4,
        p2: float = 1e-4,
        p12: float = 1e-5,
    ) -> ColocalisationResult:
        """Whether one variant of a region causes both traits: see `colocalisation`.

        Args:
            region: CHROMOSOME:FROM-TO, both ends included.

        Raises:
            InputError: invalid-input; the region is not of this form, or a trait's standard deviation was not
                said. not-found; no variant of the region is in both.
        """
        priors = [one.prior for one in (self, other)]
        if None in priors:
            raise InputError(
                Code.INVALID_INPUT,
                "it is not known how large an effect can be",
                "say the trait's standard deviation with `sd`, 1 of a standardized one",
            )
        at = _in_region(axis_table(self.variants), region)
        own, of_other, sign, _ = _on_same_alleles(self, other, at)
        first, second = (float(prior) for prior in priors if prior is not None)
        return colocalisation(
            self.trait,
            other.trait,
            [self.variants[i] for i in own],
            (self.beta[own], self.se[own], first),
            (sign * other.beta[of_other], other.se[of_other], second),
            p1=p1,
            p2=p2,
            p12=p12,
        )

    def heritability(self, scores: pd.DataFrame, variants: float) -> HeritabilityResult:
        """How much of the trait's variance common variants hold: see `ld_score_regression`.

        Args:
            scores: published LD scores, with the columns `CHR`, `BP` and `L2`.
            variants: on how many variants they were computed (the files' `M_5_50`).

        Raises:
            InputError: invalid-input; a column is missing, nobody said how many people there are, or too
                few variants have a score.
        """
        at, score = self._scored(scores)
        return heritability(self.trait, self.beta[at] / self.se[at], self.n[at], score, variants)

    def genetic_correlation(
        self, other: "SummaryStatistics", scores: pd.DataFrame, variants: float
    ) -> GeneticCorrelationResult:
        """How alike common variants act on both traits; the arguments are those of `heritability`."""
        at, score = self._scored(scores)
        own, of_other, sign, found = _on_same_alleles(self, other, at)
        z = np.array([self.beta[own] / self.se[own], sign * other.beta[of_other] / other.se[of_other]])
        n = np.array([self.n[own], other.n[of_other]])
        known = np.isfinite(n).all(axis=0)
        return genetic_correlation(
            (self.trait, other.trait),
            z[:, known],
            n[:, known],
            score[found.at][known],
            variants,
        )

    def _scored(self, scores: pd.DataFrame) -> tuple[Integers, Floats]:
        """(k,) places of variants with people and one LD score, along the genome, and the scores."""
        if missing := {"CHR", "BP", "L2"} - {*scores}:
            raise InputError(Code.INVALID_INPUT, f"the scores have no column {', '.join(sorted(missing))}")
        if not np.isfinite(self.n).any():
            raise InputError(
                Code.INVALID_INPUT,
                "it is not known how many people there are",
                "give the table a column `n`",
            )
        where = scores.assign(chromosome=scores["CHR"].astype(str).map(chromosome), position=scores["BP"])
        where = where.drop_duplicates(["chromosome", "position"], keep=False)
        own = axis_table(self.variants).drop_duplicates(["chromosome", "position"], keep=False)
        both = own.merge(where, on=["chromosome", "position"]).sort_values(
            ["chromosome", "position"], kind="stable"
        )
        at = both["at"].to_numpy(np.int64)
        known = np.isfinite(self.n[at]) & np.isfinite(both["L2"].to_numpy())
        return at[known], both["L2"].to_numpy(np.float64)[known]

    def _at(self, names: Sequence[str]) -> Integers:
        place = {name: i for i, name in enumerate(self.variants)}
        if unknown := [name for name in names if name not in place]:
            raise InputError(Code.NOT_FOUND, f"{len(unknown)} of {len(names)} variants are not in the scan")
        return np.array([place[name] for name in names], dtype=np.int64)


def summary_statistics(
    trait: str, table: pd.DataFrame | Path | str, *, sd: float | None = None, strand: Strand = "unknown"
) -> SummaryStatistics:
    """The effects of a published table, of the same genome build as what it is compared with.

    Its columns are those of the GWAS Catalog's standard: `chromosome`, `base_pair_location`, `effect_allele`,
    `other_allele`, `standard_error` and `beta`, or `odds_ratio` with the error of its logarithm; `n` may be.

    Args:
        table: a data frame, or a tab-separated file of it, compressed or not.
        sd: standard deviation of a measured trait in the units of `beta`; left out for odds ratios.
        strand: `forward` where the table says so; else A/T and C/G variants are left out of comparisons.

    Raises:
        InputError: not-found; there is no such file. invalid-input; a column is missing, or p-values are not
            those of the effects: odds ratios may stand as `beta`.
    """
    frame = table if isinstance(table, pd.DataFrame) else _read(Path(table))
    effect = "beta" if "beta" in frame or "odds_ratio" not in frame else "odds_ratio"
    if missing := [name for name in (*_COLUMNS, effect) if name not in frame]:
        raise InputError(Code.INVALID_INPUT, f"the table has no column {', '.join(missing)}")
    frame = frame if "n" in frame else frame.assign(n=np.nan)
    read = [effect, "standard_error", "base_pair_location", "n"]
    numbers = frame[read].apply(pd.to_numeric, errors="coerce")
    with np.errstate(divide="ignore", invalid="ignore"):
        beta = numbers[effect] if effect == "beta" else np.log(numbers[effect])
    alleles = frame[["other_allele", "effect_allele"]].astype(str).apply(lambda one: one.str.upper())
    known = np.isfinite(beta) & (numbers["standard_error"] > 0) & np.isfinite(numbers["standard_error"])
    known &= numbers["base_pair_location"].notna() & frame["chromosome"].notna()
    known &= alleles.apply(lambda one: one.str.fullmatch("[ACGT]+")).all(axis=1)
    names = [
        f"{chromosome(str(c))}:{int(position)}:{other}:{of}"
        for c, position, other, of in zip(
            frame["chromosome"][known],
            numbers["base_pair_location"][known],
            alleles["other_allele"][known],
            alleles["effect_allele"][known],
            strict=True,
        )
    ]
    found = SummaryStatistics(
        trait,
        tuple(names),
        beta[known].to_numpy(np.float64),
        numbers["standard_error"][known].to_numpy(np.float64),
        numbers["n"][known].to_numpy(np.float64),
        _PRIOR_OF_LOG_ODDS if effect == "odds_ratio" else None if sd is None else _PRIOR_OF_ONE_SD * sd,
        strand,
        int(np.count_nonzero(~known)),
    )
    if "p_value" in frame:
        _check_p(found, pd.to_numeric(frame["p_value"][known], errors="coerce").to_numpy(np.float64))
    return found


def of_scan(
    trait: str,
    variants: Sequence[str],
    beta: Floats,
    se: Floats,
    *,
    n: int,
    is_binary: bool,
    sd: float | None,
) -> SummaryStatistics:
    """The effects of (v,) variants of a scan of n people, whose alleles are of the forward strand."""
    known = np.isfinite(beta) & np.isfinite(se) & (se > 0)
    return SummaryStatistics(
        trait,
        tuple(name for name, tested in zip(variants, known, strict=True) if tested),
        beta[known],
        se[known],
        np.full(int(known.sum()), float(n)),
        _PRIOR_OF_LOG_ODDS if is_binary else None if sd is None else _PRIOR_OF_ONE_SD * sd,
        "forward",
        int(np.count_nonzero(~known)),
    )


def leads(variants: Sequence[str], p: Floats, below: float, bases: int) -> list[int]:
    """Places of the strongest variants, of (v,) p-values; none within so many bases of a stronger one."""
    chromosomes, positions = names_and_positions(variants)
    taken: list[tuple[str, int]] = []
    found = []
    called = np.flatnonzero(p < below)
    for i in called[np.argsort(p[called], kind="stable")].tolist():
        here = (chromosomes[i], int(positions[i]))
        if all(here[0] != c or abs(here[1] - at) > bases for c, at in taken):
            taken.append(here)
            found.append(i)
    return found


def _on_same_alleles(
    one: SummaryStatistics, other: SummaryStatistics, at: Integers
) -> tuple[Integers, Integers, Floats, Aligned]:
    """(k,) places of variants in both scans, and -1 where the other one counts the other allele, else 1."""
    if not len(at):
        raise InputError(Code.NOT_FOUND, "there is no variant of the scan to be compared")
    wanted, there = axis_table([one.variants[i] for i in at]), axis_table(other.variants).drop(columns="at")
    is_sure = one.strand == other.strand == "forward"
    found = aligned(wanted, there, "forward" if is_sure else "unknown")
    return at[found.at], found.variants, np.where(found.is_swapped, -1.0, 1.0), found


def _in_region(variants: pd.DataFrame, region: str) -> Integers:
    name, _, span = region.partition(":")
    begin, _, end = span.replace(",", "").partition("-")
    if not (begin.isdigit() and end.isdigit()):
        raise InputError(Code.INVALID_INPUT, "a region is CHROMOSOME:FROM-TO", "write 6:90000000-91000000")
    inside = (variants["chromosome"] == chromosome(name)) & variants["position"].between(int(begin), int(end))
    return np.flatnonzero(inside.to_numpy())


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise not_found(path)
    texts = ("chromosome", "effect_allele", "other_allele")
    return pd.read_csv(path, sep="\t", dtype=dict.fromkeys(texts, str), na_values=["#NA"])


def _check_p(found: SummaryStatistics, told: Floats) -> None:
    """Raises unless most of the (v,) p-values that a table tells are those of its effects."""
    kept = (told > 0) & (told < 1)
    if kept.any():
        z = np.abs(found.beta[kept] / found.se[kept])
        own, theirs = np.log(2) + norm.logsf(z), np.log(told[kept])
        if np.median(np.abs(own - theirs)) > _P_AGREES * max(1.0, float(np.median(-theirs))):
            raise InputError(
                Code.INVALID_INPUT,
                "the p-values are not those of the effects over their standard errors",
                "where odds ratios stand as `beta`, name the column `odds_ratio`",
            )
