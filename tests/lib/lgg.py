"""The four real hospitals of TCGA-LGG: their own files, and the way into a CDM each."""

import subprocess
import sys
from pathlib import Path

from sqlalchemy import Engine

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.etl.loader.summary import LoadSummary
from site_node.sources import fhir, image_features
from tests.lib.shared import shared

HOSPITALS = ("CS", "DU", "FG", "HT")


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
