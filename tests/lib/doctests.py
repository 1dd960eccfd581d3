"""The examples in docstrings: found, and run."""

import doctest
import importlib
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cdm", "protocols", "server", "site_node")
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def examples(thing: type | Callable[..., Any] | ModuleType) -> list[doctest.DocTest]:
    """The docstrings of a class with its methods, a function or a module that show an example."""
    return [test for test in doctest.DocTestFinder().find(thing) if test.examples]


def files_with_examples() -> list[Path]:
    """The modules of the packages whose docstrings show an example."""
    files = (file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py")))
    return [file.relative_to(ROOT) for file in files if ">>> " in file.read_text()]


def module(file: Path) -> ModuleType:
    """The module of a file of the packages."""
    return importlib.import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))


def failures(tests: Iterable[doctest.DocTest]) -> str:
    """What examples print and do not promise; empty where all hold."""
    said = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for test in tests:
        runner.run(test, out=said.write)
    return said.getvalue()
