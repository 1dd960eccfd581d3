"""The loops over a region's shape and surroundings; masks are (z, y, x), contiguous, padded by one voxel."""

import numpy as np
from numpy.typing import NDArray

from .compiled import inlined, kernel


@kernel
def row_extents(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The first true voxel of each row and one past its last, (z, y, 2); equal where there is none."""
    n_z, n_y, n_x = mask.shape
    extents = np.zeros((n_z, n_y, 2), dtype=np.int64)
    for z in range(n_z):
        for y in range(n_y):
            first, last = 0, n_x
            while first < n_x and not mask[z, y, first]:
                first += 1
            while last > first and not mask[z, y, last - 1]:
                last -= 1
            extents[z, y, 0], extents[z, y, 1] = first, last
    return extents


@kernel
def moments(mask: NDArray[np.bool_], extents: NDArray[np.int64]) -> NDArray[np.float64]:
    """(10,) the sums over the true voxels of 1, z, y, x, z², y², x², zy, zx, yx."""
    n_z, n_y, _ = mask.shape
    total = np.zeros(10)
    for z in range(n_z):
        for y in range(n_y):
            n, sum_x, sum_xx = 0.0, 0.0, 0.0
            for x in range(extents[z, y, 0], extents[z, y, 1]):
                inside = np.float64(mask[z, y, x])
                n += inside
                sum_x += inside * x
                sum_xx += inside * (x * x)
            total += np.array(
                [n, n * z, n * y, sum_x, n * z * z, n * y * y, sum_xx, n * z * y, sum_x * z, sum_x * y]
            )
    return total


@kernel
def weighted_sums(
    mask: NDArray[np.bool_], extents: NDArray[np.int64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(4,) the sums over the true voxels of the weight (z, y, x) times 1, z, y, x."""
    n_z, n_y, _ = mask.shape
    total = np.zeros(4)
    for z in range(n_z):
        for y in range(n_y):
            plain, times_x = 0.0, 0.0
            for x in range(extents[z, y, 0], extents[z, y, 1]):
                value = weight[z, y, x] if mask[z, y, x] else 0.0
                plain += value
                times_x += value * x
            total += np.array([plain, plain * z, plain * y, times_x])
    return total


@inlined
def approach(row: NDArray[np.int16], above: NDArray[np.int16], behind: NDArray[np.int16]) -> None:
    """Lowers the (x,) distances of one row to one more than those of two neighbouring rows."""
    for x in range(row.size):
        row[x] = min(row[x], np.int16(min(above[x], behind[x]) + np.int16(1)))


@kernel
def border_distance(mask: NDArray[np.bool_], depth: int) -> NDArray[np.int16]:
    """Steps (z, y, x) over faces to leave the mask, 1 at its border; within the slice where `depth` is 0."""
    n_z, n_y, n_x = mask.shape
    distance = mask.astype(np.int16) * np.int16(32000)
    for z in range(1, n_z - 1):
        for y in range(1, n_y - 1):
            row, behind = distance[z, y], distance[z, y - 1]
            approach(row, distance[z - 1, y] if depth == 1 else behind, behind)
            for x in range(1, n_x):
                row[x] = min(row[x], row[x - 1] + 1)
    for z in range(n_z - 2, 0, -1):
        for y in range(n_y - 2, 0, -1):
            row, behind = distance[z, y], distance[z, y + 1]
            approach(row, distance[z + 1, y] if depth == 1 else behind, behind)
            for x in range(n_x - 2, -1, -1):
                row[x] = min(row[x], row[x + 1] + 1)
    return distance


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
    """The greatest distance between two of (n, 3) points."""
    greatest = 0.0
    for i in range(points.shape[0]):
        for j in range(i):
            z = points[i, 0] - points[j, 0]
            y = points[i, 1] - points[j, 1]
            x = points[i, 2] - points[j, 2]
            greatest = max(greatest, z * z + y * y + x * x)
    return float(np.sqrt(greatest))


@inlined
def add(total: NDArray[np.float32], part: NDArray[np.float32]) -> None:
    """Adds (n,) `part` to (n,) `total`."""
    for i in range(total.size):
        total[i] += part[i]


@inlined
def add_both(total: NDArray[np.float32], one: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    """Adds (n,) `one` and `other` to (n,) `total`: one pass where two would wait for memory."""
    for i in range(total.size):
        total[i] += one[i] + other[i]


@kernel
def sphere_sums(image: NDArray[np.float32], half: NDArray[np.int64]) -> NDArray[np.float32]:
    """The sum over the sphere around each voxel of an image (z, y, x), which the sphere's reach pads.

    What is returned has no padding. half[dz, dy] is how far the sphere extends along x in that row, -1 for
    not at all. Rows of equal length are summed once for a plane, then discs, which serve the planes above and
    below. Planes are flat, so that the loops are long; what they carry from one row to the next falls into
    the padding.
    """
    n_z, n_y, n_x = image.shape
    reach_z, reach_y, reach_x = half.shape[0] // 2, half.shape[1] // 2, half.max()
    inner_z, inner, plane = n_z - 2 * reach_z, (n_y - 2 * reach_y) * n_x, n_y * n_x
    rows = np.zeros((reach_x + 1, plane), dtype=np.float32)
    disc = np.zeros(2048, dtype=np.float32)
    sums = np.zeros((inner_z, inner), dtype=np.float32)
    for z in range(n_z):
        rows[0] = image[z].ravel()
        for h in range(1, reach_x + 1):
            rows[h, h : plane - h] = rows[h - 1, h : plane - h]
            add_both(rows[h, h : plane - h], rows[0, : plane - 2 * h], rows[0, 2 * h :])
        for start in range(0, inner, disc.size):  # a part that stays in the cache
            part = disc[: min(disc.size, inner - start)]
            for dz in range(reach_z + 1):
                part[:] = 0
                for dy in range(reach_y + 1):
                    h = half[reach_z + dz, reach_y + dy]
                    before, after = start + (reach_y - dy) * n_x, start + (reach_y + dy) * n_x
                    if h >= 0 and dy == 0:
                        add(part, rows[h, after : after + part.size])
                    elif h >= 0:
                        add_both(
                            part, rows[h, before : before + part.size], rows[h, after : after + part.size]
                        )
                up, down = z - reach_z - dz, z - reach_z + dz  # the planes whose spheres hold this disc
                if 0 <= up < inner_z:
                    add(sums[up, start : start + part.size], part)
                if dz > 0 and 0 <= down < inner_z:
                    add(sums[down, start : start + part.size], part)
    return sums.reshape(inner_z, -1, n_x)[:, :, reach_x : n_x - reach_x]


@kernel
def peaks(
    means: NDArray[np.float32], image: NDArray[np.float64], mask: NDArray[np.bool_]
) -> tuple[float, float]:
    """The greatest mean (z, y, x) at a brightest voxel of the mask, and at any of its voxels."""
    n_z, n_y, n_x = mask.shape
    brightest, local, everywhere = -np.inf, -np.inf, -np.inf
    for z in range(n_z):
        for y in range(n_y):
            for x in range(n_x):
                if mask[z, y, x]:
                    everywhere = max(everywhere, means[z, y, x])
                    if image[z, y, x] > brightest:
                        brightest, local = image[z, y, x], means[z, y, x]
                    elif image[z, y, x] == brightest:
                        local = max(local, means[z, y, x])
    return local, everywhere


@kernel
def weighted_products(
    octant: NDArray[np.float32] | NDArray[np.float64],
    ones: NDArray[np.complex64] | NDArray[np.complex128],
    squares: NDArray[np.complex64] | NDArray[np.complex128],
    values: NDArray[np.complex64] | NDArray[np.complex128],
) -> NDArray[np.float64]:
    """(3,) the sums of weight times Re(a b*), for a, b = ones, ones; ones, squares; values, values.

    The spectra are halves, (z, y, x).

    The weight at a frequency beyond the octant is that of its mirror image.
    """
    n_z, n_y, n_x = ones.shape
    total = np.zeros(3)
    for z in range(n_z):
        for y in range(n_y):
            weight = octant[min(z, n_z - z), min(y, n_y - y)]
            for start in range(0, n_x, 256):  # a longer sum in single precision depends on the processor
                w = weight[start : start + 256]
                a, b = ones[z, y, start : start + 256], squares[z, y, start : start + 256]
                c = values[z, y, start : start + 256]
                of_ones, of_squares, of_values = np.float32(0), np.float32(0), np.float32(0)
                for x in range(w.size):
                    of_ones += w[x] * (a[x].real * a[x].real + a[x].imag * a[x].imag)
                    of_squares += w[x] * (a[x].real * b[x].real + a[x].imag * b[x].imag)
                    of_values += w[x] * (c[x].real * c[x].real + c[x].imag * c[x].imag)
                total[0] += of_ones
                total[1] += of_squares
                total[2] += of_values
    return total


@kernel
def spread(
    rows: NDArray[np.float32], first: NDArray[np.int64], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The rows (n, m) added up into fewer ones: row i times its k-th weight into row first[i] + k."""
    n, width = weights.shape
    m = rows.shape[1]
    total = np.zeros((first[n - 1] + width, m), dtype=np.float32)
    for start in range(0, m, 512):  # a part of the rows that stays in the cache
        for i in range(n):
            row = rows[i, start : start + 512]
            for k in range(width):
                into, weight = total[first[i] + k, start : start + 512], weights[i, k]
                for x in range(row.size):
                    into[x] += weight * row[x]
    return total
