"""The Basic Application Level Confidentiality Profile (PS3.15 table E.1-1), and what it is silent on.

`basic_profile.csv` holds one attribute per line, its action in the basic profile, and the option under which
we keep it: `dates` (moved by whole days per patient, so that intervals hold) and `characteristics` (sex, age,
size and weight, without which a PET has no SUV). A composite action such as X/Z/D leaves the choice to the
attribute's type in its object; the last letter is the one that is allowed by every type.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, cast

Action = Literal["X", "Z", "D", "U"]  # remove, empty, dummy, another UID
Option = Literal["", "dates", "characteristics"]

# Free text that the profile does not name is left out but for these, which say how an image was made.
KEPT_TEXT = {
    "Manufacturer", "ManufacturerModelName", "SoftwareVersions", "ConvolutionKernel", "RescaleType",
    "CodeValue", "CodingSchemeDesignator", "CodeMeaning", "SegmentLabel", "StackID",
}  # fmt: skip
# So are bytes: thumbnails, overlays, encapsulated documents.
KEPT_BYTES = {
    "PixelData", "FloatPixelData", "DoubleFloatPixelData", "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths", "LUTData",
}  # fmt: skip
TEXT_VRS = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
BYTE_VRS = {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}
REPEATING = (0x5000, 0x6000)  # curves and overlays: the groups 50xx and 60xx go as a whole

# Private attributes of PS3.15 table E.3.10-1 without which a PET has no SUV and diffusion no ADC: group,
# creator, element, and the VR of what may stay.
SAFE_PRIVATE = (
    (0x7053, "Philips PET Private Group", 0x00, "DS"),  # SUV a count
    (0x7053, "Philips PET Private Group", 0x09, "DS"),  # Bq/ml a count
    (0x0009, "GEMS_PETD_01", 0x0D, "DT"),  # when the scan began
    (0x0071, "SIEMENS MED PT", 0x22, "DT"),  # when the scan began
    (0x0043, "GEMS_PARM_01", 0x39, "IS"),  # b-value
    (0x0019, "SIEMENS MR HEADER", 0x0C, "IS"),  # b-value
    (0x2001, "Philips Imaging DD 001", 0x03, "FL"),  # b-value
)
METHODS = {  # PS3.16 CID 7050: what was done
    "113100": "Basic Application Confidentiality Profile",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113111": "Retain Safe Private Option",
}


@dataclass(frozen=True)
class Rule:
    """What the profile does to one attribute, and the option that keeps it."""

    action: Action
    option: Option


@cache
def basic_profile() -> Mapping[int, Rule]:
    """The rule of every attribute that the profile names, by tag."""
    with (files("site_node.sources.dicom") / "basic_profile.csv").open(encoding="utf-8") as file:
        return {
            int(row["tag"], 16): Rule(
                cast(Action, row["action"].rstrip("*")[-1]), cast(Option, row["option"])
            )
            for row in csv.DictReader(file)
        }
