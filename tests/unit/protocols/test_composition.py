"""Parts of a whole become log-ratios; as they are, they correlate without any cause, and a study says so."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from protocols.core.feasibility import doubts
from protocols.core.roles import transformed
from protocols.core.study import Study, read_study
from protocols.core.table import AnalysisTable
from protocols.describe.correlation import CorrelationResult
from protocols.exchange.example import example_study, run_example
from protocols.exchange.local import run_locally
from protocols.preparation.composition import CompositionResult, CompositionSpec
from protocols.regression.linear import LinearResult

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "composition.yaml"
PARTS = ("lymphocytes", "myeloid", "tumour")


def spec_of(**changes: Any) -> CompositionSpec:
    return CompositionSpec.model_validate({"parts": ["a", "b", "c"], "zeros": 0.01, **changes})


def log_ratios(spec: CompositionSpec, **columns: list[float]) -> dict[str, np.ndarray]:
    table = AnalysisTable("s", np.arange(len(columns["a"])), {n: np.array(x) for n, x in columns.items()})
    after = transformed(spec, table, np.ones(len(table), dtype=bool), {})
    return {name: after.column(name) for name in spec.makes()}


def hospitals() -> list[AnalysisTable]:
    """Shares of three kinds of cells whose numbers have nothing to do with each other; rcbv goes with one."""
    found = []
    for seed, (site, n) in enumerate({"north": 130, "south": 120, "west": 100}.items()):
        rng = np.random.default_rng(seed)
        cells = np.exp(rng.normal((1.0, 1.0, 2.0), (0.8, 0.8, 0.05), (n, 3)))
        cells[rng.uniform(size=n) < 0.03, 0] = 0.0
        shares = cells / cells.sum(axis=1, keepdims=True)
        age = rng.normal(55, 12, n)
        rcbv = np.log(shares[:, 1] / shares[:, 2]) + rng.normal(0, 0.5, n) + 0.01 * age
        columns = dict(zip(PARTS, shares.T, strict=True)) | {"age": age, "rcbv": rcbv}
        found.append(AnalysisTable(site, 1000 * seed + np.arange(n), columns))
    return found


def test_shares_that_nothing_connects_correlate_and_their_log_ratios_do_not() -> None:
    study = read_study(EXAMPLE)
    raw = {"name": "raw", "spec": {"protocol": "correlation", "of": ["lymphocytes", "myeloid"]}}
    content = study.model_dump(mode="json", by_alias=True)
    told = Study.model_validate({**content, "analyses": [*content["analyses"], raw]})
    found = run_locally(told, hospitals())
    as_they_are, as_ratios, links = found["raw"], found["together"], found["links"]
    assert isinstance(as_they_are, CorrelationResult)
    assert isinstance(as_ratios, CorrelationResult)
    assert isinstance(links, LinearResult)
    assert as_they_are.upper[0, 1] < -0.3
    assert as_ratios.lower[0, 1] < 0 < as_ratios.upper[0, 1]
    slopes = dict(zip(links.terms, links.coef, strict=True))
    assert slopes["alr_myeloid"] == pytest.approx(1.0, abs=0.1)
    assert slopes["alr_lymphocytes"] == pytest.approx(0.0, abs=0.1)
    (doubt,) = doubts(told)
    assert (doubt.where, doubt.is_certain) == ("analyses.raw", False)
    assert "one sum" in doubt.text
    assert "`after` cells" in doubt.fix
    assert not doubts(study)


def test_features_that_are_named_as_shares_are_in_doubt_where_nobody_declares_a_whole() -> None:
    raw = {"protocol": "correlation", "of": ["core", "oedema", "age"]}
    said = [one for one in doubts(example_study(raw=raw)) if one.where == "analyses.raw"]
    assert [("core, oedema" in one.text, "composition" in one.fix) for one in said] == [(True, True)]
    alone = {"protocol": "correlation", "of": ["core", "age"]}
    assert not [one for one in doubts(example_study(raw=alone)) if one.where == "analyses.raw"]


def test_nothing_of_a_part_becomes_the_stated_share_and_ratios_of_the_others_stay() -> None:
    found = log_ratios(spec_of(coordinates="alr", reference="c"), a=[0.0, 0.2], b=[30.0, 0.3], c=[60.0, 0.5])
    assert found["alr_b"] == pytest.approx(np.log([0.5, 0.6]))
    assert found["alr_a"] == pytest.approx(np.log([0.01 / (0.99 * 2 / 3), 0.4]))


def test_a_person_without_a_part_or_with_a_negative_one_has_no_log_ratio() -> None:
    found = log_ratios(
        spec_of(coordinates="clr"), a=[np.nan, -0.1, 0.0, 1.0], b=[0.5, 0.6, 0.0, 1.0], c=[0.5, 0.5, 0, 1]
    )
    assert all(np.isnan(column[:3]).all() for column in found.values())
    assert [column[3] for column in found.values()] == [0.0, 0.0, 0.0]


def test_a_hospital_that_writes_zero_for_a_part_is_counted() -> None:
    tables = hospitals()
    zero = np.zeros(len(tables[2]))
    tables[2] = tables[2].with_columns({"lymphocytes": zero})
    found = run_locally(read_study(EXAMPLE), tables)["cells"]
    assert isinstance(found, CompositionResult)
    assert found.sites_without.tolist() == [1, 0, 0]
    assert found.zeros[0] >= len(zero)
    assert found.n == 350


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parts": ["a", "b", "a"]}, "listed twice"),
        ({"zeros": 0.4}, "below 1/3"),
        ({"coordinates": "alr"}, "name a `reference`"),
        ({"reference": "a"}, "name a `reference`"),
        ({"coordinates": "alr", "reference": "d"}, "not one of the parts"),
        ({"coordinates": "clr", "parts": ["a" * 38, "b"]}, "shorter prefix"),
    ],
)
def test_what_is_no_composition_is_refused_with_the_reason(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        spec_of(**changes)


def test_the_figure_says_how_many_zeros_were_replaced() -> None:
    found = run_example(protocol="composition", parts=["core", "oedema", "necrosis"], zeros=0.005)
    assert "values of 0 became 0.005" in str(found.figure())
