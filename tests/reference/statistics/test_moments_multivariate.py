"""PCA, CCA, ridge CCA, PLS and PLS-SVD of 150 people's RNAs and proteins over six real regions: R's numbers.

Reference: R 4.2.2 `prcomp`, `svd`, `cancor`, pls 2.8.1 `plsr`, mixOmics' definition of `rcc`, on all rows,
standardized (`reference/stats/pls_cca_pca.json`). 200 columns of 150 people are more than the gate lets out,
so their numbers are reached on plain sums, and the refusal is a test beside it.
"""

import json
from typing import Any

import numpy as np
import pytest

from protocols.cca import Cca, CcaSpec
from protocols.core.errors import Code, StudyError
from protocols.core.local import run_locally
from protocols.core.protocol import FederatedProtocol, Spec
from protocols.pca import Pca, PcaSpec
from protocols.pls import Pls, PlsSpec
from tests.lib.multiomics import Multiomics, multiomics
from tests.lib.plain_sums import a_study_of, on_plain_sums
from tests.lib.shared import shared


@pytest.fixture(scope="module")
def data() -> Multiomics:
    return multiomics()


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(shared("reference/stats/pls_cca_pca.json").read_text())
    return content


def through_the_gate(data: Multiomics, spec: Spec) -> Any:
    columns = (*data.mrna, *data.proteins)
    outcome = run_locally(a_study_of(columns, {"name": "it", "spec": spec.model_dump()}), data.tables)
    assert outcome.rounds == 1
    return outcome["it"]


def is_refused(data: Multiomics, spec: Spec) -> bool:
    try:
        through_the_gate(data, spec)
    except StudyError as error:
        return error.code == Code.WITHHELD
    return False


def beside_the_gate(data: Multiomics, protocol: FederatedProtocol[Any, Any], spec: Spec) -> Any:
    assert is_refused(data, spec)
    found, rounds = on_plain_sums(protocol, spec, data.tables)
    assert rounds == 1
    return found


def test_pca_of_200_rnas(data: Multiomics, reference: dict[str, Any]) -> None:
    numbers = reference["pca_mrna"]
    found = beside_the_gate(data, Pca(), PcaSpec(features=tuple(data.mrna), components=10))
    np.testing.assert_allclose(np.sqrt(found.variance), numbers["sdev10"], rtol=1e-9)
    np.testing.assert_allclose(found.total_variance, numbers["total_var"], rtol=1e-9)
    np.testing.assert_allclose(found.loadings[:, :3], numbers["loadings3"], rtol=1e-9)


def test_pls_svd_of_200_rnas_and_142_proteins_passes_the_gate(
    data: Multiomics, reference: dict[str, Any]
) -> None:
    """Here the absolute tolerance counts too: an entry near 0 has the error of its vector, 1e-15."""
    numbers = reference["pls_svd_mrna_prot"]
    spec = PlsSpec(x=tuple(data.mrna), y=tuple(data.proteins), components=10, method="svd")
    found = through_the_gate(data, spec)
    np.testing.assert_allclose(found.covariance, numbers["sv10"], rtol=1e-9)
    np.testing.assert_allclose(found.x_weights[:, :3], numbers["u3"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("algorithm", ["kernelpls", "simpls"])
def test_pls_regression_of_a_protein_on_200_rnas(
    data: Multiomics, reference: dict[str, Any], algorithm: str
) -> None:
    """With one outcome both of R's algorithms give NIPALS' components."""
    numbers = reference[f"plsr_prot1_on_mrna_{algorithm}"]
    outcome = next(short for short, long in data.proteins.items() if long == numbers["response"])
    spec = PlsSpec(x=tuple(data.mrna), y=(outcome,), components=5)
    found = beside_the_gate(data, Pls(), spec)
    standardized = found.coef[4, :, 0] * found.x_sd / found.y_sd
    np.testing.assert_allclose(standardized, numbers["coef5"], rtol=1e-9)
    np.testing.assert_allclose(found.r_squared[:, 0], numbers["R2_train"], rtol=1e-9)


def test_cca_of_ten_rnas_and_ten_proteins_passes_the_gate(
    data: Multiomics, reference: dict[str, Any]
) -> None:
    numbers = reference["cca_mrna10_prot10"]
    short = {long: name for name, long in (data.mrna | data.proteins).items()}
    spec = CcaSpec(
        x=tuple(short[c] for c in numbers["x"]), y=tuple(short[c] for c in numbers["y"]), components=10
    )
    found = through_the_gate(data, spec)
    np.testing.assert_allclose(found.correlation, numbers["cor"], rtol=1e-9)
    np.testing.assert_allclose(found.wilks, numbers["wilks"], rtol=1e-9)


def test_ridge_cca_of_200_rnas_and_142_proteins(data: Multiomics, reference: dict[str, Any]) -> None:
    numbers = reference["rcca_mrna200_prot142_ridge"]
    spec = CcaSpec(
        x=tuple(data.mrna),
        y=tuple(data.proteins),
        components=10,
        ridge_x=numbers["lambda1"],
        ridge_y=numbers["lambda2"],
    )
    found = beside_the_gate(data, Cca(), spec)
    np.testing.assert_allclose(found.singular_values[:10], numbers["cor10"], rtol=1e-9)


def test_as_many_rnas_as_the_gate_allows_are_analysed(data: Multiomics) -> None:
    """49 of 150 people's columns: 0.33 a person."""
    found = through_the_gate(data, PcaSpec(features=tuple(data.mrna)[:49], components=5))
    assert found.n == 150
    assert is_refused(data, PcaSpec(features=tuple(data.mrna)[:50], components=5))
