"""Neural networks of a 0/1 outcome or a number by Flower's strategies, with differential privacy if asked.

A multilayer perceptron on standardized covariates. Each round the sites train from the same parameters, and
what leaves is the sum over sites of their changes times their people: an average whose parts nobody sees.

- `fedsgd`: one step down the gradient over everybody. Exact: the network that these steps give on all rows.
- `fedavg`: every site trains `epochs` passes over its people in batches; changes are averaged by people.
- `fedprox`: the same, and each site is pulled to where the round began, by `mu`.
- `scaffold`: the same, each local step corrected by how this site's gradient differed from everybody's at the
  round before. A site's control variate is that gradient (option I), found anew: no site keeps state.

The last three are approximate: where sites differ, several local steps lead elsewhere than training on all
rows in one place would. SCAFFOLD has the pooled minimum as its fixed point, the others do not.

With `privacy`, each round draws people at random, shortens their own gradients and adds noise at the sites:
DP-SGD, whose epsilon is known before anything is asked (`protocols/core/accountant.py`).

Reference: McMahan et al., AISTATS 2017 (FedSGD, FedAvg); Li et al., MLSys 2020 (FedProx); Karimireddy et al.,
ICML 2020 (SCAFFOLD); Abadi et al., CCS 2016 (DP-SGD).
"""

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from protocols.core.disclosure import Array, Count, Moment, Update
from protocols.core.errors import Code, ShadowgraphError, SiteError, StudyError
from protocols.core.grid import on_grid
from protocols.core.protocol import (
    Arrays,
    Ask,
    Coordination,
    FederatedProtocol,
    Total,
    site_step,
)
from protocols.core.roles import ProbabilityModel
from protocols.core.site_step import NEVER, Times
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.core.wording import listed
from protocols.estimation.outcome import same_outcome, zero_one
from protocols.estimation.person_draws import uniform
from protocols.estimation.standards import SCALED, STANDARD_MOMENTS, plainly, refined, standard_moments
from protocols.learning import site_noise
from protocols.learning.network_training import (
    INSTALL,
    Local,
    People,
    clipped_gradient,
    loss_and_gradient,
    require_torch,
    trained,
)
from protocols.learning.neural_model import NeuralResult as NeuralResult
from protocols.learning.neural_model import NeuralSpec as NeuralSpec
from protocols.learning.neural_model import predicted, standardized

_STEP = {"fedsgd": "gradient", "fedavg": "train", "fedprox": "train", "scaffold": "controlled"}

STRATEGIES = {"fedsgd": "FedSGD", "fedavg": "FedAvg", "fedprox": "FedProx", "scaffold": "SCAFFOLD"}


