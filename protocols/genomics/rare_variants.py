"""Sets of rare variants, of genes and pathways, with an outcome: burden, SKAT, SKAT-O and ACAT. Exact.

    round 1    which variants are carried by enough people, in whole floors; moments of the others
    round 2    copies of ALT of those variants; carriers of any of a gene's others, in whole floors
    round 3    copies of these, of the genes that have enough
    then       the model without variants, and the scores of each set with their covariance

A variant whose rarer allele fewer people carry than the floor is part of one column of its gene, the most
copies that a person has of any of them, and else nothing about it leaves; where even together too few people
carry them, they are left out. No two genes share a base, so that no difference of two sets is of few people.

An entry of the covariance of scores tells of the people who carry two variants, of whom there may be one. It
is seen by nobody: sites turn it into a basis that the center lacks, in which the tests are the same, and the
center answers the tests (`secret_kernel`). A set of fewer than three columns would not be hidden by that, and
is not tested. p-values are those of scores, to twelve digits (`quadratic_forms`). Where cases of a 0/1
outcome are few, a burden that is far out gets the p-value of its saddle point, and the other tests of its set
the variance that goes with that (`rare_questions`).

Reference: Wu et al., Am J Hum Genet 89 (2011) 82; Lee et al., Biostatistics 13 (2012) 762; R SKAT 2.2.5.
"""

import numpy as np

from protocols.core.disclosure import Count, Moment
from protocols.core.errors import Code, ShadowgraphError, StudyError
from protocols.core.lockstep import both
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, site_step
from protocols.core.site_step import NEVER, Times
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.core.wording import listed
from protocols.estimation.moments import COLUMN_MOMENTS, GATHERED, column_moments, gather
from protocols.estimation.newton import CLIMB
from protocols.genomics import genotype_scan, rare_null, rare_questions, rare_sums, score_test
from protocols.genomics.block_scan import Scan
from protocols.genomics.genotype_scan import CARRIERS, COPIES
from protocols.genomics.kernel_tests import SetTests
from protocols.genomics.rare_columns import SetColumns, found_variants
from protocols.genomics.rare_result import RareVariantsResult as RareVariantsResult
from protocols.genomics.rare_spec import MOST_COLUMNS
from protocols.genomics.rare_spec import RareVariantsSpec as RareVariantsSpec

FEWEST_COLUMNS = 3
"""Columns below which a set is not tested: the tests of two tell how many carry both."""


