"""What each protocol of several rounds asks in a fixed study: `python -m tests.conformance.transcripts`.

Every site conducts, so two releases that ask other questions cannot take part in one run: a change of a
coordination is a new version of its protocol. What each asks stands in tests/golden/transcripts, one file per
protocol; the command writes anew only what has a new version, a new wire version or another study.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from protocols.core.disclosure import Array
from protocols.core.protocol import Ask, protocol, specs_in
from protocols.estimation.draws import Draws
from protocols.exchange.wire import SCHEMA_VERSION
from tests.conformance.examples import EXAMPLES
from tests.lib.watched import example_run, example_study

FOLDER = Path(__file__).parents[1] / "golden" / "transcripts"
RELATIVE = 1e-6
"""Of an array's size: far above what two processors differ by, far below what a change of a method does."""


def transcript(name: str) -> str:
    """What a protocol asks in its example study: a line for what it is of, one per question and array."""
    study = example_study(name)
    inner = {spec.protocol for analysis in study.analyses for spec in specs_in(analysis.spec)} - {name}
    versions = ", ".join(f"{of} {protocol(of).version}" for of in (name, *sorted(inner)))
    lines = [f"{versions}; wire {SCHEMA_VERSION}; study {study.hash()}"]
    for question in example_run(name).questions:
        for position, ask in enumerate(question.asks):
            lines += [f"{question.round}.{position} {line}" for line in _of_ask(ask)]
    return "\n".join(lines) + "\n"


def differences(golden: str, now: str) -> Iterator[str]:
    """Where the questions of two transcripts differ; their first lines are not compared."""
    then, found = golden.splitlines()[1:], now.splitlines()[1:]
    if len(then) != len(found):
        yield f"{len(found)} lines, {len(then)} before"
    for before, after in zip(then, found, strict=False):
        (words, numbers), (own_words, own_numbers) = _parted(before), _parted(after)
        size = max(np.abs(numbers).max(initial=0.0), np.abs(own_numbers).max(initial=0.0))
        if words != own_words or not np.allclose(numbers, own_numbers, rtol=0, atol=RELATIVE * size):
            yield f"{after}, before: {before}"


def several_rounds() -> list[str]:
    """The protocols whose example takes more than one round."""
    return [name for name in sorted(EXAMPLES) if len(example_run(name).questions) > 1]


def _of_ask(ask: Ask) -> Iterator[str]:
    way = " ".join(filter(None, ("clear" if ask.per_site else "sum", ask.secret)))
    rows = ask.rows.model_dump_json(exclude_defaults=True)
    yield f"{'.'.join((ask.analysis, *ask.part))} {ask.step} {way} {rows}"
    for name in sorted(ask.arrays):
        yield f"  {name} {_summary(ask.arrays[name])}"
    for transform in ask.transforms:
        yield f"  after {'.'.join((transform.analysis, *transform.part))}"
        for name in sorted(transform.arrays):
            yield f"    {name} {_summary(transform.arrays[name])}"


def _summary(array: Array) -> str:
    """Shape and kind of an array, then its norm and its product with fixed weights."""
    numbers = np.nan_to_num(np.ravel(array).astype(np.float64), posinf=1.0, neginf=-1.0)
    weights = 2 * Draws(b"transcript").uniform(len(numbers)) - 1
    return f"{array.dtype.kind}{list(array.shape)}: {np.linalg.norm(numbers):.9g} {weights @ numbers:.9g}"


def _parted(line: str) -> tuple[str, np.ndarray]:
    words, colon, numbers = line.rpartition("]: ")
    return (words, np.array(numbers.split(), dtype=float)) if colon else (line, np.zeros(0))


def main() -> int:
    """Writes the transcripts; 1 where one has changed and its protocol's version has not."""
    FOLDER.mkdir(exist_ok=True)
    refused = 0
    for name in several_rounds():
        path, now = FOLDER / f"{name}.txt", transcript(name)
        golden = path.read_text() if path.exists() else ""
        same_version = golden.partition("\n")[0] == now.partition("\n")[0]
        if same_version and any(differences(golden, now)):
            print(f"{name}: other questions under one version; raise `version` of the protocol")
            refused += 1
        elif not same_version:
            path.write_text(now)
            print(f"{name}: written")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
