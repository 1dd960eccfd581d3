"""The files of a synthetic hospital are what a real one would export, and agree with one another."""

import csv
import json
import re
from collections import defaultdict
from hashlib import sha256
from pathlib import Path

import numpy as np
import pydicom
import pytest
from fhir.resources.R4B import get_fhir_model_class
from matplotlib.path import Path as Polygon
from pydicom.uid import RE_VALID_UID, UID

from site_node.synthetic import consortium, write_consortium, write_hospital
from site_node.synthetic.fhir import PRELIMINARY_KPS
from site_node.synthetic.patients import PANEL, draw_patients
from site_node.synthetic.phantom import SHAPE, contour_mask

SEED = 5
PATIENTS = 12


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("consortium")
    write_consortium(folder, sites=3, seed=SEED, patients=PATIENTS)
    return folder


@pytest.fixture(scope="module", params=[plan.name for plan in consortium()])
def hospital(request, out):
    return out / request.param


def plan_of(hospital):
    return next(plan for plan in consortium(3, PATIENTS) if plan.name == hospital.name)


def fhir(hospital):
    """The resources of a hospital by their type."""
    by_type = defaultdict(list)
    for path in sorted((hospital / "fhir").glob("*.ndjson")):
        by_type[path.stem] = [json.loads(line) for line in path.read_text().splitlines()]
    return by_type


