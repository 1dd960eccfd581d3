"""A scan of a block: the numbers of the listed features, in chunks, with the mean for a missing number."""

from typing import Any

import numpy as np
import pytest

from protocols.core import block
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from protocols.genomics.associate import AssociateResult
from tests.lib.agreement import differences
from tests.lib.blocks import expression, genes, listed, study_of_block, with_block
from tests.lib.studies import a_study_of

G = 12
OTHERS = ("age", "mutated", "volume")


def scan(**changes: Any) -> dict[str, Any]:
    return {"protocol": "associate", "outcomes": ["volume"], "confounders": ["age"], **changes}


def of_block(tables: list[AnalysisTable], secure: bool = False, **changes: Any) -> Outcome:
    study = study_of_block(G, OTHERS, scan(features={"block": "rna"}, **changes))
    return run_locally(study, [with_block(t, listed(G)) for t in tables], secure=secure)


def of_variables(tables: list[AnalysisTable], secure: bool = False, **changes: Any) -> Outcome:
    study = a_study_of((*listed(G), *OTHERS), {"name": "a0", "spec": scan(features=listed(G), **changes)})
    return run_locally(study, tables, secure=secure)


def apart(a: AssociateResult, b: AssociateResult) -> dict[str, float]:
    return differences(a, b, ("features", "untested", "not_converged", "evaluations"))


@pytest.mark.parametrize("intercepts", ["common", "site"])
@pytest.mark.parametrize("confounders", [[], ["age"]])
def test_a_linear_scan_is_that_of_the_listed_features(intercepts: str, confounders: list[str]) -> None:
    tables = expression((60, 40, 80), G)
    how = {"intercepts": intercepts, "confounders": confounders, "outcomes": ["volume", "mutated"]}
    found, plain = of_block(tables, **how), of_variables(tables, **how)
    assert found.rounds <= 4
    assert max(apart(found["a0"], plain["a0"]).values()) < 1e-12
    assert found["a0"].features == tuple(f"rna:{name}" for name in genes(G))


def test_a_logistic_scan_is_that_of_the_listed_features() -> None:
    """Newton stops at a step of 1e-10 standard deviations, from starts that differ by rounding."""
    tables = expression((60, 40, 80), G)
    how = {"model": "logistic", "outcomes": ["mutated"]}
    found, plain = of_block(tables, **how)["a0"], of_variables(tables, **how)["a0"]
    assert max(apart(found, plain).values()) < 1e-12


@pytest.mark.parametrize("model", ["linear", "logistic"])
def test_chunks_give_what_one_question_gives(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = expression((60, 40, 80), G)
    how = {"model": model, "outcomes": ["mutated"]}
    whole = of_block(tables, **how)
    monkeypatch.setattr(block, "NUMBERS_IN_A_ROUND", 40)
    monkeypatch.setattr(block, "NUMBERS_AT_ONCE", 200)
    parts = of_block(tables, **how)
    assert parts.rounds >= whole.rounds + 3
    assert max(apart(parts["a0"], whole["a0"]).values()) < 1e-12


def test_the_sums_are_secure() -> None:
    tables = expression((60, 40, 80), G)
    found, plain = of_block(tables, secure=True)["a0"], of_variables(tables)["a0"]
    assert max(apart(found, plain).values()) < 1e-9


def test_a_missing_number_is_the_mean_of_the_known_ones() -> None:
    """1e-10: a question carries the mean with 12 digits."""
    tables = expression((60, 40, 80), G, missing=0.1)
    x = np.concatenate([t.matrix(listed(G)) for t in tables])
    means = dict(zip(listed(G), np.nanmean(x, axis=0), strict=True))
    filled = [
        t.with_columns({g: np.where(np.isnan(t.columns[g]), m, t.columns[g]) for g, m in means.items()})
        for t in tables
    ]
    found, plain = of_block(tables)["a0"], of_variables(filled)["a0"]
    assert found.n == len(x)
    assert max(apart(found, plain).values()) < 1e-10


def test_who_has_nothing_of_the_block_is_left_out() -> None:
    tables = expression((60, 40, 80), G)
    lacking = np.arange(60) < 20
    tables[0] = tables[0].with_columns(
        {g: np.where(lacking, np.nan, tables[0].columns[g]) for g in listed(G)}
    )
    assert of_block(tables)["a0"].n == 160


def test_a_name_that_a_site_lacks_is_tested_with_the_others_and_one_that_most_lack_is_named() -> None:
    tables = expression((60, 40, 80), G)
    nobody = np.full(80, np.nan)
    tables[1] = tables[1].with_columns({"gene3": nobody[:40], "gene4": nobody[:40]})
    tables[2] = tables[2].with_columns({"gene4": nobody})
    tables = [t.with_columns({"gene5": np.zeros(len(t))}) for t in tables]
    found = of_block(tables)["a0"]
    assert found.untested == {
        "rna:GENE4": "fewer than half of the people, or too few, have a value",
        "rna:GENE5": "does not vary",
    }
    assert np.isfinite(found.p[3, 0])
    assert np.isnan(found.p[[4, 5], 0]).all()
    assert found.tests == G - 2


def test_carriers_are_counted_among_the_known() -> None:
    """Filled with a mean, everybody without a value would seem to carry it."""
    tables = expression((60, 40, 80), G)
    carrier = [np.where(np.arange(len(t)) < 2, 1.0, 0.0) for t in tables]
    tables = [
        t.with_columns({"gene3": np.where(np.arange(len(t)) % 5 == 4, np.nan, c)})
        for t, c in zip(tables, carrier, strict=True)
    ]
    found = of_block(tables)["a0"]
    assert found.untested == {"rna:GENE3": "fewer than 10 people differ from the rest in it"}


def test_tiny_and_huge_numbers_keep_their_digits() -> None:
    tables = expression((60, 40, 80), G)
    scales = dict(zip(listed(G), 10.0 ** np.arange(-18, 30, 4), strict=True))
    scaled = [t.with_columns({g: t.columns[g] * s for g, s in scales.items()}) for t in tables]
    found, plain = of_block(scaled, secure=True)["a0"], of_variables(tables)["a0"]
    assert np.allclose(found.statistic, plain.statistic, rtol=1e-8)


def test_a_name_with_fewer_people_than_the_floor_is_not_tested_though_half_have_it() -> None:
    """14 people count, and 9 of them have it: its mean is withheld, so nothing can be filled in."""
    tables = expression((9, 5, 4), G)
    tables[1] = tables[1].with_columns({"gene3": np.full(5, np.nan)})
    found = of_block(tables, confounders=[])["a0"]
    assert found.n == 14
    assert found.untested["rna:GENE3"] == "fewer than half of the people, or too few, have a value"
    assert np.isnan(found.p[3, 0])
