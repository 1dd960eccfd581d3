"""The four real hospitals of TCGA-LGG: their own files, and the way into a CDM each."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.etl.loader.summary import LoadSummary
from site_node.sources import fhir, image_features
from tests.lib.shared import shared

HOSPITALS = ("CS", "DU", "FG", "HT")

ONE_SET: dict[str, Any] = {
    "logit_idh1": {
        "term": ["(Intercept)", "age", "vasari_f9", "vasari_f14"],
        "coef": [3.2053944409041772, -0.0497045867278917, -0.1811837470956871, 0.1192344214599390],
        "se": [0.8336983093957838, 0.0140002409236138, 0.2959928791781284, 0.1529154543294169],
        "n": 172,
        "deviance": 178.786945545775,
    },
    "age": {"n": 172, "mean": 43.6802325581395, "sd": 13.8744185465222},
    "people": {"CS": 19, "DU": 51, "FG": 16, "HT": 86},
}
"""What R finds of the people who have all that the example needs.

R 4.2.2, survival 3.5.3, on clinical.csv and imaging.csv joined by patient, without hospital EZ,
g3 = (grade == "G3"), cells that are not numbers missing:

    one <- d[complete.cases(d[, c("os_days", "death", "age", "g3", "idh1_mutated", "vasari_f5", "vasari_f9",
                                  "vasari_f14")]), ]
    glm(idh1_mutated ~ age + vasari_f9 + vasari_f14, binomial, one,
        control = list(epsilon = 1e-16, maxit = 60))
    mean(one$age); sd(one$age); table(one$hospital)

The Cox models' own complete cases are the same 172 people, so theirs are those of `reference/tcga_lgg.json`.
"""


def write_consortium(out: Path) -> None:
    """Lay the cohort out as four hospitals below `out`: NDJSON of FHIR R4, and a CSV of readers' scores."""
    subprocess.run(
        [
            sys.executable,
            str(shared("tools/make_lgg_consortium.py")),
            str(out),
            "--data",
            str(shared("data/tcga_lgg")),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def load_hospital(engine: Engine, folder: Path) -> dict[str, LoadSummary]:
    """Load one hospital's FHIR and readers' scores; a key of its own, as every site has."""
    identity = Identity(folder.name.encode().ljust(32, b"-"))
    return {
        "fhir": load(engine, fhir.read(folder / "fhir"), "fhir", identity),
        "vasari": load(engine, image_features.read(folder / "imaging" / "vasari.csv"), "vasari", identity),
    }
