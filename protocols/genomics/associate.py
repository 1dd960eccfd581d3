"""Mass-univariate association: every feature with every outcome, confounders taken out. Exact.

Linear: one round for all tests. Coefficient, standard error and p-value of `outcome ~ confounders + feature`
follow from the correlations that the confounders leave (Frisch-Waugh). Only products of a feature with an
outcome leave a site, never of two features or of two outcomes. Moderated: the same sums, each feature being
explained by the outcome, as genes are by a group of people (`moderation`). Logistic: all models evaluated in
each round by one message, 8 rounds at most if not asked otherwise.

The features are variables, or all names of a block (`features: {block: rna}`), asked about in chunks
(`block_scan`), where a missing number becomes the mean. People without one of the variables are left out. A
feature or outcome that does not vary, is rare, or follows from the confounders is not tested, and named.

Reference: R `lm`, `glm(family = binomial)`, `p.adjust` and `limma`; Shabalin, Bioinformatics 28 (2012) 1353.
"""

from collections.abc import Mapping

import numpy as np

from protocols.core.axis import FromBlock, names_of, size_of
from protocols.core.disclosure import Count, Declaration, Moment
from protocols.core.errors import Code, SpecError, StudyError
from protocols.core.protocol import (
    Arrays,
    Coordination,
    FederatedProtocol,
    Total,
    ask,
    site_step,
)
from protocols.core.site_step import NEVER, ONCE, Times
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.core.wording import listed
from protocols.estimation.moments import (
    COLUMN_MOMENTS,
    GATHERED,
    Moments,
    column_moments,
    complete_rows,
    gather,
    moment_bounds,
)
from protocols.estimation.wald import two_sided
from protocols.genomics import many_logistic
from protocols.genomics.associate_spec import AssociateSpec as AssociateSpec
from protocols.genomics.association import AssociateResult as AssociateResult
from protocols.genomics.block_scan import (
    KNOWN_SUMS,
    MOST_SUMS,
    BlockMoments,
    Scan,
    block_derivatives,
    gather_block,
)
from protocols.genomics.confounding import (
    DOMINATED,
    Unconfounded,
    linear_estimates,
    product_bounds,
    residual_variances,
    unconfounded,
    without_dominated,
)
from protocols.genomics.moderation import FEWEST_FEATURES, Moderated, moderated
from protocols.genomics.multiple_testing import benjamini_hochberg, benjamini_yekutieli, bonferroni

FEWEST_DF = 10
"""Residual degrees of freedom below which nothing is tested."""

_PRODUCTS: Mapping[str, Declaration] = {
    "confounding": Moment("confounder", "confounder", what="sums of products of confounders"),
    "confounded_features": Moment(
        "confounder", "feature", what="sums of products of a confounder and a feature"
    ),
    "confounded_outcomes": Moment(
        "confounder", "outcome", what="sums of products of a confounder and an outcome"
    ),
    "products": Moment("feature", "outcome", what="sums of products of a feature and an outcome"),
}
_DERIVATIVES: Mapping[str, Declaration] = {
    "n": Count(),
    "loglik": Moment("feature", "outcome", what="log-likelihoods"),
    "score": Moment("feature", "outcome", "term", what="their first derivatives"),
    "information": Moment("feature", "outcome", "term", "term", what="their second derivatives"),
}


