"""Several regions of one image in one pass have the features that each has alone."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from site_node.features.arrays import Mask
from site_node.features.radiomics import Reason, Settings, extract, extract_regions
from site_node.features.radiomics.filters.mean import Mean
from site_node.features.radiomics.neighbours import neighbours

MM = (2.0, 1.0, 1.0)
SHAPE = (20, 60, 60)


def image(seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, 100, SHAPE).round()


def block(z: int, y: int, x: int, size: int = 8) -> Mask:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[z : z + size // 2, y : y + size, x : x + size] = True
    return mask


def regions() -> dict[str, Mask]:
    return {
        "one": block(4, 10, 10),
        "overlaps one": block(5, 14, 13, 10),
        "in one": block(5, 12, 12, 4),
        "far": block(14, 48, 48),
        "one voxel": block(9, 30, 30, 2) & (np.cumsum(block(9, 30, 30, 2)).reshape(SHAPE) == 1),
        "empty": np.zeros(SHAPE, dtype=bool),
        "other grid": np.ones((3, 3, 3), dtype=bool),
    }


SINGLE = 1e-5
"""Of a feature of a filter's response. Responses are in single precision: where a box begins decides which
voxels a processor takes together, and so in which order it adds. AVX-512 gives the same bits for all boxes
here; with no more than SSE4.2 features are up to 2.4e-6 apart.
"""

PLAIN = Settings()
RESAMPLED = Settings.model_validate(
    {
        "interpolation": {"spacing_mm": [1, 1.5, 1.5], "image": "cubic", "round_intensities": True},
        "resegmentation": {"outlier_sigma": 2},
        "filters": [{"filter": "LoG", "sigma_mm": 1}, {"filter": "wavelet", "band": "HLL"}],
    }
)
LOST = Settings.model_validate({"interpolation": {"spacing_mm": [8, 8, 8]}, "filters": [{"filter": "mean"}]})
WHOLE = Settings.model_validate(
    {
        "families": ["intensity"],
        "filters": [{"filter": "Simoncelli", "level": 1}],
    }  # looks at all of the image
)


def assert_as_alone(whole: NDArray[np.float64], settings: Settings) -> None:
    together = extract_regions(whole, regions(), MM, settings)
    assert list(together) == list(regions())
    for name, mask in regions().items():
        alone = extract(whole, mask, MM, settings)
        assert [replace(f, value=None) for f in together[name]] == [replace(f, value=None) for f in alone]
        found, expected = (
            np.array([f.value for f in each], dtype=np.float64) for each in (together[name], alone)
        )
        for of_filter, close in {False: 1e-9, True: SINGLE}.items():
            kept = np.array([(f.image != "original") == of_filter for f in alone])
            np.testing.assert_allclose(found[kept], expected[kept], rtol=close, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("settings", [PLAIN, RESAMPLED, LOST, WHOLE])
def test_regions_have_the_features_that_each_has_alone(settings: Settings) -> None:
    assert_as_alone(image(), settings)


def test_so_they_have_where_voxels_have_no_number() -> None:
    broken = image()
    broken[6, 15, 15] = np.nan  # in two regions: each fills it with its own mean before interpolation
    assert_as_alone(broken, RESAMPLED)
    assert {f.reason for f in extract_regions(broken, regions(), MM, PLAIN)["empty"]} == {Reason.EMPTY_REGION}


def test_neighbours_share_a_filters_response(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    response = Mean.response

    def counted(self: Mean, *words: object) -> object:
        calls.append(self.name)
        return response(self, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(Mean, "response", counted)
    settings = Settings.model_validate({"families": ["intensity"], "filters": [{"filter": "mean"}]})
    extract_regions(image(), regions(), MM, settings)
    assert len(calls) == 3  # three that overlap, one voxel, one far away


def test_regions_are_grouped_where_that_is_no_more_work() -> None:
    def cube(at: int, size: int = 10) -> tuple[slice, slice, slice]:
        return (slice(at, at + size),) * 3

    groups = neighbours({"a": cube(0), "z": cube(90), "b": cube(1), "c": cube(2), "y": cube(90, 9)})
    assert [set(group.names) for group in groups] == [{"a", "b", "c"}, {"z", "y"}]
    assert groups[0].box == cube(0, 12)
    assert neighbours({}) == []
