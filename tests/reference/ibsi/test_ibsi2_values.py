"""The 323 intensity statistics of filtered images of IBSI-2 phase 2, on the CT phantom."""

import numpy as np
import pytest

from site_node.features.radiomics import Settings, extract
from site_node.features.radiomics.filters import (
    Filter,
    Gabor,
    LaplacianOfGaussian,
    Laws,
    Mean,
    Simoncelli,
    Wavelet,
)
from tests.reference.ibsi.phantoms import misses, phantom, table

# A: by slice as acquired; B: in 3D at 1 mm
STEP = np.pi / 8
FILTERS: dict[str, Filter | None] = {
    "1.A": None,
    "1.B": None,
    "2.A": Mean(support=5, dimension="2D"),
    "2.B": Mean(support=5),
    "3.A": LaplacianOfGaussian(sigma_mm=1.5, dimension="2D"),
    "3.B": LaplacianOfGaussian(sigma_mm=1.5),
    "4.A": Laws(kernels="L5E5"),
    "4.B": Laws(kernels="L5E5E5"),
    "5.A": Gabor(sigma_mm=5, wavelength_mm=2, gamma=1.5, theta_step=STEP),
    "5.B": Gabor(sigma_mm=5, wavelength_mm=2, gamma=1.5, theta_step=STEP, orthogonal_planes=True),
    "6.A": Wavelet(family="db3", band="LH", pooling="mean"),
    "6.B": Wavelet(family="db3", band="LLH", pooling="mean"),
    "7.A": Wavelet(family="db3", band="HH", level=2, pooling="mean"),
    "7.B": Wavelet(family="db3", band="HHH", level=2, pooling="mean"),
    "8.A": Simoncelli(level=1, dimension="2D"),
    "8.B": Simoncelli(level=1),
    "9.A": Simoncelli(level=2, dimension="2D"),
    "9.B": Simoncelli(level=2),
}
RESAMPLED = {"spacing_mm": (1, 1, 1), "image": "cubic", "round_intensities": True}


def settings(test: str) -> Settings:
    filter_ = FILTERS[test]
    return Settings.model_validate(
        {
            "interpolation": RESAMPLED if test.endswith("B") else {},
            "resegmentation": {"range": (-1000, 400)},
            "families": ("intensity",),
            "responses": {"families": ("intensity",)},
            "filters": () if filter_ is None else (filter_.model_dump(),),
        }
    )


@pytest.mark.slow
def test_statistics_of_filtered_images_are_met(capsys: pytest.CaptureFixture[str]) -> None:
    rows = table("ibsi2_phase2_reference.csv")
    missed = []
    for test, filter_ in FILTERS.items():
        wanted = "original" if filter_ is None else filter_.name
        found = extract(*phantom("ibsi_1_ct_radiomics_phantom"), settings(test))
        values = {feature.tag: feature.value for feature in found if feature.image == wanted}
        of_test = [row for row in rows if row["filter_id"] == test]
        missed += [f"{test} {line}" for line in misses(values, of_test)]
    with capsys.disabled():
        print(f"\nIBSI-2 phase 2: {len(rows) - len(missed)} of {len(rows)} values", end=" ")
    assert not missed, "\n".join(missed)
    assert len(rows) == 323