class Associate(FederatedProtocol[AssociateSpec, AssociateResult]):
    """Which features are associated with which outcomes."""

    name = "associate"
    version = "2"
    spec_type = AssociateSpec

    @site_step(
        {**COLUMN_MOMENTS, **_PRODUCTS, **DOMINATED},
        times=lambda spec: NEVER if isinstance(spec.features, FromBlock) else GATHERED,
        varies=("shift", "scale"),
        bounds=lambda spec, asked, ranges: product_bounds(
            moment_bounds(spec.variables(), asked, ranges, spec.intercepts),
            len(spec.confounders),
            size_of(spec.features),
        ),
    )
    def moments(spec: AssociateSpec, table: AnalysisTable, shift: Floats, scale: Floats) -> Arrays:
        """Sums and squares of all columns, less shift times scale, and products between their three kinds."""
        x = complete_rows(table, spec.variables())
        z, sums = without_dominated(x, *column_moments(x, shift, scale, spec.intercepts))
        c, f, o = _split(spec, z)
        return {
            **sums,
            "confounding": c.T @ c,
            "confounded_features": c.T @ f,
            "confounded_outcomes": c.T @ o,
            "products": f.T @ o,
        }

    @site_step(
        _DERIVATIVES,
        times=lambda spec: NEVER if isinstance(spec.features, FromBlock) else _evaluations(spec),
        varies=("coef",),
    )
    def derivatives(
        spec: AssociateSpec, table: AnalysisTable, coef: Floats, shift: Floats, scale: Floats
    ) -> Arrays:
        """The logistic likelihoods of all models and their derivatives, columns less shift times scale."""
        x = complete_rows(table, spec.variables())
        c, f, o = _split(spec, x)
        width = len(spec.confounders)
        c = np.column_stack([np.ones(len(x)), (c - shift[:width]) * scale[:width]])
        f = (f - shift[width:]) * scale[width:]
        return {"n": np.array(len(x)), **many_logistic.derivatives(c, f, o, coef)}

    @site_step(
        KNOWN_SUMS,
        times=lambda spec: Times(1, MOST_SUMS) if isinstance(spec.features, FromBlock) else NEVER,
        varies=("at", "shift", "scale"),
    )
    def block_sums(
        spec: AssociateSpec, table: AnalysisTable, at: Integers, shift: Floats, scale: Floats
    ) -> Arrays:
        """Sums and squares of the known numbers of some names of the block, and of the other columns."""
        return _scan(spec, table, at).known_sums(at, shift, scale)

    @site_step(
        {**COLUMN_MOMENTS, **_PRODUCTS},
        times=lambda spec: ONCE if isinstance(spec.features, FromBlock) else NEVER,
        varies=("at", "mean", "shift", "scale"),
    )
    def block_moments(
        spec: AssociateSpec, table: AnalysisTable, at: Integers, mean: Floats, shift: Floats, scale: Floats
    ) -> Arrays:
        """The `moments` of some names of the block, a missing number being the mean."""
        return _scan(spec, table, at).moments(at, mean, shift, scale)

    @site_step(
        _DERIVATIVES,
        times=lambda spec: _evaluations(spec) if isinstance(spec.features, FromBlock) else NEVER,
        varies=("at", "coef", "mean", "shift", "scale"),
    )
    def block_derivatives(
        spec: AssociateSpec,
        table: AnalysisTable,
        at: Integers,
        coef: Floats,
        mean: Floats,
        shift: Floats,
        scale: Floats,
    ) -> Arrays:
        """The `derivatives` of some names of the block, a missing number being the mean."""
        return _scan(spec, table, at).derivatives(at, coef, mean, shift, scale)

    def axes_asked(self, spec: AssociateSpec, arrays: Arrays) -> dict[str, int]:
        asked = arrays["at"].size if "at" in arrays else size_of(spec.features)
        return self._axes(spec, asked)

    def axes(self, spec: AssociateSpec) -> dict[str, int]:
        return self._axes(spec, size_of(spec.features))

    def _axes(self, spec: AssociateSpec, features: int) -> dict[str, int]:
        return {
            "column": len(spec.confounders) + features + len(spec.outcomes),
            "confounder": len(spec.confounders),
            "feature": features,
            "outcome": len(spec.outcomes),
            "term": len(spec.confounders) + 2,
        }

    def coordinate(self, spec: AssociateSpec) -> Coordination[AssociateResult]:
        moments: Moments
        if isinstance(spec.features, FromBlock):
            moments = yield from gather_block(spec.features, spec.confounders, spec.outcomes)
        else:
            moments = yield from gather(spec.variables())
        left = unconfounded(moments, spec.confounders, names_of(spec.features), spec.outcomes)
        if spec.model == "logistic":
            return (yield from _logistic(spec, moments, left))
        return _linear(spec, moments, left)

    def method(self, spec: AssociateSpec) -> str:
        kind = "logistic" if spec.model == "logistic" else "linear"
        beside = f", adjusted for {listed(spec.confounders)}" if spec.confounders else ""
        sites = " and an intercept for each hospital" if spec.intercepts == "site" else ""
        return (
            f"Each of {size_of(spec.features)} features{_of_block(spec)} was tested with each of "
            f"{listed(spec.outcomes)} by {kind} regression{beside}{sites}. {_moderation(spec)}"
            "P-values were adjusted for all tests (Bonferroni; Benjamini & Hochberg 1995; "
            "Benjamini & Yekutieli 2001)."
        )

    def about(self, spec: AssociateSpec) -> str:
        return (
            f"{spec.model.capitalize()} tests of {size_of(spec.features)} features{_of_block(spec)} with "
            f"{len(spec.outcomes)} outcomes, each on its own, "
            f"given {', '.join(spec.confounders) or 'nothing'}."
        )


