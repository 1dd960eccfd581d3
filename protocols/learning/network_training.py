"""What people at one site say about a network's parameters: gradients and local training, by torch.

Double precision, one thread, and no random number of torch's: what is drawn belongs to the person. torch is
the extra `neural`; only this file imports it, when it is first needed.

Reference: McMahan et al., AISTATS 2017 (FedAvg); Li et al., MLSys 2020 (FedProx); Karimireddy et al., ICML
2020 (SCAFFOLD, algorithm 1 with option I); Abadi et al., CCS 2016 (clipping, algorithm 1).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from protocols.core.errors import Code, SiteError
from protocols.core.table import Floats, Integers
from protocols.learning.network import Network

Loss = Literal["logistic", "squared"]

INSTALL = "pip install 'shadowgraph[neural]'"

FEWEST = 5
"""People who carry a parameter's gradient; a parameter with fewer is held still at that site."""

_NUMBERS_AT_ONCE = 2**22  # of people's own gradients: 32 MB


@dataclass(frozen=True)
class People:
    """One site's people: (n, p) standardized covariates, (n,) outcomes, and what is trained on them."""

    network: Network
    loss: Loss
    x: Floats
    y: Floats


@dataclass(frozen=True)
class Local:
    """How one site trains.

    Attributes:
        rate: of a step of gradient descent.
        l2: penalty on weights; mu: FedProx's pull to where the round began.
        batches: the rows of each step, in their order.
    """

    rate: float
    l2: float
    mu: float
    batches: Sequence[Integers]


def require_torch() -> Any:
    """The module torch.

    Raises:
        SiteError: missing-extra; it is not installed here.
    """
    try:
        import torch  # an extra of gigabytes, which only a site that trains networks needs
    except ImportError:
        raise SiteError(Code.MISSING_EXTRA, "neural networks need torch", INSTALL) from None
    return torch


def loss_and_gradient(people: People, parameters: Floats) -> tuple[float, Floats, Floats]:
    """The summed loss, its (size,) gradient, and (size,) 1 where at least FEWEST people carry an entry of it.

    The effective number of people behind an entry is (sum |g|)² / sum g² over the people's own gradients
    (Kish, Survey Sampling, 1965, 11.7); where people are fewer than fifteen, a third of them must carry it.
    Parameters that came with a question could otherwise make a gradient that of one person (RT10, RT13).
    """
    with _one_thread() as torch:
        x, y = torch.from_numpy(people.x), torch.from_numpy(people.y)
        w = torch.from_numpy(parameters.copy()).requires_grad_()
        inputs, sums = _forward(torch, people.network, x, w)
        total = _losses(torch, people.loss, sums[-1][:, 0], y).sum()
        gradient, *deltas = torch.autograd.grad(total, [w, *sums])
        carried = np.concatenate([_carried(torch, a, d, len(y)) for a, d in zip(inputs, deltas, strict=True)])
        return float(total.detach()), gradient.numpy() * carried, carried


def trained(people: People, parameters: Floats, local: Local, free: Floats, correction: Floats) -> Floats:
    """The (size,) parameters after local training from these.

    Args:
        free: (size,) 0 where a parameter is held still.
        correction: (size,) added to every gradient: SCAFFOLD's c less this site's.
    """
    with _one_thread() as torch:
        x, y = torch.from_numpy(people.x), torch.from_numpy(people.y)
        begin, free_, correction_ = (torch.from_numpy(a.copy()) for a in (parameters, free, correction))
        shrunk = torch.from_numpy(local.l2 * people.network.weights())
        w = begin.clone()
        for rows in local.batches:
            chosen = torch.from_numpy(rows)
            w.requires_grad_()
            _, sums = _forward(torch, people.network, x[chosen], w)
            loss = _losses(torch, people.loss, sums[-1][:, 0], y[chosen]).mean()
            (gradient,) = torch.autograd.grad(loss, w)
            w = w.detach()
            step = gradient + shrunk * w + local.mu * (w - begin) + correction_
            w = w - local.rate * free_ * step
        after: Floats = w.numpy()
        return after


def clipped_gradient(people: People, parameters: Floats, clip: float) -> Floats:
    """The (size,) sum of the people's own gradients, each shortened to length `clip` where it is longer."""
    with _one_thread() as torch:
        w = torch.from_numpy(parameters.copy())

        def loss(w: Any, x: Any, y: Any) -> Any:
            _, sums = _forward(torch, people.network, x[None, :], w)
            return _losses(torch, people.loss, sums[-1][0, 0], y)

        own = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))
        x, y = torch.from_numpy(people.x), torch.from_numpy(people.y)
        total = torch.zeros_like(w)
        block = max(_NUMBERS_AT_ONCE // len(w), 1)
        for some_x, some_y in zip(x.split(block), y.split(block), strict=True):
            gradients = own(w, some_x, some_y)
            length = torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
            total += (gradients * torch.clamp(clip / torch.clamp(length, min=1e-300), max=1.0)).sum(dim=0)
        sums: Floats = total.numpy()
        return sums


@contextmanager
def _one_thread() -> Iterator[Any]:
    """torch with one thread, as it was before afterwards."""
    torch = require_torch()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield torch
    finally:
        torch.set_num_threads(threads)


def _forward(torch: Any, network: Network, x: Any, w: Any) -> tuple[list[Any], list[Any]]:
    """What goes into each layer, and its sums before they are bent; the last sums are the output."""
    bend = torch.tanh if network.activation == "tanh" else torch.relu
    inputs, sums = [x], []
    for weights, biases in network.layers(w):
        sums.append(inputs[-1] @ weights + biases)
        inputs.append(bend(sums[-1]))
    return inputs[:-1], sums


def _losses(torch: Any, loss: Loss, output: Any, y: Any) -> Any:
    """Minus the log-likelihood of log odds, or half the squared distance; by person."""
    if loss == "squared":
        return 0.5 * (output - y) ** 2
    return torch.logaddexp(output, torch.zeros_like(output)) - y * output


def _carried(torch: Any, inputs: Any, deltas: Any, people: int) -> Floats:
    """((in + 1) * out,) 1 where enough people carry a weight's or bias' gradient, or nobody does.

    A person's own gradient of a weight is what came in times the derivative by what went on.
    """
    a = torch.cat([inputs.detach().abs(), torch.ones(people, 1, dtype=torch.float64)], dim=1)
    d = deltas.abs()
    # The largest is taken out first, so that squares of tiny numbers do not become zeros.
    a = a / torch.clamp(a.amax(dim=0, keepdim=True), min=1e-300) if people else a
    d = d / torch.clamp(d.amax(dim=0, keepdim=True), min=1e-300) if people else d
    first, second = a.T @ d, (a**2).T @ (d**2)
    enough = first**2 >= min(FEWEST, people / 3) * second * (1 - 1e-12)
    carried: Floats = enough.double().reshape(-1).numpy()
    return carried
