"""What a person calls from a notebook shows how it is called, and what it prints is what it does."""

from collections.abc import Callable
from typing import Any, get_args, get_origin

import pytest

from protocols import CATALOGUE
from protocols.core.protocol import FederatedProtocol, Result, protocol
from protocols.exchange.local import run_locally
from protocols.results.prediction import Fitted
from tests.lib.doctests import failures
from tests.lib.extras import marks_of


def result_of(name: str) -> type[Result]:
    """The class of what a protocol finds, by the protocol's own declaration."""
    bases = type(protocol(name)).__orig_bases__  # type: ignore[attr-defined]
    (result,) = [get_args(base)[1] for base in bases if get_origin(base) is FederatedProtocol]
    return result


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks_of(name)) for name in sorted(CATALOGUE)])
def test_a_result_shows_how_it_is_found_and_what_it_holds(name: str) -> None:
    assert not failures(result_of(name))


@pytest.mark.parametrize("thing", [Fitted, run_locally])
def test_what_a_notebook_calls_shows_an_example(thing: type | Callable[..., Any]) -> None:
    assert not failures(thing)


def shown() -> int:
    """A number.

    >>> shown()
    2
    """
    return 1


def test_an_example_that_no_longer_holds_is_told() -> None:
    assert "Expected:\n    2\nGot:\n    1\n" in failures(shown)


def test_a_thing_without_an_example_is_told() -> None:
    with pytest.raises(LookupError, match="result_of shows no example"):
        failures(result_of)