def table(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t"))


def tree_hash(folder: Path) -> str:
    digest = sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(tmp_path):
    plan = consortium(3, patients=3)[0]
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_hospital(tmp_path / name, plan, seed)
    assert tree_hash(tmp_path / "a") == tree_hash(tmp_path / "b") != tree_hash(tmp_path / "c")


def test_a_hospital_that_is_there_is_not_written_over(tmp_path):
    plan = consortium(3, patients=1)[0]
    write_hospital(tmp_path, plan, 1)
    with pytest.raises(FileExistsError):
        write_hospital(tmp_path, plan, 1)


def test_the_truth_lies_beside_the_hospitals_and_counts_what_they_hold(out):
    truth = json.loads((out / "ground_truth.json").read_text())
    assert truth["seed"] == SEED
    assert set(truth["hospitals"]) == {path.name for path in out.iterdir() if path.is_dir()}
    for name, counts in truth["hospitals"].items():
        held = fhir(out / name)
        assert counts["fhir_resources"] == {kind: len(rows) for kind, rows in held.items()}
        assert counts["deaths"] == sum("deceasedDateTime" in row for row in held["Patient"])
        assert counts["dicom_files"] == len(list((out / name).rglob("*.dcm")))
        assert counts["contoured"] == len(list((out / name).rglob("RTSTRUCT.dcm")))


def test_every_resource_is_valid_fhir_r4(hospital):
    for kind, rows in fhir(hospital).items():
        model = get_fhir_model_class(kind)
        for row in rows:
            assert model.model_validate(row).id == row["id"]


def test_one_patient_has_one_name_in_fhir_dicom_and_genomics(hospital):
    known = {row["id"] for row in fhir(hospital)["Patient"]}
    assert len(known) == PATIENTS
    named = {
        str(pydicom.dcmread(path, specific_tags=["PatientID"]).PatientID) for path in hospital.rglob("*.dcm")
    }
    assert named == {path.name for path in (hospital / "imaging").iterdir()}
    assert named <= known
    assert {row["patient_id"] for row in table(hospital / "genomics" / "samples.tsv")} <= known


def test_exactly_one_series_uid_is_malformed_and_all_others_are_the_ones_in_dicom(hospital):
    series = [series["uid"] for study in fhir(hospital)["ImagingStudy"] for series in study["series"]]
    malformed = [uid for uid in series if not re.fullmatch(RE_VALID_UID, uid)]
    in_dicom = {str(pydicom.dcmread(path).SeriesInstanceUID) for path in hospital.rglob("*.dcm")}
    assert len(malformed) == 1
    assert set(series) - set(malformed) < in_dicom
    assert {uid.rstrip(".") for uid in series} == in_dicom


def test_a_series_is_a_regular_grid_with_valid_unique_uids_and_its_scanner(hospital):
    scanners = {(scanner.manufacturer, scanner.model) for scanner in plan_of(hospital).scanners}
    seen = set()
    for folder in hospital.glob("imaging/*/CT"):
        slices = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
        assert len(slices) == SHAPE[0]
        assert len({one.SeriesInstanceUID for one in slices}) == 1
        positions = [one.ImagePositionPatient[2] for one in slices]
        assert np.diff(positions) == pytest.approx([4.0] * (SHAPE[0] - 1))
        seen.add((slices[0].Manufacturer, slices[0].ManufacturerModelName))
        for one in slices:
            assert UID(one.SOPInstanceUID).is_valid
            assert one.SOPInstanceUID == one.file_meta.MediaStorageSOPInstanceUID
            assert one.pixel_array.shape == SHAPE[1:]
    assert seen == scanners
    uids = [str(pydicom.dcmread(path).SOPInstanceUID) for path in hospital.rglob("*.dcm")]
    assert len(uids) == len(set(uids))


def read_back(folder):
    """The CT of a patient in HU and the mask that its RTSTRUCT draws on it."""
    slices = [pydicom.dcmread(path) for path in sorted((folder / "CT").iterdir())]
    volume = np.stack([s.pixel_array * float(s.RescaleSlope) + float(s.RescaleIntercept) for s in slices])
    index = {str(s.SOPInstanceUID): row for row, s in enumerate(slices)}
    x = float(slices[0].ImagePositionPatient[0]) + 3.0 * np.arange(SHAPE[2])
    y = float(slices[0].ImagePositionPatient[1]) + 3.0 * np.arange(SHAPE[1])
    centres = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    mask = np.zeros(volume.shape, bool)
    for contour in pydicom.dcmread(folder / "RTSTRUCT.dcm").ROIContourSequence[0].ContourSequence:
        row = index[str(contour.ContourImageSequence[0].ReferencedSOPInstanceUID)]
        points = np.array(contour.ContourData, float).reshape(-1, 3)
        assert set(points[:, 2]) == {float(slices[row].ImagePositionPatient[2])}
        mask[row] = Polygon(points[:, :2]).contains_points(centres).reshape(SHAPE[1:])
    return volume, mask


def test_the_region_read_back_from_the_files_has_the_foretold_mean_and_texture(hospital):
    for patient in draw_patients(plan_of(hospital), SEED):
        folder = hospital / "imaging" / patient.patient_id
        if not (folder / "RTSTRUCT.dcm").exists():
            continue
        volume, mask = read_back(folder)
        scanner, lesion = patient.scanner, patient.lesion
        assert (mask != contour_mask(lesion)).mean() < 2e-4  # a polygon has corners, the lesion none
        inside = volume[mask]
        # the noise of some 300 correlated voxels moves the mean by about 0.5 HU and the texture by about 6 %
        mean = 35 + scanner.gain * (lesion.mean_hu - 35) + scanner.offset_hu
        assert inside.mean() == pytest.approx(mean, abs=1.5)
        texture = np.hypot(scanner.gain * lesion.texture_hu, scanner.noise_hu)
        assert inside.std() == pytest.approx(texture, rel=0.25)


def test_a_gene_tested_and_absent_is_told_from_one_that_was_not_tested(hospital):
    observations = fhir(hospital)["Observation"]
    samples = {
        row["Tumor_Sample_Barcode"]: row["patient_id"] for row in table(hospital / "genomics" / "samples.tsv")
    }
    assert [row["Hugo_Symbol"] for row in table(hospital / "genomics" / "panel.tsv")] == list(PANEL)
    mutated = {
        (samples[row["Tumor_Sample_Barcode"]], row["Hugo_Symbol"])
        for row in table(hospital / "genomics" / "mutations.maf")
        if row["Variant_Classification"] in ("Missense_Mutation", "Nonsense_Mutation")
    }
    reported = {}
    for row in observations:
        if row["code"]["coding"][0]["code"] == "69548-6":
            patient = row["subject"]["reference"].removeprefix("Patient/")
            gene = row["component"][0]["valueCodeableConcept"]["text"]
            reported[patient, gene] = row["valueCodeableConcept"]["text"]
    assert set(reported) == {(patient, gene) for patient in samples.values() for gene in ("IDH1", "TP53")}
    for key, value in reported.items():
        assert value == ("Present" if key in mutated else "Absent")


def test_one_observation_is_preliminary_and_contradicts_the_final_one(hospital):
    observations = fhir(hospital)["Observation"]
    (preliminary,) = [row for row in observations if row["status"] != "final"]
    finals = [
        row["valueInteger"]
        for row in observations
        if row["status"] == "final"
        and row["subject"] == preliminary["subject"]
        and row["code"] == preliminary["code"]
    ]
    assert preliminary["valueInteger"] == PRELIMINARY_KPS
    assert len(finals) == 1
    assert finals[0] > PRELIMINARY_KPS


def test_one_hospital_cuts_births_to_the_year_and_grades_with_codes_of_its_own(out):
    systems = {}
    for hospital in (out / plan.name for plan in consortium()):
        resources = fhir(hospital)
        grades = [row for row in resources["Observation"] if row["id"].endswith("-grade")]
        systems[hospital.name] = {row["valueCodeableConcept"]["coding"][0]["system"] for row in grades}
    assert systems["northgate"] == systems["southbank"] == {"http://snomed.info/sct"}
    assert systems["eastmoor"] == {"https://eastmoor.example.org/codes/grade"}
    assert all(len(row["birthDate"]) == 4 for row in fhir(out / "eastmoor")["Patient"])


def test_nothing_happens_to_a_patient_after_death_or_last_contact(hospital):
    resources = fhir(hospital)
    end = {
        row["subject"]["reference"]: row["period"]["end"]
        for row in resources["Encounter"]
        if row["id"].endswith("last-contact")
    }
    for row in (*resources["Observation"], *resources["Procedure"]):
        day = row.get("effectiveDateTime") or row["performedDateTime"]
        assert day <= end[row["subject"]["reference"]]
    for row in resources["Patient"]:
        assert row.get("deceasedDateTime", end[f"Patient/{row['id']}"]) == end[f"Patient/{row['id']}"]


@pytest.mark.parametrize("sites", [2, 5, 9])
def test_a_consortium_of_any_size_has_its_own_names_and_no_scanner_twice(sites):
    plans = consortium(sites)
    assert len({plan.name for plan in plans}) == sites
    models = [(scanner.manufacturer, scanner.model) for plan in plans for scanner in plan.scanners]
    assert len(models) == len(set(models)) == sites + 1
