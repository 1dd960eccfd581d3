"""A multilayer perceptron as one vector of parameters: its layout, its start, its output. numpy alone.

Layer by layer: the (in, out) weights by rows, then the (out,) biases. The last layer has one unit, whose
output is the linear predictor: log odds of a 0/1 outcome, or a standardized number.

Reference: Glorot & Bengio, AISTATS 2010, for the start; Olden & Jackson, Ecol Modell 154 (2002) 135, for the
connection weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from protocols.core.table import Floats
from protocols.estimation.draws import Draws

Activation = Literal["tanh", "relu"]


@dataclass(frozen=True)
class Network:
    """The shape of a perceptron; without hidden layers it is a linear model."""

    inputs: int
    hidden: tuple[int, ...]
    activation: Activation

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """(in, out) of each layer."""
        return list(pairwise((self.inputs, *self.hidden, 1)))

    @property
    def size(self) -> int:
        """How many parameters there are."""
        return sum((into + 1) * out for into, out in self.shapes)

    def layers(self, parameters: Any) -> list[tuple[Any, Any]]:
        """The weights (in, out) and biases (out,) of each layer: views of (size,) numbers of any library."""
        found, at = [], 0
        for into, out in self.shapes:
            weights = parameters[at : at + into * out].reshape(into, out)
            at += into * out
            found.append((weights, parameters[at : at + out]))
            at += out
        return found

    def start(self, seed: int, chance: bytes = b"") -> Floats:
        """The (size,) parameters before training: weights uniform after Glorot, biases zero."""
        draws = Draws(chance, seed)
        parameters = np.zeros(self.size)
        for weights, _ in self.layers(parameters):
            reach = np.sqrt(6 / sum(weights.shape))
            weights[:] = reach * (2 * draws.uniform(*weights.shape) - 1)
        return parameters

    def weights(self) -> Floats:
        """(size,) 1 where a parameter is a weight, 0 where it is a bias: what an L2 penalty shrinks."""
        mask = np.zeros(self.size)
        for weights, _ in self.layers(mask):
            weights[:] = 1.0
        return mask

    def output(self, x: Floats, parameters: Floats) -> Floats:
        """The (n,) outputs for (n, inputs) standardized covariates; missing where one is."""
        bend: Callable[[Floats], Floats] = np.tanh if self.activation == "tanh" else _rectified
        for weights, biases in self.layers(parameters)[:-1]:
            x = bend(x @ weights + biases)
        weights, biases = self.layers(parameters)[-1]
        output: Floats = (x @ weights + biases)[:, 0]
        return output

    def connections(self, parameters: Floats) -> Floats:
        """(inputs,) the products of weights along all paths from an input to the output, summed."""
        products = np.eye(self.inputs)
        for weights, _ in self.layers(parameters):
            products = products @ weights
        return products[:, 0]


def _rectified(z: Floats) -> Floats:
    return np.maximum(z, 0.0)
