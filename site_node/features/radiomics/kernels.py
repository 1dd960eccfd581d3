"""The loops that numpy cannot run fast: counts over voxels, compiled once and cached.

Volumes are (z, y, x), contiguous, with one voxel of padding on every side, so that no neighbour needs a
bounds check. `levels` is int16: grey levels from 1, and 0 outside the region. One type, so one compilation.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.int16]
F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """The function compiled by numba at its first call, kept on disk for the next process."""
    compiled: F = numba.njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")(function)
    return compiled


@kernel
def count_pairs_and_runs(
    levels: Levels,
    offsets: NDArray[np.int64],
    per_slice: bool,
    pairs: NDArray[np.uint32],
    reach: NDArray[np.uint32],
) -> None:
    """Fills `pairs` and `reach` for each direction, and for each slice where `per_slice`.

    pairs[slice, direction, a, b]: voxels of level b whose predecessor along the direction has level a.
    reach[slice, direction, a, k]: voxels of level a that are the k-th of their run, so that the number of
    runs of length k is reach[k] - reach[k + 1].
    """
    n_z, n_y, n_x = levels.shape
    length = np.zeros((2, n_y, n_x), dtype=np.int16)
    for d in range(offsets.shape[0]):
        dz, dy, dx = offsets[d]
        for z in range(1, n_z - 1):
            into = z - 1 if per_slice else 0
            pair = pairs[into, d]
            run = reach[into, d]
            for y in range(1, n_y - 1):
                row = levels[z, y]
                before = levels[z - dz, y - dy]
                lengths = length[z & 1, y]
                lengths_before = length[(z - dz) & 1, y - dy]
                for x in range(1, n_x - 1):
                    level = row[x]
                    if level > 0:
                        last = before[x - dx]
                        k = lengths_before[x - dx] + 1 if last == level else 1
                        lengths[x] = k
                        pair[last, level] += 1
                        run[level, k] += 1


@kernel
def count_neighbours(
    levels: Levels,
    depth: int,
    coarseness: int,
    per_slice: bool,
    voxels: NDArray[np.float64],
    differences: NDArray[np.float64],
    dependences: NDArray[np.uint32],
) -> None:
    """Fills the NGTDM's n and s and the NGLDM for each slice, or in slot 0.

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
            row = levels[z, y]
            total[:] = 0
            valid[:] = 0
            alike[:] = 0
            for dz in range(-depth, depth + 1):
                for dy in range(-1, 2):
                    other = levels[z + dz, y + dy]
                    for dx in range(3):
                        for x in range(n_x - 2):
                            level = other[x + dx]
                            total[x] += level
                            valid[x] += np.int16(level > 0)
                            near = abs(np.int16(level - row[x + 1])) <= coarseness
                            alike[x] += np.int16(near & (level > 0))
            for x in range(n_x - 2):
                level = row[x + 1]
                if level > 0:
                    dependences[into, level, alike[x] - 1] += 1
                    others = valid[x] - 1
                    if others > 0:
                        voxels[into, level] += 1
                        differences[into, level] += abs(level - (total[x] - level) / others)


