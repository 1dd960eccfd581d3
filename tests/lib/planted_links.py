"""Synthetic hospitals with planted links between image and genome: one is true, and three are not."""

from collections.abc import Mapping

import numpy as np

from protocols.core.table import AnalysisTable, Floats

HOSPITALS: Mapping[str, int] = {"north": 130, "south": 110, "west": 90, "east": 120, "quay": 100, "ridge": 90}
"""The hospitals of `docs/examples/coherence.yaml` and their people; the last two are held out."""

PLANTED: Mapping[str, str] = {
    "proliferation": "true everywhere, in its pathway too, and not in other tissue",
    "angiogenesis": "made by scanners alone: where one reads high, the expression happens to be high",
    "permeability": "in other tissue as much: of the patient, and not of the tumour",
    "hypoxia": "at the hospital `north` alone, and there very strong",
}
"""Link -> what it is."""


def hospitals(seed: int = 0, *, linked: bool = True) -> list[AnalysisTable]:
    """The table of each hospital; unless `linked`, nothing goes with anything but scanner and age."""
    return [_hospital(site, n, seed + i, linked=linked) for i, (site, n) in enumerate(HOSPITALS.items())]


def _hospital(site: str, n: int, seed: int, *, linked: bool) -> AnalysisTable:
    rng = np.random.default_rng(seed + 7_000)
    high = np.arange(n) % 2  # of two scanners, the second reads higher
    age = rng.normal(55, 12, n).clip(18, 90)

    def drawn(along: Floats | float = 0.0, share: float = 0.0) -> Floats:
        """(n,) numbers of unit variance, of which a part goes along others of unit variance."""
        found: Floats = share * np.asarray(along) + np.sqrt(1 - share**2) * rng.normal(size=n)
        return found

    strength = 0.65 if linked else 0.0
    mki67 = drawn()
    vegfa, kdr = drawn(), drawn()
    patient, hypoxia = drawn(), drawn()
    here = (0.9 if site == "north" else 0.0) if linked else 0.0
    tissue = strength * patient
    columns = {
        "adc": drawn(-mki67, strength),
        "adc_opposite": drawn(),
        "rcbv": drawn(),
        "rcbv_opposite": drawn(),
        "ktrans": tissue + 0.6 * rng.normal(size=n),
        "ktrans_opposite": tissue + 0.6 * rng.normal(size=n),
        "r2star": drawn(hypoxia, here),
        "r2star_opposite": drawn(),
        "mki67": mki67,
        "top2a": drawn(mki67, 0.7),
        "vegfa": vegfa + 2.0 * high,
        "kdr": kdr + 0.5 * patient + 1.5 * high,
        "angpt2": patient,
        "hypoxia": hypoxia,
        "ca9": drawn(hypoxia, 0.7),
    }
    for feature in ("adc", "adc_opposite", "rcbv", "rcbv_opposite", "ktrans", "ktrans_opposite"):
        columns[feature] = columns[feature] * (1 + 0.3 * high) + 2.0 * high + 0.02 * (age - 55)
    scanner = np.array([f"{site}-{label + 1}" for label in high], dtype=object)
    persons = (seed + 1) * 1_000_000 + np.arange(n, dtype=np.int64)
    return AnalysisTable(site, persons, {"age": age, **columns}, {"scanner": scanner})
