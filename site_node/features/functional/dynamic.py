"""Dynamic contrast-enhanced imaging: the extended Tofts model and a population's arterial input."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

Floats = NDArray[np.float64]


class Kinetics(NamedTuple):
    """Ktrans in 1/min, and the volume fractions of the extravascular space and of plasma."""

    ktrans: Floats
    ve: Floats
    vp: Floats


def parker_input(time_min: Floats) -> Floats:
    """The blood concentration in mM of Parker et al. 2006 (eq. 1, table 1), `time_min` from the bolus."""
    scale, centre, width = np.array([0.809, 0.330]), np.array([0.17046, 0.365]), np.array([0.0563, 0.132])
    alpha, beta, s, tau = 1.050, 0.1685, 38.078, 0.483
    t = time_min[..., None]
    bolus = scale / (width * np.sqrt(2 * np.pi)) * np.exp(-((t - centre) ** 2) / (2 * width**2))
    wash_out = alpha * np.exp(-beta * time_min) / (1 + np.exp(-s * (time_min - tau)))
    return np.where(time_min >= 0, bolus.sum(axis=-1) + wash_out, 0.0)


def extended_tofts(time_min: Floats, plasma: Floats, ktrans: float, ve: float, vp: float) -> Floats:
    """The tissue concentration vp Cp + Ktrans ∫ Cp(u) exp(-kep (t - u)) du with kep = Ktrans / ve.

    The plasma curve is taken as straight between its samples, for which the integral is exact.
    """
    kep = ktrans / max(ve, 1e-9)
    step = np.diff(time_min)
    decay = np.exp(-kep * step)
    x = kep * step
    # ∫ over one interval of a straight line against the exponential; series where x is small
    small = x < 1e-4
    safe = np.where(small, 1.0, x)
    late = np.where(small, step / 2, step * (safe - 1 + np.exp(-safe)) / safe**2)
    early = np.where(small, step / 2, step * (1 - np.exp(-safe) * (1 + safe)) / safe**2)
    integral = np.zeros_like(plasma)
    for i in range(step.size):
        integral[i + 1] = integral[i] * decay[i] + plasma[i] * early[i] + plasma[i + 1] * late[i]
    return vp * plasma + ktrans * integral


def fit_extended_tofts(time_min: Floats, plasma: Floats, tissue: Floats) -> Kinetics:
    """The kinetics of tissue curves (time, voxel); NaN where a curve has no fit.

    Linear least squares (Murase 2004) for all voxels at once starts a non-linear fit of each.
    """
    n = tissue.shape[1]
    found = np.full((3, n), np.nan)
    for voxel, start in enumerate(_linear(time_min, plasma, tissue).T):
        curve = tissue[:, voxel]
        if not np.all(np.isfinite(curve)):
            continue

        def residual(p: Floats, curve: Floats = curve) -> Floats:
            return extended_tofts(time_min, plasma, p[0], p[1], p[2]) - curve

        low, high = np.array([1e-6, 1e-4, 0.0]), np.array([10.0, 1.0, 1.0])
        begin = np.clip(np.where(np.isfinite(start), start, 0.1), low + 1e-6, high - 1e-6)
        found[:, voxel] = least_squares(residual, begin, bounds=(low, high), x_scale=(0.1, 0.1, 0.02)).x
    return Kinetics(*found)


def _linear(time_min: Floats, plasma: Floats, tissue: Floats) -> Floats:
    """Ktrans, ve, vp, (3, voxel), of C = (Ktrans + kep vp) ∫Cp - kep ∫C + vp Cp."""
    design = np.stack([integral(time_min, plasma[:, None])[:, 0], plasma], axis=1)
    accumulated = integral(time_min, tissue)
    result = np.full((3, tissue.shape[1]), np.nan)
    for voxel in range(tissue.shape[1]):
        columns = np.column_stack([design, -accumulated[:, voxel]])
        if np.all(np.isfinite(columns)) and np.all(np.isfinite(tissue[:, voxel])):
            a, vp, kep = np.linalg.lstsq(columns, tissue[:, voxel], rcond=None)[0]
            ktrans = a - kep * vp
            result[:, voxel] = ktrans, ktrans / kep if kep > 0 else np.nan, vp
    return result


def integral(time: Floats, curves: Floats) -> Floats:
    area = np.diff(time)[:, None] * (curves[1:] + curves[:-1]) / 2
    return np.concatenate([np.zeros((1, curves.shape[1])), np.cumsum(area, axis=0)])
