"""Reference numbers of the methods of second moments: R's, on 150 people's RNAs and proteins, six regions.

`reference/stats/massunivariate_linear_tcga.json`: R 4.2.2, `lm(prot ~ mrna + age_at_index + factor(region))`
for each of 200 x 142, and `p.adjust`. `reference/stats/pls_cca_pca.json`: `prcomp`, `svd`, `cancor`, pls
2.8.1 `plsr`, and mixOmics' definition of `rcc`, on standardized columns.

200 columns of 150 people are more than the gate lets out, so arrays are added without one here;
`test_moments_gate.py` shows what it refuses, and that what it allows gives the same numbers.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from protocols.genomics.associate import AssociateResult
from tests.lib.multiomics import Multiomics, multiomics
from tests.lib.shared import shared
from tests.lib.ungated import estimated
from tests.reference.statistics.numbers import Check


def reference(name: str) -> Any:
    """The content of one file of reference numbers."""
    return json.loads(shared(f"reference/stats/{name}.json").read_text())


def scan_of(data: Multiomics, **changes: Any) -> dict[str, Any]:
    """The spec of the 28,400 tests."""
    return {
        "protocol": "associate",
        "features": list(data.mrna),
        "outcomes": list(data.proteins),
        "confounders": ["age"],
        "intercepts": "site",
        **changes,
    }


def checks_of_scan(found: AssociateResult, data: Multiomics) -> Iterator[Check]:
    """What R says of the 28,400 tests, beside a result."""
    numbers = reference("massunivariate_linear_tcga")
    yield Check(
        "n, df, tests", [numbers[k] for k in ("n", "df", "n_tests")], [found.n, found.df, found.tests]
    )
    for name, p, level in (
        ("bonferroni_0.05", found.p_bonferroni, 0.05),
        ("bh_0.05", found.q_bh, 0.05),
        ("by_0.05", found.q_by, 0.05),
        ("n_5e8", found.p, 5e-8),
    ):
        yield Check(name, numbers[name], int((p < level).sum()), rtol=0)
    yield Check("sum of beta", numbers["sum_beta"], found.beta.sum())
    yield Check("sum of |t|", numbers["sum_abs_t"], np.abs(found.statistic).sum())
    yield Check("sum of -log10 p", numbers["sum_neglog10p"], -np.log10(found.p).sum())
    rows, columns = list(data.mrna.values()), list(data.proteins.values())
    at = [(rows.index(test["mrna"]), columns.index(test["prot"])) for test in numbers["top25"]]
    for ours, name, rtol in (
        (found.beta, "beta", 1e-9),
        (found.se, "se", 1e-9),
        (found.statistic, "t", 1e-9),
        (found.p, "p", 1e-8),
        (found.q_bh, "q_bh", 1e-8),
    ):
        yield Check(f"top 25 {name}", [test[name] for test in numbers["top25"]], [ours[i] for i in at], rtol)
    first = [x[0, 0] for x in (found.beta, found.se, found.statistic, found.p)]
    yield Check("first test", numbers["check_lm_first"], first)


def associate() -> Iterator[Check]:
    """An intercept for each site is R's factor(region)."""
    data = multiomics()
    found = estimated(scan_of(data), data.tables)
    assert isinstance(found, AssociateResult)
    yield from checks_of_scan(found, data)


def multivariate() -> Iterator[Check]:
    """PCA, PLS-SVD, PLS1, CCA and ridge CCA."""
    data, numbers = multiomics(), reference("pls_cca_pca")
    rna, proteins = list(data.mrna), list(data.proteins)
    short = {long: name for name, long in (data.mrna | data.proteins).items()}

    def found(protocol: str, **spec: Any) -> Any:
        return estimated({"protocol": protocol, **spec}, data.tables)

    pca, expected = found("pca", features=rna, components=10), numbers["pca_mrna"]
    yield Check("pca sdev", expected["sdev10"], np.sqrt(pca.variance))
    yield Check("pca total variance", expected["total_var"], pca.total_variance)
    yield Check("pca loadings", expected["loadings3"], pca.loadings[:, :3])
    svd = found("pls", x=rna, y=proteins, components=10, method="svd")
    yield Check("pls-svd singular values", numbers["pls_svd_mrna_prot"]["sv10"], svd.covariance)
    yield Check("pls-svd vectors", numbers["pls_svd_mrna_prot"]["u3"], svd.x_weights[:, :3])
    for algorithm in ("kernelpls", "simpls"):  # with one outcome both give the components of NIPALS
        expected = numbers[f"plsr_prot1_on_mrna_{algorithm}"]
        pls = found("pls", x=rna, y=[short[expected["response"]]], components=5)
        standardized = pls.coef[4, :, 0] * pls.x_sd / pls.y_sd
        yield Check(f"{algorithm} coef", expected["coef5"], standardized)
        yield Check(f"{algorithm} R2", expected["R2_train"], pls.r_squared[:, 0])
    expected = numbers["cca_mrna10_prot10"]
    cca = found(
        "cca", x=[short[c] for c in expected["x"]], y=[short[c] for c in expected["y"]], components=10
    )
    yield Check("cca correlations", expected["cor"], cca.correlation)
    yield Check("cca wilks", expected["wilks"], cca.wilks)
    expected = numbers["rcca_mrna200_prot142_ridge"]
    ridge = {"ridge_x": expected["lambda1"], "ridge_y": expected["lambda2"]}
    rcca = found("cca", x=rna, y=proteins, **ridge)
    yield Check("rcca singular values", expected["cor10"], rcca.singular_values[:10])


MOMENTS: dict[str, Callable[[], Iterator[Check]]] = {
    "massunivariate_linear_tcga": associate,
    "pls_cca_pca": multivariate,
}