def _evaluations(spec: AssociateSpec) -> Times:
    """How often the likelihoods are asked for."""
    return Times(1, spec.max_rounds) if spec.model == "logistic" else NEVER


def _moderation(spec: AssociateSpec) -> str:
    """How variances were moderated, as a sentence of the methods; nothing where they were not."""
    if spec.model != "moderated":
        return ""
    trend = ", whose prior goes with the feature's mean" if spec.trend else ""
    return (
        "The feature was what is explained; its t has a residual variance moderated over all features "
        f"by empirical Bayes{trend} (limma; Smyth 2004). "
    )


def _of_block(spec: AssociateSpec) -> str:
    return f" of block {spec.features.block}" if isinstance(spec.features, FromBlock) else ""


def _scan(spec: AssociateSpec, table: AnalysisTable, at: Integers) -> Scan:
    """The people here who are in a scan of a block.

    Raises:
        SpecError: invalid-study; the analysis reads no block.
    """
    if not isinstance(spec.features, FromBlock):
        raise SpecError(Code.INVALID_STUDY, "a question about a block, of which the analysis has none")
    return Scan.of(table, spec.features, at, (spec.confounders, spec.outcomes), spec.intercepts)


def _split(spec: AssociateSpec, x: Floats) -> tuple[Floats, Floats, Floats]:
    """The confounders, features and outcomes among the columns."""
    c, f = len(spec.confounders), size_of(spec.features)
    return x[:, :c], x[:, c : c + f], x[:, c + f :]


def _linear(spec: AssociateSpec, moments: Moments, left: Unconfounded) -> AssociateResult:
    df = moments.n - len(left.kept) - 1 - (1 if spec.intercepts == "common" else moments.sites)
    if df < FEWEST_DF:
        raise StudyError(
            Code.WITHHELD,
            f"{df} residual degrees of freedom are left; the rule is at least {FEWEST_DF}",
            "use fewer confounders, or include more people",
        )
    norm_x, norm_y = _norms(spec, moments)
    people = moments.n, moments.sites
    if spec.model == "linear":
        beta, se = linear_estimates(left, df, norm_x, norm_y)
        return result(spec, beta, se, df=df, people=people, aliased=left.aliased, untested=left.untested)
    beta, variance, unscaled = residual_variances(left, df, norm_x, norm_y)
    tested = int((left.x_left > 0).sum())
    if tested < FEWEST_FEATURES:
        raise StudyError(
            Code.WITHHELD,
            f"{tested} features can be tested; variances are moderated over at least {FEWEST_FEATURES}",
            "use more features, or `model: linear`",
        )
    c = len(spec.confounders)
    found = moderated(variance, df, moments.mean[c : c + size_of(spec.features)] if spec.trend else None)
    return result(
        spec,
        beta,
        np.sqrt(found.variance) * unscaled,
        df=df,
        people=people,
        aliased=left.aliased,
        untested=left.untested,
        moderation=found,
    )


