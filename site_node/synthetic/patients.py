"""The patients of one synthetic hospital: who they are, what they carry, how long they live."""

from dataclasses import dataclass
from datetime import date, timedelta
from math import exp, log

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from site_node.synthetic.identifiers import patient_id
from site_node.synthetic.plan import HospitalPlan, Scanner
from site_node.synthetic.truth import PLANTED

# A fixed calendar: nothing here reads a clock.
FIRST_DIAGNOSIS = date(2012, 1, 2)
RECRUITMENT_DAYS = 2000
DATA_CUT = date(2019, 12, 31)

PANEL = ("BRAF", "EGFR", "IDH1", "PIK3CA", "PTEN", "TERT", "TP53")
# Share of mutated tumours by IDH1 status (wild type, mutated); IDH1 and TP53 themselves come from the plan.
_OTHER_GENES = {
    "BRAF": (0.05, 0.02),
    "EGFR": (0.35, 0.03),
    "PIK3CA": (0.10, 0.10),
    "PTEN": (0.30, 0.05),
    "TERT": (0.60, 0.25),
}
_GRADES = (2, 3, 4)
_GRADE_BY_IDH1 = ((0.10, 0.25, 0.65), (0.50, 0.35, 0.15))
TOPOGRAPHY = ("C71.1", "C71.2", "C71.3", "C71.4")  # frontal, temporal, parietal, occipital lobe

_MEAN_HU, _MEAN_HU_SD, _MEAN_HU_PER_YEAR = 40.0, 5.0, -0.05
TEXTURE_HU = 8.0
_ALLOCATIONS = 60


@dataclass(frozen=True)
class Lesion:
    """A tumour before any scanner saw it: where, how large, how bright, how rough."""

    topography: str
    left: bool
    radius_mm: float
    lobes: tuple[float, float, float, float]  # amplitude and phase of the outline's second and third harmonic
    mean_hu: float
    texture_hu: float  # standard deviation inside the contour


@dataclass(frozen=True)
class Patient:
    """One synthetic patient, complete: what the files then leave out is decided by the flags."""

    patient_id: str
    sex: str
    birth_date: date
    index_date: date
    grade: int
    kps: int
    mutated: frozenset[str]
    time_days: int
    died: bool
    progression_days: int | None
    scanner: Scanner
    lesion: Lesion
    year_only_birth: bool
    kps_recorded: bool
    sequenced: bool  # on the panel, so that a gene without a variant is known to have none
    imaged: bool
    contoured: bool

    @property
    def age(self) -> float:
        """Years at the index date."""
        return (self.index_date - self.birth_date).days / 365.25

    @property
    def end_date(self) -> date:
        """The day of death or of the last contact."""
        return self.index_date + timedelta(self.time_days)


@dataclass(frozen=True)
class _Draws:
    """One column per quantity, so that the whole hospital is drawn before any patient is made."""

    age: NDArray[np.float64]
    idh1: NDArray[np.bool_]
    tp53: NDArray[np.bool_]
    kps: NDArray[np.int64]
    brightness: NDArray[np.float64]
    scanner: NDArray[np.int64]
    sequenced: NDArray[np.bool_]
    imaged: NDArray[np.bool_]
    contoured: NDArray[np.bool_]


def draw_patients(plan: HospitalPlan, seed: int) -> tuple[Patient, ...]:
    """The hospital's patients, a pure function of plan and seed."""
    rng = np.random.default_rng([seed, *plan.name.encode()])
    draws = _draw_columns(plan, rng)
    return tuple(_patient(plan, seed, draws, row, rng) for row in range(plan.patients))


