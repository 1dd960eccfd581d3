"""Genome-wide association: every variant of a list with every outcome, covariates taken out. Exact.

    round 1    which variants are carried by enough people, in whole floors; moments of the others
    round 2    copies of ALT of those variants: their mean, which a missing genotype becomes
    round 3    products of copies with covariates and outcomes, and with themselves
    round 4    with `linkage`: products of two variants, of few pairs near what was found

From these the linear coefficient of `outcome ~ covariates + copies of ALT`, its standard error and p-value
follow (Frisch-Waugh), as R's `lm` and plink2's `--glm` on imputed means. All variants stand on one set of
people. A variant whose rarer allele few people carry, or that many people lack, is not tested, and counted by
reason; nothing about the first kind leaves a site. Products go in chunks: no message grows with the genome.

A 0/1 outcome with `model: logistic` is tested by scores under the model of the covariates alone, which is
fitted first over the same people; scores that are far out get their p-value by the saddle point
(`score_test`), because that of the normal distribution is too small where cases are few.

Reference: R `lm`; Chang et al., GigaScience 4 (2015) 7 (plink2); Devlin & Roeder, Biometrics 55 (1999) 997
for genomic control.
"""

import numpy as np

from protocols.core.disclosure import Count, Moment
from protocols.core.lockstep import both
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, relayed, site_step
from protocols.core.site_step import NEVER, Times
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.core.wording import listed
from protocols.estimation.moments import COLUMN_MOMENTS, GATHERED, column_moments, gather
from protocols.estimation.newton import CLIMB
from protocols.genomics import genotype_scan, linkage, score_test
from protocols.genomics.block_scan import Scan
from protocols.genomics.genotype_scan import CARRIERS, COPIES, PRODUCTS
from protocols.genomics.gwas_figure import GENOME_WIDE, places_of
from protocols.genomics.gwas_result import NOTED, Untested
from protocols.genomics.gwas_result import GwasResult as GwasResult
from protocols.genomics.gwas_rounds import carried, check, frequencies, linear, logistic
from protocols.genomics.gwas_spec import GwasSpec as GwasSpec
from protocols.genomics.gwas_spec import all_variants


