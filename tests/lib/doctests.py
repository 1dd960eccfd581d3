"""The examples in docstrings, run."""

import doctest
import importlib
import io
from collections.abc import Callable
from typing import Any

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def failures(thing: type | Callable[..., Any]) -> str:
    """What a thing's doctests print that they do not promise.

    Raises:
        LookupError: it has none.
    """
    words = vars(importlib.import_module(thing.__module__))
    tests = [test for test in doctest.DocTestFinder().find(thing, globs=words) if test.examples]
    if not tests:
        raise LookupError(f"{thing.__qualname__} shows no example")
    said = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for test in tests:
        runner.run(test, out=said.write)
    return said.getvalue()
