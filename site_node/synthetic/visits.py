"""What readers measured of the patients' lesions before treatment and at the visits after it.

A line per visit, as `site_node.sources.image_features` reads it: the longest diameters of two lesions in mm,
that of a new lesion where there is one, and whether non-target lesions progressed. Carriers of the
gene in `truth.PLANTED.response` respond more often. Who responds shrinks by 35 to 80 percent and stays there;
who progresses grows by a quarter or more at each visit. One in twenty has no visit after the first.
"""

from collections.abc import Iterator
from datetime import timedelta
from math import exp
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from site_node.synthetic.patients import Patient
from site_node.synthetic.truth import PLANTED

FILE = "lesions.csv"
COLUMNS = ("patient", "date", "recist_target_1", "recist_target_2", "recist_new_1", "recist_progression")
VISITS_DAYS = (56, 112, 168)
LOST = 0.05


def write_visits(folder: Path, patients: tuple[Patient, ...], rng: np.random.Generator) -> int:
    """The visits written, into a new `folder`."""
    lines = [line for patient in patients if patient.imaged for line in _of_patient(patient, rng)]
    folder.mkdir()
    rows = [",".join(COLUMNS), *(",".join(line) for line in lines)]
    (folder / FILE).write_text("\n".join(rows) + "\n")
    return len(lines)


def _of_patient(patient: Patient, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
    planted = PLANTED.response
    log_odds = planted.log_odds_otherwise + planted.log_odds * (planted.gene in patient.mutated)
    responds = rng.random() < 1 / (1 + exp(-log_odds))
    is_stable, is_lost, has_new = rng.random() < 0.5, rng.random() < LOST, rng.random() < 0.3
    shrinks, grows = 1 - rng.uniform(0.35, 0.80), rng.uniform(1.25, 1.60)
    baseline = rng.uniform(18.0, 60.0, 2)
    yield _line(patient, 0, baseline, new_mm=None, progresses=False)
    for number, day in enumerate(VISITS_DAYS, start=1):
        noise = rng.uniform(-0.02, 0.02, 2)
        if is_lost or day > patient.time_days:
            return
        otherwise = 1.0 if is_stable else grows**number
        factor = shrinks if responds else otherwise
        new = 12.0 if has_new and not responds and not is_stable and number > 1 else None
        yield _line(patient, day, baseline * (factor + noise), new_mm=new, progresses=new is not None)


def _line(
    patient: Patient, day: int, diameters_mm: NDArray[np.float64], *, new_mm: float | None, progresses: bool
) -> tuple[str, ...]:
    first, second = (f"{mm:.1f}" for mm in diameters_mm)
    date = (patient.index_date + timedelta(day)).isoformat()
    new = "" if new_mm is None else f"{new_mm:.1f}"
    return patient.patient_id, date, first, second, new, str(int(progresses))
