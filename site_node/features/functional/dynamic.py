"""Dynamic contrast-enhanced imaging: the extended Tofts model and a population's arterial input."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from site_node.features.arrays import Floats

KEP_RANGE, KEP_STEPS = (1e-3, 30.0), 64  # 1/min
REFINEMENTS = 4  # each to about a sixteenth of the step before
TOGETHER = 4096  # voxels


class Kinetics(NamedTuple):
    """Ktrans in 1/min, and the volume fractions of the extravascular space and of plasma."""

    ktrans: Floats
    ve: Floats
    vp: Floats


def parker_input(time_min: Floats) -> Floats:
    """Blood concentrations in mM of Parker et al. 2006 (eq. 1, table 1), at (n,) minutes from the bolus."""
    scale, centre, width = np.array([0.809, 0.330]), np.array([0.17046, 0.365]), np.array([0.0563, 0.132])
    alpha, beta, s, tau = 1.050, 0.1685, 38.078, 0.483
    t = time_min[..., None]
    bolus = scale / (width * np.sqrt(2 * np.pi)) * np.exp(-((t - centre) ** 2) / (2 * width**2))
    wash_out = alpha * np.exp(-beta * time_min) / (1 + np.exp(-s * (time_min - tau)))
    return np.where(time_min >= 0, bolus.sum(axis=-1) + wash_out, 0.0)


def extended_tofts(time_min: Floats, plasma: Floats, ktrans: float, ve: float, vp: float) -> Floats:
    """The (n,) tissue concentration vp Cp + Ktrans ∫ Cp(u) exp(-kep (t - u)) du with kep = Ktrans / ve.

    Args:
        time_min, plasma: (n,) times and Cp.
    """
    kep = np.array([ktrans / max(ve, 1e-9)])
    return np.asarray(vp * plasma + ktrans * _washed_out(time_min, plasma, kep)[:, 0])


def fit_extended_tofts(
    time_min: Floats, plasma: Floats, tissue: Floats, at: NDArray[np.intp] | None = None
) -> Kinetics:
    """The kinetics of tissue curves (image, voxel) by least squares; NaN where a curve has no number.

    `time_min` and `plasma` may be finer than the images, which lie `at` these of their samples. All volume
    fractions lie in [0, 1]. With kep given the model is linear in Ktrans and vp, so that kep alone is
    searched (variable projection, Golub and Pereyra 1973): over a grid of all that tissue does, then by
    parabolas.
    """
    at = np.arange(time_min.size) if at is None else at
    found = np.full((3, tissue.shape[1]), np.nan)
    usable = np.flatnonzero(np.all(np.isfinite(tissue), axis=0))
    grid = np.geomspace(*KEP_RANGE, KEP_STEPS)
    basis = _washed_out(time_min, plasma, grid)[at]
    for start in range(0, usable.size, TOGETHER):
        voxels = usable[start : start + TOGETHER]
        found[:, voxels] = _fit(time_min, plasma, tissue[:, voxels], at, grid, basis)
    return Kinetics(*found)


def misfit(time_min: Floats, plasma: Floats, curve: Floats, at: NDArray[np.intp]) -> float:
    """The squares that the grid's best kep leaves of an (images,) curve, less its own: to compare inputs.

    Args:
        time_min, plasma: (n,) times and Cp; at: (images,) which of these the curve is of.
    """
    grid = np.geomspace(*KEP_RANGE, KEP_STEPS)
    basis = _washed_out(time_min, plasma, grid)[at]
    moments = _Moments((basis**2).sum(axis=0), plasma[at] @ basis, basis.T @ curve)
    return float(_linear(plasma[at], curve, moments, grid)[0].min())


def _fit(
    time_min: Floats, plasma: Floats, tissue: Floats, at: NDArray[np.intp], grid: Floats, basis: Floats
) -> Floats:
    """Ktrans, ve, vp of a few curves, (3, voxel); `basis` is the washed out plasma at the grid's kep."""
    drawn = plasma[at]
    moments = _Moments((basis**2).sum(axis=0)[:, None], (drawn @ basis)[:, None], basis.T @ tissue)
    cost = _linear(drawn, tissue, moments, grid[:, None])[0]
    log_kep = np.log(grid)[cost.argmin(axis=0)]
    step = float(np.log(grid[1] / grid[0]))
    for _ in range(REFINEMENTS):
        sides = [log_kep - step, log_kep, log_kep + step]
        below, here, above = (_at(time_min, plasma, tissue, at, np.exp(side))[0] for side in sides)
        bend = below - 2 * here + above
        with np.errstate(divide="ignore", invalid="ignore"):
            move = np.where(bend > 0, step * (below - above) / (2 * bend), 0.0)
        log_kep = np.clip(log_kep + np.clip(move, -step, step), *np.log(KEP_RANGE))
        step /= 4
    _, vp, ktrans = _at(time_min, plasma, tissue, at, np.exp(log_kep))
    return np.stack([ktrans, ktrans / np.exp(log_kep), vp])


