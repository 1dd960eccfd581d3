"""Differential privacy of networks: the plan, the noise, what each person can add, and what it costs."""

import secrets
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from protocols.core.accountant import spent
from protocols.core.errors import Code, InputError, StudyError
from protocols.core.study import Study, canonical_json, parse_study
from protocols.core.table import AnalysisTable
from protocols.estimation.roc import exact_auc
from protocols.exchange.local import LocalSites, run_locally
from protocols.exchange.rounds import conduct
from protocols.learning import site_noise
from protocols.learning.network_training import clipped_gradient
from protocols.learning.neural import Neural, NeuralSpec
from protocols.learning.neural_model import standardized
from tests.lib.extras import NEEDS_TORCH
from tests.lib.studies import a_study_of

COLUMNS = ["x", "z"]
PRIVACY = {"epsilon": 10.0, "delta": 1e-4, "clip": 0.5, "noise": 1.2, "sampling": 0.4, "honest_sites": 3}


def a_hospital(site: str, n: int, seed: int) -> AnalysisTable:
    draw = np.random.default_rng(seed)
    x, z = draw.normal(size=(2, n))
    y = (draw.uniform(size=n) < 1 / (1 + np.exp(-2 * x - z))).astype(float)
    secret = bytes([seed]) * 32
    return AnalysisTable(site, seed * 1000 + np.arange(n), {"x": x, "z": z, "y": y}, secret=secret)


SITES = [a_hospital("a", 150, 1), a_hospital("b", 100, 2), a_hospital("c", 80, 3)]


def a_spec(**changes: Any) -> dict[str, Any]:
    return {
        "protocol": "neural",
        "outcome": "y",
        "covariates": COLUMNS,
        "hidden": [4],
        "strategy": "fedsgd",
        "rounds": 20,
        "rate": 0.5,
        "standardize": {"x": [0, 1], "z": [0, 1]},
        "privacy": PRIVACY,
        **changes,
    }


def private(**changes: Any) -> dict[str, Any]:
    return a_spec(privacy={**PRIVACY, **changes})


def a_study(spec: dict[str, Any], **changes: Any) -> Study:
    return a_study_of([*COLUMNS, "y"], {"name": "a0", "spec": spec}, **changes)


def asked(spec: NeuralSpec, number: int = 0, moved: float = 0.0) -> dict[str, Any]:
    weights = spec.network().start(0) + moved
    return {"weights": weights, "shift": np.zeros(2), "scale": np.ones(2), "round": np.array(number)}


def test_a_plan_beyond_its_budget_is_no_study_and_the_error_names_the_noise() -> None:
    with pytest.raises(ValidationError, match=r"more than 1: choose noise: \d") as caught:
        NeuralSpec.model_validate(private(epsilon=1.0))
    advised = float(str(caught.value).split("choose noise: ")[1].split()[0])
    NeuralSpec.model_validate(private(epsilon=1.0, noise=advised))
    with pytest.raises(ValidationError):
        NeuralSpec.model_validate(private(epsilon=1.0, noise=advised - 0.02))


def test_a_plan_that_no_noise_saves_says_so() -> None:
    with pytest.raises(ValidationError, match="choose fewer rounds"):
        NeuralSpec.model_validate(private(epsilon=1e-3, delta=1e-9, sampling=1.0))


def test_what_would_leave_without_noise_is_refused() -> None:
    with pytest.raises(ValidationError, match="public center and scale of z"):
        NeuralSpec.model_validate(a_spec(standardize={"x": [0, 1]}))
    with pytest.raises(ValidationError, match="use `strategy: fedsgd`"):
        NeuralSpec.model_validate(a_spec(strategy="fedavg"))


def test_a_study_runs_over_the_sites_whose_noise_it_rests_on() -> None:
    with pytest.raises(ValidationError, match="rests on 4 sites"):
        a_study(private(honest_sites=4), min_sites=3)
    inside = {"protocol": "discrimination", "model": private(honest_sites=4)}
    with pytest.raises(ValidationError, match="rests on 4 sites"):
        a_study(inside, min_sites=3)
    a_study(inside, min_sites=4)


