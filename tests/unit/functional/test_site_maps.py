"""A site measures maps of its series of many volumes, beside the images themselves."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from sqlalchemy import Engine, select

from cdm.etl import Identity
from cdm.etl.loader.load import load
from cdm.schema import measurement
from site_node.features.radiomics import Settings
from site_node.images.feature_store import Computed, compute, failures
from site_node.sources.dicom import read
from tests.lib.dicom_files import ROOT, SHAPE, write_rtstruct, write_series, write_volumes

IDENTITY = Identity(bytes(32))
PLAIN = Settings(families=("intensity",))
OF_ADC = Settings.model_validate({"families": ["intensity"], "map": "adc"})
B = (0.0, 400.0, 800.0)
ADC = np.random.default_rng(0).uniform(500, 3000, SHAPE)
GTV = [[(0.5, 0.5, z), (5.5, 0.5, z), (5.5, 5.5, z), (0.5, 5.5, z)] for z in (1.0, 2.0)]


@pytest.fixture
def site(sqlite_engine: Engine, tmp_path: Path) -> tuple[Engine, Path]:
    """A diffusion series, another MR and a CT, with a region on each."""
    images = tmp_path / "images"

    def told(v: int, z: int, dataset: Dataset) -> None:
        dataset.DiffusionBValue = B[v]

    signal = np.stack([1000 * np.exp(-b * ADC * 1e-6) for b in B])
    write_volumes(images / "dwi", signal, change=told)
    write_rtstruct(images / "dwi.rs", {"GTV": GTV})
    for name, kind, number in (("mr", "MR", 2), ("ct", "CT", 3)):
        uid = f"{ROOT}1.{number}"
        write_series(images / name, kind, series_uid=uid)
        write_rtstruct(images / f"{name}.rs", {"GTV": GTV}, series_uid=uid, object_uid=f"{ROOT}2.{number}")
    load(sqlite_engine, read(images, tmp_path), "pacs", IDENTITY)
    return sqlite_engine, tmp_path


def values(engine: Engine, name: str) -> list[float]:
    columns = measurement.c
    statement = select(columns.value_as_number).where(columns.measurement_source_value == name)
    with engine.connect() as connection:
        return sorted(connection.scalars(statement))


def test_maps_are_measured_beside_images_and_what_is_no_diffusion_is_coded(site: tuple[Engine, Path]) -> None:
    engine, home = site
    plain = compute(engine, home, IDENTITY, settings=PLAIN)
    assert plain == Computed(computed=2, skipped=0, failed=1, features=36)
    assert [row["code"] for row in failures(engine)] == ["dicom-several-volumes"]
    before = values(engine, "MR:GTV:none:stat_mean")
    of_adc = compute(engine, home, IDENTITY, settings=OF_ADC)
    assert of_adc == Computed(computed=1, skipped=0, failed=1, features=18)  # the CT is not asked
    expected = ADC[1:3, 1:6, 1:6].mean()
    assert values(engine, "MR:GTV:adc:stat_mean") == pytest.approx([expected], rel=1e-3)
    assert values(engine, "MR:GTV:none:stat_mean") == before
    # of the diffusion images, as they are, nothing can be had: their map takes them out of the quarantine
    assert [row["code"] for row in failures(engine)] == ["map-no-b-values"]
    assert compute(engine, home, IDENTITY, settings=OF_ADC) == Computed(0, 1, 1, 0)
    assert compute(engine, home, IDENTITY, settings=PLAIN) == Computed(0, 2, 1, 0)
