"""Networks over sites: each strategy against what defines it, floors on people, what fails and how."""

from typing import Any

import numpy as np
import pytest
from flwr.app import Array as FlowerArray
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg, FedProx
from flwr.supercore.task_identity import TaskIdentity
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPRegressor

from protocols.core.disclosure import Thresholds
from protocols.core.errors import Code, SiteError, StudyError
from protocols.core.table import AnalysisTable
from protocols.exchange.local import LocalSites, run_locally
from protocols.exchange.rounds import conduct
from protocols.learning import network_training
from protocols.learning.network import Network
from protocols.learning.neural import Neural, NeuralSpec, predicted
from tests.lib.extras import NEEDS_TORCH
from tests.lib.studies import a_study_of
from tests.lib.ungated import estimated
from tests.reference.pooled import reference

COLUMNS = ("x", "z")


def a_hospital(site: str, n: int, seed: int, *, slope: float = 1.0, level: float = 0.0) -> AnalysisTable:
    """People whose outcome hangs on x, more or less than at other hospitals."""
    draw = np.random.default_rng(seed)
    x, z = draw.normal(level, 1.0, n), draw.normal(size=n)
    y = (draw.uniform(size=n) < 1 / (1 + np.exp(-slope * x - 0.5 * z - 0.3))).astype(float)
    return AnalysisTable(site, seed * 1000 + np.arange(n), {"x": x, "z": z, "y": y, "u": x - z**2})


UNLIKE = [
    a_hospital("a", 120, 1, slope=2.5, level=1.0),
    a_hospital("b", 80, 2, slope=-1.0, level=-1.0),
    a_hospital("c", 60, 3, slope=0.5),
]
PUBLIC = {"x": [0.0, 1.0], "z": [0.0, 1.0]}


def a_spec(**changes: Any) -> dict[str, Any]:
    spec = {"protocol": "neural", "outcome": "y", "covariates": list(COLUMNS), "hidden": [4], "rounds": 3}
    return {**spec, **changes}


def a_linear_spec(**changes: Any) -> dict[str, Any]:
    """Without a hidden layer the loss has one minimum, which other software finds."""
    return a_spec(hidden=[], standardize=PUBLIC, batch=10_000, **changes)


def asked_with(spec: NeuralSpec, weights: np.ndarray, number: int = 0) -> dict[str, Any]:
    p = len(spec.columns())
    return {"weights": weights, "shift": np.zeros(p), "scale": np.ones(p), "round": np.array(number)}


@NEEDS_TORCH
@pytest.mark.parametrize("strategy", [FedAvg, FedProx])
def test_a_round_is_flowers_average_of_the_same_changes(
    strategy: type[FedAvg], monkeypatch: pytest.MonkeyPatch
) -> None:
    """flwr 1.41: each site's weights after training, with its people, joined by Flower's own strategy."""
    for name in ("_run_id", "_node_id", "_task_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)
    raw = a_spec(strategy=strategy.__name__.lower(), mu=0.5, rounds=1, standardize=PUBLIC)
    spec = NeuralSpec.model_validate(raw)
    start = spec.network().start(spec.seed)
    replies = []
    for table in UNLIKE:
        said = Neural.train(spec, table, **asked_with(spec, start))
        n = int(said["n"])
        layers = spec.network().layers(start + said["update"] / n)
        arrays = ArrayRecord({f"{i}": FlowerArray(a) for i, a in enumerate(sum(layers, ()))})
        content = RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": n})})
        replies.append(Message(content, dst_node_id=1, message_type="train"))
    made = strategy() if strategy is FedAvg else strategy(proximal_mu=0.5)
    joined, _ = made.aggregate_train(1, replies)
    assert joined is not None
    theirs = np.concatenate([joined[str(i)].numpy().ravel() for i in range(4)])
    ours = run_locally(a_study_of([*COLUMNS, "y"], {"name": "a0", "spec": raw}), UNLIKE)["a0"].weights
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-11)


