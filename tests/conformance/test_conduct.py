"""Every coordination can be run by the sites too: a copy of it asks the same questions, on any processor."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from protocols.core.grid import is_that_question, on_grid
from protocols.core.protocol import Ask
from protocols.exchange.coordination import StudyCoordination, join_round
from protocols.exchange.envelope import digest
from protocols.exchange.secret_basis import OPEN
from protocols.exchange.sides import Site
from protocols.exchange.wire import RoundQuestion
from tests.conformance.examples import EXAMPLES
from tests.lib.extras import marks_of
from tests.lib.watched import example_run

NAMES = [pytest.param(name, marks=marks_of(name)) for name in sorted(EXAMPLES)]


def rounds_of(name: str, noise: float) -> Iterator[tuple[RoundQuestion, tuple[Ask, ...]]]:
    """Each round's question, and what a site's own copy asks whose sums are off by relative noise."""
    watched, draw = example_run(name), np.random.default_rng(3)
    copy = StudyCoordination(watched.sites.study)
    told = [*(question.told for question in watched.questions[1:]), {}]
    for question, answers, said in zip(watched.questions, watched.answers, told, strict=True):
        assert copy.asks is not None
        yield question, copy.asks
        joined = join_round(watched.sites.study, question, digest(question.encode()), answers, said)
        for part in joined:
            for array, sums in part.get("sum", {}).items():
                if sums.dtype == np.float64:
                    off = np.where(sums == np.rint(sums), 0, noise * draw.uniform(-1, 1, sums.shape))
                    part["sum"][array] = sums * (1 + off)
        copy.advance(joined, Site(OPEN))
    assert copy.asks is None


@pytest.mark.parametrize("noise", [0, 3e-16])
@pytest.mark.parametrize("name", NAMES)
def test_a_copy_asks_the_same_questions(name: str, noise: float) -> None:
    for question, own in rounds_of(name, noise):
        assert len(question.asks) == len(own)
        for asked, mine in zip(question.asks, own, strict=True):
            assert is_that_question(asked, mine), (question.round, asked.step)


@pytest.mark.parametrize("size", [1e-300, 1e-9, 0.1, 1.0, 1e12, 1e300])
def test_a_number_of_12_digits_is_on_the_grid_and_stays(size: float) -> None:
    numbers = np.random.default_rng(0).normal(size=1000) * size
    rounded = on_grid(numbers)
    np.testing.assert_array_equal(on_grid(rounded), rounded)
    np.testing.assert_allclose(rounded, numbers, rtol=5.1e-12)


@pytest.mark.parametrize(
    "typed", [0.1, 0.25, 12.5, 37.2, 1e-3, 99.9, 0.333, 65536.0, 2.0**-40, math.inf, -0.0]
)
def test_what_a_person_types_is_on_the_grid(typed: float) -> None:
    assert float(on_grid(np.array(typed))) == typed


def test_noise_of_another_processor_is_the_same_question_and_more_is_not() -> None:
    draw = np.random.default_rng(1)
    numbers = draw.normal(size=(20, 5))
    own = Ask("derivatives", {"coef": on_grid(numbers)}, analysis="a")

    def asked(relative: float) -> Ask:
        return replace(own, arrays={"coef": on_grid(numbers * (1 + relative * draw.uniform(-1, 1, (20, 5))))})

    assert all(is_that_question(asked(1e-14), own) for _ in range(200))
    assert not any(is_that_question(asked(1e-9), own) for _ in range(200))