def _norms(spec: AssociateSpec, moments: Moments) -> tuple[Floats, Floats]:
    """The (f,) and (o,) norms about the mean; missing for a column that does not vary."""
    norm = np.where(moments.norm > 0, moments.norm, np.nan)
    c, f = len(spec.confounders), size_of(spec.features)
    return norm[c : c + f], norm[c + f :]


def _logistic(spec: AssociateSpec, moments: Moments, left: Unconfounded) -> Coordination[AssociateResult]:
    c, f = len(spec.confounders), size_of(spec.features)
    ones = moments.n - moments.total["not_one"][c + f :]
    if (ones + moments.n - moments.total["not_zero"][c + f :] != moments.n).any():
        raise StudyError(
            Code.INVALID_STUDY,
            f"values other than 0 and 1 in an outcome of a logistic model: {', '.join(spec.outcomes[:20])}",
            "use 0/1 outcomes, or `model: linear`",
        )
    tested = (left.x_left > 0)[:, None] & (left.y_left > 0)
    share = np.where(left.y_left > 0, ones / moments.n, 0.5)
    shift, sd = moments.mean[: c + f], moments.norm[: c + f] / np.sqrt(moments.n)
    scale = 1 / np.where(sd > 0, sd, 1.0)

    def evaluate(coef: Floats) -> Coordination[Mapping[str, Floats]]:
        if isinstance(moments, BlockMoments):
            return block_derivatives(coef, moments.mean_known, shift, scale)
        return _derivatives(coef, shift, scale)

    start = np.where(tested[..., None], left.discriminants(share), np.nan)
    null = np.zeros(start.shape)
    null[..., 0] = np.log(share / (1 - share))
    null_loglik = moments.n * (share * np.log(share) + (1 - share) * np.log1p(-share))
    kept = [0, *(1 + j for j in left.kept), c + 1]
    fits = yield from many_logistic.maximise(
        start,
        (null, np.broadcast_to(null_loglik, tested.shape)),
        evaluate,
        kept,
        spec.max_rounds - moments.rounds,
    )
    lost = tested & np.isnan(fits.variance)
    features = names_of(spec.features)
    return result(
        spec,
        fits.coef[..., -1] * scale[c:, None],
        np.sqrt(fits.variance) * scale[c:, None],
        df=0,
        people=(moments.n, moments.sites),
        aliased=left.aliased,
        untested=left.untested,
        not_converged=tuple((features[i], spec.outcomes[k]) for i, k in np.argwhere(lost)),
        evaluations=fits.evaluations,
    )


def _derivatives(coef: Floats, shift: Floats, scale: Floats) -> Coordination[Mapping[str, Floats]]:
    total: Total = yield ask("derivatives", coef=coef, shift=shift, scale=scale)
    return {name: total[name] for name in ("loglik", "score", "information")}


def result(
    spec: AssociateSpec,
    beta: Floats,
    se: Floats,
    *,
    df: int,
    people: tuple[int, int],
    aliased: tuple[str, ...] = (),
    untested: Mapping[str, str] | None = None,
    not_converged: tuple[tuple[str, str], ...] = (),
    evaluations: int = 0,
    moderation: Moderated | None = None,
) -> AssociateResult:
    """The result of coefficients and standard errors, with p-values adjusted for all tests."""
    with np.errstate(divide="ignore"):
        statistic = beta / se
    p = two_sided(statistic, moderation.df if moderation else df or None)
    return AssociateResult(
        features=names_of(spec.features),
        outcomes=spec.outcomes,
        beta=beta,
        se=se,
        statistic=statistic,
        p=p,
        p_bonferroni=bonferroni(p),
        q_bh=benjamini_hochberg(p),
        q_by=benjamini_yekutieli(p),
        tests=int(np.count_nonzero(~np.isnan(p))),
        df=df,
        aliased=aliased,
        untested=untested or {},
        not_converged=not_converged,
        n=people[0],
        sites=people[1],
        evaluations=evaluations,
        moderation=moderation,
    )
