"""Which regions of an image are worth processing together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

from site_node.features.arrays import Box


@dataclass(frozen=True)
class Group:
    """Regions by name, and the box around their windows."""

    names: tuple[str, ...]
    box: Box


def neighbours(windows: Mapping[str, Box]) -> list[Group]:
    """The regions in groups whose box holds no more voxels than their windows one by one.

    Two lesions at opposite ends of a body are so not made to pay for all that lies between them.
    """
    groups: list[Group] = []
    for name, window in windows.items():
        joined = Group((name,), window)
        while (other := _neighbour(joined, groups)) is not None:
            groups.remove(other)
            joined = Group((*other.names, *joined.names), union([other.box, joined.box]))
        groups.append(joined)
    return groups


def _neighbour(group: Group, others: Iterable[Group]) -> Group | None:
    for other in others:
        if _size(union([group.box, other.box])) <= _size(group.box) + _size(other.box):
            return other
    return None


def union(boxes: Iterable[Box]) -> Box:
    """The smallest box around all."""
    sides = zip(*boxes, strict=True)
    z, y, x = (slice(min(s.start for s in side), max(s.stop for s in side)) for side in sides)
    return z, y, x


def within(box: Box, outer: Box) -> Box:
    """The box counted from the outer one's first voxel."""
    z, y, x = (slice(b.start - o.start, b.stop - o.start) for b, o in zip(box, outer, strict=True))
    return z, y, x


def _size(box: Box) -> int:
    return prod(side.stop - side.start for side in box)
