"""`shadowgraph radiomics` on the cases: what is measured, and what is told of a region that is not."""

import pytest

from tests.lib.cases import Command, case


def of(result: dict, region: str, tag: str) -> float:
    return next(row["value"] for row in result["features"] if (row["region"], row["tag"]) == (region, tag))


@pytest.mark.parametrize(
    ("name", "image", "volumes"),
    [
        ("70_rtstruct_contours_half_way_between_slices", "ct", {"GTV": 1720}),
        ("71_region_named_like_the_second_of_another", "ct", {"GTV (2)": 856, "GTV": 2552}),
        ("77_pet_gap_where_two_beds_meet", "pt", {"L": 6237}),
        ("78_mr_positions_printed_to_a_tenth_of_a_mm", "mr", {"L": 26668}),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) > 2 else "",
)
def test_the_volume_is_that_of_the_drawing(
    name: str, image: str, volumes: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    """`morph_vol_approx` of the drawn corners by a second reader, as README.md of each case has it."""
    code, result = Command(capsys)("radiomics", case(name) / image, case(name) / "rs.dcm")
    assert code == 0
    for region, volume in volumes.items():
        assert of(result, region, "morph_vol_approx") == pytest.approx(volume, rel=5e-3)


@pytest.mark.parametrize(
    ("name", "mean"),
    [
        ("74_pet_suv_by_lean_body_mass", 2.4740),
        ("75_legacy_converted_pet_with_real_world_values", 0.3481),
        ("77_pet_gap_where_two_beds_meet", 0.3481),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_mean_uptake_is_that_of_a_second_reader(
    name: str, mean: float, capsys: pytest.CaptureFixture[str]
) -> None:
    _, result = Command(capsys)("radiomics", case(name) / "pt", case(name) / "rs.dcm")
    assert of(result, "L", "stat_mean") == pytest.approx(mean, rel=2e-4)


@pytest.mark.parametrize(
    ("name", "refused", "measured"),
    [
        ("72_rtstruct_roi_in_another_frame_of_reference", "GTV_mr", "GTV_ct"),
        ("82_one_region_outside_refuses_the_others", "BODY", "GTV"),
    ],
    ids=lambda value: value if len(value) > 6 else "",
)
def test_a_region_that_cannot_be_measured_is_named_and_the_others_are_measured(
    name: str, refused: str, measured: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "radiomics", case(name) / "ct", case(name) / "rs.dcm"
    code, result = Command(capsys)(*words)
    assert (code, [row["region"] for row in result["refused"]]) == (6, [refused])
    assert {row["region"] for row in result["features"]} == {measured}
    code, alone = Command(capsys)(*words, "--region", measured)
    assert (code, alone["refused"]) == (0, [])
    assert of(alone, measured, "morph_vol_approx") == pytest.approx(856, rel=5e-3)
    code, none = Command(capsys)(*words, "--region", refused)
    assert code == 4
    assert refused in none["text"]
