"""Every value of the IBSI-1 reference (Zwanenburg et al., Radiology 2020): 1,804 over six configurations."""

import pytest

from site_node.features.radiomics import extract
from tests.reference.ibsi.phantoms import CONFIGURATIONS, misses, phantom, table

EXPECTED = {"digital": 482, "A": 346, "B": 346, "C": 210, "D": 210, "E": 210}  # 1,804 in all


@pytest.mark.parametrize("configuration", EXPECTED)
def test_every_reference_value_is_met(configuration: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        row
        for row in table("ibsi1_reference.csv")
        if row["configuration"] == configuration and row["is_diagnostic"] == "0"
    ]
    folder = "ibsi_1_digital_phantom" if configuration == "digital" else "ibsi_1_ct_radiomics_phantom"
    found = extract(*phantom(folder), CONFIGURATIONS[configuration])
    missed = misses({feature.tag: feature.value for feature in found}, rows)
    with capsys.disabled():
        print(f"\nIBSI-1 {configuration}: {len(rows) - len(missed)} of {len(rows)} values", end=" ")
    assert not missed, "\n".join(missed)
    assert len(rows) == EXPECTED[configuration]


@pytest.mark.parametrize("configuration", EXPECTED)
def test_codes_are_those_of_the_standard(configuration: str) -> None:
    codes = {
        row["tag"]: row["ibsi_code"] for row in table("ibsi1_reference.csv") if row["is_diagnostic"] == "0"
    }
    folder = "ibsi_1_digital_phantom"
    for feature in extract(*phantom(folder), CONFIGURATIONS[configuration]):
        tag = feature.tag.removesuffix(f"_{feature.aggregation}") if feature.aggregation else feature.tag
        assert feature.code == codes[tag]