@NEEDS_TORCH
@pytest.mark.parametrize("mu", [0.0, 0.3, 5.0])
def test_a_site_trained_to_its_end_is_at_the_minimum_of_its_own_loss_and_pull(mu: float) -> None:
    """scipy's BFGS on f(w) + mu/2 |w - w0|² (Li et al. 2020, eq. 2)."""
    raw = a_linear_spec(strategy="fedprox", mu=mu, epochs=50, rate=0.3, rounds=1)
    spec, table = NeuralSpec.model_validate(raw), UNLIKE[0]
    x, y = table.matrix(COLUMNS), table.column("y")
    begin = weights = np.array([0.5, -0.2, 0.1])
    local = network_training.Local(0.3, 0.0, mu, [np.arange(len(y))] * 2000)
    people = network_training.People(spec.network(), "logistic", x, y)
    weights = network_training.trained(people, begin, local, np.ones(3), np.zeros(3))

    def loss(w: np.ndarray) -> float:
        eta = x @ w[:2] + w[2]
        return float((np.logaddexp(0, eta) - y * eta).mean() + mu / 2 * ((w - begin) ** 2).sum())

    best = minimize(loss, begin, method="BFGS", options={"gtol": 1e-9}).x
    np.testing.assert_allclose(weights, best, atol=1e-5)


@NEEDS_TORCH
def test_scaffold_ends_at_the_pooled_minimum_where_fedavg_drifts() -> None:
    """scikit-learn's LogisticRegression on all rows; hospitals whose slopes differ in sign."""
    x, y = (
        np.concatenate([t.matrix(COLUMNS) for t in UNLIKE]),
        np.concatenate([t.column("y") for t in UNLIKE]),
    )
    pooled = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000).fit(x, y)
    best = np.append(pooled.coef_[0], pooled.intercept_)
    apart = {}
    for strategy in ("fedavg", "scaffold"):
        found: Any = estimated(a_linear_spec(strategy=strategy, rounds=25, epochs=5, rate=1.0), UNLIKE)
        apart[strategy] = np.abs(found.weights - best).max()
    assert apart["scaffold"] < 1e-7
    assert apart["fedavg"] > 0.1


@NEEDS_TORCH
def test_one_local_step_a_round_is_the_pooled_step_by_every_strategy() -> None:
    found = {
        strategy: estimated(a_linear_spec(strategy=strategy, epochs=1, rate=0.3, rounds=4), UNLIKE).weights
        for strategy in ("fedsgd", "fedavg", "fedprox", "scaffold")
    }
    for weights in found.values():
        np.testing.assert_allclose(weights, found["fedsgd"], rtol=1e-12)


@NEEDS_TORCH
def test_many_full_steps_are_those_of_scikit_learn() -> None:
    """MLPRegressor, solver sgd on everybody, from the same weights; 60 steps, rectified units."""
    raw = a_spec(
        outcome="u", loss="squared", hidden=[5], activation="relu", strategy="fedsgd", rounds=60, seed=3
    )
    table = a_hospital("a", 4000, 9)
    found = estimated({**raw, "l2": 0.01}, [table])
    pooled = reference(NeuralSpec.model_validate({**raw, "l2": 0.01}), [table])
    assert found.still.sum() == 0
    np.testing.assert_allclose(found.weights, pooled.weights, rtol=1e-9, atol=1e-11)
    assert found.loss[-1] < 0.7 * found.loss[0]
    assert MLPRegressor.__module__.startswith("sklearn")


@NEEDS_TORCH
@pytest.mark.parametrize("strategy", ["fedavg", "scaffold"])
def test_a_killed_run_goes_on_where_it_was(strategy: str) -> None:
    """Sites keep nothing between rounds, control variates included."""
    study = a_study_of([*COLUMNS, "y"], {"name": "a0", "spec": a_spec(strategy=strategy)})

    def run(memory: dict[int, bytes]) -> Any:
        sites = LocalSites(study, {t.site: t for t in UNLIKE})
        return conduct(study, sites, run="r", roster=("a", "b", "c"), memory=memory)["a0"]

    memory: dict[int, bytes] = {}
    whole = run(memory)
    again = run({r: joined for r, joined in memory.items() if r < 2})
    np.testing.assert_array_equal(again.weights, whole.weights)


