"""A coordination that asks other questions than it did has another version."""

import pytest

from tests.conformance.examples import EXAMPLES
from tests.conformance.transcripts import FOLDER, differences, transcript
from tests.lib.extras import marks_of
from tests.lib.watched import example_run

NAMES = [pytest.param(name, marks=marks_of(name)) for name in sorted(EXAMPLES)]
COMMAND = "python -m tests.conformance.transcripts"


@pytest.mark.parametrize("name", NAMES)
def test_a_protocol_asks_what_its_version_asked(name: str) -> None:
    if len(example_run(name).questions) == 1:
        assert not (FOLDER / f"{name}.txt").exists()
        return
    golden, now = (FOLDER / f"{name}.txt").read_text(), transcript(name)
    changed = list(differences(golden, now))
    of, before = now.partition("\n")[0], golden.partition("\n")[0]
    assert of == before, f"this is {of}, the transcript is of {before}: {COMMAND}"
    assert not changed, f"raise the version of {name}, then {COMMAND}: {changed[:3]}"


def test_a_changed_number_array_step_or_round_is_a_difference() -> None:
    golden = transcript("logistic")
    lines = golden.splitlines(keepends=True)
    numbers = next(i for i, line in enumerate(lines) if "]: " in line and not line.endswith(" 0 0\n"))
    words, _, rest = lines[numbers].rpartition("]: ")
    norm, weighted = map(float, rest.split())

    def with_norm(norm: float) -> str:
        return "".join([*lines[:numbers], f"{words}]: {norm:.9g} {weighted:.9g}\n", *lines[numbers + 1 :]])

    assert not list(differences(golden, golden))
    assert not list(differences(golden, with_norm(norm * (1 + 1e-8))))
    assert list(differences(golden, with_norm(norm * (1 + 1e-4))))
    assert list(differences(golden, golden.replace(" sum ", " clear ", 1)))
    assert list(differences(golden, "".join(lines[:-1])))
