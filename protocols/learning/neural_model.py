"""What an analyst writes of a network, what was found, and how both meet a table."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy.special import expit

from protocols.core.disclosure import Array
from protocols.core.figure import Axis, Bar, Bars, Curve, Curves, Figure
from protocols.core.roles import Applicable, PredictsProbability, Role
from protocols.core.table import AnalysisTable, Floats
from protocols.core.variables import Name
from protocols.learning.network import Activation, Network
from protocols.learning.network_training import Loss, People
from protocols.learning.privacy import Privacy
from protocols.results.figures import MOST_ROWS, floats, left_out
from protocols.results.numerals import shown


class NeuralSpec(PredictsProbability):
    """An outcome on covariates, by a network.

    Attributes:
        outcome: a 0/1 variable (`loss: logistic`) or a number (`loss: squared`).
        covariates: numeric variables, complete cases are used.
        hidden: units of each hidden layer; none is a linear model.
        strategy: see the protocol.
        rounds: of training.
        rate: of a local step; with `fedsgd` of the one step.
        server_rate: share of the averaged change that is taken.
        epochs, batch: passes over a site's people in a round, and people in a local step, at least.
        mu: FedProx's pull.
        l2: penalty on weights, half of it times their squares beside the mean loss.
        seed: of the first weights and of who is in which batch.
        standardize: public center and scale of a column, in place of its mean and standard deviation.
        privacy: of a person's values; with `fedsgd`, and all columns in `standardize`.
    """

    protocol: Literal["neural"] = "neural"
    outcome: Name
    covariates: tuple[Name, ...] = Field(min_length=1, max_length=500)
    loss: Loss = "logistic"
    hidden: tuple[int, ...] = Field(default=(8,), max_length=3)
    activation: Activation = "tanh"
    strategy: Literal["fedsgd", "fedavg", "fedprox", "scaffold"] = "fedavg"
    rounds: int = Field(default=20, ge=1, le=500)
    rate: float = Field(default=0.1, gt=0, le=100)
    server_rate: float = Field(default=1.0, gt=0, le=10)
    epochs: int = Field(default=5, ge=1, le=50)
    batch: int = Field(default=32, ge=10)
    mu: float = Field(default=0.01, ge=0, le=100)
    l2: float = Field(default=0.0, ge=0, le=100)
    seed: int = Field(default=0, ge=0, lt=2**31)
    standardize: dict[Name, tuple[float, float]] = Field(default={}, max_length=501)
    privacy: Privacy | None = None

    @model_validator(mode="after")
    def _agree(self) -> "NeuralSpec":
        if any(not 1 <= units <= 256 for units in self.hidden):
            raise ValueError("hidden: 1 to 256 units a layer")
        if set(self.standardize) - set(self.columns()):
            raise ValueError("`standardize` names columns that the network does not have")
        if any(not scale > 0 for _, scale in self.standardize.values()):
            raise ValueError("standardize: a scale is above 0")
        if self.privacy is not None:
            if self.strategy != "fedsgd":
                raise ValueError("privacy is that of gradient steps: use `strategy: fedsgd`")
            if lacking := [name for name in self.columns() if name not in self.standardize]:
                raise ValueError(
                    f"means are not private: give the public center and scale of {', '.join(lacking)}"
                )
            self.privacy.check(self.rounds)
        return self

    def variables(self) -> tuple[str, ...]:
        return (self.outcome, *self.covariates)

    def outcome_name(self) -> str:
        return self.outcome

    def shortfall(self, role: type[Role]) -> str:
        return "`loss: squared` gives no probability of a 0/1 outcome" if self.loss == "squared" else ""

    def columns(self) -> tuple[str, ...]:
        """What is standardized: the covariates, and an outcome that is a number."""
        return (*self.covariates, self.outcome) if self.loss == "squared" else self.covariates

    def network(self) -> Network:
        """The network's shape."""
        return Network(len(self.covariates), self.hidden, self.activation)

    def fewest_sites(self) -> int:
        """With privacy, those whose noise it rests on."""
        return self.privacy.honest_sites if self.privacy else 1


@dataclass(frozen=True)
class NeuralResult(Applicable):
    """A trained network.

    Attributes:
        covariates: (p,) names; hidden, activation: the network's shape.
        weights: (size,) parameters, see `protocols.learning.network`.
        shift, scale: (k,) by which its columns were standardized.
        loss: (rounds,) mean loss of a person at the weights that each round began with; none with privacy.
        still: (rounds,) parameters that too few people of a site carried, summed over sites.
        n, n_events: people with complete data, and those whose 0/1 outcome is 1, where that was asked.
        epsilon, delta: what was spent of the privacy of a person's values.

    >>> from protocols.exchange.example import run_example
    >>> data = {"outcome": "idh1", "covariates": ["age", "entropy"], "hidden": [2], "seed": 1}
    >>> found = run_example(protocol="neural", strategy="fedsgd", rounds=2, rate=0.5, **data)
    >>> found.summary().round(1)
             connection
    age             0.7
    entropy        -0.7
    """

    covariates: tuple[str, ...]
    hidden: tuple[int, ...]
    activation: Activation
    weights: Floats
    shift: Floats
    scale: Floats
    loss: Floats
    still: Floats
    n: int
    n_events: int | None
    epsilon: float | None
    delta: float | None

    def summary(self) -> pd.DataFrame:
        """One row per covariate: its connection weight (Olden & Jackson 2002), the largest first."""
        network = Network(len(self.covariates), self.hidden, self.activation)
        found = network.connections(self.weights)
        frame = pd.DataFrame({"connection": found}, index=list(self.covariates))
        return frame.sort_values("connection", ascending=False, key=np.abs, kind="stable")

    def figure(self) -> Figure:
        found = self.summary().connection
        bars = tuple(
            Bar(str(name), float(value), shown(float(value))) for name, value in found[:MOST_ROWS].items()
        )
        panels: tuple[Bars | Curves, ...] = (Bars("Covariates", Axis("connection weight"), bars),)
        if np.isfinite(self.loss).any():
            rounds = floats(np.arange(1, len(self.loss) + 1))
            loss = (Curve("", rounds, floats(self.loss)),)
            panels += (Curves("Training", Axis("round", whole=True), Axis("mean loss"), loss),)
        return Figure(
            panels,
            f"A network trained on {self.n} people: the products of weights from each standardized covariate "
            f"to the prediction. {left_out('covariates', len(found))}".strip(),
        )

    def transform_arrays(self) -> dict[str, Array]:
        return {"weights": self.weights, "shift": self.shift, "scale": self.scale}


def predicted(spec: NeuralSpec, table: AnalysisTable, **arrays: Array) -> Floats:
    """The (n,) predictions by the arrays of a result: probabilities of a 0/1 outcome, or numbers."""
    p = len(spec.covariates)
    shift, scale = (np.asarray(arrays[name], dtype=np.float64) for name in ("shift", "scale"))
    x = (table.matrix(spec.covariates) - shift[:p]) / scale[:p]
    output = spec.network().output(x, np.asarray(arrays["weights"], dtype=np.float64))
    found: Floats = expit(output) if spec.loss == "logistic" else shift[p] + scale[p] * output
    return found


def standardized(spec: NeuralSpec, table: AnalysisTable, shift: Floats, scale: Floats) -> People:
    p = len(spec.covariates)
    y = table.column(spec.outcome) * 1.0
    if spec.loss == "squared":
        y = (y - shift[p]) / scale[p]
    return People(spec.network(), spec.loss, (table.matrix(spec.covariates) - shift[:p]) / scale[:p], y)