class RareVariants(FederatedProtocol[RareVariantsSpec, RareVariantsResult]):
    """Which sets of rare variants are associated with an outcome."""

    name = "rare_variants"
    version = "3"
    spec_type = RareVariantsSpec

    @site_step(
        {
            **COLUMN_MOMENTS,
            "confounding": Moment("covariate", "covariate", what="sums of products of covariates"),
            "confounded_outcomes": Moment(
                "covariate", "outcome", what="sums of products of a covariate and the outcome"
            ),
        },
        times=GATHERED,
        varies=("shift", "scale"),
    )
    def moments(spec: RareVariantsSpec, table: AnalysisTable, shift: Floats, scale: Floats) -> Arrays:
        """Sums and squares of covariates and outcome, less shift times scale, and their products."""
        scan = _scan(spec, table)
        z, sums = column_moments(np.hstack([scan.confounders, scan.outcomes]), shift, scale)
        c, o = np.hsplit(z, [len(spec.covariates)])
        return {**sums, "confounding": c.T @ c, "confounded_outcomes": c.T @ o}

    @site_step(CARRIERS, times=Times(0, 1), varies=("at",))
    def carriers(spec: RareVariantsSpec, table: AnalysisTable, at: Integers) -> Arrays:
        """How many people carry each allele of the sets' variants, in whole floors."""
        return genotype_scan.carriers(_scan(spec, table, at), at)

    @site_step(COPIES, times=Times(0, 1), varies=("at",))
    def copies(spec: RareVariantsSpec, table: AnalysisTable, at: Integers) -> Arrays:
        """How many people have a genotype of some variants, and their copies of ALT."""
        return genotype_scan.copies(_scan(spec, table, at), at)

    @site_step(rare_sums.COLLAPSED, times=Times(0, 1))
    def collapsed(
        spec: RareVariantsSpec, table: AnalysisTable, rare: Integers, flip: Integers, of: Integers
    ) -> Arrays:
        """How many people carry any of a gene's very rare alleles, in whole floors."""
        most = rare_sums.collapsed(_scan(spec, table, rare), rare, flip, of, len(spec.genes))
        return {"carriers": np.count_nonzero(most >= 0.5, axis=0)}

    @site_step(rare_sums.COLLAPSED_COPIES, times=Times(0, 1))
    def collapsed_copies(
        spec: RareVariantsSpec, table: AnalysisTable, rare: Integers, flip: Integers, of: Integers
    ) -> Arrays:
        """Copies of the very rare alleles of the genes that enough people carry one of."""
        most = rare_sums.collapsed(_scan(spec, table, rare), rare, flip, of, len(spec.genes))
        return {"n": np.array(len(most)), "copies": most.sum(axis=0)}

    @site_step(
        climbs=True,
        times=lambda spec: CLIMB if spec.model == "logistic" else NEVER,
        varies=("coef", "shift", "scale"),
        n=Count(),
        n_events=Count(of="n", what="people with the outcome"),
        loglik=Moment(what="log-likelihood of the covariates alone"),
        score=Moment("term", what="its first derivatives"),
        information=Moment("term", "term", what="its second derivatives"),
    )
    def null(
        spec: RareVariantsSpec, table: AnalysisTable, coef: Floats, shift: Floats, scale: Floats
    ) -> Arrays:
        """The log-likelihood of the model without variants, and its derivatives at `coef`."""
        return score_test.null_derivatives(_scan(spec, table), spec.outcome, coef, shift, scale)

    @site_step(
        rare_sums.KERNEL,
        climbs=True,
        agreed="the tests of each set",
        times=lambda spec: Times(0, len(spec.sets()) * (2 if spec.model == "logistic" else 1)),
        varies=("at", "flip", "mean", "rare", "rare_flip", "of", "weight"),
    )
    def kernel(
        spec: RareVariantsSpec,
        table: AnalysisTable,
        at: Integers,
        flip: Integers,
        mean: Floats,
        rare: Integers,
        rare_flip: Integers,
        of: Integers,
        weight: Floats,
        coef: Floats,
        shift: Floats,
        scale: Floats,
    ) -> Arrays:
        """Scores of a set's columns and their covariance, under the model without variants."""
        scan = _scan(spec, table, np.union1d(at, rare))
        z = rare_sums.columns(scan, at, flip, mean, rare, rare_flip, of, weight)
        return rare_sums.kernel(scan, z, coef, shift, scale, logistic=spec.model == "logistic")

    @site_step(
        rare_sums.TILTED,
        times=lambda spec: (
            Times(0, len(spec.sets()) * score_test.MOST_TILTS) if spec.model == "logistic" else NEVER
        ),
        varies=("at", "flip", "mean", "rare", "rare_flip", "of", "weight", "along", "tilt"),
    )
    def tilted(
        spec: RareVariantsSpec,
        table: AnalysisTable,
        at: Integers,
        flip: Integers,
        mean: Floats,
        rare: Integers,
        rare_flip: Integers,
        of: Integers,
        weight: Floats,
        along: Floats,
        tilt: Floats,
        coef: Floats,
        shift: Floats,
        scale: Floats,
    ) -> Arrays:
        """The cumulant function of a burden's score that is far out, where it is asked."""
        scan = _scan(spec, table, np.union1d(at, rare))
        z = rare_sums.columns(scan, at, flip, mean, rare, rare_flip, of, weight)
        return rare_sums.tilted(scan, z, along, tilt, coef, shift, scale)

    def axes_asked(self, spec: RareVariantsSpec, arrays: Arrays) -> dict[str, int]:
        sizes = self.axes(spec)
        if "weight" in arrays:
            return {**sizes, "member": arrays["weight"].size}
        return {**sizes, **({"variant": arrays["at"].size} if "at" in arrays else {})}

    def axes(self, spec: RareVariantsSpec) -> dict[str, int]:
        return {
            "column": len(spec.variables()),
            "member": min(MOST_COLUMNS, spec.variants.size),
            "covariate": len(spec.covariates),
            "outcome": 1,
            "term": len(spec.covariates) + 1,
            "variant": spec.variants.size,
            "gene": len(spec.genes),
            "side": 2,
        }

    def coordinate(self, spec: RareVariantsSpec) -> Coordination[RareVariantsResult]:
        moments, found = yield from both(gather(spec.variables()), found_variants(spec))
        moments.check()
        null = yield from rare_null.fitted(spec, moments)
        widths, untested = {}, {}
        columns: dict[str, SetColumns] = {}
        for name, genes in spec.sets().items():
            one = found.columns(spec, genes)
            widths[name] = (len(one.at), len(one.weight) - len(one.at))
            if FEWEST_COLUMNS <= len(one.weight) <= MOST_COLUMNS:
                columns[name] = one
            else:
                few = len(one.weight) < FEWEST_COLUMNS
                rule = f"fewer than {FEWEST_COLUMNS}" if few else f"more than {MOST_COLUMNS}"
                untested[name] = f"{rule} columns of variants"
        answers = yield from rare_questions.asked(
            list(columns.values()), null, logistic=spec.model == "logistic"
        )
        tests: dict[str, SetTests] = {}
        lost = 0
        for name, answer in zip(columns, answers, strict=True):
            if isinstance(answer, ShadowgraphError):
                untested[name] = answer.text
            else:
                tests[name] = answer.on_scale()
                lost += answer.no_saddle_point
        people = moments.n, moments.sites
        return RareVariantsResult.of(widths, tests, untested, people, no_saddle_point=lost)

    def method(self, spec: RareVariantsSpec) -> str:
        beside = f", adjusted for {listed(spec.covariates)}" if spec.covariates else ""
        return (
            f"{len(spec.sets())} sets of variants with a frequency of at most {spec.max_frequency:g} were "
            f"tested with {spec.outcome} under a {spec.model} model{beside}: burden, SKAT (Wu et al. 2011), "
            f"SKAT-O (Lee et al. 2012) and ACAT (Liu et al. 2019), with weights Beta({spec.weights[0]:g}, "
            f"{spec.weights[1]:g}). Very rare alleles of a gene were collapsed (Zhou et al. 2022)."
        )

    def about(self, spec: RareVariantsSpec) -> str:
        return (
            f"Tests of {len(spec.sets())} sets of rare variants with {spec.outcome}, given "
            f"{', '.join(spec.covariates) or 'nothing'}."
        )


def _scan(spec: RareVariantsSpec, table: AnalysisTable, at: Integers | None = None) -> Scan:
    """The people here who are in the tests.

    Raises:
        StudyError: invalid-study; the genes have no variant on the list.
    """
    asked = np.zeros(1, dtype=np.int64) if at is None else np.unique(at)
    if not len(asked):
        raise StudyError(Code.INVALID_STUDY, "a question about no variant")
    return Scan.of(table, spec.variants, asked, (spec.covariates, (spec.outcome,)))
