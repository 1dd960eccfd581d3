"""Grey level run length matrix features (IBSI 3.7, TP0I)."""

import numpy as np
from numpy.typing import NDArray

from .emphases import emphases
from .feature import Definition, Family

FAMILY = Family(
    "Grey level run length matrix features",
    "TP0I",
    (
        Definition("rlm_sre", "Short runs emphasis", "22OV"),
        Definition("rlm_lre", "Long runs emphasis", "W4KF"),
        Definition("rlm_lgre", "Low grey level run emphasis", "V3SW"),
        Definition("rlm_hgre", "High grey level run emphasis", "G3QZ"),
        Definition("rlm_srlge", "Short run low grey level emphasis", "HTZT"),
        Definition("rlm_srhge", "Short run high grey level emphasis", "GD3A"),
        Definition("rlm_lrlge", "Long run low grey level emphasis", "IVPO"),
        Definition("rlm_lrhge", "Long run high grey level emphasis", "3KUM"),
        Definition("rlm_glnu", "Grey level non-uniformity", "R5YN"),
        Definition("rlm_glnu_norm", "Normalised grey level non-uniformity", "OVBL"),
        Definition("rlm_rlnu", "Run length non-uniformity", "W92Y"),
        Definition("rlm_rlnu_norm", "Normalised run length non-uniformity", "IC23"),
        Definition("rlm_r_perc", "Run percentage", "9ZK5"),
        Definition("rlm_gl_var", "Grey level variance", "8CE5"),
        Definition("rlm_rl_var", "Run length variance", "SXLW"),
        Definition("rlm_rl_entr", "Run entropy", "HJ9O"),
    ),
)


def matrix(starts: NDArray[np.int64], later: NDArray[np.int64]) -> NDArray[np.int64]:
    """Runs by level and length, (batch, level, length).

    A run has one voxel that starts it, `starts` (batch, level), and of length k one with k - 1 predecessors
    and none with k: `later` (batch, level, predecessors) counts those.
    """
    reaching = later.copy()
    reaching[:, :, 0] = starts
    runs = reaching.copy()
    runs[:, :, :-1] -= reaching[:, :, 1:]
    longest = np.flatnonzero(runs.any(axis=(0, 1)))
    return runs[:, :, : longest[-1] + 1 if longest.size else 1]


def compute(runs: NDArray[np.int64], n_voxels: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """The family's values by tag, (batch,) each, of runs (batch, level, length)."""
    lengths = np.arange(1, runs.shape[2] + 1, dtype=np.float64)
    values = emphases(runs, lengths, n_voxels)
    return {d.tag: value for d, value in zip(FAMILY.definitions, values, strict=True)}
