"""RT47, RT05: a covariate that one person carries over all sites, and a value that is nearly all of a sum.

Nobody cheats: the sums of an honest run hold the carrier's row. The attacker is whoever keeps the joined
totals. Where no question about people comes first the attack works; by default the variable is named.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protocols.core.disclosure import Thresholds
from protocols.core.errors import Code, SiteError
from protocols.core.lockstep import Failure
from protocols.core.protocol import Coordination, Result, ask
from protocols.core.table import AnalysisTable
from protocols.exchange import coordination
from protocols.exchange.envelope import unpack
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from protocols.exchange.site_answer import answer
from tests.lib.studies import a_study_of

COVARIATES = ["rare", "x", "z"]
VARIABLES: dict[str, Any] = {
    **{
        name: {"kind": "measurement", "concept": f"LOCAL:{name}"} for name in ("rare", "x", "z", "y", "count")
    },
    "t": {"kind": "survival", "endpoint": "overall"},
}
SPECS: dict[str, dict[str, Any]] = {
    "linear": {"outcome": "z", "covariates": ["rare", "x"]},
    "logistic": {"outcome": "y", "covariates": COVARIATES},
    "glm": {"outcome": "count", "covariates": COVARIATES, "family": "poisson"},
    "mixed": {"outcome": "z", "covariates": ["rare", "x"]},
    "multinomial": {"outcome": "y", "covariates": COVARIATES, "levels": [0, 1]},
    "ordinal": {"outcome": "y", "covariates": COVARIATES, "levels": [0, 1]},
    "penalized_logistic": {"outcome": "y", "covariates": COVARIATES},
    "cox": {"outcome": "t", "covariates": COVARIATES},
    "repeatability": {"features": {"it": ["rare", "x"]}},
    "pca": {"features": COVARIATES},
    "cca": {"x": ["rare", "x"], "y": ["z", "count"]},
    "pls": {"x": ["rare", "x"], "y": ["z"]},
    "combat": {"features": ["x", "z"], "covariates": ["rare"]},
    "boosting": {"outcome": "y", "covariates": COVARIATES},
    "forest": {"outcome": "y", "covariates": COVARIATES},
    "local_models": {"outcome": "y", "covariates": COVARIATES},
}


def tables(*carriers: int) -> list[AnalysisTable]:
    """Three hospitals of 150 people; the first `carriers` of each have the rare finding: one, unless said."""
    return [_table(site, many) for site, many in zip("abc", (*(carriers or (1,)), 0, 0), strict=False)]


def _table(site: str, carriers: int) -> AnalysisTable:
    draw, n = np.random.default_rng(ord(site)), 150
    x, z = draw.normal(size=(2, n))
    columns = {
        "rare": (np.arange(n) < carriers).astype(float),
        "x": x,
        "z": z,
        "y": (draw.uniform(size=n) < 0.4).astype(float),
        "count": draw.poisson(2.0, n).astype(float),
        "t.time": draw.exponential(500, n),
        "t.event": (draw.uniform(size=n) < 0.6).astype(float),
    }
    return AnalysisTable(site, np.arange(n) + 1000 * ord(site), columns)


def run(spec: dict[str, Any], sites: list[AnalysisTable]) -> tuple[Outcome, list[dict[str, np.ndarray]]]:
    """The outcome, and the joined sums that the coordinator keeps."""
    study = a_study_of([], {"name": "model", "spec": spec}, variables=VARIABLES)
    memory: dict[int, bytes] = {}
    outcome = run_locally(study, sites, memory=memory)
    kept = [
        joined["sum"] for r in sorted(memory) for joined in unpack(memory[r])["joined"] if "sum" in joined
    ]
    return outcome, kept


@pytest.fixture
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weakened twin: no question about people comes first."""

    def asks_at_once(asking: Coordination[Result], *_: object) -> Coordination[Result]:
        return asking

    monkeypatch.setattr(coordination, "people_first", asks_at_once)


@pytest.mark.usefixtures("unjudged")
def test_the_sums_of_a_regression_hold_the_row_of_the_one_carrier() -> None:
    """The gradient at 0 of the carrier's covariate gives the outcome, its products the covariates."""
    _, kept = run({"protocol": "linear", **SPECS["linear"]}, tables())
    products = kept[0]["products"]
    carrier = tables()[0]
    np.testing.assert_allclose(products[0, 1:], [carrier.column("x")[0], carrier.column("z")[0]], atol=1e-9)


@pytest.mark.parametrize("carriers", [0, 1, 4, 9])
@pytest.mark.parametrize("name", SPECS)
def test_a_rare_covariate_is_named_and_nothing_about_it_leaves(name: str, carriers: int) -> None:
    outcome, kept = run({"protocol": name, **SPECS[name]}, tables(carriers))
    found = outcome.results["model"]
    assert isinstance(found, Failure)
    assert (found.code, "rare" in found.text, bool(found.fix)) == (Code.WITHHELD, True, True)
    assert [arrays.keys() for arrays in kept] == [
        {"people", "not_zero", "not_one", "apart", "others", "dominated"}
    ]


