"""What steps declare of their questions and ways out, held to what the examples' runs really ask."""

import hashlib
from collections.abc import Iterator

import numpy as np
import pytest

from protocols.core.protocol import Ask, SiteStep, Spec, protocol
from tests.conformance.examples import EXAMPLES
from tests.lib.extras import NEEDS_TORCH
from tests.lib.watched import example_run, example_study

NAMES = [pytest.param(name, marks=NEEDS_TORCH if name == "neural" else ()) for name in sorted(EXAMPLES)]


def asked(name: str) -> Iterator[tuple[Ask, Spec, SiteStep]]:
    """Every question of the examples' run, with the spec that it is about and its step."""
    for question in example_run(name).questions:
        for ask in question.asks:
            spec = example_study(name).spec(ask.analysis, ask.part)
            yield ask, spec, protocol(spec.protocol).steps[ask.step]


def about(ask: Ask) -> tuple[object, ...]:
    """What two questions have in common whose numbers alone may differ."""
    transforms = [
        (t.analysis, t.part, t.rows.model_dump_json(), digest_of({**t.arrays})) for t in ask.transforms
    ]
    rows = ask.rows.model_dump_json()
    return ask.analysis, ask.part, ask.step, rows, ask.per_site, tuple(transforms)


def digest_of(arrays: dict[str, np.ndarray]) -> str:
    parts = (name.encode() + np.asarray(arrays[name]).tobytes() for name in sorted(arrays))
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_only_numbers_that_are_declared_to_vary_do(name: str) -> None:
    first: dict[tuple[object, ...], Ask] = {}
    for ask, _, step in asked(name):
        before = first.setdefault(about(ask), ask)
        assert ask.arrays.keys() == before.arrays.keys() or step.may_vary(step.numbers[-1])
        for number in ask.arrays.keys() & before.arrays.keys():
            same = np.array_equal(ask.arrays[number], before.arrays[number])
            assert same or step.may_vary(number), f"{ask.step}: {number}"


@pytest.mark.parametrize("name", NAMES)
def test_a_question_is_asked_in_a_way_that_its_step_declares(name: str) -> None:
    for ask, spec, step in asked(name):
        assert step.clear(spec) if ask.per_site else step.summed, ask.step
