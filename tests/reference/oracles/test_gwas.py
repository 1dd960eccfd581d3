"""Genome-wide association over four hospitals against R's `lm` on all rows, from their files as they are."""

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from statsmodels.discrete.discrete_model import Logit

from protocols.exchange.local import run_locally
from protocols.genomics.gwas import GwasResult
from site_node.sources.genotypes.fileset import Fileset
from tests.lib import gwas_oracle
from tests.reference.oracles.conftest import Holds
from tests.reference.pooled.gwas import filled, saddle_point

COVARIATES = {
    "qt_full": ["age", "sexcov", "pc1", "pc2", "pc3", "pc4", "site2", "site3", "site4"],
    "qt_plain": ["age", "sexcov"],
}


@pytest.mark.parametrize("model", COVARIATES)
def test_linear_scan_is_that_of_r(holds: Holds, model: str) -> None:
    spec = {
        "protocol": "gwas",
        "variants": {"block": "snps"},
        "outcomes": ["qt"],
        "covariates": COVARIATES[model],
    }
    found = run_locally(gwas_oracle.study(spec), gwas_oracle.tables())["a0"]
    assert isinstance(found, GwasResult)
    whole = gwas_oracle.pooled()
    table = pd.read_csv(gwas_oracle.reference("_glm_imputed_r.csv"))
    table = table[table["model"] == model].set_index("ID").reindex(whole.ids)
    tested = np.isfinite(found.p[:, 0])
    assert tested.sum() + sum(found.untested.values()) == len(whole.ids)
    assert tested.sum() > 1000
    for column in ("beta", "se", "p"):
        mine = getattr(found, column)[tested, 0]
        holds(f"R lm, {model}, {column}", mine, table[column][tested], rtol=1e-8, atol=0.0)
    assert found.n == int(table["n"].dropna().iloc[0])


def test_files_of_the_hospitals_are_the_pooled_ones(holds: Holds) -> None:
    whole = gwas_oracle.pooled()
    truth = json.loads(gwas_oracle.data("_truth.json").read_text())
    ambiguous = np.isin(whole.ids, truth["strand_ambiguous"])
    for site, rows in whole.people.groupby("site").indices.items():
        fileset = Fileset(gwas_oracle.data(f"_site{site}.bed"))
        copies = gwas_oracle.copies_in(fileset, whole.axis, "unknown")
        assert np.isnan(copies[:, ambiguous]).all()
        here = ~ambiguous & ~np.isin(whole.ids, truth["absent_at_site"].get(str(site), []))
        assert np.isnan(copies[:, ~here]).all()
        by_id = [fileset.read_samples().index(name) for name in whole.people["iid"].astype(str)[rows]]
        holds(f"copies at site {site}", copies[by_id][:, here], whole.copies[rows][:, here], rtol=0.0)


def test_scores_and_saddle_points_are_those_of_r(holds: Holds) -> None:
    spec = {
        "protocol": "gwas",
        "variants": {"block": "snps"},
        "outcomes": ["cc_rare"],
        "covariates": ["age", "sexcov"],
        "model": "logistic",
        "min_minor_alleles": 10,
    }
    study = gwas_oracle.study(spec, digits="full")
    found = run_locally(study, gwas_oracle.tables())["a0"]
    assert isinstance(found, GwasResult)
    whole = gwas_oracle.pooled()
    table = pd.read_csv(gwas_oracle.reference("_spa_r.csv")).set_index("ID").reindex(whole.ids)
    tested = np.isfinite(found.p[:, 0])
    z, se = found.statistic[tested, 0], found.se[tested, 0]
    holds("R, score U", z / se, table["U"][tested], rtol=1e-6, atol=1e-7)
    holds("R, variance V", 1 / se**2, table["V"][tested], rtol=1e-6)
    near = tested & (np.abs(found.statistic[:, 0]) < 2)
    holds("SPAtest, p of the score", found.p[near, 0], table["p_score"][near], rtol=1e-6)
    far = tested & (np.abs(found.statistic[:, 0]) >= 2)
    model = null_model()
    exact = [saddle_point(filled(whole.copies[:, j]), *model) for j in np.flatnonzero(far)]
    assert found.no_saddle_point == 0
    holds("saddle point by brentq on all rows", found.p[far, 0], exact, rtol=1e-6)
    # SPAtest takes people without a copy as normal, where they are most, and stops its search at 1e-4
    of_r = far & table["converged"].astype(bool).to_numpy()
    most_have = of_r & ((whole.copies > 0).mean(axis=0) > 0.5) & ((whole.copies < 2).mean(axis=0) > 0.5)
    holds("SPAtest, most people have a copy", found.p[most_have, 0], table["p_spa"][most_have], rtol=2e-4)
    log10 = np.log10(found.p[of_r, 0]), np.log10(table["p_spa"][of_r])
    holds("SPAtest, log10 p of all", *log10, rtol=0.0, atol=0.05)


@cache
def null_model() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The design, the outcome, and the probabilities of the model without variants."""
    people = gwas_oracle.pooled().people
    x = np.column_stack([np.ones(len(people)), people["age"], people["sexcov"]])
    y = people["cc_rare"].to_numpy(float)
    return x, y, Logit(y, x).fit(disp=0, tol=1e-13, maxiter=100).predict()
