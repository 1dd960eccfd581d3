"""The planted response is found again from the files that readers would write, through the CDM."""

from pathlib import Path

import numpy as np
import pytest

import shadowgraph as sg
from cdm.database import connect, migrate
from cdm.etl import Identity
from cdm.etl.loader.load import load
from cdm.etl.record import SourceRecord
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from site_node.sources import genomics, image_features
from site_node.study_table.build import build_table
from site_node.synthetic import PLANTED, SEED, consortium
from site_node.synthetic.fhir import Flaws, resources
from site_node.synthetic.maf import MAF_FILE, PANEL_FILE, SAMPLES_FILE, write_genomics
from site_node.synthetic.patients import draw_patients
from site_node.synthetic.plan import HospitalPlan
from site_node.synthetic.visits import FILE, write_visits

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "response.yaml"
OF_STUDY = ("Patient", "Condition")


def table_of(folder: Path, plan: HospitalPlan, study: Study) -> AnalysisTable:
    """The study's table of a hospital, from its records, its sequencing and its readers' file."""
    folder.mkdir()
    engine = connect(f"sqlite:///{folder / 'cdm.db'}")
    migrate(engine)
    identity = Identity(plan.name.encode().ljust(32, b"k"))
    patients = draw_patients(plan, SEED)
    flaws = Flaws.among(patients)
    records = [
        SourceRecord(kind, str(resource["id"]), f"{kind}.ndjson:{resource['id']}", resource)
        for patient in patients
        for resource in resources(plan, patient, flaws)
        if (kind := str(resource["resourceType"])) in OF_STUDY
    ]
    load(engine, records, "fhir", identity)
    panel = folder / "genomics"
    write_genomics(panel, plan.name, patients, np.random.default_rng(1))
    tests = genomics.read(panel / MAF_FILE, panel / PANEL_FILE, panel / SAMPLES_FILE)
    load(engine, tests, "genomics", identity)
    write_visits(folder / "readings", patients, np.random.default_rng(2))
    load(engine, image_features.read(folder / "readings" / FILE), "readings", identity)
    return build_table(engine, study, plan.name).table


@pytest.mark.slow
def test_carriers_respond_more_often_and_those_of_another_gene_do_not(tmp_path: Path) -> None:
    study = sg.read(EXAMPLE)
    content = study.model_dump(mode="json", by_alias=True)
    content["variables"]["tp53"] = {"kind": "gene", "gene": PLANTED.spurious_link.gene}
    content["analyses"][-1]["spec"]["covariates"] = ["idh1", "tp53", "age"]
    study = Study.model_validate(content)
    tables = [table_of(tmp_path / plan.name, plan, study) for plan in consortium(3, 90)]
    frame = run_locally(study, tables)["adjusted"].summary()
    low, high = frame["lower"], frame["upper"]
    assert low["idh1"] > 1.5
    assert low["idh1"] < np.exp(PLANTED.response.log_odds) < high["idh1"]
    assert low["tp53"] < 1 < high["tp53"]
