"""What a kind of variable is at a site: the function that reads it for some people from their CDM.

The function of a pair accepts the very class that it is paired with, which mypy proves where it is written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from protocols.core.variables import VariableKind
from site_node.features.arrays import Floats
from site_node.features.clinical import Events, Labels
from site_node.study_table.people import People

V = TypeVar("V", bound=VariableKind)

Columns = tuple[Floats, ...]


@dataclass(frozen=True)
class ColumnReader(Generic[V]):
    """A kind and its (n,) arrays, as many as the kind's `columns` names."""

    kind: type[V]
    columns: Callable[[V, People], Columns]


@dataclass(frozen=True)
class DatedReader(Generic[V]):
    """A kind of dated records: its one (n,) array alone in a tuple, and the events in its window.

    The events are read only where they change a follow-up: the database makes the array without them.
    """

    kind: type[V]
    columns: Callable[[V, People], Columns]
    events: Callable[[V, People], Events]
    absent: float | None = None
    """What holds before the first record of a follow-up; None for a missing value."""


@dataclass(frozen=True)
class LabelReader(Generic[V]):
    """A kind and its (n,) labels, which never leave the site."""

    kind: type[V]
    labels: Callable[[V, People], Labels]
