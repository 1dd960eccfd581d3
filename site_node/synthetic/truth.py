"""What was planted: the numbers that an analysis of the synthetic hospitals should find again.

`ground_truth.json` is `GroundTruth` as JSON. It lies beside the hospitals, never inside one.
"""

import json
from dataclasses import asdict, dataclass
from math import exp
from pathlib import Path
from statistics import NormalDist

FILE = "ground_truth.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Feature:
    """A radiomic feature by its IBSI code and name."""

    code: str
    name: str


@dataclass(frozen=True)
class TrueLink:
    """A gene that changes the tumour: inside every scanner, mutated lesions have a rougher texture."""

    gene: str
    features: tuple[Feature, ...]  # the clearest first
    log_texture_shift: float  # of the logarithm of the standard deviation of HU inside the contour
    log_texture_sd: float

    @property
    def auc(self) -> float:
        """The area under the ROC curve of two normals so far apart: within one scanner, without its noise."""
        return NormalDist().cdf(self.log_texture_shift / self.log_texture_sd / 2**0.5)


@dataclass(frozen=True)
class SpuriousLink:
    """A gene that changes nothing: frequent where the scanner reads high, rare where it reads low."""

    gene: str
    features: tuple[Feature, ...]
    batch: str
    within_scanner_auc: float  # aimed at, see patients.allocate


@dataclass(frozen=True)
class PlantedVariant:
    """An inherited variant that changes the tumour's texture; which one it is, the array says (genotypes.py).

    Attributes:
        correlation: of the texture beyond that of the IDH1 status with the normal number that copies are
            cut from.
    """

    correlation: float


@dataclass(frozen=True)
class PlantedResponse:
    """A gene whose carriers respond to treatment more often, by the logarithm of an odds ratio."""

    gene: str
    log_odds: float
    log_odds_otherwise: float


@dataclass(frozen=True)
class Hazard:
    """One covariate of the exponential survival model: the logarithm of its hazard ratio for `per` units."""

    variable: str
    log_hazard: float
    per: float
    centre: float

    @property
    def hazard_ratio(self) -> float:
        """The hazard ratio for a difference of `per` units."""
        return exp(self.log_hazard)

    def contribution(self, value: float) -> float:
        """The value's part of the linear predictor."""
        return self.log_hazard * (value - self.centre) / self.per


@dataclass(frozen=True)
class GroundTruth:
    """The whole planted model."""

    true_link: TrueLink
    spurious_link: SpuriousLink
    hazards: tuple[Hazard, ...]
    planted_variant: PlantedVariant
    response: PlantedResponse


PLANTED = GroundTruth(
    TrueLink(
        gene="IDH1",
        features=(
            Feature("4FUA", "Mean absolute deviation"),
            Feature("ECT3", "Variance"),
            Feature("TLU2", "Intensity histogram entropy"),
            Feature("TU9B", "Joint entropy"),
        ),
        log_texture_shift=0.36,
        log_texture_sd=0.18,
    ),
    SpuriousLink(
        gene="TP53",
        features=(Feature("Q4LE", "Mean"), Feature("Y12H", "Median")),
        batch="scanner",
        within_scanner_auc=0.558,
    ),
    hazards=(
        Hazard("age", log_hazard=0.30, per=10, centre=50),
        Hazard("IDH1", log_hazard=-0.90, per=1, centre=0),
        Hazard("kps", log_hazard=-0.22, per=10, centre=80),
    ),
    planted_variant=PlantedVariant(correlation=0.55),
    response=PlantedResponse(gene="IDH1", log_odds=1.8, log_odds_otherwise=-1.1),
)


def as_dict(truth: GroundTruth = PLANTED) -> dict[str, object]:
    """The planted model as plain data, with the quantities a report prints beside its estimates."""
    plain = asdict(truth)
    plain["true_link"]["auc"] = truth.true_link.auc
    for hazard, row in zip(truth.hazards, plain["hazards"], strict=True):
        row["hazard_ratio"] = hazard.hazard_ratio
    return {"schema_version": SCHEMA_VERSION, **plain}


def write(
    folder: Path,
    seed: int,
    hospitals: dict[str, dict[str, object]],
    variants: dict[str, str] | None = None,
) -> Path:
    """The path of `ground_truth.json`, written into the folder that holds the hospitals.

    Args:
        variants: what is planted in their genotypes, if they have any.
    """
    path = folder / FILE
    genotypes = {} if variants is None else {"genotypes": variants}
    told = {"seed": seed, **as_dict(), **genotypes, "hospitals": hospitals}
    path.write_text(json.dumps(told, indent=2) + "\n")
    return path