class Neural(FederatedProtocol[NeuralSpec, NeuralResult], ProbabilityModel[NeuralSpec]):
    """Neural networks."""

    name = "neural"
    version = "2"
    needs_module = "torch"
    spec_type = NeuralSpec

    @site_step(
        STANDARD_MOMENTS,
        times=lambda spec: NEVER if spec.privacy else SCALED,
        varies=("about",),
        n=Count(),
        n_events=Count(of="n", what="people with the outcome"),
    )
    def moments(spec: NeuralSpec, table: AnalysisTable, **about: Array) -> Arrays:
        """People, events, sums and sums of squares of the columns; an error where torch is not installed."""
        require_torch()
        table = table.complete(spec.variables())
        y = table.column(spec.outcome)
        events = int(zero_one(y, spec.outcome).sum()) if spec.loss == "logistic" else 0
        moments = standard_moments(table.matrix(spec.columns()), about)
        return {"n": np.array(len(y)), "n_events": np.array(events), **moments}

    @site_step(
        times=lambda spec: _rounds_of(spec, "fedsgd"),
        varies=("weights", "round"),
        n=Count(),
        loss=Moment(what="sum of the loss"),
        still=Moment(what="parameters that too few people carry"),
        update=Update("parameter", what="gradient of the loss"),
    )
    def gradient(
        spec: NeuralSpec, table: AnalysisTable, weights: Floats, shift: Floats, scale: Floats, round: Integers
    ) -> Arrays:
        """The summed loss of this hospital's people and its gradient, downwards."""
        people, _ = _people(spec, table, shift, scale, round, weights)
        loss, gradient, free = loss_and_gradient(people, weights)
        return _said(people, loss, free, -gradient)

    @site_step(
        times=lambda spec: _rounds_of(spec, "fedavg", "fedprox"),
        varies=("weights", "round"),
        n=Count(),
        loss=Moment(what="sum of the loss"),
        still=Moment(what="parameters that too few people carry"),
        update=Update("parameter", what="change of the parameters by training here, times people"),
    )
    def train(
        spec: NeuralSpec, table: AnalysisTable, weights: Floats, shift: Floats, scale: Floats, round: Integers
    ) -> Arrays:
        """How far training here leads from the weights, times this hospital's people."""
        people, table = _people(spec, table, shift, scale, round, weights)
        loss, _, free = loss_and_gradient(people, weights)
        change = _change(spec, people, table, round, weights, free, np.zeros(len(free)))
        return _said(people, loss, free, change)

    @site_step(
        times=lambda spec: _rounds_of(spec, "scaffold"),
        varies=("weights", "round", "before", "control"),
        n=Count(),
        loss=Moment(what="sum of the loss"),
        still=Moment(what="parameters that too few people carry"),
        update=Update("parameter", what="change of the parameters by training here, times people"),
        control=Update("parameter", what="gradient of the loss"),
    )
    def controlled(
        spec: NeuralSpec,
        table: AnalysisTable,
        weights: Floats,
        shift: Floats,
        scale: Floats,
        round: Integers,
        before: Floats,
        control: Floats,
    ) -> Arrays:
        """The same with SCAFFOLD's correction, and the gradient: this hospital's next control variate."""
        people, table = _people(spec, table, shift, scale, round, weights, before, control)
        loss, gradient, free = loss_and_gradient(people, weights)
        own = np.zeros(len(free))
        if round > 0 and len(table):
            _, earlier, was_free = loss_and_gradient(people, before)
            own, free = earlier / len(table), free * was_free
        change = _change(spec, people, table, round, weights, free, control - own)
        return {**_said(people, loss, free, change), "control": gradient}

    @site_step(
        times=lambda spec: Times.where(spec.privacy is not None),
        n=Count(),
        sites=Moment(what="1 for each site that takes part"),
    )
    def people(spec: NeuralSpec, table: AnalysisTable) -> Arrays:
        """How many people have complete data, and that this hospital takes part."""
        require_torch()
        return {"n": np.array(len(table.complete(spec.variables()))), "sites": np.array(1.0)}

    @site_step(
        times=lambda spec: Times(spec.rounds, spec.rounds) if spec.privacy else NEVER,
        varies=("weights", "round"),
        n=Count(),
        update=Moment("parameter", what="shortened gradients of the people drawn, with noise"),
    )
    def private(
        spec: NeuralSpec, table: AnalysisTable, weights: Floats, shift: Floats, scale: Floats, round: Integers
    ) -> Arrays:
        """The shortened gradients of the people drawn, downwards, and this hospital's share of the noise."""
        if spec.privacy is None:
            raise SiteError(Code.INVALID_STUDY, "the analysis has no privacy")
        people, table = _people(spec, table, shift, scale, round, weights)
        drawn_for = {
            "spec": spec.model_dump(mode="json"),
            "people": table.persons,
            "x": people.x,
            "y": people.y,
        }
        drawn_for |= {"weights": weights, "round": round}
        chance = site_noise.uniform(site_noise.key_for(table, ["drawn", drawn_for]), len(table))
        rows = chance < spec.privacy.sampling
        sampled = People(people.network, people.loss, people.x[rows], people.y[rows])
        update = -clipped_gradient(sampled, weights, spec.privacy.clip)
        noise = site_noise.normal(site_noise.key_for(table, ["noise", drawn_for]), len(update))
        return {"n": np.array(len(table)), "update": update + spec.privacy.deviation_at_a_site() * noise}

    def axes(self, spec: NeuralSpec) -> dict[str, int]:
        return {"covariate": len(spec.columns()), "parameter": spec.network().size}

    def once(self, spec: NeuralSpec, step: str, arrays: Arrays) -> int | None:
        """Each noisy round of a plan is answered once, so that the plan's epsilon is what is spent."""
        return int(arrays["round"]) if step == "private" else None

    def spends(self, spec: NeuralSpec) -> tuple[Floats, int] | None:
        """What a round of training with noise spends, (orders,), and how many there are."""
        return None if spec.privacy is None else (spec.privacy.curve(), spec.rounds)

    def coordinate(self, spec: NeuralSpec) -> Coordination[NeuralResult]:
        n, events, (shift, scale), chance = yield from (_count(spec) if spec.privacy else _moments(spec))
        weights = spec.network().start(spec.seed, chance)
        before, control = weights, np.zeros(len(weights))
        loss, still = [], []
        for r in range(spec.rounds):
            arrays: dict[str, Any] = {
                "weights": weights,
                "shift": shift,
                "scale": scale,
                "round": np.array(r),
            }
            if spec.strategy == "scaffold":
                arrays |= {"before": before, "control": control}
            step = "private" if spec.privacy else _STEP[spec.strategy]
            total = yield from _explained(Ask(step, arrays))
            before, weights = weights, weights + _move(spec, weights, total)
            if spec.privacy is None:
                loss.append(float(total["loss"]) / int(total["n"]))
                still.append(float(total["still"]))
            if spec.strategy == "scaffold":
                control = total["control"] / int(total["n"])
        return _result(spec, weights, (shift, scale), (n, events), (loss, still))

    def score(self, spec: NeuralSpec, table: AnalysisTable, **arrays: Array) -> Floats:
        """The (n,) probabilities that a 0/1 outcome is 1; NaN without a covariate. Needs no torch."""
        return predicted(spec, table, **arrays)

    def estimator(self, spec: NeuralSpec, result: NeuralResult) -> Any:
        """An MLPClassifier or MLPRegressor behind a StandardScaler."""
        from protocols.results import estimators  # scikit-learn loads with it

        p, layers = len(spec.covariates), spec.network().layers(result.weights)
        make, k = (
            (estimators.classifying_network, p)
            if spec.loss == "logistic"
            else (estimators.predicting_network, p + 1)
        )
        shift, scale = result.shift[:k], result.scale[:k]
        return make(spec.covariates, layers, spec.activation, shift, scale, result.n)

    def method(self, spec: NeuralSpec) -> str:
        layers = listed(map(str, spec.hidden)) or "no"
        noise = " with differential privacy (Abadi et al. 2016)" if spec.privacy else ""
        return (
            f"A neural network with hidden layers of {layers} units ({spec.activation}) predicts "
            f"{spec.outcome} from {listed(spec.covariates)}, trained for {spec.rounds} rounds of "
            f"{spec.strategy}{noise}."
        )

    def about(self, spec: NeuralSpec) -> str:
        size, layers = spec.network().size, " and ".join(map(str, spec.hidden)) or "no"
        return (
            f"A neural network of {spec.outcome} on {', '.join(spec.covariates)}: {layers} hidden units, "
            f"{size} parameters, {spec.rounds} rounds of {spec.strategy}."
        )

    def notes(self, spec: NeuralSpec) -> Sequence[str]:
        if spec.privacy is not None:
            return spec.privacy.describe(spec.rounds)
        local = f"Training here is {spec.epochs} passes a round. " if spec.strategy != "fedsgd" else ""
        return [
            f"{local}A parameter that fewer than 5 people here carry adds nothing, and a network has at most "
            "0.33 parameters per person over all sites. That makes it hard to guess from it what a person's "
            "values are, or whether a person was in it; only `privacy` bounds it."
        ]


