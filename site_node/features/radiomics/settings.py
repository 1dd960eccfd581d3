"""How features are computed, in the IBSI manual's terms: one frozen value, one YAML file, one hash."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer, model_validator

from protocols.core.errors import Code, InputError, not_found

from ..functional.settings import FunctionalMap
from .filters import Filter
from .model import Model, Positive, Spacing

Aggregation = Literal["2D_avg", "2D_comb", "2.5D_avg", "2.5D_comb", "3D_avg", "3D_comb"]
FamilyName = Literal[
    "morphology", "autocorrelation", "local_intensity", "intensity", "histogram", "ivh",
    "glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm",
]  # fmt: skip
FAMILIES: tuple[FamilyName, ...] = get_args(FamilyName)
# shape and peaks belong to the image itself
ResponseFamily = Literal["intensity", "histogram", "ivh", "glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm"]
RESPONSE_FAMILIES: tuple[ResponseFamily, ...] = get_args(ResponseFamily)


LOCAL_REACH_MM = (
    7.0  # the sphere of the local intensity peaks, the farthest that a feature looks, and a little
)


class Interpolation(Model):
    """Resampling of image and mask (IBSI 2.4); without `spacing_mm` the voxels stay as they are.

    `spacing_mm` is (z, y, x); None for an axis keeps its spacing, as slice-by-slice analysis does with z.
    """

    spacing_mm: tuple[Positive | None, Positive | None, Positive | None] | None = None
    image: Literal["nearest", "linear", "cubic"] = "linear"
    mask: Literal["nearest", "linear"] = "linear"
    mask_threshold: Annotated[float, Field(gt=0, le=1)] = 0.5
    round_intensities: bool = False


class Resegmentation(Model):
    """Which voxels of the region count for intensities (IBSI 2.5): a closed range, no outliers."""

    range: tuple[float | None, float | None] | None = None
    outlier_sigma: Positive | None = None


class FixedBinNumber(Model):
    """Discretisation into `bins` grey levels over the region's own range (FBN, IBSI K15C)."""

    method: Literal["FBN"] = "FBN"
    bins: Annotated[int, Field(ge=2, le=65535)] = 32


class FixedBinSize(Model):
    """Discretisation into bins of one width (FBS, IBSI Q3RU).

    The first bin starts at `start`, else at the re-segmentation range's lower end, else at the minimum.
    """

    method: Literal["FBS"] = "FBS"
    width: Positive = 25.0
    start: float | None = None


class NoBins(Model):
    """Intensities that are grey levels already: integers from 1 up (the IBSI digital phantom)."""

    method: Literal["none"] = "none"


Discretisation = Annotated[FixedBinNumber | FixedBinSize | NoBins, Field(discriminator="method")]


class Texture(Model):
    """How texture matrices are made and aggregated (IBSI 3.6 to 3.11)."""

    aggregations: tuple[Aggregation, ...] = ("3D_avg",)
    ngldm_coarseness: Annotated[int, Field(ge=0)] = 0
    max_levels: Annotated[int, Field(ge=2, le=2048)] = 1024


class Responses(Model):
    """What is computed of filtered images; their intensities have no unit, so they are binned by number."""

    families: tuple[ResponseFamily, ...] = RESPONSE_FAMILIES
    discretisation: FixedBinNumber = FixedBinNumber()
    ivh: FixedBinNumber = FixedBinNumber(bins=1000)


class Settings(Model):
    """Everything that changes a feature's value. Order of processing: interpolation, rounding, filter,
    re-segmentation, outliers, standardisation, discretisation (IBSI figure 2.1, IBSI-2 figure 1).

    lesion_axes: also the longest diameter and the short axis of RECIST 1.1, of the mask as drawn.
    """

    schema_version: Literal[1] = 1
    map: FunctionalMap | None = None
    intensity_unit: str = "1"
    interpolation: Interpolation = Interpolation()
    resegmentation: Resegmentation = Resegmentation()
    standardise: bool = False
    discretisation: Discretisation = FixedBinNumber()
    ivh: Discretisation = FixedBinNumber(bins=1000)
    texture: Texture = Texture()
    families: tuple[FamilyName, ...] = FAMILIES
    filters: tuple[Filter, ...] = ()
    responses: Responses = Responses()
    lesion_axes: bool = False

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `lesion_axes` where it is off: settings from before it keep their digest."""
        content: dict[str, Any] = dump(self)
        return {name: one for name, one in content.items() if one or name != "lesion_axes"}

    @model_validator(mode="after")
    def check(self) -> Self:
        low, high = self.resegmentation.range or (None, None)
        if low is not None and high is not None and low > high:
            raise ValueError("resegmentation.range: the lower end exceeds the upper end")
        names = [filter_.name for filter_ in self.filters]
        if len(set(names)) < len(names):
            raise ValueError("filters: two of them have the same name")
        return self

    def name_of(self, image: str, original: str = "original") -> str:
        """The name in results of an image that the engine calls `image`: a map and what is filtered of it."""
        if self.map is None:
            return original if image == "original" else image
        return self.map.map if image == "original" else f"{self.map.map}_{image}"

    def in_unit(self, unit: str) -> "Settings":
        """The settings for intensities in this UCUM unit; a quotient is written to be squared: (g/mL)2."""
        written = f"({unit})" if "/" in unit and not unit.startswith("(") else unit
        return self.model_copy(update={"intensity_unit": written})

    def margin_mm(self, spacing_mm: Spacing) -> float | None:
        """How far around the region a value depends on the image; None for all of it."""
        reach = LOCAL_REACH_MM
        for filter_ in self.filters:
            filter_reach = filter_.reach_mm(spacing_mm)
            if filter_reach is None:
                return None
            reach = max(reach, filter_reach)
        return reach

    def of_responses(self) -> "Settings":
        """The settings under which a filtered image of the same region is measured."""
        changed = {name: getattr(self.responses, name) for name in ("families", "discretisation", "ivh")}
        return self.model_copy(update={**changed, "intensity_unit": "1", "resegmentation": Resegmentation()})

    @classmethod
    def load(cls, path: Path) -> "Settings":
        """The settings of a YAML file. Raises InputError naming the first wrong field."""
        try:
            return cls.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
        except FileNotFoundError:
            raise not_found(path, "settings file") from None
        except yaml.YAMLError:
            raise InputError(Code.INVALID_INPUT, f"{path.name} is not YAML") from None
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(map(str, first["loc"])) or "settings"
            raise InputError(Code.INVALID_INPUT, f"{path.name}: {field}: {first['msg']}") from None

    def dump(self) -> str:
        """The settings as YAML that `load` reads back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    def digest(self) -> str:
        """SHA-256 of the canonical JSON: equal settings have equal digests, whatever file they came from."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()