@NEEDS_TORCH
def test_training_leaves_torch_as_it_was_and_draws_nothing_of_it() -> None:
    import torch

    torch.set_num_threads(2)
    state = torch.random.get_rng_state()
    first = estimated(a_spec(), UNLIKE)
    torch.manual_seed(7)
    np.testing.assert_array_equal(estimated(a_spec(), UNLIKE).weights, first.weights)
    assert torch.get_num_threads() == 2
    torch.random.set_rng_state(state)


@NEEDS_TORCH
def test_the_order_of_rows_does_not_matter() -> None:
    turned = [table.select(np.ones(len(table), dtype=bool)) for table in UNLIKE]
    turned = [
        AnalysisTable(t.site, t.persons[::-1], {k: v[::-1].copy() for k, v in t.columns.items()})
        for t in turned
    ]
    first, second = estimated(a_spec(), UNLIKE), estimated(a_spec(), turned)
    np.testing.assert_allclose(first.weights, second.weights, rtol=1e-10)


@NEEDS_TORCH
def test_no_batch_is_smaller_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real = network_training.trained

    def watched(people: Any, weights: Any, local: Any, *rest: Any) -> Any:
        sizes.extend(len(rows) for rows in local.batches)
        return real(people, weights, local, *rest)

    monkeypatch.setattr("protocols.learning.neural.trained", watched)
    estimated(a_spec(batch=25, rounds=1, epochs=2), UNLIKE)
    assert min(sizes) >= 25
    assert sum(sizes) == 2 * sum(map(len, UNLIKE))


@NEEDS_TORCH
def test_a_network_with_more_parameters_than_a_third_of_the_people_is_refused() -> None:
    study = a_study_of([*COLUMNS, "y"], {"name": "a0", "spec": a_spec(hidden=[30])})
    with pytest.raises(StudyError, match="parameters, more than") as caught:
        run_locally(study, UNLIKE)["a0"]
    assert caught.value.code is Code.WITHHELD


def test_without_torch_the_first_round_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    study = a_study_of([*COLUMNS, "y"], {"name": "a0", "spec": a_spec()})
    outcome = run_locally(study, UNLIKE)
    assert outcome.rounds == 2
    with pytest.raises(StudyError, match="torch") as caught:
        outcome["a0"]
    assert caught.value.code is Code.MISSING_EXTRA
    assert caught.value.fix == "pip install 'shadowgraph[neural]'"


def test_scoring_needs_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    spec = NeuralSpec.model_validate(a_spec())
    arrays = {"weights": spec.network().start(0), "shift": np.zeros(2), "scale": np.ones(2)}
    table = a_hospital("a", 20, 1)
    holed = table.with_columns({"x": np.where(np.arange(20) == 3, np.nan, table.column("x"))})
    scores = Neural().score(spec, holed, **arrays)
    assert np.flatnonzero(np.isnan(scores)).tolist() == [3]
    assert ((scores > 0) & (scores < 1)).sum() == 19


@NEEDS_TORCH
def test_a_network_in_numpy_is_the_network_in_torch() -> None:
    for activation in ("tanh", "relu"):
        network = Network(2, (4, 3), activation)  # type: ignore[arg-type]
        table = UNLIKE[0]
        people = network_training.People(network, "squared", table.matrix(COLUMNS), table.column("y"))
        parameters = network.start(5)
        loss, _, _ = network_training.loss_and_gradient(people, parameters)
        ours = 0.5 * ((network.output(people.x, parameters) - people.y) ** 2).sum()
        assert loss == pytest.approx(ours, rel=1e-13)


@NEEDS_TORCH
def test_a_number_is_foretold_on_its_own_scale() -> None:
    raw = a_spec(outcome="u", loss="squared", strategy="scaffold", rounds=20)
    shifted = [t.with_columns({"u": 50 + 10 * t.column("u")}) for t in UNLIKE]
    found = estimated(raw, shifted)
    arrays = found.transform_arrays()
    ours = np.concatenate([predicted(NeuralSpec.model_validate(raw), t, **arrays) for t in shifted])
    u = np.concatenate([t.column("u") for t in shifted])
    assert np.corrcoef(ours, u)[0, 1] ** 2 > 0.85
    assert abs(ours.mean() - u.mean()) < 2
    assert found.n_events is None