def _rounds_of(spec: NeuralSpec, *strategies: str) -> Times:
    """The rounds of training, if the network is trained in one of these ways and without noise."""
    return Times(spec.rounds, spec.rounds) if spec.strategy in strategies and not spec.privacy else NEVER


def _people(
    spec: NeuralSpec, table: AnalysisTable, shift: Floats, scale: Floats, round: Integers, *moving: Floats
) -> tuple[People, AnalysisTable]:
    """The complete people here as the network sees them.

    Raises:
        SiteError: budget-spent, the round is beyond the study's; withheld, a number asked with is not finite.
    """
    if not 0 <= int(round) < spec.rounds:
        raise SiteError(Code.BUDGET_SPENT, f"the study has {spec.rounds} rounds of training")
    if not all(np.isfinite(array).all() for array in (shift, scale, *moving)):
        raise SiteError(Code.NOT_CONVERGED, "weights that are not finite")
    table = table.complete(spec.variables())
    return standardized(spec, table, shift, scale), table


def _said(people: People, loss: float, free: Floats, update: Floats) -> Arrays:
    """What a training step answers.

    Raises:
        SiteError: not-converged; training diverged here.
    """
    if not (np.isfinite(update).all() and np.isfinite(loss)):
        raise SiteError(Code.NOT_CONVERGED, "training diverged")
    still = np.array((free == 0).sum().astype(np.float64))
    return {"n": np.array(len(people.y)), "loss": np.array(loss), "still": still, "update": update}


