"""Maps of exponentials: ADC from diffusion, R2* from echoes, T1 from flip angles, contrast agent."""

import numpy as np

from site_node.features.arrays import Floats


def adc(signal: Floats, b_values: Floats) -> Floats:
    """The apparent diffusion coefficient in mm²/s, (...), of signals (b, ...) at b values in s/mm².

    The slope of ln S on b, weighted by S²: the variance of ln S is that of S over S² (Veraart 2013). NaN
    where fewer than two b values have signal.
    """
    return _decay(signal, b_values)


def r2_star(signal: Floats, echo_times_s: Floats) -> Floats:
    """R2* in 1/s, (...), of signals (echo, ...) at echo times in s; NaN where fewer than two have signal."""
    return _decay(signal, echo_times_s)


def _decay(signal: Floats, x: Floats) -> Floats:
    """The rate of exp(-rate x) by weighted least squares on the logarithm."""
    assert signal.shape[0] == x.size
    usable = np.isfinite(signal) & (signal > 0)
    safe = np.where(usable, signal, 1.0)
    weight = np.where(usable, safe**2, 0.0)
    at = x.reshape(-1, *[1] * (signal.ndim - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        total = weight.sum(axis=0)
        mean_x = (weight * at).sum(axis=0) / total
        mean_y = (weight * np.log(safe)).sum(axis=0) / total
        spread = (weight * (at - mean_x) ** 2).sum(axis=0)
        slope = (weight * (at - mean_x) * (np.log(safe) - mean_y)).sum(axis=0) / spread
    # with one place on the axis the spread is rounding, not information
    return np.where(spread > 1e-12 * total * np.ptp(x) ** 2, -slope, np.nan)


def spoiled_gradient_echo(m0: Floats, r1: Floats, flip_rad: Floats, tr_s: float) -> Floats:
    """The steady-state signal M0 sin α (1 - E) / (1 - cos α E) with E = exp(-TR R1); any shape, broadcast."""
    e = np.exp(-tr_s * r1)
    return np.asarray(m0 * np.sin(flip_rad) * (1 - e) / (1 - np.cos(flip_rad) * e))


def r1_from_flip_angles(signal: Floats, flip_rad: Floats, tr_s: float, iterations: int = 20) -> Floats:
    """R1 = 1/T1 in 1/s, (...), of spoiled gradient echoes (flip, ...): DESPOT1, then Gauss-Newton on the
    signal.

    NaN where the signal is not such a decay.
    """
    flips = flip_rad.reshape(-1, *[1] * (signal.ndim - 1))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # S / sin α = E S / tan α + M0 (1 - E), a line of slope E (Deoni 2003)
        x, y = signal / np.tan(flips), signal / np.sin(flips)
        dx = x - x.mean(axis=0)
        e = np.clip((dx * (y - y.mean(axis=0))).sum(axis=0) / (dx**2).sum(axis=0), 1e-6, 1 - 1e-9)
        r1 = -np.log(e) / tr_s
        for _ in range(iterations):
            shape = spoiled_gradient_echo(np.ones_like(r1), r1, flips, tr_s)
            m0 = (shape * signal).sum(axis=0) / (shape**2).sum(axis=0)
            step = 1e-4 * r1
            slope = m0 * (spoiled_gradient_echo(np.ones_like(r1), r1 + step, flips, tr_s) - shape) / step
            # M0 is fitted along: only the part of the slope that M0 cannot explain moves R1
            slope -= shape * (shape * slope).sum(axis=0) / (shape**2).sum(axis=0)
            change = (slope * (signal - m0 * shape)).sum(axis=0) / (slope**2).sum(axis=0)
            r1 = np.clip(r1 + change, r1 / 2, 2 * r1)
    return np.where(np.isfinite(r1), r1, np.nan)


def concentration(
    signal: Floats, t1_s: Floats, flip_rad: float, tr_s: float, relaxivity: float, baseline: slice
) -> Floats:
    """The contrast agent in mM, (time, ...), of a spoiled gradient echo series (time, ...).

    `relaxivity` is in 1/(s mM), `t1_s` before contrast; `baseline` are the images before contrast.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        before = signal[baseline].mean(axis=0)
        e0 = np.exp(-tr_s / t1_s)
        m0 = before * (1 - np.cos(flip_rad) * e0) / (np.sin(flip_rad) * (1 - e0))
        ratio = signal / (m0 * np.sin(flip_rad))
        e = (1 - ratio) / (1 - ratio * np.cos(flip_rad))
        return np.asarray((-np.log(e) / tr_s - 1 / t1_s) / relaxivity)
