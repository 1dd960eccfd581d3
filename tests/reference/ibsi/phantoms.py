"""The IBSI phantoms and reference tables, read from the shared inputs; the CT phantom is never copied."""

import csv
from functools import cache
from typing import NamedTuple

import nibabel
import numpy as np
from numpy.typing import NDArray

from site_node.features.radiomics import Settings
from tests.lib.shared import shared


class Phantom(NamedTuple):
    image: NDArray[np.float64]  # (z, y, x)
    mask: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]


def volume(path: str) -> tuple[NDArray[np.float64], tuple[float, float, float]]:
    """A NIfTI volume as (z, y, x) with its spacing."""
    loaded = nibabel.load(shared(path))
    x, y, z = (float(mm) for mm in loaded.header.get_zooms()[:3])
    return np.ascontiguousarray(loaded.get_fdata().transpose(2, 1, 0)), (z, y, x)


@cache
def phantom(folder: str) -> Phantom:
    """An IBSI-1 phantom with its region."""
    image, spacing_mm = volume(f"data/ibsi/{folder}/nifti/image/phantom.nii.gz")
    mask, _ = volume(f"data/ibsi/{folder}/nifti/mask/mask.nii.gz")
    return Phantom(image, mask > 0, spacing_mm)


@cache
def table(name: str) -> list[dict[str, str]]:
    """The rows of one reference table that carry a value."""
    with shared(f"data/ibsi/{name}").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["reference_value"] != ""]


SLICES = ("2D_avg", "2D_comb", "2.5D_avg", "2.5D_comb")
VOLUME = ("3D_avg", "3D_comb")
FBS_25 = {"method": "FBS", "width": 25}
FBN_32 = {"method": "FBN", "bins": 32}
DEFINITE = {"method": "none"}

# IBSI-1 reference manual, table 5.1: the image processing configurations.
CONFIGURATIONS = {
    "digital": Settings.model_validate(
        {"discretisation": DEFINITE, "ivh": DEFINITE, "texture": {"aggregations": SLICES + VOLUME}}
    ),
    "A": Settings.model_validate(
        {
            "interpolation": {"round_intensities": True},
            "resegmentation": {"range": (-500, 400)},
            "discretisation": FBS_25,
            "ivh": DEFINITE,
            "texture": {"aggregations": SLICES},
        }
    ),
    "B": Settings.model_validate(
        {
            "interpolation": {"spacing_mm": (None, 2, 2), "round_intensities": True},
            "resegmentation": {"range": (-500, 400)},
            "discretisation": FBN_32,
            "ivh": DEFINITE,
            "texture": {"aggregations": SLICES},
        }
    ),
    "C": Settings.model_validate(
        {
            "interpolation": {"spacing_mm": (2, 2, 2), "round_intensities": True},
            "resegmentation": {"range": (-1000, 400)},
            "discretisation": FBS_25,
            "ivh": {"method": "FBS", "width": 2.5},
            "texture": {"aggregations": VOLUME},
        }
    ),
    "D": Settings.model_validate(
        {
            "interpolation": {"spacing_mm": (2, 2, 2), "round_intensities": True},
            "resegmentation": {"outlier_sigma": 3},
            "discretisation": FBN_32,
            "ivh": DEFINITE,
            "texture": {"aggregations": VOLUME},
        }
    ),
    "E": Settings.model_validate(
        {
            "interpolation": {"spacing_mm": (2, 2, 2), "image": "cubic", "round_intensities": True},
            "resegmentation": {"range": (-1000, 400), "outlier_sigma": 3},
            "discretisation": FBN_32,
            "ivh": {"method": "FBN", "bins": 1000},
            "texture": {"aggregations": VOLUME},
        }
    ),
}


def three_digits(value: float) -> float:
    """The value as IBSI prints its references: rounded to three significant digits."""
    return float(f"{value:.2e}")


def misses(found: dict[str, float | None], rows: list[dict[str, str]]) -> list[str]:
    """The rows whose value is absent or out of IBSI's tolerance, as lines to read."""
    missed = []
    for row in rows:
        tag = "_".join(filter(None, (row["tag"], row.get("aggregation", ""))))
        value = found.get(tag)
        reference, tolerance = float(row["reference_value"]), float(row["tolerance"])
        # 1e-9: the decimal difference of two rounded numbers
        if value is None or abs(three_digits(value) - reference) > tolerance + 1e-9 * abs(reference):
            missed.append(f"{tag}: {value}, reference {reference} ± {tolerance}")
    return missed
