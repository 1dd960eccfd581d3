"""The named axis of a block: a public list of names that a study names by its hash and does not write out.

What is not on the list does not leave a site, not as a hash either: hashes of names can be tried one by one.
A list is found by its hash (`names_on`): where a study parsed in this process has it by a rule, which
is followed only when its names are wanted, or as a file among the lists of a folder (`look_in`).
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from protocols.core.errors import Code, SpecError, not_found
from protocols.core.variables.variable import Name

MOST_NAMES = 1_000_000
LONGEST_NAME = 100

V = TypeVar("V")


class Axis(BaseModel):
    """A public list of names: the SHA-256 of its lines, and how many there are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: int = Field(ge=1, le=MOST_NAMES)


class FromBlock(BaseModel):
    """All names of a block of the study, in the place of a list of variables: `{block: rna}`.

    The study writes the block's axis in when it is parsed, so that an analysis knows how wide it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    block: Name
    axis: Axis | None = None

    @property
    def size(self) -> int:
        """How many names there are.

        Raises:
            SpecError: invalid-study; the analysis stands in no study, which would say it.
        """
        return self._axis().size

    def names(self) -> tuple[str, ...]:
        """The names after the block's, `rna:EGFR`; `rna:[0]` and so on where no list is known here."""
        found = names_on(self._axis())
        names = (f"[{i}]" for i in range(self.size)) if found is None else found
        return tuple(f"{self.block}:{name}" for name in names)

    def _axis(self) -> Axis:
        if self.axis is None:
            raise SpecError(Code.INVALID_STUDY, f"block {self.block!r} is known only inside a study")
        return self.axis


def _is_block(value: object) -> str:
    return "block" if isinstance(value, Mapping | FromBlock) else "names"


Listed = Annotated[tuple[Name, ...], Field(min_length=1, max_length=5000)]

Features = Annotated[
    Annotated[Listed, Tag("names")] | Annotated[FromBlock, Tag("block")], Discriminator(_is_block)
]
"""Variables by their names, or all those of a block."""


def size_of(features: tuple[str, ...] | FromBlock) -> int:
    """How many features there are."""
    return features.size if isinstance(features, FromBlock) else len(features)


def names_of(features: tuple[str, ...] | FromBlock) -> tuple[str, ...]:
    """Their names, as a result shows them."""
    return features.names() if isinstance(features, FromBlock) else features


def listed_in(features: tuple[str, ...] | FromBlock) -> tuple[str, ...]:
    """Those that are variables of the study; none of a block."""
    return () if isinstance(features, FromBlock) else features


def axis_of(names: Sequence[str]) -> Axis:
    """The axis of these names, in their order.

    Raises:
        SpecError: invalid-study; there are none or too many, or one is empty, too long or listed twice.
    """
    if not 1 <= len(names) <= MOST_NAMES:
        raise SpecError(Code.INVALID_STUDY, f"an axis has from 1 to {MOST_NAMES:,} names")
    if any(not 0 < len(name) <= LONGEST_NAME or not name.isprintable() for name in names):
        raise SpecError(Code.INVALID_STUDY, f"a name on an axis has 1 to {LONGEST_NAME} printable characters")
    if len(set(names)) != len(names):
        raise SpecError(Code.INVALID_STUDY, "a name is listed twice on an axis")
    return Axis(sha256=hashlib.sha256("\n".join(names).encode()).hexdigest(), size=len(names))


LISTS = "lists"
"""The folder of a site or a center with public lists, each under its hash, one name per line."""

_FOLDERS: list[Path] = []
_PUBLISHED: dict[str, Callable[[], tuple[str, ...]]] = {}
_READ: dict[str, tuple[str, ...]] = {}
_MOST_READ = 16


def publish(axis: Axis, names: Callable[[], tuple[str, ...]]) -> None:
    """Makes a list of names known in this process; it is read, and compared with its hash, when wanted."""
    _PUBLISHED.setdefault(axis.sha256, names)


