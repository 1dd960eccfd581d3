"""28,400 linear tests over six real regions: R's numbers, in one round.

Reference: R 4.2.2, `lm(prot ~ mrna + age_at_index + factor(region))` for each of 200 x 142, `p.adjust`
(`reference/stats/massunivariate_linear_tcga.json`). Tolerances 1e-9 for coefficients, 1e-8 for p-values.
"""

import json
from typing import Any

import numpy as np
import pytest

from protocols.associate import AssociateResult, AssociateSpec
from protocols.core.local import run_locally
from tests.lib.multiomics import Multiomics, multiomics
from tests.lib.plain_sums import a_study_of
from tests.lib.shared import shared


@pytest.fixture(scope="module")
def data() -> Multiomics:
    return multiomics()


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        shared("reference/stats/massunivariate_linear_tcga.json").read_text()
    )
    return content


def scan(data: Multiomics, **changes: Any) -> AssociateResult:
    spec = AssociateSpec.model_validate(
        {"features": tuple(data.mrna), "outcomes": tuple(data.proteins), "confounders": ("age",), **changes}
    )
    columns = (*data.mrna, *data.proteins, "age", *(f"region{k}" for k in range(6)))
    outcome = run_locally(a_study_of(columns, {"name": "scan", "spec": spec.model_dump()}), data.tables)
    assert outcome.rounds == 1
    result: AssociateResult = outcome["scan"]
    return result


def check(found: AssociateResult, data: Multiomics, reference: dict[str, Any]) -> None:
    assert (found.n, found.df, found.tests) == (150, 142, 28400)
    assert (found.p_bonferroni < 0.05).sum() == reference["bonferroni_0.05"]
    assert (found.q_bh < 0.05).sum() == reference["bh_0.05"]
    assert (found.q_by < 0.05).sum() == reference["by_0.05"]
    assert (found.p < 5e-8).sum() == reference["n_5e8"]
    np.testing.assert_allclose(found.beta.sum(), reference["sum_beta"], rtol=1e-9)
    np.testing.assert_allclose(np.abs(found.statistic).sum(), reference["sum_abs_t"], rtol=1e-9)
    np.testing.assert_allclose(-np.log10(found.p).sum(), reference["sum_neglog10p"], rtol=1e-9)
    rows = list(data.mrna.values()), list(data.proteins.values())
    for test in reference["top25"]:
        at = rows[0].index(test["mrna"]), rows[1].index(test["prot"])
        for ours, theirs, rtol in (
            (found.beta, "beta", 1e-9),
            (found.se, "se", 1e-9),
            (found.statistic, "t", 1e-9),
            (found.p, "p", 1e-8),
            (found.q_bh, "q_bh", 1e-8),
        ):
            np.testing.assert_allclose(ours[at], test[theirs], rtol=rtol, err_msg=theirs)
    first = [x[0, 0] for x in (found.beta, found.se, found.statistic, found.p)]
    np.testing.assert_allclose(first, reference["check_lm_first"], rtol=1e-9)


def test_an_intercept_for_each_site_is_rs_factor_of_region(
    data: Multiomics, reference: dict[str, Any]
) -> None:
    check(scan(data, intercepts="site"), data, reference)


def test_indicators_of_the_regions_as_confounders_are_the_same(
    data: Multiomics, reference: dict[str, Any]
) -> None:
    """One of six is aliased beside the common intercept, and is named."""
    found = scan(data, confounders=("age", *(f"region{k}" for k in range(6))))
    assert found.aliased == ("region5",)
    check(found, data, reference)


def test_people_without_proteins_take_no_part(reference: dict[str, Any]) -> None:
    """Of 220 people 150 have proteins; the one without a region is at no site."""
    everybody = multiomics("all")
    assert sum(len(table) for table in everybody.tables) == 219
    check(scan(everybody, intercepts="site"), everybody, reference)
