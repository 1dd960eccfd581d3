"""What tests of sets of rare variants found: one row per set, and its figure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from protocols.core.figure import Axis, Bar, Bars, Curve, Curves, Figure, NoFigure
from protocols.core.protocol import Result
from protocols.core.table import Floats, Integers
from protocols.genomics.kernel_tests import SetTests
from protocols.genomics.multiple_testing import benjamini_hochberg, bonferroni
from protocols.results.figures import MOST_ROWS, floats, left_out
from protocols.results.numerals import shown_p

_SMALLEST = 1e-320


@dataclass(frozen=True)
class RareVariantsResult(Result):
    """Tests of s sets of variants; what was not tested is missing.

    Attributes:
        sets: (s,) names, genes before pathways.
        variants: (s,) columns of variants of their own; collapsed: (s,) of genes whose very rare alleles
            are one column.
        effect, se: (s,) of the burden: the change of the outcome (or of its log odds) for a weighted copy.
        q: (s,) SKAT's statistic.
        p_burden, p_skat, p_skato, p_acat: (s,) p-values.
        rho: (s,) the share of the burden in SKAT-O's strongest test.
        p_bonferroni, q_bh: (s,) SKAT-O's, adjusted over the sets.
        untested: set -> why.
        no_saddle_point: burdens far out without one, where the normal p-value stands.
        n: people; sites: that have any of them.

    >>> from protocols.exchange.example import run_example
    >>> genes = {"G1": "1:1-1000000", "G3": "3:1-1000000"}
    >>> asked = {"variants": {"block": "snps"}, "genes": genes, "max_frequency": 0.5, "weights": (1, 1)}
    >>> found = run_example(protocol="rare_variants", outcome="entropy", **asked)
    >>> found.summary()[["variants", "effect", "p_skat"]].round(3)
        variants  effect  p_skat
    G3         3  -0.114    0.00
    G1         3  -0.006    0.62
    """

    sets: tuple[str, ...]
    variants: Integers
    collapsed: Integers
    effect: Floats
    se: Floats
    q: Floats
    p_burden: Floats
    p_skat: Floats
    p_skato: Floats
    p_acat: Floats
    rho: Floats
    p_bonferroni: Floats
    q_bh: Floats
    untested: Mapping[str, str]
    no_saddle_point: int
    n: int
    sites: int

    @classmethod
    def of(
        cls,
        widths: Mapping[str, tuple[int, int]],
        tests: Mapping[str, SetTests],
        untested: Mapping[str, str],
        people: tuple[int, int],
        *,
        no_saddle_point: int = 0,
    ) -> "RareVariantsResult":
        """The result of each set's tests.

        Args:
            widths: set -> its columns of variants, and of very rare alleles.
            people: how many, and at how many sites.
        """
        sets = tuple(widths)

        def by_set(name: str) -> Floats:
            values = [vars(tests[one])[name] if one in tests else np.nan for one in sets]
            return np.array(values, dtype=np.float64)

        p = by_set("p_skato")
        return cls(
            sets=sets,
            variants=np.array([widths[one][0] for one in sets], dtype=np.int64),
            collapsed=np.array([widths[one][1] for one in sets], dtype=np.int64),
            effect=by_set("effect"),
            se=by_set("se"),
            q=by_set("q"),
            p_burden=by_set("p_burden"),
            p_skat=by_set("p_skat"),
            p_skato=p,
            p_acat=by_set("p_acat"),
            rho=by_set("rho"),
            p_bonferroni=bonferroni(p),
            q_bh=benjamini_hochberg(p),
            untested=untested,
            no_saddle_point=no_saddle_point,
            n=people[0],
            sites=people[1],
        )

    def summary(self) -> pd.DataFrame:
        """One row per set that was tested, the smallest p-value of SKAT-O first."""
        names = ("variants", "collapsed", "effect", "se", "q", "p_burden", "p_skat", "p_skato", "p_acat")
        frame = self.table(self.sets, *names, "rho", "p_bonferroni", "q_bh")
        return frame.dropna(subset="p_skato").sort_values("p_skato", kind="stable")

    def figure(self) -> Figure | NoFigure:
        """The strongest sets, and a volcano of all."""
        frame = self.summary()
        if frame.empty:
            return NoFigure("no set of variants could be tested")
        strength = -np.log10(np.maximum(frame["p_skato"].to_numpy(), _SMALLEST))
        rows = tuple(
            Bar(str(name), float(one), shown_p(float(p)))
            for name, one, p in zip(frame.index[:MOST_ROWS], strength, frame["p_skato"], strict=False)
        )
        effect = frame["effect"].to_numpy()
        line = -np.log10(0.05 / len(frame))
        ends = (float(effect.min()), float(effect.max()))
        volcano = Curves(
            "Burden and SKAT-O",
            Axis("effect of a weighted copy"),
            Axis("−log10 p of SKAT-O", low=0.0),
            (
                Curve("", floats(effect), floats(strength), marks="points"),
                Curve("", ends, (line, line), marks="guide"),
            ),
        )
        rest = f" {len(self.untested)} sets could not be tested." if self.untested else ""
        return Figure(
            (Bars("SKAT-O", Axis("−log10 p", low=0.0), rows), volcano),
            f"{len(frame)} sets of rare variants in {self.n:,} people; above the dashed line p is below 0.05 "
            f"after Bonferroni's correction. {left_out('sets', len(frame))}{rest}".strip(),
        )
