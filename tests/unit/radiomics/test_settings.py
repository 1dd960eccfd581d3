"""Settings are one file, one value, one hash."""

from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError
from site_node.features.radiomics import Settings

EXAMPLE = """
interpolation: {spacing_mm: [1, 1, 1], image: cubic, round_intensities: true}
resegmentation: {range: [-1000, 400]}
discretisation: {method: FBS, width: 25}
texture: {aggregations: [3D_avg, 3D_comb]}
filters:
  - {filter: LoG, sigma_mm: 2}
  - {filter: wavelet, family: coif1, band: HLL}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_settings_survive_their_file(tmp_path: Path) -> None:
    loaded = Settings.load(write(tmp_path, EXAMPLE))
    again = Settings.load(write(tmp_path, loaded.dump()))
    assert again == loaded
    assert again.digest() == loaded.digest()


def test_the_digest_is_of_what_is_computed_not_of_the_file(tmp_path: Path) -> None:
    short = Settings.load(write(tmp_path, "discretisation: {method: FBN}"))
    explicit = Settings.load(write(tmp_path, "discretisation: {bins: 32, method: FBN}"))
    assert short.digest() == explicit.digest() == Settings().digest()
    other = Settings.load(write(tmp_path, "discretisation: {bins: 64, method: FBN}"))
    assert other.digest() != short.digest()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("bins: 3", "bins"),
        ("discretisation: {method: FBN, bins: 1}", "discretisation.FBN.bins"),
        ("discretisation: {method: FBS, width: -2}", "discretisation.FBS.width"),
        ("resegmentation: {range: [5, 1]}", "range"),
        ("filters: [{filter: Laws, kernels: Q7}]", "filters"),
        ("filters: [{filter: mean, support: 4}]", "filters"),
        ("filters: [{filter: mean}, {filter: mean}]", "same name"),
        ("- a list", "settings"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(InputError, match=field) as error:
        Settings.load(write(tmp_path, text))
    assert error.value.code is Code.INVALID_INPUT


def test_a_missing_or_broken_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no settings file"):
        Settings.load(tmp_path / "absent.yaml")
    with pytest.raises(InputError, match="not YAML"):
        Settings.load(write(tmp_path, "a: [1"))
