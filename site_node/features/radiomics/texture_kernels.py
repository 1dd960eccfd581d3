"""The loops that count texture matrices.

Volumes are (z, y, x), contiguous, padded by one voxel on every side, so that no neighbour needs a bounds
check. `levels` is int16: grey levels from 1, and 0 outside the region. One type, so one compilation.
"""

import numpy as np
from numpy.typing import NDArray

from .compiled import inlined, kernel

Levels = NDArray[np.int16]
"""Grey levels (z, y, x), padded."""


@inlined
def flush_pairs_and_runs(
    table: NDArray[np.uint32], pairs: NDArray[np.uint32], later: NDArray[np.uint32]
) -> None:
    """Moves one direction's table into its matrices, (n, n) and (n, longest), and empties it."""
    n, longest = later.shape
    for a in range(n):
        for b in range(n):
            pairs[a, b] = table[0, a * n + b] + table[1, a * n + b]
        for k in range(longest):
            at = n * n + a * longest + k
            later[a, k] = table[0, at] + table[1, at]
    table[:] = 0


@inlined
def measure_runs(
    row: NDArray[np.int16],
    before: NDArray[np.int16],
    theirs: NDArray[np.int16],
    ours: NDArray[np.int16],
    along_x: bool,
) -> None:
    """Fills (x,) `ours` with how many predecessors of equal level each voxel has in an unbroken line."""
    if along_x:
        k = np.int16(0)
        for x in range(row.size):
            k = np.int16(k + 1) if row[x] == before[x] else np.int16(0)
            ours[x] = k
    else:
        for x in range(row.size):
            longer = np.int16(theirs[x] + 1)
            ours[x] = longer if row[x] == before[x] else np.int16(0)