def test_the_refusal_is_the_same_for_nobody_and_for_four_people() -> None:
    answers = [run({"protocol": "logistic", **SPECS["logistic"]}, tables(carriers)) for carriers in (0, 1, 4)]
    for _, kept in answers[1:]:
        for name, total in kept[0].items():
            np.testing.assert_array_equal(total, answers[0][1][0][name])


@pytest.mark.parametrize("carriers", [(10, 10, 0), (5, 5, 5), (9, 9, 9), (12, 7, 5), (10, 0, 0)])
def test_a_covariate_of_ten_people_beside_each_hospital_s_own_is_analysed(carriers: tuple[int, ...]) -> None:
    outcome, _ = run({"protocol": "linear", **SPECS["linear"]}, tables(*carriers))
    assert not isinstance(outcome.results["model"], Failure)


@pytest.mark.parametrize(
    "carriers", [(10, 1, 0), (10, 4, 4), (10, 5, 0), (150, 9, 4), (9, 9, 4), (149, 150, 150)]
)
def test_a_covariate_of_few_beside_one_hospital_s_own_is_refused(carriers: tuple[int, ...]) -> None:
    """The hospital with ten takes its own part from the products, and has the others' rows."""
    outcome, kept = run({"protocol": "linear", **SPECS["linear"]}, tables(*carriers))
    found = outcome.results["model"]
    assert isinstance(found, Failure)
    assert (found.code, "rare" in found.text) == (Code.WITHHELD, True)
    assert not any("products" in arrays for arrays in kept)


@pytest.mark.parametrize("carriers", [(0, 0, 0), (4, 4, 4), (9, 4, 0), (10, 5, 4), (10, 10, 4), (8, 8, 8)])
def test_whether_few_carry_it_is_asked_only_where_one_hospital_alone_is_seen(
    carriers: tuple[int, ...],
) -> None:
    _, kept = run({"protocol": "linear", **SPECS["linear"]}, tables(*carriers))
    assert not any("few" in arrays for arrays in kept)


@pytest.mark.parametrize("min_count", [10, 11, 20, 47])
@pytest.mark.parametrize("in_sum", [5, 7, 10])
def test_bands_that_are_enough_leave_enough_people_without_any_one_hospital(
    min_count: int, in_sum: int
) -> None:
    rules = Thresholds(min_count=min_count, min_count_in_sum=in_sum)
    draw = np.random.default_rng(min_count + in_sum)
    counts = draw.poisson(draw.gamma(0.7, min_count, (4000, 1)), (4000, 4))
    enough = rules.band(counts).sum(axis=1) >= rules.enough(4)
    assert 0.1 < enough.mean() < 0.9
    assert (counts.sum(axis=1) - counts.max(axis=1))[enough].min() >= min_count
    alone = rules.band(counts).sum(axis=1) >= rules.enough(1)
    assert counts.sum(axis=1)[alone].min() >= min_count


def huge(at: float) -> list[AnalysisTable]:
    first, *others = tables(20)
    z = first.column("z").copy()
    z[7] = at
    return [first.with_columns({"z": z}), *others]


@pytest.mark.usefixtures("unjudged")
def test_a_huge_value_is_nearly_all_of_its_sum() -> None:
    _, kept = run({"protocol": "linear", **SPECS["linear"]}, huge(1e7))
    guess = kept[0]["sum"][2]
    assert abs(guess / 1e7 - 1) < 0.001


def test_a_huge_value_is_refused_before_it_leaves() -> None:
    outcome, kept = run({"protocol": "linear", **SPECS["linear"]}, huge(1e7))
    found = outcome.results["model"]
    assert isinstance(found, Failure)
    assert (found.code, "nearly all of z" in found.text) == (Code.WITHHELD, True)
    assert len(kept) == 1


def test_bands_tell_whole_floors_and_nothing_finer() -> None:
    for carriers, floors in ((4, 0), (5, 2), (9, 2), (10, 3), (150, 3)):
        _, kept = run({"protocol": "linear", **SPECS["linear"]}, tables(carriers))
        assert kept[0]["not_zero"][0] == floors


@pytest.mark.parametrize("carriers", [1, 9])
def test_a_site_shows_no_products_of_a_covariate_that_few_have(carriers: int) -> None:
    """In the clear a site's own matrix would show the row of its one carrier, whatever others have."""
    spec = {"protocol": "mixed", **SPECS["mixed"]}
    few, *others = tables(carriers)
    study = a_study_of([], {"name": "model", "spec": spec}, variables=VARIABLES)
    step = ask("moments", per_site=True, shift=np.zeros(3), scale=np.ones(3))
    here = replace(step, analysis="model")
    with pytest.raises(SiteError) as caught:
        answer(study, few, here, study.thresholds)
    assert caught.value.code == Code.WITHHELD
    assert "rare" not in caught.value.text
    assert np.isfinite(answer(study, others[0], here, study.thresholds).arrays["products"]).all()
    many = tables(30)[0]
    assert np.isfinite(answer(study, many, here, study.thresholds).arrays["products"]).all()
