"""Summaries: what is suppressed, by site and over all sites."""

from typing import Any

import numpy as np
import pytest

from protocols.core.disclosure import SUPPRESSED
from protocols.core.errors import Code
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from tests.lib.drawn_sites import SPLITS, study_of
from tests.lib.ungated import estimated

TABLES = SPLITS["unequal sites"]


def summary(tables: list[AnalysisTable] = TABLES, **spec: Any) -> Any:
    return run_locally(study_of({"protocol": "summary", **spec}), tables)["a0"]


def with_gene(carriers: list[int], sizes: tuple[int, ...] = (60, 60, 60)) -> list[AnalysisTable]:
    """Sites with so many carriers each, half of the people women."""
    return [
        AnalysisTable(
            site,
            np.arange(n) + 1000 * i,
            {
                "idh1": (np.arange(n) < k).astype(float),
                "sex": (np.arange(n) % 2).astype(float),
                "age": 50.0 + np.arange(n) % 7,
            },
        )
        for i, (site, k, n) in enumerate(zip("abcde"[: len(sizes)], carriers, sizes, strict=True))
    ]


def test_a_mean_by_site_is_shown_where_every_site_has_enough_carriers() -> None:
    found = summary(with_gene([10, 20, 30]), of=["idh1", "age"], per_site=True)
    assert [found.by_site[s].mean[0, 0] for s in "abc"] == pytest.approx([10 / 60, 20 / 60, 30 / 60])


@pytest.mark.parametrize("at_a", [0, 2, 9, 51])  # of 51 nine do not carry it
def test_few_carriers_of_a_site_do_not_follow_from_the_others_and_the_total(at_a: int) -> None:
    found = summary(with_gene([at_a, 20, 30]), of=["idh1", "age"], per_site=True)
    assert found.total.mean[0, 0] == pytest.approx((at_a + 50) / 180)
    assert all(np.isnan(found.by_site[s].mean[0, 0]) for s in "abc")
    assert all(np.isfinite(found.by_site[s].mean[0, 1]) for s in "abc")  # of another variable they are shown


def test_sites_with_few_carriers_hide_each_other_if_they_are_three_with_enough_together() -> None:
    more = with_gene([7, 8, 9, 30, 20], (60,) * 5)
    found = summary(more, of=["idh1"], per_site=True)
    assert [bool(np.isfinite(found.by_site[s].mean[0, 0])) for s in "abcde"] == [False] * 3 + [True] * 2
    two = summary(with_gene([7, 8, 29, 30, 20], (60,) * 5), of=["idh1"], per_site=True)
    assert all(np.isnan(two.by_site[s].mean[0, 0]) for s in "abcde")
    few = summary(with_gene([2, 3, 4, 30, 20], (60,) * 5), of=["idh1"], per_site=True)
    assert all(np.isnan(few.by_site[s].mean[0, 0]) for s in "abcde")


def test_the_mean_of_a_gene_with_few_carriers_is_taken_out_over_all_sites() -> None:
    assert np.isnan(summary(with_gene([3, 3, 3]), of=["idh1"]).total.mean[0, 0])
    assert np.isnan(
        summary(with_gene([3, 3, 4]), of=["idh1"]).total.mean[0, 0]
    )  # whole floors: parts under 5
    for alone in ([5, 5, 0], [10, 9, 0], [12, 1, 0], [30, 0, 0]):  # who takes its part away sees the rest
        assert np.isnan(summary(with_gene(alone), of=["idh1"]).total.mean[0, 0])
    assert summary(with_gene([5, 5, 5]), of=["idh1"]).total.mean[0, 0] == pytest.approx(15 / 180)
    assert summary(with_gene([10, 10, 0]), of=["idh1"]).total.mean[0, 0] == pytest.approx(20 / 180)


def test_a_cross_table_with_a_small_cell_is_taken_out_as_a_whole() -> None:
    found = summary(with_gene([12, 30, 30]), cross=[["idh1", "sex"]], per_site=True)
    assert all((found.by_site[site].cross == SUPPRESSED).all() for site in "abc")  # that of a would follow
    assert found.total.cross.sum() == 180
    shown = summary(with_gene([20, 30, 30]), cross=[["idh1", "sex"]], per_site=True)
    assert (shown.by_site["b"].cross == 15).all()
    assert (summary(with_gene([2, 2, 2]), cross=[["idh1", "sex"]]).total.cross == SUPPRESSED).all()


def test_a_site_of_few_people_counts_in_the_sum_and_shows_nothing() -> None:
    found = summary(with_gene([3, 20, 20], (9, 60, 60)), of=["age"], per_site=True)
    assert found.total.n[0, 0] == 129
    assert found.withheld == {"a": Code.WITHHELD}
    assert set(found.by_site) == {"b", "c"}
    assert (found.by_site["b"].n == SUPPRESSED).all()  # else a's nine would be what is left of the total
    assert np.isnan(found.by_site["b"].mean).all()


def test_a_site_of_four_people_does_not_count() -> None:
    found = summary(with_gene([2, 20, 20], (4, 60, 60)), of=["age"])
    assert found.total.n[0, 0] == 120


def test_a_group_of_few_people_is_taken_out() -> None:
    found = summary(with_gene([5, 2, 2]), of=["age"], by="idh1")
    assert found.total.people.tolist() == [171, SUPPRESSED]
    assert np.isnan(found.total.mean[1, 0])
    frame = found.summary().set_index("group")
    assert np.isnan(frame.loc["idh1=1", "n"])
    assert frame.loc["idh1=0", "n"] == 171


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_units_do_not_matter_in_a_secure_sum(scale: float) -> None:
    tables = [t.with_columns({"f_one": t.column("f_one") * scale}) for t in TABLES]
    found, plain = summary(tables, of=["f_one"]).total, summary(of=["f_one"]).total
    np.testing.assert_allclose(found.sd / scale, plain.sd, rtol=1e-8)
    np.testing.assert_allclose(found.mean / scale, plain.mean, rtol=1e-8)


def test_a_large_offset_does_not_cancel() -> None:
    tables = [t.with_columns({"f_one": t.column("f_one") + 1e8}) for t in TABLES]
    found: Any = estimated({"protocol": "summary", "of": ["f_one"]}, tables)
    x = np.concatenate([t.column("f_one") for t in tables])
    np.testing.assert_allclose(found.total.sd[0, 0], x.std(ddof=1), rtol=1e-12)


def test_a_summary_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="name variables"):
        study_of({"protocol": "summary"})
