"""Mendelian randomization: R's numbers, what was planted in genotypes at hospitals, and published tables."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shadowgraph as sg
from protocols.core.errors import InputError
from protocols.core.figure import Figure
from protocols.genomics.mendelian import mendelian
from protocols.genomics.summary_statistics import SummaryStatistics

X = np.array([0.12, -0.08, 0.15, 0.21, 0.09, -0.17, 0.11, 0.26])
X_SE = np.array([0.010, 0.012, 0.011, 0.015, 0.009, 0.014, 0.010, 0.020])
Y = np.array([0.055, -0.028, 0.081, 0.090, 0.061, -0.060, 0.072, 0.119])
Y_SE = np.array([0.015, 0.018, 0.017, 0.022, 0.014, 0.020, 0.016, 0.030]) / 3
PEOPLE = np.full(8, 1000.0)
NAMES = [f"1:{place}:A:G" for place in range(1, 9)]

VARIANTS = [f"{1 + j // 4}:{2_000_000 * (1 + j % 4)}:C:T" for j in range(12)]
MOVE = np.linspace(0.35, 0.7, 12)


def test_the_estimates_are_those_of_r() -> None:
    found = mendelian("feature", "outcome", NAMES, X, X_SE, Y, Y_SE)
    table = found.estimates[["estimate", "se"]]
    # R 4.2.2: m <- summary(lm(by ~ bx - 1, weights = sy^-2)); m$coef[2] / min(m$sigma, 1)
    weighted = [0.48327143836926911, 0.03876421068108798]
    np.testing.assert_allclose(table.loc["inverse-variance weighted"], weighted, rtol=1e-12)
    # e <- summary(lm(I(by * sign(bx)) ~ I(bx * sign(bx)), weights = sy^-2))
    egger = [0.34309961641031411, 0.10866331690158704]
    np.testing.assert_allclose(table.loc["MR-Egger"], egger, rtol=1e-12)
    assert found.estimates.loc["MR-Egger", "p"] == pytest.approx(0.01962822772418866, rel=1e-10)
    intercept = [found.intercept, found.intercept_se, found.intercept_p]
    expected = [0.02053366314640888, 0.01499081060443143, 0.21981275645231446]
    np.testing.assert_allclose(intercept, expected, rtol=1e-10)
    # the function of the appendix of Bowden et al. 2016, and the spread of 200,000 draws by R
    assert table.loc["weighted median", "estimate"] == pytest.approx(0.4579103958496871, rel=1e-12)
    assert table.loc["weighted median", "se"] == pytest.approx(0.03040633, rel=0.03)
    told = [found.q, found.i_squared, found.f]
    np.testing.assert_allclose(told, [46.26196719995514, 0.9436113133639856, 138.4804796574277], rtol=1e-12)


def test_an_estimate_does_not_depend_on_which_allele_is_counted() -> None:
    one = mendelian("feature", "outcome", NAMES, X, X_SE, Y, Y_SE)
    sign = np.array([1, -1, 1, 1, -1, 1, -1, 1])
    other = mendelian("feature", "outcome", NAMES, sign * X, X_SE, sign * Y, Y_SE)
    exact = ["inverse-variance weighted", "MR-Egger"]
    pd.testing.assert_frame_equal(one.estimates.loc[exact], other.estimates.loc[exact])
    assert one.intercept == pytest.approx(other.intercept, rel=1e-12)


def test_few_variants_have_few_estimates() -> None:
    one = mendelian("feature", "outcome", NAMES[:1], X[:1], X_SE[:1], Y[:1], Y_SE[:1])
    assert one.estimates.index.tolist() == ["ratio"]
    np.testing.assert_allclose(one.estimates.loc["ratio", ["estimate", "se"]], [Y[0] / X[0], Y_SE[0] / X[0]])
    assert one.by_variant()["without"].isna().all()
    two = mendelian("feature", "outcome", NAMES[:2], X[:2], X_SE[:2], Y[:2], Y_SE[:2])
    assert two.estimates.index.tolist() == ["inverse-variance weighted"]
    with pytest.raises(InputError, match="no variant"):
        mendelian("feature", "outcome", [], *(np.zeros(0) for _ in range(4)))


def _hospitals(effect: float, other_way: float) -> tuple[dict, dict]:
    """Twelve variants move a feature, and what nobody measured moves feature and outcome against each other.

    Args:
        effect: of the feature on the outcome; other_way: of each allele on the outcome, around the feature.
    """
    frames, blocks = {}, {}
    for seed, site in enumerate(("oslo", "bergen", "turku")):
        rng = np.random.default_rng(seed)
        n = 1500
        copies = rng.binomial(2, 0.4, (n, 12)).astype(float)
        hidden = rng.normal(size=n)
        feature = copies @ MOVE - hidden + rng.normal(size=n)
        outcome = effect * feature + 1.5 * hidden + other_way * copies.sum(axis=1) + rng.normal(size=n)
        frames[site] = pd.DataFrame({"feature": feature, "outcome": outcome})
        blocks[site] = {"snps": pd.DataFrame(copies, columns=VARIANTS)}
    return frames, blocks


def _scans(effect: float, other_way: float) -> tuple[SummaryStatistics, SummaryStatistics, float]:
    """What both scans over the hospitals say, and the coefficient that people who only look would find."""
    frames, blocks = _hospitals(effect, other_way)
    study = sg.study(
        "axis",
        cohort=sg.cohort("condition:ICD10CM:C71%"),
        variables={name: sg.radiomic("RNU0", modality="MR", region=name) for name in ("feature", "outcome")},
        blocks={"snps": {"kind": "genotype", "variants": VARIANTS, "build": "GRCh38"}},
    )
    study = study.gwas("scan", {"block": "snps"}, ["feature", "outcome"]).linear(
        "seen", "outcome", ["feature"]
    )
    found = sg.local(frames, blocks).run(study)
    scan = found["scan"].result
    return scan.statistics("feature"), scan.statistics("outcome"), found["seen"].result.coef[1]


def test_it_finds_a_planted_cause_where_looking_finds_its_opposite() -> None:
    feature, outcome, seen = _scans(effect=0.4, other_way=0.0)
    assert seen < 0.1
    found = feature.effect_on(outcome)
    assert len(found.variants) == 12
    row = found.estimates.loc["inverse-variance weighted"]
    assert row["lower"] < 0.4 < row["upper"]
    assert row["lower"] > 0.2
    assert found.intercept_p > 0.05
    assert found.f > 30
    frame = found.by_variant()
    assert (frame["without"] - row["estimate"]).abs().max() < 0.1
    figure = found.figure()
    assert isinstance(figure, Figure)
    assert "F " in figure.caption


def test_what_alleles_do_by_another_way_shows_in_the_intercept() -> None:
    feature, outcome, _ = _scans(effect=0.0, other_way=0.3)
    found = feature.effect_on(outcome)
    assert found.estimates.loc["inverse-variance weighted", "lower"] > 0.3  # wrong, and it says so:
    assert found.intercept_p < 1e-3
    assert found.intercept == pytest.approx(0.3, abs=3 * found.intercept_se)
    egger = found.estimates.loc["MR-Egger"]
    assert egger["lower"] < 0 < egger["upper"]


def _published(scan: SummaryStatistics) -> pd.DataFrame:
    cells = pd.Series(scan.variants).str.split(":", expand=True)
    return pd.DataFrame(
        {
            "chromosome": cells[0],
            "base_pair_location": cells[1],
            "other_allele": cells[2],
            "effect_allele": cells[3],
            "beta": scan.beta,
            "standard_error": scan.se,
            "p_value": scan.p,
        }
    )


def test_a_published_table_is_brought_onto_the_same_alleles(tmp_path: Path) -> None:
    feature, outcome, _ = _scans(effect=0.4, other_way=0.0)
    table = _published(outcome)
    table.loc[:3, ["other_allele", "effect_allele"]] = ["T", "C"]  # counts the other allele
    table.loc[:3, "beta"] *= -1
    table.loc[4:7, ["other_allele", "effect_allele"]] = ["G", "A"]  # reads the other strand
    table.loc[8, "chromosome"] = "chr" + table.loc[8, "chromosome"]
    table.loc[9, "standard_error"] = np.nan
    path = tmp_path / "outcome.tsv.gz"
    path.write_bytes(gzip.compress(table.to_csv(sep="\t", index=False, na_rep="#NA").encode()))
    theirs = sg.summary_statistics("outcome", path)
    assert theirs.left_out == 1
    found = feature.effect_on(theirs)
    assert found.left_out == {"not in the other scan, or twice": 1}
    kept = [name for i, name in enumerate(VARIANTS) if i != 9]
    expected = feature.effect_on(outcome, kept)
    assert sorted(found.variants) == sorted(kept)
    pd.testing.assert_frame_equal(found.estimates.iloc[:2], expected.estimates.iloc[:2], rtol=1e-9)


def test_alleles_that_read_alike_on_both_strands_are_left_out_where_nobody_knows_the_strand() -> None:
    table = _published(
        SummaryStatistics("y", ("1:5:A:T", "1:9:C:T"), Y[:2], Y_SE[:2], PEOPLE[:2], None, "unknown")
    )
    x = SummaryStatistics("x", ("1:5:A:T", "1:9:C:T"), X[:2], X_SE[:2], PEOPLE[:2], None, "forward")
    found = x.effect_on(sg.summary_statistics("y", table), x.variants)
    assert found.variants == ("1:9:C:T",)
    assert found.left_out == {"strand not known": 1}
    assert len(x.effect_on(sg.summary_statistics("y", table, strand="forward"), x.variants).variants) == 2


def test_odds_ratios_that_stand_as_effects_are_refused() -> None:
    table = _published(SummaryStatistics("y", tuple(NAMES), Y, Y_SE, PEOPLE, None, "unknown"))
    wrong = table.assign(beta=np.exp(table["beta"]))
    with pytest.raises(InputError, match="p-values"):
        sg.summary_statistics("y", wrong)
    right = sg.summary_statistics("y", wrong.rename(columns={"beta": "odds_ratio"}))
    np.testing.assert_allclose(right.beta, Y, rtol=1e-12)
    with pytest.raises(InputError, match="no column standard_error"):
        sg.summary_statistics("y", table.drop(columns="standard_error"))


def test_a_variant_that_the_scan_has_not_is_named_as_missing() -> None:
    x = SummaryStatistics("x", tuple(NAMES), X, X_SE, PEOPLE, None, "forward")
    with pytest.raises(InputError, match="1 of 2 variants"):
        x.effect_on(x, [NAMES[0], "7:1:A:C"])
