"""What the contract of actions reads: every action of a package, and what the command line calls."""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Action = tuple[str, str, Callable[..., Any]]
"""The noun, which is the module's name, the action's name, and the action."""


def nouns(package: types.ModuleType) -> list[str]:
    """The modules of a package of actions."""
    return [module.name for module in pkgutil.iter_modules(package.__path__)]


def actions(package: types.ModuleType) -> Iterator[Action]:
    """Every public function of each module."""
    for noun in nouns(package):
        module = importlib.import_module(f"{package.__name__}.{noun}")
        for name, action in inspect.getmembers(module, inspect.isfunction):
            if action.__module__ == module.__name__ and not name.startswith("_"):
                yield noun, name, action


def assert_versioned(action: Callable[..., Any]) -> None:
    """Fails unless an action returns, or yields, frozen dataclasses with a schema version."""
    returned = typing.get_type_hints(action)["return"]
    if typing.get_origin(returned) is Iterator:
        (returned,) = typing.get_args(returned)
    for one in typing.get_args(returned) or (returned,):
        assert dataclasses.is_dataclass(one), one
        assert one.__dataclass_params__.frozen, one  # type: ignore[attr-defined]
        (version,) = [field for field in dataclasses.fields(one) if field.name == "schema_version"]
        assert version.default == 1


def called(cli: Path, noun: str) -> set[str]:
    """The attributes of an action module that the command line uses."""
    return {
        node.attr
        for path in cli.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == noun
    }


def commands(cli: Path) -> Iterator[tuple[str, int]]:
    """Each command's name and how many statements its body has, without its docstring and imports."""
    for path in cli.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and "Output" in ast.unparse(node.returns or node):
                inside = [
                    one for line in node.body[1:] for one in ast.walk(line) if isinstance(one, ast.stmt)
                ]
                yield node.name, sum(not isinstance(one, ast.Import | ast.ImportFrom) for one in inside)