class Gwas(FederatedProtocol[GwasSpec, GwasResult]):
    """Which variants are associated with which outcomes."""

    name = "gwas"
    version = "3"
    spec_type = GwasSpec

    @site_step(
        {
            **COLUMN_MOMENTS,
            "confounding": Moment("covariate", "covariate", what="sums of products of covariates"),
            "confounded_outcomes": Moment(
                "covariate", "outcome", what="sums of products of a covariate and an outcome"
            ),
        },
        times=GATHERED,
        varies=("shift", "scale"),
    )
    def moments(spec: GwasSpec, table: AnalysisTable, shift: Floats, scale: Floats) -> Arrays:
        """Sums and squares of covariates and outcomes, less shift times scale, and their products."""
        scan = _scan(spec, table)
        x = np.hstack([scan.confounders, scan.outcomes])
        z, sums = column_moments(x, shift, scale, spec.intercepts)
        c, o = np.hsplit(z, [len(spec.covariates)])
        return {**sums, "confounding": c.T @ c, "confounded_outcomes": c.T @ o}

    @site_step(CARRIERS, varies=("at",))
    def carriers(spec: GwasSpec, table: AnalysisTable, at: Integers) -> Arrays:
        """How many people carry each allele of some variants, in whole floors."""
        return genotype_scan.carriers(_scan(spec, table, at), at)

    @site_step(COPIES, times=Times(0, 1), varies=("at",))
    def copies(spec: GwasSpec, table: AnalysisTable, at: Integers) -> Arrays:
        """How many people have a genotype of some variants, and their copies of ALT."""
        return genotype_scan.copies(_scan(spec, table, at), at)

    @site_step(
        PRODUCTS,
        last=True,
        times=lambda spec: Times(0, 1) if spec.model == "linear" else NEVER,
        varies=("at", "mean", "shift", "scale"),
    )
    def products(
        spec: GwasSpec, table: AnalysisTable, at: Integers, mean: Floats, shift: Floats, scale: Floats
    ) -> Arrays:
        """Products of the copies of some variants, about their mean, with covariates and outcomes."""
        return genotype_scan.products(_scan(spec, table, at), at, mean, shift, scale)

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
    def null(spec: GwasSpec, table: AnalysisTable, coef: Floats, shift: Floats, scale: Floats) -> Arrays:
        """The log-likelihood of the model without variants, and its derivatives at `coef`."""
        return score_test.null_derivatives(_scan(spec, table), spec.outcomes[0], coef, shift, scale)

    @site_step(
        score_test.SCORES,
        times=lambda spec: Times(0, 1) if spec.model == "logistic" else NEVER,
        varies=("at", "mean", "coef", "shift", "scale"),
    )
    def scores(
        spec: GwasSpec,
        table: AnalysisTable,
        at: Integers,
        mean: Floats,
        coef: Floats,
        shift: Floats,
        scale: Floats,
    ) -> Arrays:
        """Scores of some variants under the model without variants."""
        return score_test.scores(_scan(spec, table, at), at, mean, coef, shift, scale)

    @site_step(
        score_test.TILTED,
        times=lambda spec: Times(0, score_test.MOST_TILTS) if spec.model == "logistic" else NEVER,
        varies=("at", "mean", "along", "tilt", "coef", "shift", "scale"),
    )
    def tilted(
        spec: GwasSpec,
        table: AnalysisTable,
        at: Integers,
        mean: Floats,
        along: Floats,
        tilt: Floats,
        coef: Floats,
        shift: Floats,
        scale: Floats,
    ) -> Arrays:
        """The cumulant functions of scores that are far out, where they are asked."""
        return score_test.tilted(_scan(spec, table, at), at, mean, along, tilt, coef, shift, scale)

    @site_step(
        linkage.LINKED,
        times=lambda spec: Times(0, 1) if spec.linkage else NEVER,
        varies=("at", "mean", "first", "second"),
    )
    def linked(
        spec: GwasSpec, table: AnalysisTable, at: Integers, mean: Floats, first: Integers, second: Integers
    ) -> Arrays:
        """Products of the copies of two variants, of few pairs, in steps of five people."""
        return linkage.linked(_scan(spec, table, at), at, mean, first, second)

    def axes_asked(self, spec: GwasSpec, arrays: Arrays) -> dict[str, int]:
        pairs = arrays["first"].size if "first" in arrays else 0
        return self._axes(spec, arrays["at"].size if "at" in arrays else 0, pairs)

    def axes(self, spec: GwasSpec) -> dict[str, int]:
        return self._axes(spec, spec.variants.size, linkage.MOST_PAIRS)

    def _axes(self, spec: GwasSpec, variants: int, pairs: int) -> dict[str, int]:
        return {
            "pair": pairs,
            "column": len(spec.variables()),
            "covariate": len(spec.covariates),
            "outcome": len(spec.outcomes),
            "variant": variants,
            "term": len(spec.covariates) + 1,
            "side": 2,
        }

    def coordinate(self, spec: GwasSpec) -> Coordination[GwasResult]:
        moments, (is_carried, sites) = yield from both(gather(spec.variables()), carried(spec))
        check(spec, moments)
        found = yield from frequencies(np.flatnonzero(is_carried), sites)
        least = spec.min_call_rate, spec.min_minor_alleles
        untested = Untested.of(is_carried, found.at, found.share, found.minor, least)
        mean = found.mean[np.isin(found.at, untested.tested())]
        scan = linear if spec.model == "linear" else logistic
        rounds = scan(spec, moments, untested, mean)
        # what is asked of pairs follows from the products, so with `linkage` the sites need them too
        scanned = yield from relayed(rounds) if spec.linkage else rounds
        tested = untested.tested()
        if not (spec.linkage and len(tested)):
            return scanned
        places = places_of([scanned.variants[j] for j in tested])
        pairs = yield from linkage.linkage(scanned.p[tested], places, tested, mean, GENOME_WIDE, NOTED)
        return scanned.with_linkage(tested, pairs)

    def method(self, spec: GwasSpec) -> str:
        beside = f", adjusted for {listed(spec.covariates)}" if spec.covariates else ""
        sites = " and an intercept for each hospital" if spec.intercepts == "site" else ""
        how = "linear regression on" if spec.model == "linear" else "logistic score tests of"
        return (
            f"Each of {spec.variants.size:,} variants was tested with {listed(spec.outcomes)} by "
            f"{how} the copies of the alternate allele{beside}{sites}; a missing genotype became "
            f"the mean. Variants with fewer than {spec.min_minor_alleles} copies of the rarer allele or a "
            f"call rate below {spec.min_call_rate:g} were left out. Genome-wide significance is p < 5e-8."
        )

    def about(self, spec: GwasSpec) -> str:
        return (
            f"{spec.model.capitalize()} tests of {spec.variants.size:,} variants with {len(spec.outcomes)} "
            f"outcomes, each on its own, given {', '.join(spec.covariates) or 'nothing'}."
        )


def _scan(spec: GwasSpec, table: AnalysisTable, at: Integers | None = None) -> Scan:
    """The people here who are in the scan."""
    asked = all_variants(spec)[:1] if at is None else at
    return Scan.of(table, spec.variants, asked, (spec.covariates, spec.outcomes), spec.intercepts)
