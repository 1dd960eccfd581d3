"""Docstrings of what takes or gives arrays name their shapes: (n,), (n, p), (z, y, x)."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("protocols", "site_node/features")
ARRAYS = {"NDArray", "ndarray", "Floats", "Integers", "Mask", "Array"}
HOLDERS = {"tuple", "list", "Sequence", "Iterator", "Iterable"}
SIZE = r"(?!\d{4}\b)(?:\d+ )?\*?\w+(?:\([\w.]+\))?(?:\s?[-+*/^|]\s?\w+)*"
SHAPE = re.compile(rf"\((?:{SIZE}|\.\.\.),(?: (?:{SIZE}|\.\.\.),?)*\)|\(\.\.\.\)|\bany shape\b|\bscalars?\b")


@dataclass(frozen=True)
class Place:
    """A public function that takes or gives arrays."""

    file: Path
    line: int
    name: str
    doc: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.name}"


class House:
    """All modules of the folders, and what their classes and names of arrays say of shapes."""

    def __init__(self, trees: dict[Path, ast.Module]) -> None:
        self.trees = trees
        self.classes = {node.name: node for tree in trees.values() for node in _classes(tree)}
        self.arrays = ARRAYS | {name for tree in trees.values() for name, _ in _array_names(tree)}
        self.shaped = {name for name in self.arrays if self._named_everywhere(name)}

    def _named_everywhere(self, name: str) -> bool:
        """Whether every module that gives this name to a kind of array says its shape."""
        docs = [doc for tree in self.trees.values() for one, doc in _array_names(tree) if one == name]
        return bool(docs) and all(named(doc) for doc in docs)

    def places(self) -> Iterator[Place]:
        """The functions whose docstring must name a shape."""
        for file, tree in self.trees.items():
            for owner, function in _functions(tree):
                if self.must_say(owner, function):
                    name = f"{owner.name}.{function.name}" if owner else function.name
                    yield Place(file, function.lineno, name, ast.get_docstring(function) or "")

    def must_say(self, owner: ast.ClassDef | None, function: ast.FunctionDef) -> bool:
        """Whether arrays go in or out whose shape nothing else says.

        A site step declares axes; a method says it where its base declares it; a name of a kind of array
        may say it, and so may the class of what is returned.
        """
        if any("site_step" in ast.unparse(one) for one in function.decorator_list):
            return False
        found = function.args
        notes = [arg.annotation for arg in (*found.posonlyargs, *found.args, *found.kwonlyargs)]
        if not any(self._is_array(note) for note in (*notes, function.returns)):
            return False
        return not (self._base_says(owner, function.name) or self._class_says(function.returns))

    def _is_array(self, note: ast.expr | None) -> bool:
        match note:
            case ast.Constant(value=str(text)):
                return self._is_array(ast.parse(text, mode="eval").body)
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return name in self.arrays - self.shaped
            case ast.BinOp(left=left, right=right):
                return self._is_array(left) or self._is_array(right)
            case ast.Subscript(value=ast.Name(id=name), slice=inside):
                parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
                return name in self.arrays or (name in HOLDERS and any(self._is_array(p) for p in parts))
        return False

    def _base_says(self, owner: ast.ClassDef | None, method: str) -> bool:
        bases = (
            [self.classes.get(ast.unparse(base).partition("[")[0]) for base in owner.bases] if owner else []
        )
        return any(
            base is not None and (_says(base, method) or self._base_says(base, method)) for base in bases
        )

    def _class_says(self, note: ast.expr | None) -> bool:
        words = re.findall(r"\w+", ast.unparse(note)) if note else []
        return any(name in self.classes and named(ast.get_docstring(self.classes[name])) for name in words)


def named(doc: str | None) -> bool:
    """Whether words name a shape."""
    return bool(SHAPE.search(doc or ""))


def _says(owner: ast.ClassDef, method: str) -> bool:
    found = [node for node in owner.body if isinstance(node, ast.FunctionDef) and node.name == method]
    return any(named(ast.get_docstring(node)) for node in found)


def _classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    return (node for node in tree.body if isinstance(node, ast.ClassDef))


def _functions(tree: ast.Module) -> Iterator[tuple[ast.ClassDef | None, ast.FunctionDef]]:
    owners: list[ast.ClassDef | None] = [None, *_classes(tree)]
    for owner in owners:
        if owner is None or not owner.name.startswith("_"):
            for node in (owner or tree).body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    yield owner, node


def _array_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each name that a module gives to a kind of array, with the docstring below it."""
    for node, after in zip_longest(tree.body, tree.body[1:]):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript() as value):
                if ast.unparse(value.value) == "NDArray":
                    match after:
                        case ast.Expr(value=ast.Constant(value=str(doc))):
                            yield name, doc
                        case _:
                            yield name, ""


def house(*files: Path) -> House:
    return House({file.relative_to(ROOT): ast.parse(file.read_text()) for file in files})


def test_functions_of_arrays_name_shapes() -> None:
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    places = list(house(*files).places())
    assert len(places) > 200
    assert not [str(place) for place in places if not named(place.doc)]


@pytest.mark.parametrize(
    ("doc", "says"),
    [
        ("The (n,) scores.", True),
        ("The (n, len(names)) matrix.", True),
        ("The (...) numbers rounded.", True),
        ("Of any shape.", True),
        ("The (bins + 1,) edges, (2 m, k) and (..., 3).", True),
        ("The scores (Cox, 1972), not (so and so, that is).", False),
        ("The scores.", False),
    ],
)
def test_a_shape_is_told_from_words(doc: str, says: bool) -> None:
    assert named(doc) is says
