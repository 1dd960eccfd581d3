"""The axes of RECIST 1.1 as features, and iRECIST over visits."""

import numpy as np
import pytest

from site_node.features.radiomics import Settings, extract, extract_regions
from site_node.features.radiomics.feature import Reason
from site_node.features.response.irecist import immune
from site_node.features.response.recist import Lesion, Visit, assess

MM = (3.0, 2.0, 1.5)
AXES = Settings(families=(), lesion_axes=True)


def box(*sides: slice) -> np.ndarray:
    mask = np.zeros((6, 12, 12), dtype=bool)
    mask[sides] = True
    return mask


def values(mask: np.ndarray, settings: Settings = AXES) -> dict[str, float | None]:
    return {one.tag: one.value for one in extract(np.zeros(mask.shape), mask, MM, settings)}


def test_a_box_has_its_diagonal_and_the_extent_across_it() -> None:
    found = values(box(slice(1, 3), slice(2, 7), slice(3, 8)))
    # sides of 8 and 6 mm: across the diagonal of 10 mm lies twice the height of the triangle, 2 * 4.8 mm
    assert found == pytest.approx(
        {"lesion_long_axis": 10.0, "lesion_short_axis": 9.6, "lesion_parts": 1, "lesion_slice_distance": 3.0}
    )


def test_parts_that_do_not_touch_add_up() -> None:
    parts = box(slice(0, 1), slice(0, 1), slice(0, 5)) | box(slice(4, 5), slice(6, 9), slice(6, 7))
    found = values(parts)
    assert (found["lesion_long_axis"], found["lesion_parts"]) == (6.0 + 4.0, 2)


def test_an_empty_region_has_no_axis_and_says_why() -> None:
    features = extract(np.zeros((6, 12, 12)), box(slice(0, 0)), MM, AXES)
    assert [one.reason for one in features] == [Reason.EMPTY_REGION] * 3 + [None]


def test_axes_are_of_the_mask_as_drawn_whatever_is_resampled() -> None:
    masks = {"a": box(slice(1, 3), slice(2, 7), slice(3, 8)), "b": box(slice(2, 3), slice(0, 1), slice(0, 1))}
    image = np.random.default_rng(1).normal(size=(6, 12, 12))
    fine = Settings.model_validate(
        {"families": ["intensity"], "lesion_axes": True, "interpolation": {"spacing_mm": [1, 1, 1]}}
    )
    found = extract_regions(image, masks, MM, fine)
    long = {name: [one.value for one in of if one.tag == "lesion_long_axis"] for name, of in found.items()}
    assert long == {"a": [10.0], "b": [0.0]}


def test_settings_without_axes_keep_their_digest() -> None:
    assert "lesion_axes" not in Settings().dump()
    assert Settings(lesion_axes=True).digest() != Settings().digest()


def course(*visits: tuple[float, dict[str, float]], lesion: str = "a") -> list[str]:
    """iRECIST's word for visits of one target of 50 mm, each with its diameter and new lesions."""
    seen = [Visit(56 * (at + 1), {lesion: mm}, new) for at, (mm, new) in enumerate(visits)]
    return list(immune(seen, assess([Lesion(lesion)], Visit(0, {lesion: 50.0}, {}), seen)))


@pytest.mark.parametrize(
    ("visits", "expected"),
    [
        ([(65.0, {}), (71.0, {})], ["iUPD", "iCPD"]),
        ([(65.0, {}), (66.0, {}), (72.0, {})], ["iUPD", "iUPD", "iCPD"]),
        ([(65.0, {}), (33.0, {})], ["iUPD", "iPR"]),
        ([(65.0, {}), (52.0, {}), (65.0, {}), (70.0, {})], ["iUPD", "iSD", "iUPD", "iCPD"]),
        ([(50.0, {"n": 8.0}), (50.0, {"n": 9.0}), (50.0, {"n": 14.0})], ["iUPD", "iUPD", "iCPD"]),
        ([(50.0, {"n": 8.0}), (50.0, {"n": 8.0, "m": 6.0})], ["iUPD", "iCPD"]),
        ([(65.0, {}), (60.0, {"n": 8.0})], ["iUPD", "iCPD"]),
        ([(40.0, {}), (30.0, {})], ["iSD", "iPR"]),
        ([(65.0, {}), (71.0, {}), (20.0, {})], ["iUPD", "iCPD", "iCPD"]),
    ],
    ids=[
        *("5 mm more", "unchanged, then 5 mm more", "pseudoprogression", "the bar is reset"),
        *("a new lesion grows", "one more new lesion", "another kind", "none", "it stays"),
    ],
)
def test_a_progression_counts_once_it_is_confirmed(
    visits: list[tuple[float, dict[str, float]]], expected: list[str]
) -> None:
    assert course(*visits) == expected