@inlined
def count_row(
    row: NDArray[np.int16],
    before: NDArray[np.int16],
    ours: NDArray[np.int16],
    shape: tuple[int, int],
    place: NDArray[np.int32],
    table: NDArray[np.uint32],
) -> None:
    """Counts each voxel of an (x,) row in one place: in its run if it continues one, else as a pair."""
    n, longest = shape
    for x in range(row.size):
        level = np.int32(row[x])
        k = np.int32(ours[x])
        in_run = n * n + level * longest + k
        in_pair = level * n + np.int32(before[x])
        place[x] = in_run if (k > 0) & (level > 0) else in_pair
    for x in range(row.size // 2):
        table[0, place[2 * x]] += 1
        table[1, place[2 * x + 1]] += 1
    if row.size & 1:
        table[0, place[row.size - 1]] += 1


@kernel
def count_pairs_and_runs(
    levels: Levels,
    extents: NDArray[np.int64],
    offsets: NDArray[np.int64],
    per_slice: bool,
    pairs: NDArray[np.uint32],
    later: NDArray[np.uint32],
) -> None:
    """Fills `pairs` (slice, direction, n, n) and `later` (slice, direction, n, longest).

    Slot 0 holds all slices unless `per_slice`. pairs[slice, direction, a, b]: voxels of level a whose
    predecessor along the direction has another level b. later[slice, direction, a, k]: voxels of level a with
    k >= 1 predecessors in their run. Together they say all: one increment per voxel and direction, at spread
    addresses, and no branch.
    """
    n_z, n_y, n_x = levels.shape
    n, longest = later.shape[2], later.shape[3]
    # two tables in turn: a count need not wait for the store of the one before
    table = np.zeros((2, n * n + n * longest), dtype=np.uint32)
    length = np.zeros((2, n_y, n_x), dtype=np.int16)
    place = np.zeros(n_x, dtype=np.int32)
    for d in range(offsets.shape[0]):
        dz, dy, dx = offsets[d]
        for z in range(1, n_z - 1):
            for y in range(1, n_y - 1):
                first = extents[z, y, 0]
                last = extents[z, y, 1]
                row = levels[z, y, first:last]
                before = levels[z - dz, y - dy, first - dx : last - dx]
                ours = length[z & 1, y, first:last]
                theirs = length[(z - dz) & 1, y - dy, first - dx : last - dx]
                measure_runs(row, before, theirs, ours, dz == 0 and dy == 0)
                count_row(row, before, ours, (n, longest), place, table)
            if per_slice:
                flush_pairs_and_runs(table, pairs[z - 1, d], later[z - 1, d])
        if not per_slice:
            flush_pairs_and_runs(table, pairs[0, d], later[0, d])


@kernel
def count_neighbours(
    levels: Levels,
    extents: NDArray[np.int64],
    depth: int,
    coarseness: int,
    per_slice: bool,
    voxels: NDArray[np.float64],
    differences: NDArray[np.float64],
    dependences: NDArray[np.uint32],
) -> None:
    """Fills the NGTDM's (slice, n) n and s, and the NGLDM, for each slice or in slot 0.

    The neighbourhood is 3 x 3 in the plane and reaches `depth` (0 or 1) planes up and down.
    dependences[slice, level, k]: voxels with k neighbours within `coarseness` of their own level.
    """
    n_z, n_y, n_x = levels.shape
    total = np.empty(n_x, dtype=np.int32)
    valid = np.empty(n_x, dtype=np.int16)
    alike = np.empty(n_x, dtype=np.int16)
    for z in range(1, n_z - 1):
        into = z - 1 if per_slice else 0
        for y in range(1, n_y - 1):
            first, last = extents[z, y, 0], extents[z, y, 1]
            row = levels[z, y, first:last]
            total[: row.size] = 0
            valid[: row.size] = 0
            alike[: row.size] = 0
            for dz in range(-depth, depth + 1):
                for dy in range(-1, 2):
                    other = levels[z + dz, y + dy, first - 1 : last + 1]
                    for dx in range(3):
                        for x in range(row.size):
                            level = other[x + dx]
                            total[x] += level
                            valid[x] += np.int16(level > 0)
                            near = abs(np.int16(level - row[x])) <= coarseness
                            alike[x] += np.int16(near & (level > 0))
            for x in range(row.size):
                level = row[x]
                if level > 0:
                    dependences[into, level, alike[x] - 1] += 1
                    others = valid[x] - 1
                    if others > 0:
                        voxels[into, level] += 1
                        differences[into, level] += abs(level - (total[x] - level) / others)


@kernel
def find_root(parent: NDArray[np.int32], i: np.int32) -> np.int32:
    """The root of i's tree in (labels,) `parent`, which the walk makes flatter."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def unite(parent: NDArray[np.int32], a: np.int32, b: np.int32) -> np.int32:
    """One label for two zones that touch: their smaller root in (labels,) `parent`. -1 means no zone."""
    if a < 0 or a == b:
        return b
    a, b = find_root(parent, a), find_root(parent, b)
    parent[max(a, b)] = min(a, b)
    return min(a, b)


# Arrays that are passed to a function are counted as references, which a call for every voxel cannot afford:
# hence one long function.
@kernel
def label_zones(  # noqa: C901
    flat: NDArray[np.int16], shape: tuple[int, int, int], depth: int, parent: NDArray[np.int32]
) -> tuple[NDArray[np.int32], np.int32]:
    """(voxels,) labels, linked by (labels,) `parent` to the others of their zone, and how many there are.

    Of a voxel's 13 predecessors many touch each other: one of its level answers for all that touch it.
    """
    n_z, n_y, n_x = shape
    label = np.zeros(flat.size, dtype=np.int32)
    none = np.int32(-1)
    n = np.int32(0)
    for z in range(1, n_z - 1):
        # without depth the slice before is the padding, which is of no zone
        back = n_y * n_x if depth == 1 else z * n_y * n_x
        for y in range(1, n_y - 1):
            first = (z * n_y + y) * n_x
            for i in range(first + 1, first + n_x - 1):
                level = flat[i]
                if level == 0:
                    continue
                above, behind = i - back, i - n_x
                near, far = above - n_x, above + n_x  # the rows behind and before `above`
                if flat[above] == level:
                    label[i] = label[above]
                    continue
                if flat[behind] == level:
                    zone = label[behind]
                    if flat[far] == level:
                        zone = unite(parent, zone, label[far])
                    else:
                        if flat[far - 1] == level:
                            zone = unite(parent, zone, label[far - 1])
                        if flat[far + 1] == level:
                            zone = unite(parent, zone, label[far + 1])
                elif flat[i - 1] == level:
                    zone = label[i - 1]
                    if flat[behind + 1] == level:
                        zone = unite(parent, zone, label[behind + 1])
                    if flat[above + 1] == level:
                        zone = unite(parent, zone, label[above + 1])
                    else:
                        if flat[near + 1] == level:
                            zone = unite(parent, zone, label[near + 1])
                        if flat[far + 1] == level:
                            zone = unite(parent, zone, label[far + 1])
                else:
                    zone = none
                    for place in (behind - 1, behind + 1, above - 1, above + 1, near, far):
                        if flat[place] == level:
                            zone = unite(parent, zone, label[place])
                    for place in (near - 1, near + 1, far - 1, far + 1):
                        if flat[place] == level:
                            zone = unite(parent, zone, label[place])
                    if zone < 0:
                        zone = n
                        n += np.int32(1)
                label[i] = zone
    return label, n


@kernel
def find_zones(
    levels: Levels, distance: NDArray[np.int16], depth: int
) -> tuple[NDArray[np.int16], NDArray[np.int32], NDArray[np.int16], NDArray[np.int16]]:
    """(zones,) level, size, distance to the border and slice of every zone of linked voxels of one level.

    Voxels are linked over faces, edges and corners within `depth` (0 or 1) planes.
    """
    flat, away = levels.ravel(), distance.ravel()
    parent = np.arange(np.count_nonzero(levels) + 1, dtype=np.int32)
    label, n = label_zones(flat, levels.shape, depth, parent)
    size = np.zeros(n, dtype=np.int32)
    nearest = np.full(n, 32000, dtype=np.int16)
    level, plane = np.zeros(n, dtype=np.int16), np.zeros(n, dtype=np.int16)
    for z in range(1, levels.shape[0] - 1):
        for i in range(z * levels[z].size, (z + 1) * levels[z].size):
            if flat[i] > 0:
                zone = label[i]
                size[zone] += 1
                level[zone], plane[zone] = flat[i], z - 1
                nearest[zone] = min(nearest[zone], away[i])
    for i in range(n):
        root = find_root(parent, np.int32(i))
        if root != i:
            size[root] += size[i]
            size[i] = 0
            nearest[root] = min(nearest[root], nearest[i])
    roots = np.flatnonzero(size)
    return level[roots], size[roots], nearest[roots], plane[roots]