@NEEDS_TORCH
def test_too_few_sites_with_people_is_an_error_before_any_training() -> None:
    few = a_hospital("d", 3, 4)
    outcome = run_locally(a_study(private(honest_sites=4), min_sites=4), [*SITES, few])
    with pytest.raises(StudyError, match="fewer than 4 sites") as caught:
        outcome["a0"]
    assert (caught.value.code, outcome.rounds) == (Code.TOO_FEW_SITES, 2)


@NEEDS_TORCH
def test_a_delta_that_gives_away_a_person_is_refused() -> None:
    with pytest.raises(StudyError, match="below 1 / people"):
        run_locally(a_study(private(delta=0.01)), SITES)["a0"]


@pytest.mark.slow
@NEEDS_TORCH
def test_a_fit_says_what_it_spent_and_no_more_than_the_budget() -> None:
    outcome = run_locally(a_study(a_spec()), SITES)
    found = outcome["a0"]
    assert outcome.rounds == 22
    assert found.epsilon == spent(1.2, 0.4, 20, 1e-4) <= 10.0
    assert found.delta == 1e-4
    assert len(found.loss) == 0
    assert found.n == 330
    assert found.n_events is None


def test_an_approver_reads_epsilon_delta_and_what_they_mean() -> None:
    text = " ".join(a_study(a_spec()).describe())
    assert f"epsilon {spent(1.2, 0.4, 20, 1e-4):.3g} at delta 0.0001" in text
    assert "odds of a guess about one person's values" in text
    assert "rests on 3 sites" in text


@pytest.mark.slow
@NEEDS_TORCH
@pytest.mark.parametrize("sampling", [1.0, 0.4])
def test_the_noise_of_the_sites_together_is_the_plans(sampling: float) -> None:
    """So large that the 330 people are lost in it: normal, of deviation noise x clip in each parameter."""
    spec = NeuralSpec.model_validate(private(sampling=sampling, clip=0.5, noise=1e4) | {"rounds": 50})
    noise = [
        sum(Neural.private(spec, t, **asked(spec, r))["update"] for t in SITES) / (1e4 * 0.5)
        for r in range(50)
    ]
    drawn = np.concatenate(noise)
    assert stats.kstest(drawn, "norm").pvalue > 1e-3
    assert abs(drawn.std() - 1) < 4 / np.sqrt(2 * len(drawn))
    rounds = np.array(noise)
    assert abs(np.corrcoef(rounds[:-1].ravel(), rounds[1:].ravel())[0, 1]) < 4 / np.sqrt(rounds.size)


@NEEDS_TORCH
def test_nobody_adds_more_than_the_clip() -> None:
    """With one person's values turned into anything, the sum before the noise moves by two clips at most."""
    spec = NeuralSpec.model_validate(private(noise=1e4, sampling=1.0))
    table = SITES[0]
    changed = table.with_columns({"x": np.where(np.arange(150) == 7, 1e9, table.column("x"))})
    sums = [
        clipped_gradient(standardized(spec, t, np.zeros(2), np.ones(2)), spec.network().start(0), 0.5)
        for t in (table, changed)
    ]
    assert 0 < np.linalg.norm(sums[0] - sums[1]) <= 2 * 0.5
    alone = table.select(np.arange(150) == 7)
    own = clipped_gradient(standardized(spec, alone, np.zeros(2), np.ones(2)), spec.network().start(0), 0.01)
    assert np.linalg.norm(own) == pytest.approx(0.01, rel=1e-12)


@NEEDS_TORCH
def test_peoples_gradients_are_summed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = NeuralSpec.model_validate(a_spec())
    people = standardized(spec, SITES[0], np.zeros(2), np.ones(2))
    whole = clipped_gradient(people, spec.network().start(0), 0.3)
    monkeypatch.setattr("protocols.learning.network_training._NUMBERS_AT_ONCE", 40 * spec.network().size)
    np.testing.assert_allclose(clipped_gradient(people, spec.network().start(0), 0.3), whole, rtol=1e-12)