def _change(
    spec: NeuralSpec,
    people: People,
    table: AnalysisTable,
    round: Integers,
    weights: Floats,
    free: Floats,
    correction: Floats,
) -> Floats:
    """How far local training leads, times the people. Batches are cut by a hash of the person."""
    n = len(table)
    if n == 0:
        return np.zeros(len(free))
    batches = []
    for epoch in range(spec.epochs):
        order = np.argsort(uniform(table, spec.seed, int(round), epoch), kind="stable")
        batches += np.array_split(order, max(n // spec.batch, 1))
    local = Local(spec.rate, spec.l2, spec.mu if spec.strategy == "fedprox" else 0.0, batches)
    change: Floats = n * (trained(people, weights, local, free, correction) - weights)
    return change


def _move(spec: NeuralSpec, weights: Floats, total: Total) -> Floats:
    """How far a round takes the weights."""
    n = int(total["n"]) * (spec.privacy.sampling if spec.privacy else 1.0)
    mean: Floats = total["update"] / n
    if spec.strategy == "fedsgd":
        mean = spec.rate * (mean - spec.l2 * spec.network().weights() * weights)
    return spec.server_rate * mean


def _moments(spec: NeuralSpec) -> Coordination[tuple[int, int | None, tuple[Floats, Floats], bytes]]:
    """People, events, the columns' shift and scale, and the run's chance."""
    total = yield from _explained(plainly("moments"))
    n, events = int(total["n"]), int(total["n_events"])
    if spec.loss == "logistic" and events in (0, n):
        raise same_outcome(spec.outcome, "everybody with complete data")
    known = yield from refined(total, spec.columns(), step="moments")
    standards = _standards(spec, known.location, known.scale)
    return n, events if spec.loss == "logistic" else None, standards, total.chance


def _standards(spec: NeuralSpec, location: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """The (k,) shift and scale of the columns, on the grid: as the study gives them, else as they are."""
    shift, scale = on_grid(location), on_grid(scale)
    for j, public in enumerate(spec.standardize.get(name) for name in spec.columns()):
        if public is not None:
            shift[j], scale[j] = public
    return shift, scale


def _count(spec: NeuralSpec) -> Coordination[tuple[int, int | None, tuple[Floats, Floats], bytes]]:
    """People, and the run's chance; shift and scale are the spec's."""
    assert spec.privacy is not None
    total = yield from _explained(Ask("people"))
    n = int(total["n"])
    if round(float(total["sites"])) < spec.privacy.honest_sites:
        raise StudyError(
            Code.TOO_FEW_SITES,
            f"fewer than {spec.privacy.honest_sites} sites have enough people to add noise",
        )
    if spec.privacy.delta * n >= 1:
        raise StudyError(Code.INVALID_STUDY, "delta is a chance for each person: choose it below 1 / people")
    shift, scale = np.array([spec.standardize[name] for name in spec.columns()], dtype=np.float64).T
    return n, None, (shift.copy(), scale.copy()), total.chance


def _explained(ask: Ask) -> Generator[Ask, Any, Total]:
    """The answer to a question, or its error with a way out."""
    try:
        total: Total = yield ask
    except ShadowgraphError as error:
        if error.code is Code.MISSING_EXTRA:
            raise StudyError(error.code, f"{error.text}: no torch is installed there", INSTALL) from None
        if error.code is Code.NOT_CONVERGED:
            raise StudyError(error.code, "training diverged", "choose a smaller `rate`") from None
        raise
    return total


def _result(
    spec: NeuralSpec,
    weights: Floats,
    standards: tuple[Floats, Floats],
    people: tuple[int, int | None],
    history: tuple[list[float], list[float]],
) -> NeuralResult:
    return NeuralResult(
        covariates=spec.covariates,
        hidden=spec.hidden,
        activation=spec.activation,
        weights=weights,
        shift=standards[0],
        scale=standards[1],
        loss=np.array(history[0]),
        still=np.array(history[1]),
        n=people[0],
        n_events=people[1],
        epsilon=spec.privacy.spent(spec.rounds) if spec.privacy else None,
        delta=spec.privacy.delta if spec.privacy else None,
    )
