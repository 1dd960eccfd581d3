"""Repeatability over sites: what is planted is found, offsets cost nothing, and what falls is counted."""

from typing import Any

import numpy as np
import pytest

from protocols.core.table import AnalysisTable
from protocols.describe.repeatability import RepeatabilityResult, RepeatabilitySpec
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from tests.lib.drawn_sites import a_site, study_of

SITES = [a_site("a", 150, 1), a_site("b", 60, 2), a_site("c", 90, 3)]


def measured(noise: float, offset: float = 0.0, shift: float = 0.0) -> list[AnalysisTable]:
    """Three tables whose `f_two` measures `f_one` again, with this noise and a shift."""
    found = []
    for seed, site in enumerate(SITES):
        rng = np.random.default_rng(seed)
        once = offset + rng.normal(0, 1, len(site))
        again = once + shift + rng.normal(0, noise, len(site))
        found.append(site.with_columns({"f_one": once, "f_two": again}))
    return found


def run(tables: list[AnalysisTable], **spec: Any) -> Outcome:
    features = {"x": ["f_one", "f_two"]}
    return run_locally(study_of({"protocol": "repeatability", "features": features, **spec}), tables)


def of(outcome: Outcome) -> RepeatabilityResult:
    found = outcome["a0"]
    assert isinstance(found, RepeatabilityResult)
    return found


def test_bland_and_altman_and_variation_are_those_of_the_rows() -> None:
    tables = measured(0.3, offset=10, shift=0.5)
    found = of(run(tables))
    x = np.concatenate([table.matrix(["f_one", "f_two"]) for table in tables])
    d = x[:, 1] - x[:, 0]
    half = 1.96 * d.std(ddof=1)
    ends = (found.difference[0], found.difference_low[0], found.difference_high[0])
    np.testing.assert_allclose(ends, [d.mean(), d.mean() - half, d.mean() + half], rtol=1e-9)
    np.testing.assert_allclose(found.within_sd, np.sqrt(np.mean(d**2) / 2), rtol=1e-9)
    np.testing.assert_allclose(found.variation, found.within_sd / x.mean(), rtol=1e-9)
    np.testing.assert_allclose(found.repeatability, 1.96 * np.sqrt(2) * found.within_sd, rtol=1e-9)


def test_it_takes_two_rounds_and_three_at_most_with_a_large_offset() -> None:
    """Beside that of people in effect, which comes first."""
    plain, far = run(measured(0.3)), run(measured(0.3, offset=1e6))
    np.testing.assert_allclose(of(far).icc[:, 0], of(plain).icc[:, 0], rtol=1e-6)
    assert plain.rounds <= 2
    assert far.rounds <= 3


def test_a_shift_between_repeats_costs_agreement_but_not_consistency() -> None:
    named = {"repeats": ["first", "second"], "coefficient": "ICC(3,1)"}
    near, far = (of(run(measured(0.3, shift=shift), **named)) for shift in (0.0, 2.0))
    np.testing.assert_allclose(far.icc[0, 2], near.icc[0, 2], rtol=1e-9)
    assert far.icc[0, 1] < 0.5 < near.icc[0, 1]
    assert far.ccc[0] < 0.5 < near.ccc[0]


def test_what_falls_is_counted_by_the_lower_bound_or_the_coefficient() -> None:
    tables = measured(0.8)  # an ICC of about 0.75
    point, lower = (of(run(tables, bound=bound, minimum=0.7)) for bound in ("point", "lower"))
    assert point.lower[0, 0] < 0.7 < point.icc[0, 0] < 0.78
    assert (point.robust(), lower.robust()) == (("x",), ())
    assert lower.fell().startswith("1 of 1 features fell: the lower bound of ICC(1,1) is below 0.7")
    np.testing.assert_allclose(point.attenuation(), np.sqrt(point.icc[:, 0]))


def test_interchangeable_repeats_have_one_coefficient() -> None:
    found = of(run(measured(0.3)))
    assert np.isfinite(found.icc[:, 0]).all()
    assert np.isnan(found.icc[:, 1:]).all()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"coefficient": "ICC(2,1)"}, "names"),
        ({"features": {"x": ["a", "b"], "y": ["c", "d", "e"]}}, "same number"),
        ({"features": {"x": ["a", "b"], "y": ["b", "c"]}}, "twice"),
        ({"repeats": ["one", "two", "three"]}, "each repeat"),
    ],
)
def test_a_layout_that_is_not_one_is_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        RepeatabilitySpec.model_validate({"features": {"x": ["a", "b"]}, **changes})
