"""Neighbouring grey level dependence matrix features (IBSI 3.11, REK0)."""

import numpy as np
from numpy.typing import NDArray

from .emphases import emphases
from .feature import Definition, Family

FAMILY = Family(
    "Neighbouring grey level dependence matrix features",
    "REK0",
    (
        Definition("ngl_lde", "Low dependence emphasis", "SODN"),
        Definition("ngl_hde", "High dependence emphasis", "IMOQ"),
        Definition("ngl_lgce", "Low grey level count emphasis", "TL9H"),
        Definition("ngl_hgce", "High grey level count emphasis", "OAE7"),
        Definition("ngl_ldlge", "Low dependence low grey level emphasis", "EQ3F"),
        Definition("ngl_ldhge", "Low dependence high grey level emphasis", "JA6D"),
        Definition("ngl_hdlge", "High dependence low grey level emphasis", "NBZI"),
        Definition("ngl_hdhge", "High dependence high grey level emphasis", "9QMG"),
        Definition("ngl_glnu", "Grey level non-uniformity", "FP8K"),
        Definition("ngl_glnu_norm", "Normalised grey level non-uniformity", "5SPA"),
        Definition("ngl_dcnu", "Dependence count non-uniformity", "Z87G"),
        Definition("ngl_dcnu_norm", "Normalised dependence count non-uniformity", "OKJI"),
        Definition("ngl_dc_perc", "Dependence count percentage", "6XV8"),
        Definition("ngl_gl_var", "Grey level variance", "1PFV"),
        Definition("ngl_dc_var", "Dependence count variance", "DNX2"),
        Definition("ngl_dc_entr", "Dependence count entropy", "FCBV"),
        Definition("ngl_dc_energy", "Dependence count energy", "CAS9"),
    ),
)


def compute(dependences: NDArray[np.int64], n_voxels: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """The family's values by tag, (batch,) each, of voxels (batch, level, dependence count from 1)."""
    counts = np.arange(1, dependences.shape[2] + 1, dtype=np.float64)
    values = emphases(dependences, counts, n_voxels)
    p = dependences / np.maximum(dependences.sum(axis=(1, 2), keepdims=True), 1)
    energy = np.sum(p**2, axis=(1, 2))
    return {d.tag: value for d, value in zip(FAMILY.definitions, [*values, energy], strict=True)}
