"""A link gets its verdict by rules that no study can set: what was planted is found, artefacts are not."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.core.protocol import parse_spec
from protocols.core.study import Study, read_study
from protocols.core.table import AnalysisTable
from protocols.estimation.meta_analysis import synthesis
from protocols.evidence import scorecard
from protocols.evidence.evidence import EvidenceResult
from protocols.evidence.partial_correlations import partial_correlations
from protocols.evidence.scorecard import Judged
from protocols.exchange.local import run_locally
from tests.lib.planted_links import HOSPITALS, hospitals

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "coherence.yaml"


@cache
def example() -> Study:
    return read_study(EXAMPLE)


@cache
def found() -> EvidenceResult:
    result = run_locally(example(), hospitals())["links"]
    assert isinstance(result, EvidenceResult)
    return result


def test_what_was_planted_is_supported_and_each_artefact_fails_where_it_must() -> None:
    links = found().links
    assert {name: one.verdict for name, one in links.items()} == {
        "proliferation": "supported",
        "angiogenesis": "not supported",
        "permeability": "not supported",
        "hypoxia": "not supported",
    }
    proliferation = links["proliferation"]
    assert proliferation.robust.holds
    assert proliferation.consistent.holds
    assert proliferation.coherent.holds
    effect = proliferation.effect
    assert effect is not None
    assert np.tanh(effect.effect) == pytest.approx(-0.65, abs=0.08)
    assert links["angiogenesis"].robust.holds is False  # it is gone with the scanners
    assert links["permeability"].robust.holds
    assert links["permeability"].consistent.holds
    assert links["permeability"].coherent.holds is False  # in other tissue as well
    assert links["hypoxia"].consistent.holds is False  # one hospital


def test_an_artefact_of_scanners_looks_strong_before_and_is_nothing_after() -> None:
    frame = found().by_model().loc["angiogenesis"]
    assert frame["r"]["none"] > 0.4
    assert frame["lower"]["none"] > 0
    assert abs(frame["r"]["scanners"]) < 0.1
    assert abs(frame["r"]["harmonization"]) < 0.1


def test_held_out_hospitals_replicate_and_take_no_part() -> None:
    one = found().links["proliferation"]
    assert found().held_out == ("quay", "ridge")
    assert set(one.left_out) == set(HOSPITALS) - {"quay", "ridge"}
    assert one.replication is not None
    assert one.replication.k == 2
    assert one.replication.upper < 0


def test_a_link_that_does_not_replicate_is_not_consistent() -> None:
    strong = synthesis(np.full(4, 0.8), np.full(4, 0.1), "reml", "never_narrower")
    without = [synthesis(np.full(3, 0.8), np.full(3, 0.1))] * 4
    nothing = synthesis(np.array([0.0]), np.array([0.1]), "common")
    assert scorecard.consistent(1, strong, without, None, held_out=False) == Judged(1.0, True)
    assert scorecard.consistent(1, strong, without, nothing, held_out=True) == Judged(1.0, False)
    assert scorecard.consistent(1, strong, without, None, held_out=True) == Judged(1.0, None)
    assert scorecard.consistent(-1, strong, without, None, held_out=False) == Judged(0.0, False)


def test_more_adjustments_links_and_companions_only_make_a_verdict_harder() -> None:
    strong = synthesis(np.full(4, 0.8), np.full(4, 0.1), "reml", "never_narrower")
    weak = synthesis(np.full(4, 0.3), np.full(4, 0.1), "reml", "never_narrower")
    assert scorecard.robust(1, {"none": strong, "age": strong}).holds
    assert scorecard.robust(1, {"none": strong, "age": strong, "scanners": weak}).holds is False
    assert (
        scorecard.robust(1, {"none": weak, "age": strong}).holds is False
    )  # neither does looking for more help
    assert scorecard.robust(1, {"none": strong}).holds is None
    assert scorecard.verdict([Judged(1, True), Judged(1, None), Judged(1, True)]) == "not judged"
    assert scorecard.verdict([Judged(1, True), Judged(1, None), Judged(1, False)]) == "not supported"


def test_no_rule_of_a_verdict_can_be_set() -> None:
    spec = example().spec("links").model_dump(mode="json")
    for setting in ({"level": 0.5}, {"kept": 0.1}, {"p": 0.05}, {"models": ["none"]}):
        with pytest.raises(ValidationError):
            parse_spec({**spec, **setting})


@pytest.mark.slow
def test_of_studies_without_a_link_hardly_any_is_supported() -> None:
    """Four links in each of 60 studies, of which at most 5 % may support one."""
    verdicts = []
    for seed in range(60):
        result = run_locally(example(), hospitals(100 * seed, linked=False))["links"]
        assert isinstance(result, EvidenceResult)
        verdicts.append({one.verdict for one in result.links.values()})
    assert sum("supported" in one for one in verdicts) <= 3
    assert all("not supported" in one for one in verdicts)


def small(site: str, n: int, seed: int, **columns: np.ndarray) -> AnalysisTable:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    drawn = {"x": x, "y": 0.6 * x + rng.normal(size=n), "age": rng.normal(50, 10, n)}
    return AnalysisTable(site, 1000 * seed + np.arange(n, dtype=np.int64), {**drawn, **columns})


def study(**spec: Any) -> Study:
    link = {"feature": "x", "outcome": "y", "sign": "positive"}
    return Study.model_validate(
        {
            "name": "small",
            "title": "Small",
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
            "variables": {n: {"kind": "measurement", "concept": "LOCAL:x"} for n in ("x", "y", "age")},
            "analyses": [{"name": "a", "spec": {"protocol": "evidence", "links": {"l": link}, **spec}}],
        }
    )


def test_a_hospital_below_the_floor_or_with_few_people_per_variable_shows_nothing() -> None:
    tables = [small("a", 40, 1), small("b", 40, 2), small("c", 9, 3), small("d", 12, 4)]
    result = run_locally(study(), tables)["a"]
    assert isinstance(result, EvidenceResult)
    assert result.sites == ("a", "b")  # of 12 people fewer than 10 degrees of freedom are left
    assert result.withheld == {"c": Code.WITHHELD, "d": Code.WITHHELD}
    wide = run_locally(study(confounders=["age"]), [replace_n(t, 8) for t in tables])
    assert isinstance(wide.results["a"], Failure)


def replace_n(table: AnalysisTable, n: int) -> AnalysisTable:
    return table.select(np.arange(len(table)) < n)


def test_a_hospital_where_a_variable_sets_few_people_apart_shows_nothing() -> None:
    rare = np.zeros(60)
    rare[:4] = 1.0
    common = np.arange(60) % 2.0
    tables = [small(s, 60, i, x=common) for i, s in enumerate("ab", 1)]
    result = run_locally(study(), [*tables, small("c", 60, 9, x=rare)])["a"]
    assert isinstance(result, EvidenceResult)
    assert result.sites == ("a", "b")
    assert "c" in result.withheld


def test_a_pair_that_does_not_vary_at_a_hospital_is_missing_there_alone() -> None:
    tables = [small(s, 60, i) for i, s in enumerate("abc", 1)]
    tables[2] = replace(tables[2], columns={**tables[2].columns, "y": np.ones(60)})
    two = {
        "l": {"feature": "x", "outcome": "y", "sign": "positive"},
        "m": {"feature": "x", "outcome": "age", "sign": "positive"},
    }
    result = run_locally(study(links=two), tables)["a"]
    assert isinstance(result, EvidenceResult)
    assert np.isnan(result.z[2, 0]).all()
    assert np.isfinite(result.z[2, 1]).all()
    assert result.links["l"].consistent.holds is None  # two hospitals do not say how hospitals agree


def test_correlations_are_those_of_residuals_to_a_hundredth_of_their_error() -> None:
    rng = np.random.default_rng(5)
    given = rng.normal(size=(80, 2))
    x = rng.normal(size=(80, 2)) + given[:, :1] * 2
    z, known, weight = partial_correlations(x, [(0, 1)], given)
    design = np.column_stack([np.ones(80), given])
    rest = x - design @ np.linalg.lstsq(design, x, rcond=None)[0]
    exact = np.arctanh(np.corrcoef(rest.T)[0, 1])
    assert known.all()
    assert weight == 80 - 3 - 2
    assert abs(z[0] - exact) <= 0.025 / np.sqrt(weight)  # half of the unit, which is at most five hundredths
    assert z[0] != exact


@pytest.mark.parametrize(
    "spec",
    [
        {"links": {"l": {"feature": "x", "outcome": "y"}}},
        {"links": {"l": {"feature": "x", "outcome": "y", "sign": "positive", "mechanism": "r2star_hypoxia"}}},
        {"links": {"l": {"feature": "x", "outcome": "x", "sign": "positive"}}},
        {"confounders": ["x"]},
        {"harmonize": {"protocol": "combat", "features": ["x", "y"]}},
    ],
)
def test_a_link_without_one_sign_or_with_a_variable_twice_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        study(**spec)
