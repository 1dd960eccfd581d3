"""What a person calls from a notebook shows how it is called, and what it prints is what it does."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

import protocols.learning.neural_model
from protocols import CATALOGUE
from protocols.core.protocol import FederatedProtocol, Result, protocol
from protocols.exchange.local import run_locally
from protocols.results.prediction import Fitted
from tests.lib.doctests import ROOT, examples, failures, files_with_examples, module
from tests.lib.extras import marks_of

TRAINED = Path(protocols.learning.neural_model.__file__).relative_to(ROOT)


def result_of(name: str) -> type[Result]:
    """The class of what a protocol finds, by the protocol's own declaration."""
    bases = type(protocol(name)).__orig_bases__  # type: ignore[attr-defined]
    (result,) = [get_args(base)[1] for base in bases if get_origin(base) is FederatedProtocol]
    return result


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_a_result_shows_how_it_is_found_and_what_it_holds(name: str) -> None:
    (example, *_) = examples(result_of(name))
    assert f'"{name}"' in example.docstring
    assert any("summary()" in line.source for line in example.examples)


@pytest.mark.parametrize("thing", [Fitted, run_locally])
def test_what_a_notebook_calls_shows_an_example(thing: type | Callable[..., Any]) -> None:
    assert examples(thing)


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(file, id=str(file), marks=marks_of("neural") if file == TRAINED else [])
        for file in files_with_examples()
    ],
)
def test_the_examples_of_a_file_hold(file: Path) -> None:
    assert not failures(examples(module(file)))


def two() -> int:
    """Two.

    >>> two()
    2
    """
    return 1


def test_an_example_that_no_longer_holds_is_told() -> None:
    assert "Expected:\n    2\nGot:\n    1\n" in failures(examples(two))


def test_the_notebook_of_the_analysts_guide_runs(capsys: pytest.CaptureFixture[str]) -> None:
    guide = (ROOT / "docs" / "analyst-guide.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", guide, flags=re.MULTILINE | re.DOTALL)
    exec(code, {})
    assert "lifelines.CoxPHFitter" in capsys.readouterr().out
