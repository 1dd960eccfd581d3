"""Sets of rare variants over four hospitals against R SKAT's recorded numbers, by the sums that sites make.

R's numbers are of all polymorphic variants, so nothing is collapsed here: the floors are passed by, and
sites' sums, their secret basis and the tests are those of the protocol.
"""

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta
from statsmodels.discrete.discrete_model import Logit
from statsmodels.regression.linear_model import OLS

from protocols.core.axis import FromBlock
from protocols.core.protocol import Ask, Total
from protocols.core.secret import Turn
from protocols.core.table import Floats
from protocols.genomics import rare_questions, rare_sums
from protocols.genomics.block_scan import Scan
from protocols.genomics.gwas_spec import GwasSpec
from protocols.genomics.kernel_tests import SetTests
from protocols.genomics.rare_columns import SetColumns
from protocols.genomics.rare_null import Null
from tests.lib import gwas_oracle
from tests.reference.oracles.conftest import Holds

COVARIATES = {
    "qt": ("age", "sexcov", "pc1", "pc2", "pc3", "pc4", "site2", "site3", "site4"),
    "cc": ("age", "sexcov"),
    "cc_rare": ("age", "sexcov"),
}
GENES = ("gene1", "gene2", "gene3", "gene4")
NONE = np.zeros(0, dtype=np.int64)
DAVIES = 1e-6  # absolute: where R's method of Davies stops


@cache
def oracle() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gwas_oracle.reference("_skat_spa_firth.json").read_text())["sets"]
    return found


@cache
def block() -> FromBlock:
    spec = {"protocol": "gwas", "variants": {"block": "snps"}, "outcomes": ["qt"]}
    found = gwas_oracle.study(spec).spec("a0")
    assert isinstance(found, GwasSpec)
    return found.variants


@cache
def null(trait: str) -> tuple[Floats, Floats, float]:
    """Coefficients of the model without variants, their covariance over the residual variance, and that."""
    frame = gwas_oracle.pooled().people[[*COVARIATES[trait], trait]].dropna().to_numpy(float)
    x, y = np.column_stack([np.ones(len(frame)), frame[:, :-1]]), frame[:, -1]
    if trait == "qt":
        fit = OLS(y, x).fit()
        return fit.params, np.linalg.inv(x.T @ x), float(fit.scale)
    fit = Logit(y, x).fit(disp=0, tol=1e-14, maxiter=100)
    mu = fit.predict()
    return fit.params, np.linalg.inv((x * (mu * (1 - mu))[:, None]).T @ x), 1.0


def columns_of(gene: str, trait: str, weights: tuple[float, float]) -> SetColumns:
    """All polymorphic variants of a set, in people with covariates and trait."""
    whole = gwas_oracle.pooled()
    at = np.flatnonzero(np.isin(whole.ids, oracle()[gene]["variants"]))
    known = whole.people[[*COVARIATES[trait], trait]].notna().all(axis=1).to_numpy()
    mean = np.nanmean(whole.copies[known][:, at], axis=0)
    flip = mean > 1
    mean = np.where(flip, 2 - mean, mean)
    at, flip, mean = at[mean > 0], flip[mean > 0].astype(np.int64), mean[mean > 0]
    weight = np.asarray(beta.pdf(mean / 2, *weights), dtype=np.float64)
    return SetColumns(at, flip, mean, NONE, NONE, NONE, weight, np.zeros(0))


def of_set(gene: str, trait: str, weights: tuple[float, float]) -> SetTests:
    """The tests of a set as sites and center find them, without collapsing."""
    coef, covariance, variance = null(trait)
    unchanged = np.zeros(len(coef) - 1), np.ones(len(coef) - 1)
    of_null = Null(coef, covariance, variance, *unchanged)
    asked = rare_questions.asked([columns_of(gene, trait, weights)], of_null, logistic=trait != "qt")
    answers: Any = None
    try:
        while True:
            questions = asked.send(answers)
            many = questions if isinstance(questions, tuple) else (questions,)
            found = [answer(question, trait) for question in many]
            answers = tuple(found) if isinstance(questions, tuple) else found[0]
    except StopIteration as done:
        (tests,) = done.value
    assert isinstance(tests, rare_questions.Answered)
    assert not tests.no_saddle_point
    return tests.on_scale()


