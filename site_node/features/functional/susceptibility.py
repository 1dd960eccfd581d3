"""Dynamic susceptibility contrast: ΔR2* and relative cerebral blood volume, corrected for leakage."""

from typing import NamedTuple

import numpy as np

from site_node.features.arrays import Floats

from .dynamic import integral


class BloodVolume(NamedTuple):
    """rCBV without and with correction, and the leakage K2, (voxel) each."""

    uncorrected: Floats
    corrected: Floats
    leakage: Floats


def delta_r2_star(signal: Floats, echo_time_s: float, n_baseline: int) -> Floats:
    """The change of R2* in 1/s, (time, ...), of signals (time, ...); NaN without signal."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = signal / signal[:n_baseline].mean(axis=0)
        return np.asarray(np.where(ratio > 0, -np.log(ratio) / echo_time_s, np.nan))


def blood_volume(time_s: Floats, change: Floats, healthy: Floats) -> BloodVolume:
    """rCBV as the area under ΔR2* (time, voxel), corrected after Boxerman, Schmainda and Weisskoff 2006.

    `healthy` (time) is the mean ΔR2* of brain without leakage. ΔR2* = K1 healthy - K2 ∫ healthy by least
    squares; the corrected curve has K2 ∫ healthy given back.
    """
    accumulated = integral(time_s, healthy[:, None])[:, 0]
    design = np.stack([healthy, -accumulated], axis=1)
    usable = np.all(np.isfinite(change), axis=0)
    leakage = np.full(change.shape[1], np.nan)
    leakage[usable] = np.linalg.lstsq(design, change[:, usable], rcond=None)[0][1]
    area = integral(time_s, change)[-1]
    given_back = integral(time_s, accumulated[:, None])[-1, 0]
    return BloodVolume(area, area + leakage * given_back, leakage)
