"""What a person can measure on files alone, without a site: IBSI features, and how well they repeat."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from site_node.images.files import Asked, features_of_files
from site_node.images.stability import stability_of_files


@dataclass(frozen=True)
class RefusedRegion:
    """A region that could not be measured, and why."""

    region: str
    code: str
    reason: str


@dataclass(frozen=True)
class RegionFeatures:
    """The features of each region, a row each.

    Attributes:
        settings: the digest of the settings.
        refused: the regions that could not be measured.
        partial: whether there are any of those.
    """

    engine: str
    version: str
    settings: str
    features: tuple[Mapping[str, object], ...]
    refused: tuple[RefusedRegion, ...] = ()
    partial: bool = False
    schema_version: int = 1


@dataclass(frozen=True)
class FeatureStability:
    """How well each feature repeats over `regions`, the least stable first; the rest as above.

    Attributes:
        dropped: the perturbations that left no value of any feature in any region, as of a mask they empty.
    """

    engine: str
    version: str
    settings: str
    perturbations: Mapping[str, object]
    regions: int
    features: tuple[Mapping[str, object], ...]
    dropped: tuple[str, ...] = ()
    refused: tuple[RefusedRegion, ...] = ()
    partial: bool = False
    schema_version: int = 1


def measure(asked: Asked, *, csv: Path | None = None, picture: Path | None = None) -> RegionFeatures:
    """The features of every region that was asked for.

    Args:
        csv: where to write them too.
        picture: a PNG of image and regions, to check.

    Raises:
        InputError: a file cannot be read, grids differ, no region fits, or the settings are wrong.
    """
    found = features_of_files(asked, csv, picture)
    return RegionFeatures(**_frozen(found))


def stability(asked: Asked, *, csv: Path | None = None) -> FeatureStability:
    """The intraclass correlation of each feature under noise, shifts, turns and redrawn contours.

    Args:
        csv: where to write it too.

    Raises:
        InputError: as `measure`.
    """
    found = stability_of_files(asked, csv)
    return FeatureStability(**_frozen(found))


def _frozen(found: dict[str, Any]) -> dict[str, Any]:
    """The fields of a view: rows of features as they come, whose columns depend on the family."""
    refused = tuple(RefusedRegion(**row) for row in found.get("refused", ()))
    lists: dict[str, Any] = {name: tuple(found[name]) for name in ("features", "dropped") if name in found}
    return {**found, **lists, "refused": refused}
