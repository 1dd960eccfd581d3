"""What steps declare of their questions and ways out, compared with what the examples' runs really ask."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from protocols.core.protocol import Ask, SiteStep, Spec, protocol
from protocols.core.site_step import Times
from protocols.core.spec import inner_specs
from tests.conformance import what_may_leave
from tests.conformance.examples import EXAMPLES
from tests.lib.extras import marks_of
from tests.lib.watched import example_run, example_study

NAMES = [pytest.param(name, marks=marks_of(name)) for name in sorted(EXAMPLES)]


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
    return ask.analysis, ask.part, ask.step, ask.secret, rows, ask.per_site, tuple(transforms)


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


@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_asked_as_often_as_it_declares(name: str) -> None:
    asks: Counter[tuple[object, ...]] = Counter()
    allowed: dict[tuple[object, ...], tuple[str, Times]] = {}
    for ask, spec, step in asked(name):
        asks[about(ask)] += 1
        allowed[about(ask)] = (ask.step, step.times(spec))
    for question, often in asks.items():
        step_name, times = allowed[question]
        assert times.least <= often <= times.most, f"{step_name}: {often} times, and not {times.words()}"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_to_be_asked_is(name: str) -> None:
    """Of each example, whose own steps with `least` above 0 are all asked: no line of it is idle."""
    for analysis in example_study(name).analyses:
        steps = {ask.step for ask, spec, _ in asked(name) if ask.analysis == analysis.name and not ask.part}
        for step_name, step in protocol(name).steps.items():
            ways = step.summed or step.clear(analysis.spec)
            if ways and step.times(analysis.spec).least:
                assert step_name in steps, f"{analysis.name}: {step_name}"


@pytest.mark.parametrize("name", NAMES)
def test_every_array_says_what_it_holds(name: str) -> None:
    for step_name, step in protocol(name).steps.items():
        for array, declared in step.declares.items():
            assert declared.what, f"{step_name}: {array}"


@pytest.mark.parametrize("name", NAMES)
def test_all_that_leaves_is_described(name: str) -> None:
    """Each question of the run has its line: of its part, its way, and each array that is not empty."""
    study = example_study(name)
    for ask, spec, step in asked(name):
        lines = protocol(name).describe(study.spec(ask.analysis))
        way = "in the clear" if ask.per_site else "in a sum"
        sizes = protocol(spec.protocol).sizes(spec)
        (own,) = [line for line in step.describe(spec, sizes) if way in line]
        depth = "".join(f"  {part}: " for part in parts(study.spec(ask.analysis), ask.part))
        assert depth + own in lines


def parts(spec: Spec, part: tuple[str, ...]) -> Iterator[str]:
    """The names of the specs inside one another on the way to a part."""
    while part:
        where, spec = next((w, s) for w, s in inner_specs(spec).items() if part[: len(w)] == w)
        yield ".".join(where)
        part = part[len(where) :]


def test_the_closed_list_for_an_ethics_board_is_what_the_steps_declare() -> None:
    """If a change is meant: `python -m tests.conformance.what_may_leave`, and the protocol's next version."""
    assert what_may_leave.GOLDEN.read_text() == what_may_leave.closed_list()


def test_the_table_in_the_docs_is_what_the_steps_declare() -> None:
    text = what_may_leave.DOCS.read_text()
    assert text == what_may_leave.with_table(text)


def test_no_section_of_the_docs_lists_by_hand_what_leaves() -> None:
    assert not re.findall(r"^Leaves\b.*", what_may_leave.DOCS.read_text(), flags=re.MULTILINE)
