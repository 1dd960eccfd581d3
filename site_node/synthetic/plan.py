"""What makes one synthetic hospital differ from the next: its scanners, its case mix and its habits."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scanner:
    """A CT scanner and what it does to soft tissue: HU = 35 + gain * (tissue - 35) + offset + noise."""

    manufacturer: str
    model: str
    station: str
    kernel: str
    offset_hu: float
    gain: float
    noise_hu: float
    blur_mm: float  # of the noise, from the reconstruction kernel


@dataclass(frozen=True)
class HospitalPlan:
    """The case mix and the habits of one hospital."""

    name: str
    scanners: tuple[Scanner, ...]
    patients: int = 72
    mean_age: float = 48.0
    idh1_prevalence: float = 0.6
    tp53_prevalence: float = 0.5
    median_survival_days: float = 900.0  # of the reference patient: 50 years, KPS 80, IDH1 not mutated
    ancestry: float = 0.5  # share of the first of two populations in whom allele frequencies differ
    local_grade_codes: bool = False
    year_only_births: float = 0.05  # share of patients whose birth date was cut to the year

    def __post_init__(self) -> None:
        if self.patients < 1 or not self.scanners:
            raise ValueError("a hospital needs at least one patient and one scanner")


# (manufacturer, model, kernel, gain, noise_hu, blur_mm)
_FLEET = (
    ("SIEMENS", "SOMATOM Definition AS", "H31s", 1.15, 3.0, 1.6),
    ("GE MEDICAL SYSTEMS", "LightSpeed VCT", "SOFT", 1.00, 4.5, 1.2),
    ("Philips", "Brilliance 64", "UB", 0.87, 3.5, 2.0),
    ("TOSHIBA", "Aquilion ONE", "FC26", 0.93, 4.0, 1.4),
)
_NAMES = ("northgate", "eastmoor", "southbank", "westhaven")
_AGES = (50.0, 44.0, 51.0, 47.0)
_IDH1 = (0.55, 0.70, 0.60, 0.65)
_SURVIVAL_DAYS = (850.0, 1050.0, 700.0, 900.0)

# The two ends of the consortium: the first hospital reads high and sees TP53 often, the last reads low and
# sees it rarely. Nothing else joins the two, so a scanner is all there is behind the spurious link.
_OFFSET_HU = 15.0
_TP53 = (0.82, 0.18)
_ANCESTRY = (0.85, 0.15)  # and so a scanner is all there is behind what differs between populations


def consortium(sites: int = 3, patients: int = 72) -> tuple[HospitalPlan, ...]:
    """The plans of `sites` hospitals; the last has two scanners, the second codes grade its own way."""
    offsets = np.linspace(_OFFSET_HU, -_OFFSET_HU, sites)
    prevalences = np.linspace(*_TP53, sites)
    ancestries = np.linspace(*_ANCESTRY, sites)
    return tuple(
        HospitalPlan(
            name=_NAMES[site] if site < len(_NAMES) else f"hospital-{site + 1}",
            scanners=_scanners(sites, site, float(offsets[site])),
            patients=patients,
            mean_age=_AGES[site % len(_AGES)],
            idh1_prevalence=_IDH1[site % len(_IDH1)],
            tp53_prevalence=float(prevalences[site]),
            median_survival_days=_SURVIVAL_DAYS[site % len(_SURVIVAL_DAYS)],
            ancestry=float(ancestries[site]),
            local_grade_codes=site == 1,
            year_only_births=1.0 if site == 1 else 0.05,
        )
        for site in range(sites)
    )


def _scanners(sites: int, site: int, offset_hu: float) -> tuple[Scanner, ...]:
    if site < sites - 1:
        return (_scanner(site, f"CT{site + 1}", offset_hu),)
    return _scanner(site, f"CT{site + 1}A", offset_hu - 2), _scanner(
        site + 1, f"CT{site + 1}B", offset_hu + 2
    )


def _scanner(number: int, station: str, offset_hu: float) -> Scanner:
    make, model, kernel, gain, noise_hu, blur_mm = _FLEET[number % len(_FLEET)]
    generation = (
        f" G{number // len(_FLEET) + 1}" if number >= len(_FLEET) else ""
    )  # no model at two hospitals
    return Scanner(make, model + generation, station, kernel, offset_hu, gain, noise_hu, blur_mm)