@NEEDS_TORCH
def test_a_repeat_is_the_same_bytes_and_any_other_question_has_other_noise() -> None:
    spec = NeuralSpec.model_validate(private(noise=100.0))
    table = SITES[0]
    first = Neural.private(spec, table, **asked(spec))["update"]
    np.testing.assert_array_equal(Neural.private(spec, table, **asked(spec))["update"], first)
    others = {
        "a later round": Neural.private(spec, table, **asked(spec, 1)),
        "weights apart by rounding": Neural.private(spec, table, **asked(spec, 0, 1e-15)),
        "without a person": Neural.private(spec, table.select(np.arange(150) != 3), **asked(spec)),
        "another spec": Neural.private(spec.model_copy(update={"rate": 0.25}), table, **asked(spec)),
        "a value changed": Neural.private(
            spec, table.with_columns({"x": table.column("x") + (np.arange(150) == 0)}), **asked(spec)
        ),
        "a site with another secret": Neural.private(spec, replace(table, secret=bytes(32)), **asked(spec)),
    }
    share = spec.privacy.deviation_at_a_site()  # type: ignore[union-attr]
    for why, other in others.items():
        assert np.abs(other["update"] - first).mean() > 0.4 * share, why


@NEEDS_TORCH
def test_who_is_drawn_depends_on_the_sites_secret_and_is_as_many_as_planned() -> None:
    n, q = 20_000, 0.3
    drawn = site_noise.uniform(secrets.token_bytes(32), n) < q
    assert abs(drawn.sum() - n * q) < 5 * np.sqrt(n * q * (1 - q))


def test_a_table_has_a_secret_of_its_own_that_its_parts_keep_and_no_text_shows() -> None:
    plain = AnalysisTable("a", np.arange(20), {"x": np.zeros(20)})
    other = AnalysisTable("a", np.arange(20), {"x": np.zeros(20)})
    assert plain.secret != other.secret
    assert plain.select(np.arange(20) < 10).with_columns({"z": np.ones(10)}).secret == plain.secret
    assert plain.secret.hex() not in repr(plain)
    assert str(plain.secret) not in repr(plain)


@NEEDS_TORCH
def test_a_killed_run_goes_on_with_the_same_noise() -> None:
    study = a_study(a_spec(rounds=6))

    def run(memory: dict[int, bytes]) -> Any:
        sites = LocalSites(study, {t.site: t for t in SITES})
        return conduct(study, sites, run="r", roster=("a", "b", "c"), memory=memory)["a0"]

    memory: dict[int, bytes] = {}
    whole = run(memory)
    again = run({r: joined for r, joined in memory.items() if r < 3})
    np.testing.assert_array_equal(again.weights, whole.weights)


@NEEDS_TORCH
def test_with_little_noise_for_its_people_it_still_learns() -> None:
    """AUC within people it was fitted on; 3 x 2,000 people, epsilon below 2."""
    sites = [a_hospital(s, 2000, i) for i, s in enumerate("abc", 5)]
    spec = a_spec(rounds=25, rate=2.0, privacy={**PRIVACY, "epsilon": 2.0, "noise": 5.0, "clip": 1.0})
    found = run_locally(a_study(spec), sites)["a0"]
    p = [Neural().score(NeuralSpec.model_validate(spec), t, **found.transform_arrays()) for t in sites]
    auc = exact_auc(np.concatenate([t.column("y") for t in sites]), np.concatenate(p))
    assert found.epsilon is not None
    assert found.epsilon < 2.0
    assert auc > 0.85


def test_a_spec_that_does_not_hold_is_an_error_of_the_input() -> None:
    good = a_study(a_spec()).model_dump(mode="json", by_alias=True)
    good["analyses"][0]["spec"]["privacy"]["epsilon"] = 0.5
    with pytest.raises(InputError, match="would spend an epsilon"):
        parse_study(canonical_json(good))
