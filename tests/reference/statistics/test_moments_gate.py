"""What the gate lets out of 150 people's RNAs and proteins: R's numbers through it, and what it refuses."""

from typing import Any

import pytest

from protocols.core.errors import Code, StudyError
from protocols.exchange.local import run_locally
from tests.lib.multiomics import Multiomics, multiomics
from tests.lib.studies import a_study_of
from tests.reference.statistics.moments import checks_of_scan, reference, scan_of

REGIONS = [f"region{k}" for k in range(6)]


@pytest.fixture(scope="module")
def data() -> Multiomics:
    return multiomics()


def through_the_gate(data: Multiomics, spec: dict[str, Any], *, rounds: int = 2) -> Any:
    """The result over the wire format and masked sums, in one round after those about people."""
    columns = (*data.mrna, *data.proteins, "age", *REGIONS)
    study = a_study_of(columns, {"name": "it", "spec": spec})
    outcome = run_locally(study, data.tables, secure=True)
    assert outcome.rounds <= rounds
    return outcome["it"]


def test_the_scan_passes_and_gives_rs_numbers(data: Multiomics) -> None:
    """More features and outcomes than people: products of two features do not leave."""
    assert all(c.holds() == c.numbers() for c in checks_of_scan(through_the_gate(data, scan_of(data)), data))


def test_indicators_of_the_regions_as_confounders_are_the_same(data: Multiomics) -> None:
    """One of six follows from the others beside the common intercept, and is named.

    Each region alone has its own, so that in a round more the others say whether few people have it there.
    """
    spec = scan_of(data, confounders=["age", *REGIONS], intercepts="common")
    found = through_the_gate(data, spec, rounds=4)
    assert found.aliased == ("region5",)
    assert all(c.holds() == c.numbers() for c in checks_of_scan(found, data))


def test_people_without_proteins_take_no_part() -> None:
    """Of 220 people 150 have proteins; the one without a region is at no site."""
    everybody = multiomics("all")
    assert sum(len(table) for table in everybody.tables) == 219
    found = through_the_gate(everybody, scan_of(everybody))
    assert all(c.holds() == c.numbers() for c in checks_of_scan(found, everybody))


def test_pls_svd_passes(data: Multiomics) -> None:
    spec = {"protocol": "pls", "x": list(data.mrna), "y": list(data.proteins), "method": "svd"}
    found = through_the_gate(data, spec)
    assert found.covariance == pytest.approx(
        reference("pls_cca_pca")["pls_svd_mrna_prot"]["sv10"][:2], rel=1e-9
    )


@pytest.mark.parametrize(
    "spec",
    [
        {"protocol": "pca", "features": [f"m{j}" for j in range(200)]},
        {"protocol": "pca", "features": [f"m{j}" for j in range(50)]},
        {"protocol": "pls", "x": [f"m{j}" for j in range(200)], "y": ["p0"]},
        {
            "protocol": "cca",
            "x": [f"m{j}" for j in range(30)],
            "y": [f"p{j}" for j in range(30)],
            "ridge_x": 0.1,
            "ridge_y": 0.1,
        },
        {"protocol": "linear", "outcome": "age", "covariates": [f"m{j}" for j in range(60)]},
    ],
)
def test_a_moment_matrix_wider_than_a_third_of_the_people_is_refused(
    data: Multiomics, spec: dict[str, Any]
) -> None:
    with pytest.raises(StudyError, match=r"more than 0.33 for each person.*: use fewer variables") as failed:
        through_the_gate(data, spec)
    assert failed.value.code == Code.WITHHELD


def test_as_wide_as_allowed_passes(data: Multiomics) -> None:
    """49 of 150 people's columns: 0.33 a person."""
    assert through_the_gate(data, {"protocol": "pca", "features": [f"m{j}" for j in range(49)]}).n == 150