class _Moments(NamedTuple):
    """Sums over the images of the washed out plasma with itself, with plasma and with tissue."""

    itself: Floats
    plasma: Floats
    tissue: Floats


def _at(
    time_min: Floats, plasma: Floats, tissue: Floats, at: NDArray[np.intp], kep: Floats
) -> tuple[Floats, Floats, Floats]:
    """Cost, vp and Ktrans of each curve at its own kep (voxel)."""
    basis = _washed_out(time_min, plasma, kep)[at]
    moments = _Moments((basis**2).sum(axis=0), plasma[at] @ basis, (basis * tissue).sum(axis=0))
    return _linear(plasma[at], tissue, moments, kep)


def _linear(plasma: Floats, tissue: Floats, of: _Moments, kep: Floats) -> tuple[Floats, Floats, Floats]:
    """Cost (less the curve's own square), vp and Ktrans of the least squares with vp in [0, 1], ve in [0, 1].

    A convex quadratic in a box has its minimum inside, or on the edge where it is least.
    """
    pp, pt = float(plasma @ plasma), plasma @ tissue
    nothing = np.zeros(np.broadcast_shapes(of.tissue.shape, kep.shape))
    most = nothing + kep
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = pp * of.itself - of.plasma**2
        inside = (
            (of.itself * pt - of.plasma * of.tissue) / determinant,
            (pp * of.tissue - of.plasma * pt) / determinant,
        )
        edges = [
            (nothing, np.clip(of.tissue / of.itself, 0, most)),
            (nothing + 1, np.clip((of.tissue - of.plasma) / of.itself, 0, most)),
            (np.clip(pt / pp, 0, 1) + nothing, nothing),
            (np.clip((pt - most * of.plasma) / pp, 0, 1), most),
        ]
    fits = (inside[0] >= 0) & (inside[0] <= 1) & (inside[1] >= 0) & (inside[1] <= most)
    candidates = [(*edge, np.ones_like(fits)) for edge in edges] + [(*inside, fits)]
    best = [np.full_like(nothing, np.inf), nothing, nothing]
    for vp, ktrans, allowed in candidates:
        cost = vp**2 * pp + ktrans**2 * of.itself
        cost += 2 * (vp * ktrans * of.plasma - vp * pt - ktrans * of.tissue)
        better = allowed & (cost < best[0])
        best = [np.where(better, new, old) for new, old in zip((cost, vp, ktrans), best, strict=True)]
    return best[0], best[1], best[2]


def _washed_out(time_min: Floats, plasma: Floats, kep: Floats) -> Floats:
    """∫ Cp(u) exp(-kep (t - u)) du, (time, kep); exact for a plasma curve straight between its samples."""
    weights = {step: _weights(step, kep) for step in set(np.diff(time_min).tolist())}
    result = np.zeros((time_min.size, kep.size))
    for i, step in enumerate(np.diff(time_min).tolist()):
        decay, early, late = weights[step]
        result[i + 1] = result[i] * decay + (plasma[i] * early + plasma[i + 1] * late)
    return result


def _weights(step: float, kep: Floats) -> tuple[Floats, Floats, Floats]:
    """What is left after one step of what was there, of the plasma at its start, and at its end."""
    x = kep * step
    small = x < 1e-4  # a series: the quotients would be of roundings
    safe = np.where(small, 1.0, x)
    decay = np.exp(-x)
    early = np.where(small, step / 2, step * (1 - decay * (1 + safe)) / safe**2)
    late = np.where(small, step / 2, step * (safe - 1 + decay) / safe**2)
    return decay, early, late


def integral(time: Floats, curves: Floats) -> Floats:
    """(n, voxels) the integrals of (n, voxels) curves from the first of (n,) times on, by trapezoids."""
    area = np.diff(time)[:, None] * (curves[1:] + curves[:-1]) / 2
    return np.concatenate([np.zeros((1, curves.shape[1])), np.cumsum(area, axis=0)])