def allocate(
    rng: np.random.Generator,
    mutated: int,
    level: NDArray[np.float64],
    strata: NDArray[np.int64],
    counted: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Exactly `mutated` patients, chosen so that within a stratum `level` says no more of them than chance.

    Restricted randomization: of many random choices the one is kept whose AUC within strata is nearest to the
    planted one, less than a standard error above one half. Not one half itself: without any association in
    the sample, k-fold cross-validation scores far below chance, as each training set leans against its test.
    """
    choices = [rng.permutation(len(level)) < mutated for _ in range(_ALLOCATIONS)]
    aim = PLANTED.spurious_link.within_scanner_auc
    return min(choices, key=lambda choice: abs(auc_within(level, choice, strata, counted) - aim))


def auc_within(
    level: NDArray[np.float64],
    positive: NDArray[np.bool_],
    strata: NDArray[np.int64],
    counted: NDArray[np.bool_],
) -> float:
    """The share of positive-negative pairs within strata that `level` orders rightly; 0.5 without a pair."""
    concordant, pairs = 0.0, 0
    for stratum in np.unique(strata):
        rows = counted & (strata == stratum)
        n_positive = int(positive[rows].sum())
        ranks = rankdata(level[rows])
        concordant += ranks[positive[rows]].sum() - n_positive * (n_positive + 1) / 2
        pairs += n_positive * (int(rows.sum()) - n_positive)
    return concordant / pairs if pairs else 0.5


def _draw_columns(plan: HospitalPlan, rng: np.random.Generator) -> _Draws:
    n = plan.patients
    age = np.clip(rng.normal(plan.mean_age, 12.0, n), 19.0, 88.0)
    # younger patients carry IDH1 more often, as in life; age is a covariate of every planted model
    logit = log(plan.idh1_prevalence / (1 - plan.idh1_prevalence)) - 0.04 * (age - plan.mean_age)
    imaged, contoured = rng.random(n) >= 0.02, rng.random(n) >= 0.02
    sequenced = rng.random(n) >= 0.04
    brightness = rng.standard_normal(n)
    scanner = rng.permutation(n) % len(plan.scanners)
    mutated = round(plan.tp53_prevalence * n)
    return _Draws(
        age=age,
        idh1=rng.random(n) < 1 / (1 + np.exp(-logit)),
        tp53=allocate(rng, mutated, brightness, scanner, imaged & contoured & sequenced),
        kps=100 - 10 * rng.binomial(5, 0.35, n),
        brightness=brightness,
        scanner=scanner,
        sequenced=sequenced,
        imaged=imaged,
        contoured=contoured,
    )


def _patient(plan: HospitalPlan, seed: int, draws: _Draws, row: int, rng: np.random.Generator) -> Patient:
    index_date = FIRST_DIAGNOSIS + timedelta(int(rng.integers(RECRUITMENT_DAYS)))
    idh1 = bool(draws.idh1[row])
    grade = int(rng.choice(_GRADES, p=_GRADE_BY_IDH1[idh1]))
    time_days, died = _survival(plan, index_date, float(draws.age[row]), idh1, int(draws.kps[row]), rng)
    progression_days = (
        int(time_days * rng.uniform(0.3, 0.9)) if rng.random() < (0.9 if died else 0.3) else None
    )
    genes = {gene for gene, shares in _OTHER_GENES.items() if rng.random() < shares[idh1]}
    genes |= {gene for gene, carried in (("IDH1", idh1), ("TP53", bool(draws.tp53[row]))) if carried}
    return Patient(
        patient_id=patient_id(seed, plan.name, row),
        sex="female" if rng.random() < 0.44 else "male",
        birth_date=index_date - timedelta(round(float(draws.age[row]) * 365.25)),
        index_date=index_date,
        grade=grade,
        kps=int(draws.kps[row]),
        mutated=frozenset(genes),
        time_days=time_days,
        died=died,
        progression_days=progression_days,
        scanner=plan.scanners[draws.scanner[row]],
        lesion=_lesion(draws, row, grade, rng),
        year_only_birth=bool(rng.random() < plan.year_only_births),
        kps_recorded=bool(rng.random() >= 0.06),
        sequenced=bool(draws.sequenced[row]),
        imaged=bool(draws.imaged[row]),
        contoured=bool(draws.contoured[row]),
    )


def _survival(
    plan: HospitalPlan, index_date: date, age: float, idh1: bool, kps: int, rng: np.random.Generator
) -> tuple[int, bool]:
    """Days to death or to the data cut, and whether it was death; exponential: hazards are proportional."""
    values = {"age": age, "IDH1": float(idh1), "kps": float(kps)}
    predictor = sum(hazard.contribution(values[hazard.variable]) for hazard in PLANTED.hazards)
    rate = log(2) / plan.median_survival_days * exp(predictor)
    death = max(1, int(np.ceil(rng.exponential(1 / rate))))
    censoring = (DATA_CUT - index_date).days
    return min(death, censoring), death <= censoring


def _lesion(draws: _Draws, row: int, grade: int, rng: np.random.Generator) -> Lesion:
    link = PLANTED.true_link
    log_texture = (
        log(TEXTURE_HU)
        + link.log_texture_sd * rng.standard_normal()
        + link.log_texture_shift * draws.idh1[row]
    )
    amplitudes, phases = rng.uniform(0.02, 0.10, 2), rng.uniform(0, 2 * np.pi, 2)
    return Lesion(
        topography=str(rng.choice(TOPOGRAPHY, p=(0.45, 0.30, 0.17, 0.08))),
        left=bool(rng.random() < 0.5),
        radius_mm=float(np.clip(rng.normal(16.5 + 0.8 * (grade - 2), 1.5), 13.5, 20.0)),
        lobes=(float(amplitudes[0]), float(phases[0]), float(amplitudes[1]), float(phases[1])),
        mean_hu=_MEAN_HU
        + _MEAN_HU_SD * float(draws.brightness[row])
        + _MEAN_HU_PER_YEAR * float(draws.age[row] - 50),
        texture_hu=exp(log_texture),
    )
