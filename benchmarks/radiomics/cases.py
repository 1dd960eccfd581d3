"""Makes the cases that every engine measures: an image and a mask as arrays (z, y, x) on one isotropic grid.

The IBSI CT phantom is non-commercial: the cases are written to a scratch folder and never into the project.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from site_node.features.radiomics import Settings
from site_node.features.radiomics.processing import process
from site_node.images.files import Case, read_case

MARGIN = 20  # voxels around the region, which filters see


class Source(NamedTuple):
    image: str
    mask: str
    region: str
    spacing_mm: float


PHANTOM = "ibsi/ibsi_1_ct_radiomics_phantom/nifti"
SARCOMA = "imaging/soft_tissue_sarcoma/STS_003/CT"
SOURCES = {
    "80k": Source(f"{SARCOMA}/image", f"{SARCOMA}/mask/RS.dcm", "gtv", 1.0),
    "360k": Source(f"{PHANTOM}/image/phantom.nii.gz", f"{PHANTOM}/mask/mask.nii.gz", "", 1.0),
    "1.07M": Source(f"{PHANTOM}/image/phantom.nii.gz", f"{PHANTOM}/mask/mask.nii.gz", "", 0.694),
}


def make(name: str, data: Path, folder: Path) -> Path:
    """The file of a case, made where it is not there yet."""
    path = folder / f"{name}.npz"
    if not path.exists():
        source = SOURCES[name]
        case = read_case(data / source.image, data / source.mask)
        mask = next(mask for region, mask in case.regions.items() if source.region in region.casefold())
        np.savez(path, **_resampled(case, mask, source.spacing_mm), spacing_mm=source.spacing_mm)
    return path


def _resampled(case: Case, mask: np.ndarray, spacing_mm: float) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    settings = Settings.model_validate(
        {
            "interpolation": {
                "spacing_mm": [spacing_mm] * 3,
                "image": "cubic",
                "round_intensities": True,
            },
            "filters": [{"filter": "mean", "support": 2 * MARGIN + 9}],  # keeps the margin
        }
    )
    processed = process(case.image, mask, case.spacing_mm, settings)
    region = processed.region
    whole = np.zeros(processed.image.shape, dtype=bool)
    whole[region.box] = region.morphological[1:-1, 1:-1, 1:-1]
    cut = tuple(slice(max(side.start - MARGIN, 0), side.stop + MARGIN) for side in region.box)
    return {"image": processed.image[cut], "mask": whole[cut]}
