"""How many odd but legal inputs a kind of source is tried with, and the chance that each is drawn from."""

import zlib

import numpy as np
import pytest

DRAWS = pytest.mark.parametrize(
    "draws",
    [pytest.param(range(20), id="20"), pytest.param(range(20, 2_000), id="2000", marks=pytest.mark.slow)],
)
"""A few in `make test`, 2,000 in `make test-all`; a failure names its draws, and each can be drawn alone."""


def chance(kind: str, draw: int) -> np.random.Generator:
    """The generator of one draw of one kind of source."""
    return np.random.default_rng([zlib.crc32(kind.encode()), draw])


def one(rng: np.random.Generator, *options: object) -> object:
    """One of the options, each as likely as another."""
    return options[int(rng.integers(len(options)))]