@kernel
def find_root(parent: NDArray[np.int32], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def join(
    parent: NDArray[np.int32],
    start: NDArray[np.int16],
    stop: NDArray[np.int16],
    level: NDArray[np.int16],
    this: tuple[int, int],
    other: tuple[int, int],
) -> None:
    """Unites the runs of one row with the touching runs of equal level of another row."""
    j = other[0]
    for i in range(this[0], this[1]):
        while j < other[1] and stop[j] < start[i]:
            j += 1
        k = j
        while k < other[1] and start[k] <= stop[i]:
            if level[k] == level[i]:
                a = find_root(parent, i)
                b = find_root(parent, k)
                if a < b:
                    parent[b] = a
                else:
                    parent[a] = b
            k += 1


@kernel
def find_zones(
    levels: Levels, distance: NDArray[np.int16], depth: int
) -> tuple[NDArray[np.int16], NDArray[np.int32], NDArray[np.int16], NDArray[np.int16]]:
    """Level, size, distance to the border and slice of every zone of linked voxels of one level.

    Voxels are linked over faces, edges and corners within `depth` (0 or 1) planes. Runs along x are the nodes
    of a union-find: a row is merged with the four earlier rows that touch it.
    """
    n_z, n_y, n_x = levels.shape
    capacity = np.count_nonzero(levels)
    start = np.empty(capacity, dtype=np.int16)
    stop = np.empty(capacity, dtype=np.int16)  # one past the last voxel
    level = np.empty(capacity, dtype=np.int16)
    plane = np.empty(capacity, dtype=np.int16)
    nearest = np.empty(capacity, dtype=np.int16)
    parent = np.empty(capacity, dtype=np.int32)
    first = np.zeros((n_z, n_y + 1), dtype=np.int32)  # first run of each row; the next row's first ends it
    n = 0
    for z in range(n_z):
        for y in range(n_y):
            first[z, y] = n
            if 0 < z < n_z - 1 and 0 < y < n_y - 1:
                row = levels[z, y]
                away = distance[z, y]
                last = np.int16(0)
                for x in range(1, n_x - 1):
                    here = row[x]
                    if here > 0:
                        if here == last:
                            nearest[n - 1] = min(nearest[n - 1], away[x])
                        else:
                            start[n] = x
                            level[n] = here
                            plane[n] = z - 1
                            nearest[n] = away[x]
                            parent[n] = n
                            n += 1
                        stop[n - 1] = x + 1
                    last = here
                this = (first[z, y], n)
                join(parent, start, stop, level, this, (first[z, y - 1], first[z, y]))
                if depth == 1:
                    for dy in range(-1, 2):
                        join(
                            parent, start, stop, level, this, (first[z - 1, y + dy], first[z - 1, y + dy + 1])
                        )
        first[z, n_y] = n
    size = np.zeros(n, dtype=np.int32)
    for i in range(n):
        root = find_root(parent, i)
        size[root] += stop[i] - start[i]
        nearest[root] = min(nearest[root], nearest[i])
    roots = np.flatnonzero(size)
    return level[roots], size[roots], nearest[roots], plane[roots]


@kernel
def count_cubes(
    mask: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How often each of the 256 marching-cubes cases occurs, and the sum of its cells' (z, y, x)."""
    n_z, n_y, n_x = mask.shape
    count = np.zeros(256, dtype=np.int64)
    position = np.zeros((256, 3), dtype=np.int64)
    for z in range(n_z - 1):
        for y in range(n_y - 1):
            a, b, c, d = mask[z, y], mask[z, y + 1], mask[z + 1, y], mask[z + 1, y + 1]
            left = a[0] | (b[0] << 2) | (c[0] << 4) | (d[0] << 6)
            for x in range(n_x - 1):
                right = a[x + 1] | (b[x + 1] << 2) | (c[x + 1] << 4) | (d[x + 1] << 6)
                case = left | (right << 1)
                left = right
                if 0 < case < 255:
                    count[case] += 1
                    position[case, 0] += z
                    position[case, 1] += y
                    position[case, 2] += x
    return count, position


@kernel
def largest_distance(points: NDArray[np.float64]) -> float:
    """The greatest distance between two of the points."""
    greatest = 0.0
    for i in range(points.shape[0]):
        for j in range(i):
            z = points[i, 0] - points[j, 0]
            y = points[i, 1] - points[j, 1]
            x = points[i, 2] - points[j, 2]
            greatest = max(greatest, z * z + y * y + x * x)
    return float(np.sqrt(greatest))


@kernel
def sphere_sums(
    prefix: NDArray[np.float64],
    half: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    reach: NDArray[np.int64],
    sums: NDArray[np.float64],
) -> None:
    """Fills `sums`, for the wanted rows, with the sum of the voxels in the sphere around each voxel.

    `prefix` holds running sums along x of the image padded by `reach`; half[dz, dy] is how far the sphere
    extends along x in that row, -1 for not at all.
    """
    n_z, n_y, n_x = sums.shape
    for z in range(n_z):
        for y in range(n_y):
            if wanted[z, y]:
                total = sums[z, y]
                for dz in range(half.shape[0]):
                    for dy in range(half.shape[1]):
                        h = half[dz, dy]
                        if h >= 0:
                            row = prefix[z + dz, y + dy]
                            low = row[reach[2] - h : reach[2] - h + n_x]
                            high = row[reach[2] + h + 1 : reach[2] + h + 1 + n_x]
                            for x in range(n_x):
                                total[x] += high[x] - low[x]