def published(names: Sequence[str]) -> Axis:
    """The axis of these names, which are made known in this process.

    >>> axis = published(["EGFR", "IDH1"])
    >>> axis.size, names_on(axis)
    (2, ('EGFR', 'IDH1'))
    """
    axis = axis_of(names)
    _PUBLISHED[axis.sha256] = partial(tuple, names)
    return axis


def names_on(axis: Axis) -> tuple[str, ...] | None:
    """The names on an axis; None where no list of that hash is known here."""
    if axis.sha256 not in _READ:
        names = next((names for names in _candidates(axis) if is_list(axis, names)), None)
        if names is None:
            return None
        _READ[axis.sha256] = names
        while len(_READ) > _MOST_READ:
            _READ.pop(next(iter(_READ)))
    return _READ[axis.sha256]


def look_in(home: Path) -> None:
    """Makes the public lists that lie in the folder of a site or a center known in this process."""
    if home / LISTS not in _FOLDERS:
        _FOLDERS.append(home / LISTS)


def keep_list(home: Path, names: Sequence[str]) -> Path:
    """The file of these names among the public lists of a site or a center."""
    path = home / LISTS / f"{axis_of(names).sha256}.txt"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text("\n".join(names), encoding="utf-8")
        fresh.replace(path)
    return path


def read_list(path: Path) -> tuple[str, ...]:
    """The names of a file, one per line; empty lines at its end are not names.

    Raises:
        InputError: not-found, or invalid-study; there is no such file, or it is not text.
    """
    if not path.is_file():
        raise not_found(path, "list of names")
    try:
        return tuple(path.read_text(encoding="utf-8").rstrip().splitlines())
    except UnicodeDecodeError:
        raise SpecError(Code.INVALID_STUDY, f"the list of names {path.name} is not text") from None


def is_list(axis: Axis, names: Sequence[str]) -> bool:
    """Whether these names are the list that an axis stands for."""
    try:
        return axis_of(names) == axis
    except SpecError:
        return False


def _candidates(axis: Axis) -> Iterator[tuple[str, ...]]:
    if (make := _PUBLISHED.get(axis.sha256)) is not None:
        yield make()
    for folder in _FOLDERS:
        if (path := folder / f"{axis.sha256}.txt").is_file():
            yield read_list(path)


def on_axes(value: V, axes: Mapping[str, Axis]) -> V:
    """The spec, or what stands in one, with the axis of each block that it names.

    Raises:
        ValueError: for pydantic; there is no such block, or the spec names another axis of it.
    """
    changed: Any = value
    if isinstance(value, FromBlock):
        changed = _on_axis(value, axes)
    elif isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}  # its own, whichever
        new = {name: on_axes(field, axes) for name, field in fields.items()}
        update = {name: field for name, field in new.items() if field is not fields[name]}
        changed = value.model_copy(update=update) if update else value
    elif isinstance(value, Mapping):
        new = {name: on_axes(item, axes) for name, item in value.items()}
        changed = new if any(new[name] is not value[name] for name in new) else value
    elif isinstance(value, tuple):
        items = tuple(on_axes(item, axes) for item in value)
        changed = items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    found: V = changed
    return found


def _on_axis(named: FromBlock, axes: Mapping[str, Axis]) -> FromBlock:
    if named.block not in axes:
        raise ValueError(f"no such block: {named.block}; the study has {', '.join(sorted(axes)) or 'none'}")
    axis = axes[named.block]
    if named.axis not in (None, axis):
        raise ValueError(f"block {named.block} has another axis than the analysis says")
    return named if named.axis is not None else named.model_copy(update={"axis": axis})


def check_positions(at: NDArray[np.int64], size: int) -> None:
    """Raises unless a question's (k,) positions are distinct ones of an axis, in ascending order.

    Raises:
        SpecError: invalid-study.
    """
    if at.ndim != 1 or at.dtype != np.int64 or not len(at) or at[0] < 0 or at[-1] >= size:
        raise SpecError(Code.INVALID_STUDY, "positions that are not on the axis")
    if (np.diff(at) <= 0).any():
        raise SpecError(Code.INVALID_STUDY, "positions of an axis that do not ascend")