def answer(question: Ask, trait: str) -> Any:
    """What all sites and the center answer to a question about a set."""
    if question.secret == "close":
        assert question.climb is not None
        return question.climb.agreed({})
    arrays: dict[str, Any] = dict(question.arrays)
    own = [arrays.pop(name) for name in ("at", "flip", "mean", "rare", "rare_flip", "of", "weight")]
    basis = np.random.default_rng(3).normal(size=(len(own[-1]), len(own[-1])))
    axes = {name: declared.axes for name, declared in rare_sums.KERNEL.items()}
    parts = []
    for table in gwas_oracle.tables():
        scan = Scan.of(table, block(), own[0], (COVARIATES[trait], (trait,)))
        z = rare_sums.columns(scan, *own)
        if question.step == "tilted":
            parts.append(rare_sums.tilted(scan, z, **arrays))
        else:
            assert question.climb is not None
            sums = rare_sums.kernel(scan, z, **arrays, logistic=trait != "qt")
            parts.append(question.climb.turned(sums, axes, Turn(basis, np.ones(0))))
    joined = {name: np.asarray(np.sum([part[name] for part in parts], axis=0)) for name in parts[0]}
    total = Total(joined, ("a", "b", "c", "d"))
    if question.climb is None:
        return total
    reply = question.climb.reply(total, None)
    question.climb.follow(reply, Turn(basis, np.ones(0)), full=True)
    return reply


@pytest.mark.parametrize("trait", ["qt", "cc"])
@pytest.mark.parametrize("gene", GENES)
def test_burden_skat_and_skato_are_those_of_r(holds: Holds, gene: str, trait: str) -> None:
    recorded, mine = oracle()[gene], of_set(gene, trait, (1, 25))
    holds(f"R SKAT, {trait}, {gene}, Q", [mine.q], [recorded[f"{trait}_skat"]["Q"]], rtol=1e-8)
    holds(
        f"R SKAT, {trait}, {gene}, p of burden",
        [mine.p_burden],
        [recorded[f"{trait}_burden"]["p"]],
        rtol=1e-8,
    )
    skat, skato = recorded[f"{trait}_skat"]["p"], recorded[f"{trait}_skato"]["p"]
    if skat > DAVIES:
        holds(f"R SKAT, {trait}, {gene}, p of SKAT", [mine.p_skat], [skat], rtol=0, atol=DAVIES)
    else:  # R's is then that of matched moments
        holds(
            f"R SKAT, {trait}, {gene}, log10 p of SKAT", [np.log10(mine.p_skat)], [np.log10(skat)], rtol=0.055
        )
    if DAVIES < skato < 1:  # 1 is R's way out where its quadrature fails: people drawn anew say 0.984
        holds(f"R SKAT, {trait}, {gene}, p of SKAT-O", [mine.p_skato], [skato], rtol=0, atol=1e-4)


def test_a_smallest_p_that_r_cannot_find_is_that_of_people_drawn_anew() -> None:
    """20,000 drawn score vectors; R's integral of gene3 fails and it says 1."""
    assert oracle()["gene3"]["qt_skato"]["p"] == 1
    assert of_set("gene3", "qt", (1, 25)).p_skato == pytest.approx(0.9843, abs=0.003)


@pytest.mark.parametrize("gene", GENES)
def test_skat_of_other_weights_is_that_of_r(holds: Holds, gene: str) -> None:
    for name, weights in (("flat", (1.0, 1.0)), ("beta_0.5_0.5", (0.5, 0.5))):
        other, found = oracle()[gene][f"qt_skat_{name}"], of_set(gene, "qt", weights)
        holds(f"R SKAT, qt, {gene}, Q, {name}", [found.q], [other["Q"]], rtol=1e-8)
        if other["p"] > DAVIES:
            label = f"R SKAT, qt, {gene}, p of SKAT, {name}"
            holds(label, [found.p_skat], [other["p"]], rtol=0, atol=DAVIES)


@pytest.mark.parametrize("gene", GENES[1:])
def test_a_rare_outcome_near_the_middle_is_that_of_r_unadjusted(holds: Holds, gene: str) -> None:
    recorded, mine = oracle()[gene]["cc_rare_skat_unadjusted"], of_set(gene, "cc_rare", (1, 25))
    holds(f"R SKAT, cc_rare, {gene}, Q", [mine.q], [recorded["Q"]], rtol=1e-8)
    holds(f"R SKAT, cc_rare, {gene}, p of SKAT", [mine.p_skat], [recorded["p"]], rtol=0, atol=DAVIES)


def test_a_rare_outcome_far_out_is_nearly_that_of_r_adjusted(holds: Holds) -> None:
    """R makes each variant's variance larger too: SKAT and SKAT-O lie between its own and unadjusted ones."""
    recorded, mine = oracle()["gene1"]["cc_rare_binary_robust"], of_set("gene1", "cc_rare", (1, 25))
    holds("R SKAT, cc_rare, gene1, robust p of burden", [mine.p_burden], [recorded["burden"]], rtol=2e-3)
    assert 10 * oracle()["gene1"]["cc_rare_skat_unadjusted"]["p"] < mine.p_skat < recorded["skat"]
    assert 0.8 * recorded["skato"] < mine.p_skato < recorded["skato"]
