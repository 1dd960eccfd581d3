"""A series that FHIR's ImagingStudy and DICOM's header both tell of is one row, and the header counts."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from cdm.etl import Identity, SourceRecord
from cdm.etl.loader.load import load
from cdm.schema import image_occurrence, procedure_occurrence
from site_node.sources.dicom import read
from tests.lib.dicom_files import SERIES, STUDY, write_series

IDENTITY = Identity(bytes(32))
IMAGING_STUDY: dict[str, Any] = {
    "resourceType": "ImagingStudy",
    "id": "ct",
    "status": "available",
    "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{STUDY}"}],
    "subject": {"reference": "Patient/P-0042"},
    "started": "2024-03-04",
    "series": [
        {"uid": SERIES, "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}}
    ],
}


def add_fhir(engine: Engine) -> None:
    load(engine, [SourceRecord("ImagingStudy", "ct", "a:1", IMAGING_STUDY)], "fhir", IDENTITY)


def add_dicom(engine: Engine, folder: Path) -> None:
    load(engine, read(folder, folder.parent), "pacs", IDENTITY)


@pytest.mark.parametrize("fhir_first", [True, False])
def test_the_header_counts_whichever_came_first(engine: Engine, tmp_path: Path, fhir_first: bool) -> None:
    folder = tmp_path / "images"
    write_series(folder)
    if fhir_first:
        add_fhir(engine)
    add_dicom(engine, folder)
    if not fhir_first:
        add_fhir(engine)
    with engine.connect() as connection:
        (image,) = connection.execute(select(image_occurrence)).all()
        (procedure,) = connection.execute(select(procedure_occurrence)).all()
    assert (image.image_series_uid, image.image_study_uid) == (SERIES, STUDY)
    assert image.image_occurrence_date.isoformat() == "2024-03-05"
    assert image.local_path == f"images/{SERIES}"
    assert image.procedure_occurrence_id == procedure.procedure_occurrence_id
    assert image.person_id == procedure.person_id == IDENTITY.person_id("pacs", "P-0042")