@pytest.mark.parametrize("number", [-1, 3, 100])
def test_a_round_beyond_the_plan_is_refused_at_the_site(number: int) -> None:
    spec = NeuralSpec.model_validate(a_spec())
    with pytest.raises(SiteError) as caught:
        Neural.train(spec, UNLIKE[0], **asked_with(spec, spec.network().start(0), number))
    assert caught.value.code is Code.BUDGET_SPENT


@NEEDS_TORCH
def test_training_that_runs_away_is_an_error_that_names_the_rate() -> None:
    raw = a_spec(outcome="u", loss="squared", hidden=[], rate=90.0, rounds=5, epochs=50, batch=10)
    study = a_study_of([*COLUMNS, "u"], {"name": "a0", "spec": raw})
    with pytest.raises(StudyError) as caught:
        run_locally(study, UNLIKE)["a0"]
    assert (caught.value.code, caught.value.fix) == (Code.NOT_CONVERGED, "choose a smaller `rate`")


@NEEDS_TORCH
def test_the_same_outcome_for_everybody_is_an_error() -> None:
    alike = [table.with_columns({"y": np.ones(len(table))}) for table in UNLIKE]
    study = a_study_of([*COLUMNS, "y"], {"name": "a0", "spec": a_spec()})
    with pytest.raises(StudyError) as caught:
        run_locally(study, alike)["a0"]
    assert caught.value.code is Code.WITHHELD


@NEEDS_TORCH
def test_the_sum_holds_no_update_of_a_site_below_the_floor() -> None:
    """A site of four trains, and nothing of it leaves: the others' result is that without it."""
    study = a_study_of([*COLUMNS, "y"], {"name": "a0", "spec": a_spec()})
    few = a_hospital("d", Thresholds().min_count_in_sum - 1, 4)
    with_it = run_locally(study, [*UNLIKE, few])["a0"]
    np.testing.assert_allclose(with_it.weights, run_locally(study, UNLIKE)["a0"].weights, atol=1e-10)
    assert with_it.n == sum(map(len, UNLIKE))


@NEEDS_TORCH
def test_validation_decision_curves_and_fusion_take_it_for_a_model() -> None:
    network = a_spec(strategy="scaffold", rounds=4)
    one, other = ({**network, "covariates": [name]} for name in COLUMNS)
    specs = [
        {"protocol": "discrimination", "model": network, "scheme": {"kind": "folds", "of": 2}},
        {"protocol": "decision_curve", "models": {"net": network}, "scheme": {"kind": "folds", "of": 2}},
        {"protocol": "fusion", "outcome": "y", "experts": {"one": one, "other": other}, "folds": 2},
    ]
    analyses = [{"name": f"a{i}", "spec": spec} for i, spec in enumerate(specs)]
    outcome = run_locally(a_study_of([*COLUMNS, "y"], *analyses), UNLIKE)
    assert outcome["a0"].n == outcome["a2"].n == sum(map(len, UNLIKE))
    assert outcome["a0"].auc > 0.55
    assert len(outcome["a1"].summary())


@NEEDS_TORCH
@pytest.mark.parametrize("unit", [1e-9, 1e12])
def test_the_network_does_not_hang_on_the_unit_of_a_covariate(unit: float) -> None:
    """1e-9: a feature in metres, 1e12: an energy. The plain sums of squares of neither fit a secure sum."""
    others = [table.with_columns({"x": table.column("x") * unit}) for table in UNLIKE]
    study = a_study_of(["x", "z", "y"], {"name": "a0", "spec": a_spec()}, min_sites=1)
    own, other = (run_locally(study, tables)["a0"] for tables in (UNLIKE, others))
    np.testing.assert_allclose(other.weights, own.weights, rtol=1e-6, atol=1e-9)
