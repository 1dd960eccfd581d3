"""Grey level distance zone matrix features (IBSI 3.9, VMDZ)."""

import numpy as np
from numpy.typing import NDArray

from .emphases import emphases
from .feature import Definition, Family

FAMILY = Family(
    "Grey level distance zone matrix features",
    "VMDZ",
    (
        Definition("dzm_sde", "Small distance emphasis", "0GBI"),
        Definition("dzm_lde", "Large distance emphasis", "MB4I"),
        Definition("dzm_lgze", "Low grey level zone emphasis", "S1RA"),
        Definition("dzm_hgze", "High grey level zone emphasis", "K26C"),
        Definition("dzm_sdlge", "Small distance low grey level emphasis", "RUVG"),
        Definition("dzm_sdhge", "Small distance high grey level emphasis", "DKNJ"),
        Definition("dzm_ldlge", "Large distance low grey level emphasis", "A7WM"),
        Definition("dzm_ldhge", "Large distance high grey level emphasis", "KLTH"),
        Definition("dzm_glnu", "Grey level non-uniformity", "VFT7"),
        Definition("dzm_glnu_norm", "Normalised grey level non-uniformity", "7HP3"),
        Definition("dzm_zdnu", "Zone distance non-uniformity", "V294"),
        Definition("dzm_zdnu_norm", "Normalised zone distance non-uniformity", "IATH"),
        Definition("dzm_z_perc", "Zone percentage", "VIWW"),
        Definition("dzm_gl_var", "Grey level variance", "QK93"),
        Definition("dzm_zd_var", "Zone distance variance", "7WT1"),
        Definition("dzm_zd_entr", "Zone distance entropy", "GBDU"),
    ),
)


def compute(
    zones: NDArray[np.int64], distances: NDArray[np.float64], n_voxels: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """The family's values by tag, (batch,) each, of zones (batch, level, column) and their distances."""
    values = emphases(zones, distances, n_voxels)
    return {d.tag: value for d, value in zip(FAMILY.definitions, values, strict=True)}
