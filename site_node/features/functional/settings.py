"""Which map is made of a series of images, and the few numbers that no header tells."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, Field

from .suv import Kind

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
AdcUnit = Literal["um2/s", "mm2/s"]  # UCUM
UM2_IN: dict[AdcUnit, float] = {"um2/s": 1.0, "mm2/s": 1e6}
Kinetic = Literal["ktrans", "ve", "vp"]
SUV_KINDS: dict[str, Kind] = {"suv_lbm": "lean body mass", "suv_bsa": "body surface area"}


class _Map(BaseModel, frozen=True, extra="forbid"):
    pass


class Adc(_Map):
    """The apparent diffusion coefficient in um2/s, of diffusion images or of a stored ADC map.

    Images below `least_b_s_mm2` are left out, where perfusion counts; `stored_unit` is that of a stored map
    whose header does not say it.
    """

    map: Literal["adc"] = "adc"
    least_b_s_mm2: Annotated[float, Field(ge=0)] = 0.0
    stored_unit: AdcUnit | None = None


class R2Star(_Map):
    """R2* in 1/s, of gradient echoes."""

    map: Literal["r2_star"] = "r2_star"


class T1(_Map):
    """T1 in ms, of spoiled gradient echoes with several flip angles."""

    map: Literal["t1"] = "t1"


class _Bolus(_Map):
    """`skip_images` at the start are not at steady state yet; of the rest `baseline_images` come before the
    contrast agent, None for those before the signal changes."""

    skip_images: Annotated[int, Field(ge=0)] = 0
    baseline_images: Annotated[int, Field(ge=1)] | None = None


class Kinetics(_Bolus):
    """Ktrans in 1/min, ve or vp: the extended Tofts model with Parker's arterial input.

    `t1_ms` is the tissue's T1 before contrast where no images with several flip angles come along;
    `relaxivity_per_s_mm` is the agent's, in 1/(s mM).
    """

    map: Kinetic
    t1_ms: Positive | None = None
    relaxivity_per_s_mm: Positive = 4.5
    hematocrit: Annotated[float, Field(ge=0, lt=1)] = 0.42


class BloodVolume(_Bolus):
    """The cerebral blood volume corrected for leakage, relative to the brain that does not leak."""

    map: Literal["rcbv"] = "rcbv"


class OtherSuv(_Map):
    """SUV by lean body mass (g/mL) or by body surface (cm2/mL)."""

    map: Literal["suv_lbm", "suv_bsa"]


def _from_word(value: Any) -> Any:
    return {"map": value} if isinstance(value, str) else value


SeriesMap = Adc | R2Star | T1 | Kinetics | BloodVolume  # of magnetic resonance
FunctionalMap = Annotated[
    Annotated[SeriesMap | OtherSuv, Field(discriminator="map")], BeforeValidator(_from_word)
]


def modality_of(chosen: SeriesMap | OtherSuv) -> str:
    """The modality, as DICOM names it, of the images that a map is made of."""
    return "PT" if isinstance(chosen, OtherSuv) else "MR"


MAPS = ("adc", "r2_star", "t1", *get_args(Kinetic), "rcbv", *SUV_KINDS)
UNITS = {  # UCUM
    "adc": "um2/s", "r2_star": "s-1", "t1": "ms", "ktrans": "min-1", "ve": "1", "vp": "1", "rcbv": "1",
    "suv_lbm": "g/mL", "suv_bsa": "cm2/mL",
}  # fmt: skip
