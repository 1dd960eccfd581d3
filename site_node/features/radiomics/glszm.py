"""Grey level size zone matrix features (IBSI 3.8, 9SAK)."""

import numpy as np
from numpy.typing import NDArray

from .emphases import emphases
from .feature import Definition, Family

FAMILY = Family(
    "Grey level size zone matrix features",
    "9SAK",
    (
        Definition("szm_sze", "Small zone emphasis", "5QRC"),
        Definition("szm_lze", "Large zone emphasis", "48P8"),
        Definition("szm_lgze", "Low grey level zone emphasis", "XMSY"),
        Definition("szm_hgze", "High grey level zone emphasis", "5GN9"),
        Definition("szm_szlge", "Small zone low grey level emphasis", "5RAI"),
        Definition("szm_szhge", "Small zone high grey level emphasis", "HW1V"),
        Definition("szm_lzlge", "Large zone low grey level emphasis", "YH51"),
        Definition("szm_lzhge", "Large zone high grey level emphasis", "J17V"),
        Definition("szm_glnu", "Grey level non-uniformity", "JNSA"),
        Definition("szm_glnu_norm", "Normalised grey level non-uniformity", "Y1RO"),
        Definition("szm_zsnu", "Zone size non-uniformity", "4JP3"),
        Definition("szm_zsnu_norm", "Normalised zone size non-uniformity", "VB3A"),
        Definition("szm_z_perc", "Zone percentage", "P30P"),
        Definition("szm_gl_var", "Grey level variance", "BYLV"),
        Definition("szm_zs_var", "Zone size variance", "3NSA"),
        Definition("szm_zs_entr", "Zone size entropy", "GU8N"),
    ),
)


def matrix(
    level: NDArray[np.integer], size: NDArray[np.integer], n_levels: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Zones by level and size, (1, level, column), and the columns' sizes; no column is empty."""
    sizes, column = np.unique(size, return_inverse=True)
    flat = np.bincount((level.astype(np.int64) - 1) * sizes.size + column, minlength=n_levels * sizes.size)
    return flat.reshape(1, n_levels, sizes.size), sizes.astype(np.float64)


def compute(
    zones: NDArray[np.int64], sizes: NDArray[np.float64], n_voxels: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """The family's values by tag, (batch,) each, of zones (batch, level, column)."""
    values = emphases(zones, sizes, n_voxels)
    return {d.tag: value for d, value in zip(FAMILY.definitions, values, strict=True)}
