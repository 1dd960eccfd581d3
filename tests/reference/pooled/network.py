"""A network trained by scikit-learn on all rows, from the same start."""

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from protocols.core.table import Floats
from protocols.learning.network_training import People


def descended(people: People, steps: int, rate: float, l2: float, seed: int) -> tuple[Floats, list[float]]:
    """(size,) parameters after so many full gradient steps, and the mean loss before each.

    scikit-learn's penalty is a sum over people, so `alpha` is l2 times them.
    """

    network, n = people.network, len(people.y)
    make = MLPClassifier if people.loss == "logistic" else MLPRegressor
    model = make(
        hidden_layer_sizes=network.hidden,
        activation=network.activation,
        solver="sgd",
        alpha=l2 * n,
        batch_size=n,
        learning_rate_init=rate,
        momentum=0.0,
    )
    start, loss = network.layers(network.start(seed)), []
    known = {"classes": [0.0, 1.0]} if people.loss == "logistic" else {}
    model.partial_fit(people.x, people.y, **known)  # makes its arrays, which are then set to our start
    for (weights, biases), coefs, intercepts in zip(start, model.coefs_, model.intercepts_, strict=True):
        coefs[:], intercepts[:] = weights, biases
    for _ in range(steps):
        loss.append(_mean_loss(people, _flat(model)))
        model.partial_fit(people.x, people.y)
    return _flat(model), loss


def _flat(model: object) -> Floats:
    pairs = zip(model.coefs_, model.intercepts_, strict=True)  # type: ignore[attr-defined]
    return np.concatenate([np.concatenate([w.ravel(), b]) for w, b in pairs])


def _mean_loss(people: People, parameters: Floats) -> float:
    output = people.network.output(people.x, parameters)
    if people.loss == "squared":
        return float(0.5 * ((output - people.y) ** 2).mean())
    return float((np.logaddexp(0.0, output) - people.y * output).mean())
