"""Tables of image features as readers, pyradiomics and CaPTk write them, odd but legal."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator
from sqlalchemy import Engine

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.vocabulary.concepts import Vocabulary
from site_node.sources import image_features
from site_node.study_table.people import People
from site_node.study_table.records import scores
from tests.generative.draws import DRAWS, chance, one

IDENTITY = Identity(b"k" * 32)
FEATURES = (
    "vasari_f1",
    "original_firstorder_Mean",
    "original_glcm_Idmn",
    "log-sigma-3-0-mm-3D_gldm_LargeDependenceHighGrayLevelEmphasis",
    "T1_ED_GLSZM_Bins-20_Radius-1_ZoneEntropy",
    "wavelet-LLH_glszm_SizeZoneNonUniformityNormalized",
)
NOTHING = ("", "NA", "nan", "n/a", ".", "None")
NO_NUMBER = ("high", "3,5", "<4", "1e400", "inf")
Truth = dict[tuple[str, str], float]


def text_of(rng: Generator, value: float) -> str:
    """A number as programs print it."""
    ways = (f"{value!r}", f"{value:.10e}", f" {value!r} ", f"{value:+}", f"{value!r}")
    return ways[int(rng.integers(len(ways)))]


def drawn(rng: Generator, name: str) -> tuple[str, Truth]:
    """A table, and each patient's scores: the earliest that has a date, or the only one without."""
    patients = [f"{name}-{i}" for i in range(int(rng.integers(1, 4)))]
    features = [FEATURES[i] for i in rng.permutation(len(FEATURES))[: int(rng.integers(1, 5))]]
    has_date = rng.random() < 0.5
    known = [str(one(rng, "patient", "SubjectID", "PatientID", "patient")), *(["date"] if has_date else [])]
    known += ["reader"] if rng.random() < 0.5 else []
    notes = ["diagnostics_Versions_PyRadiomics", "diagnostics_Mask_Spacing"] if rng.random() < 0.3 else []
    header = [*known, *notes, *features]
    header = [header[i] for i in rng.permutation(len(header))]
    rows = [header]
    read: dict[tuple[str, str], list[tuple[str, float]]] = {(p, f): [] for p in patients for f in FEATURES}
    for patient in patients:
        for number in range(int(rng.integers(1, 3))):
            day = f"20{rng.integers(10, 25)}-0{number + 1}-15" if has_date and rng.random() < 0.8 else ""
            line = {known[0]: patient, "date": day, "reader": f"r{number}"}
            line |= dict.fromkeys(notes, "3.0, (1.0, 1.0)")
            for feature in features:
                value = float(np.round(rng.normal() * 10.0 ** rng.integers(-3, 12), 6)) or 1.0
                kind = rng.random()
                line[feature] = text_of(rng, value)
                if kind < 0.15:
                    line[feature] = str(one(rng, *NOTHING))
                elif kind < 0.2:
                    line[feature] = str(one(rng, *NO_NUMBER))
                else:
                    read[patient, feature].append((day, value))
            rows.append([line[column] for column in header])
    file = io.StringIO()
    quoting, end = one(rng, csv.QUOTE_MINIMAL, csv.QUOTE_ALL), str(one(rng, "\n", "\r\n"))
    csv.writer(file, quoting=quoting, lineterminator=end).writerows(rows)  # type: ignore[arg-type]
    return file.getvalue(), {key: chosen(readings) for key, readings in read.items()}


def chosen(readings: list[tuple[str, float]]) -> float:
    first = min((day for day, _ in readings if day), default="")
    values = {value for day, value in readings if day == first}
    return values.pop() if len(values) == 1 else np.nan


@DRAWS
def test_a_score_is_the_number_of_its_cell(draws: range, sqlite_engine: Engine, tmp_path: Path) -> None:
    right: Truth = {}
    paths = [tmp_path / f"{draw}.csv" for draw in draws]
    for draw, path in zip(draws, paths, strict=True):
        text, truth = drawn(chance("features", draw), f"P{draw}")
        path.write_bytes((b"\xef\xbb\xbf" if draw % 9 == 0 else b"") + text.encode())
        right |= truth
    records = (record for path in paths for record in image_features.read(path))
    load(sqlite_engine, records, "dicom", IDENTITY)
    ids = {IDENTITY.person_id("dicom", patient): patient for patient, _ in right}
    keys = np.array(sorted(ids), dtype=np.int64)
    index = np.full(len(keys), np.datetime64("2024-01-01"), dtype="datetime64[D]")
    wrong = {}
    with sqlite_engine.connect() as connection:
        people = People(connection, Vocabulary(sqlite_engine), keys, index)
        for feature in FEATURES:
            for key, value in zip(keys.tolist(), scores(people, feature).tolist(), strict=True):
                expected = right[ids[key], feature]
                if value != pytest.approx(expected, rel=1e-9, nan_ok=True):
                    wrong[ids[key], feature] = (value, expected)
    assert wrong == {}
