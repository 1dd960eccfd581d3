"""What people read of features of files."""

from typing import Any

from protocols.core.errors import ExitCode
from protocols.runtime.output import Output
from site_node.actions.radiomics import FeatureStability, RegionFeatures


def features(found: RegionFeatures) -> Output[RegionFeatures]:
    """One row per feature, and the regions that could not be measured."""
    return Output(found, _rows, ExitCode.PARTIAL if found.partial else ExitCode.DONE)


def stability(found: FeatureStability) -> Output[FeatureStability]:
    """One row per feature, the least stable first."""
    return Output(found, _rows, ExitCode.PARTIAL if found.partial else ExitCode.DONE)


def _rows(found: RegionFeatures | FeatureStability) -> dict[str, Any]:
    said = {name: value for name, value in vars(found).items() if name != "schema_version"}
    said["features"] = [dict(row) for row in found.features]
    said["refused"] = [vars(one) for one in found.refused]
    return said if found.partial else {k: v for k, v in said.items() if k not in ("refused", "partial")}
