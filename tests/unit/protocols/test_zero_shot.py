"""Zero-shot: a disease without cases is found by its description; what is far from all is near none."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from protocols.applications.zero_shot import ZeroShotSpec
from protocols.applications.zero_shot_result import ZeroShotResult
from protocols.core.table import AnalysisTable, Floats
from protocols.exchange.local import run_locally
from tests.lib.studies import a_study_of

FEATURES = ["u", "v", "w"]
DESCRIPTIONS = {"a": [1.0, 0.0, 0.0], "b": [0.0, 1.0, 0.0], "c": [0.0, 0.0, 1.0], "rare": [0.7, 0.7, 0.0]}
SPEC: dict[str, Any] = {
    "protocol": "zero_shot",
    "model": {"outcome": "of", "classes": [0, 1, 2], "measured": FEATURES, "covariance": "shared"},
    "descriptions": DESCRIPTIONS,
    "seen": {"a": 0, "b": 1, "c": 2},
}
LOOKS = np.array([[2.0, 0.5, 0.0], [0.0, 3.0, 1.0], [-1.0, 0.0, 2.0]])
"""The features that each attribute gives a tumour."""


def drawn(site: int, n: int = 150) -> AnalysisTable:
    draw = np.random.default_rng([7, site])
    of = draw.integers(0, 3, n)
    x = LOOKS[of] + draw.normal(0, 0.5, (n, 3))
    columns = dict(zip(FEATURES, x.T, strict=True)) | {"of": of.astype(float)}
    return AnalysisTable("abc"[site], 1000 * site + np.arange(n), columns)


def learned(**changes: Any) -> ZeroShotResult:
    study = a_study_of([*FEATURES, "of"], {"name": "a0", "spec": {**SPEC, **changes}})
    found = run_locally(study, [drawn(site) for site in range(3)])["a0"]
    assert isinstance(found, ZeroShotResult)
    return found


def rare(n: int = 200) -> Floats:
    """(n, 3) features of people with the disease that no site has."""
    noise = np.random.default_rng(8).normal(0, 0.3, (n, 3))
    return np.asarray(np.array(DESCRIPTIONS["rare"]) @ LOOKS + noise)


def test_a_disease_without_cases_is_found_by_its_description() -> None:
    found = learned(standardized=False)
    assert np.mean([people[0] == "rare" for people in found.ranked(rare())]) > 0.9


def test_what_resembles_nothing_has_no_close_description() -> None:
    found = learned(standardized=False)
    away = -np.array(DESCRIPTIONS["a"]) @ LOOKS - np.array(DESCRIPTIONS["b"]) @ LOOKS
    x = np.array([away, np.zeros(3), [np.nan, 0, 0]])
    assert found.ranked(x) == [(), (), ()]


def test_an_allowance_is_taken_from_diseases_with_cases() -> None:
    x = rare()
    without, allowed = (learned(allowance=allowance).scores(x) for allowance in (0.0, 0.25))
    np.testing.assert_allclose(without[:, :3] - 0.25, allowed[:, :3])
    np.testing.assert_allclose(without[:, 3], allowed[:, 3])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seen": {"a": 0, "b": 1}}, "one disease for each class"),
        ({"seen": {"a": 0, "b": 1, "z": 2}}, "no description of z"),
        ({"descriptions": {**DESCRIPTIONS, "rare": [1.0, 0.0]}}, "as many attributes"),
        ({"descriptions": {**DESCRIPTIONS, "rare": [0.0, 0.0, 0.0]}}, "not all of them 0"),
        ({"model": {**SPEC["model"], "covariance": "own"}}, "covariance: shared"),
    ],
)
def test_a_spec_that_means_nothing_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ZeroShotSpec.model_validate({**SPEC, **changes})


def test_its_figure_has_a_row_for_each_disease() -> None:
    found = learned()
    assert "1 more are known by their description alone" in found.figure().caption
    assert list(found.summary().index) == [*DESCRIPTIONS]
