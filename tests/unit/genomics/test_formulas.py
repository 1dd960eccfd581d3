"""The formulas of genomics against published arithmetic, and what they say where nothing is known."""

import json
from typing import Any

import numpy as np
import pytest

from site_node.features.genomics import clonality, copy_number, ctdna, expression, methylation
from site_node.features.genomics.burden import burden
from tests.lib.shared import shared


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    """Computed by independent scripts with exact fractions; the formulas stand beside the numbers."""
    found: dict[str, Any] = json.loads(shared("reference/stats/bayes_genomics_golden.json").read_text())
    return found


def test_tpm_fpkm_and_log2(golden: dict[str, Any]) -> None:
    case = golden["tpm_fpkm"]
    counts, lengths = np.array(case["counts"], float)[:, None], np.array(case["length"], float)
    tpm = expression.tpm(counts, lengths)
    np.testing.assert_allclose(tpm[:, 0], case["tpm"], rtol=1e-12)
    np.testing.assert_allclose(expression.fpkm(counts, lengths)[:, 0], case["fpkm"], rtol=1e-12)
    np.testing.assert_allclose(expression.log2_1p(tpm)[:, 0], case["log2_1p_tpm"], rtol=1e-12)


def test_a_gene_without_a_length_and_a_sample_without_a_read_are_missing() -> None:
    counts = np.array([[10.0, 0.0], [30.0, 0.0], [5.0, 0.0]])
    found = expression.tpm(counts, np.array([1000.0, 1000.0, np.nan]))
    np.testing.assert_allclose(found[:, 0], [250_000, 750_000, np.nan])
    assert np.isnan(found[:, 1]).all()


def test_beta_to_m(golden: dict[str, Any]) -> None:
    beta = np.array([float(case["beta"]) for case in golden["beta_to_M"]])
    plain = [case["M"] for case in golden["beta_to_M"]]
    np.testing.assert_allclose(methylation.m_value(beta, 0.0), plain, rtol=1e-12, atol=1e-15)
    damped = [case["M_offset_0_01"] for case in golden["beta_to_M"]]
    np.testing.assert_allclose(methylation.m_value(beta), damped, rtol=1e-12, atol=1e-15)
    assert np.isnan(methylation.m_value(np.array([-0.1, 1.1, np.nan]))).all()
    assert np.isfinite(methylation.m_value(np.array([0.0, 1.0]))).all()


def test_cancer_cell_fraction(golden: dict[str, Any]) -> None:
    cases = golden["ccf"]["cases"]
    vaf, purity, copies, m = (np.array([float(c[n]) for c in cases]) for n in ("vaf", "purity", "cn_t", "m"))
    found = clonality.cancer_cell_fraction(vaf, purity, copies, m)
    np.testing.assert_allclose(found, [case["ccf"] for case in cases], rtol=1e-12)


def test_no_purity_means_no_cancer_cell_fraction() -> None:
    one = np.ones(3)
    purity = np.array([0.0, 1.2, np.nan])
    assert np.isnan(clonality.cancer_cell_fraction(0.3 * one, purity, 2 * one, one)).all()


def test_a_clonal_mutation_on_two_of_three_copies_has_multiplicity_two() -> None:
    # purity 0.8, 3 copies of which 2 carry it, in every cell: VAF = 0.8 * 2 / (0.8 * 3 + 0.2 * 2)
    vaf, purity, copies = np.array([1.6 / 2.8]), np.array([0.8]), np.array([3.0])
    m = clonality.likely_multiplicity(vaf, purity, copies)
    assert m[0] == 2
    assert clonality.cancer_cell_fraction(vaf, purity, copies, m)[0] == pytest.approx(1.0)


def test_multiplicity_ends_at_the_copies_and_a_man_has_one_x() -> None:
    # purity 0.2 is wrong where all reads carry it: ten copies of two made a fraction of 1
    vaf, purity, copies = np.array([1.0]), np.array([0.2]), np.array([2.0])
    m = clonality.likely_multiplicity(vaf, purity, copies)
    assert m[0] == 2
    assert clonality.cancer_cell_fraction(vaf, purity, copies, m)[0] == pytest.approx(5.0)
    # purity 0.6 and one copy in tumour and normal cells, half of the tumour cells: VAF = 0.3
    vaf, purity, copies, one = np.array([0.3]), np.array([0.6]), np.array([1.0]), np.array([1.0])
    m = clonality.likely_multiplicity(vaf, purity, copies, one)
    assert clonality.cancer_cell_fraction(vaf, purity, copies, m, one)[0] == pytest.approx(0.5)


def test_progression_from_two_findings(golden: dict[str, Any]) -> None:
    for case in golden["recist_ctdna"]["cases"]:
        numbers = [np.array(float(case[name])) for name in ("prior", "lr_recist", "lr_ctdna")]
        posterior = float(ctdna.progression_probability(*numbers))
        assert posterior == pytest.approx(case["posterior"], rel=1e-12)
        assert ctdna.zone(posterior) == case["zone"]


def test_ctdna_change_and_clearance() -> None:
    first, later = np.array([0.08, 0.08, 0.0]), np.array([0.02, 0.0, 0.02])
    np.testing.assert_allclose(ctdna.log2_change(first, later, 0.001)[:2], [-2, np.log2(1 / 80)])
    np.testing.assert_array_equal(ctdna.cleared(first, later, 0.001), [0, 1, np.nan])


def test_copy_number_calls_have_the_thresholds_of_cnvkit() -> None:
    ratios = np.array([-3, -1.1, -1.0, -0.25, -0.2, 0.0, 0.2, 0.3, 0.7, 0.8, np.nan])
    np.testing.assert_array_equal(copy_number.calls(ratios), [-2, -2, -1, -1, 0, 0, 0, 1, 1, 2, np.nan])


def test_copies_are_those_of_the_tumour_cells() -> None:
    # half of the cells have one copy, half two: 1.5 on average
    assert copy_number.copies(np.log2(np.array([1.5 / 2])), 0.5)[0] == pytest.approx(1.0)
    assert copy_number.copies(np.array([-5.0]), 0.5)[0] == 0.0


def test_a_gene_has_the_ratio_of_the_segment_that_covers_most_of_it() -> None:
    segments = copy_number.Segments(
        np.array([1, 101, 301]), np.array([100, 200, 400]), np.array([0.0, 1.0, -1.0])
    )
    start, end = np.array([10, 90, 95, 180, 190, 500]), np.array([20, 105, 130, 220, 360, 510])
    found = copy_number.of_genes(segments, start, end)
    # the last but one lies on 190-200 and 301-360: 60 of 171 bases are too few
    np.testing.assert_array_equal(found, [0, 0, 1, 1, np.nan, np.nan])


def test_burden_needs_the_size_of_what_was_read() -> None:
    found = burden(np.array([30.0, 0.0, 5.0, 5.0]), np.array([30.0, 1.2, np.nan, 0.0]))
    np.testing.assert_array_equal(found, [1, 0, np.nan, np.nan])
