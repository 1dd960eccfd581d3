"""Separable filters along the axes of a volume, with IBSI-2's boundaries and right-angle rotations."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations, product
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from site_node.features.arrays import Box

Boundary = Literal["zero", "nearest", "periodic", "mirror"]
Pooling = Literal["max", "mean"]
Image = NDArray[np.float32]
"""A volume (z, y, x) in single precision."""
Volume = NDArray[np.float64]
"""A volume (z, y, x) in double precision: an image to be filtered, or a response."""
WHOLE = slice(None)
PAD_MODES: dict[Boundary, Literal["constant", "edge", "wrap", "symmetric"]] = {
    "zero": "constant",
    "nearest": "edge",
    "periodic": "wrap",
    "mirror": "symmetric",
}


def centred(image: Volume, boundary: Boundary) -> tuple[Image, float]:
    """The image about its mean in single precision, and that mean, which `with_level` brings back.

    A convolution in single precision would else lose the digits that a scanner's offset takes. Where there
    are zeros beyond the border the mean is 0: about another number the border would be a step.
    """
    level = 0.0 if boundary == "zero" else float(image.mean())
    return np.asarray(image - level, dtype=np.float32), level


def with_level(response: Image, level: float, taps: Iterable["Taps"]) -> Volume:
    """The response of a centred image as that of the image itself: a constant passes by the weights' sum."""
    return np.add(response, level * prod(sum(each.weights) for each in taps), dtype=np.float64)


@dataclass(frozen=True)
class Taps:
    """A one-dimensional filter: out[x] = sum of weight * in[x + offset]."""

    first_offset: int
    weights: tuple[float, ...]

    @classmethod
    def centred(cls, weights: Iterable[float]) -> "Taps":
        """The filter whose middle weight falls on the voxel itself."""
        weights = tuple(float(w) for w in weights)
        return cls(-(len(weights) // 2), weights)

    @property
    def flipped(self) -> "Taps":
        """The mirror image about the voxel."""
        return Taps(-(self.first_offset + len(self.weights) - 1), self.weights[::-1])

    def dilated(self, step: int) -> "Taps":
        """The filter with step - 1 zeros between its weights."""
        spread = np.zeros((len(self.weights) - 1) * step + 1)
        spread[::step] = self.weights
        return Taps(self.first_offset * step, tuple(spread.tolist()))

    def then(self, other: "Taps") -> "Taps":
        """The one filter that does the work of both."""
        weights = np.convolve(self.weights, other.weights)
        return Taps(self.first_offset + other.first_offset, tuple(weights.tolist()))


def along(image: Image, axis: int, taps: Taps, boundary: Boundary, keep: slice = WHOLE) -> Image:
    """The image filtered along one axis; of that axis only what is in `keep`."""
    from . import kernels  # numba loads with the first filter that runs, not with the settings

    size = image.shape[axis]
    low, high, _ = keep.indices(size)
    weights = np.asarray(taps.weights)
    used = np.flatnonzero(weights)
    used = np.pad(used, (0, -used.size % 4), mode="edge")  # the kernels take four taps at a time
    weights = np.where(np.diff(used, prepend=-1) > 0, weights[used], 0.0).astype(np.float32)
    first = low + taps.first_offset + used[0]
    line = boundary_index(np.arange(first, first + high - low + used[-1] - used[0]), size, boundary)
    offsets = used - used[0]
    if axis == 2:
        return kernels.correlate_last(image, line, offsets, weights)
    shape = (-1, size, int(np.prod(image.shape[axis + 1 :])))
    result = kernels.correlate_middle(image.reshape(shape), line, offsets, weights)
    return result.reshape(*image.shape[:axis], high - low, *image.shape[axis + 1 :])


def boundary_index(places: NDArray[np.int64], size: int, boundary: Boundary) -> NDArray[np.int64]:
    """Which voxel stands for each of (n,) places on an axis, -1 for none."""
    if boundary == "zero":
        return np.where((places >= 0) & (places < size), places, -1)
    if boundary == "nearest":
        return np.clip(places, 0, size - 1)
    if boundary == "periodic":
        return places % size
    folded = places % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)


def separable(image: Image, taps: tuple[Taps, ...], boundary: Boundary, box: Box | None = None) -> Image:
    """The image filtered along x, y and (with three filters) z, in this order of `taps`; of it the box."""
    (_, response), *_ = responses(image, [taps], boundary, box)
    return response


def rotated(taps: tuple[Taps, ...]) -> list[tuple[Taps, ...]]:
    """The separable filter under all right-angle rotations (4 in the plane, 24 in space), each once."""
    found: dict[tuple[Taps, ...], None] = {}
    for order in permutations(range(len(taps))):
        for flips in product((False, True), repeat=len(taps)):
            if (_odd(order) + sum(flips)) % 2 == 0:
                turned = (taps[i].flipped if flip else taps[i] for i, flip in zip(order, flips, strict=True))
                found[tuple(turned)] = None
    return list(found)


def _odd(order: tuple[int, ...]) -> bool:
    swaps = sum(a > b for i, a in enumerate(order) for b in order[i + 1 :])
    return swaps % 2 == 1


def responses(
    image: Image, filters: Iterable[tuple[Taps, ...]], boundary: Boundary, box: Box | None = None
) -> Iterator[tuple[tuple[Taps, ...], Image]]:
    """Each separable filter with its response in the box; filters that end alike share their first passes.

    Passes go from the outermost axis in, since the last axis is the slowest and each pass cuts to the box.
    """
    keep = box or (WHOLE, WHOLE, WHOLE)
    memory: dict[tuple[Taps, ...], Image] = {}
    for taps in sorted((t[::-1] for t in filters), key=lambda t: [(f.first_offset, f.weights) for f in t]):
        memory = {seen: response for seen, response in memory.items() if taps[: len(seen)] == seen}
        response = image if len(taps) == 3 else image[keep[0]]
        for n, axis in enumerate(range(3 - len(taps), 3), start=1):
            if taps[:n] not in memory:
                memory[taps[:n]] = along(response, axis, taps[n - 1], boundary, keep[axis])
            response = memory[taps[:n]]
        yield taps[::-1], response


def rotation_pooled(
    image: Image, taps: tuple[Taps, ...], pooling: Pooling, boundary: Boundary, box: Box | None = None
) -> Image:
    """The voxelwise maximum or mean of the responses over all right-angle rotations, in the box."""
    total: Image | None = None
    turned = rotated(taps)
    for _, response in responses(image, turned, boundary, box):
        if total is None:
            total = response.copy()
        elif pooling == "max":
            np.maximum(total, response, out=total)
        else:
            total += response
    assert total is not None
    return total / np.float32(len(turned)) if pooling == "mean" else total


def cut(response: NDArray[np.floating], box: Box | None) -> Volume:
    """The box of a response (z, y, x) that had to be computed whole."""
    return np.ascontiguousarray(response[box or ...], dtype=np.float64)
