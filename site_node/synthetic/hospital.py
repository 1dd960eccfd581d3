"""Write synthetic hospitals: the files that a real one would export, laid out as it would export them.

    OUT/ground_truth.json                        what was planted (truth.py); no hospital knows it
    OUT/<hospital>/fhir/<ResourceType>.ndjson    FHIR R4, one type per file, as Bulk Data does
    OUT/<hospital>/imaging/<patient>/CT/*.dcm    one CT series, 20 slices of 64 x 64
    OUT/<hospital>/imaging/<patient>/RTSTRUCT.dcm
    OUT/<hospital>/genomics/                     a MAF, its panel, its samples (maf.py);
                                                 genotypes, if any are asked for (genotypes.py)
    OUT/<hospital>/readings/lesions.csv          diameters at visits, if they are asked for (visits.py)

Patient.id, PatientID and a sample's patient_id are the same word, so the three sources meet. Everything is a
pure function of plan and seed. Each hospital is as untidy as real ones, in known places: birth dates cut to
the year, KPS never recorded, tumours never sequenced, patients without CT or without contour, one preliminary
observation that contradicts the final one, one malformed series UID; one hospital has its own grade codes.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import orjson

from site_node.synthetic import truth
from site_node.synthetic.dicom import write_study
from site_node.synthetic.fhir import Flaws, Resource, resources
from site_node.synthetic.genotypes import Manifest, manifest, write_genotypes, write_manifest, write_score
from site_node.synthetic.maf import write_genomics
from site_node.synthetic.patients import PANEL, Patient, draw_patients
from site_node.synthetic.phantom import HeadCT, scan
from site_node.synthetic.plan import HospitalPlan, consortium
from site_node.synthetic.visits import write_visits

SEED = 36  # the one that the demo shows; the tests hold others to the same bounds


def write_consortium(
    out: Path, sites: int = 3, seed: int = SEED, patients: int = 72, variants: int = 0, visits: bool = False
) -> dict[str, dict[str, object]]:
    """What was written, by hospital; the planted truth lies beside the hospitals.

    Args:
        patients: at each hospital; variants: of the array that they were genotyped with, if they were;
            visits: whether readers measured lesions at visits after the first.

    Raises:
        FileExistsError: there is a hospital of that name in `out` already.
    """
    array = manifest(variants, seed) if variants else None
    written = {
        plan.name: write_hospital(out, plan, seed, array, visits=visits)
        for plan in consortium(sites, patients)
    }
    truth.write(out, seed, written, None if array is None else array.truth())
    if array:
        write_manifest(out, array)
        write_score(out, array)
    return written


def write_hospital(
    out: Path, hospital: HospitalPlan, seed: int, array: Manifest | None = None, *, visits: bool = False
) -> dict[str, object]:
    """The counts of what was written into the folder `out / hospital.name`.

    Raises:
        FileExistsError: the folder is there already.
    """
    home = out / hospital.name
    home.mkdir(parents=True)
    patients = draw_patients(hospital, seed)
    flaws = Flaws.among(patients)
    resource_counts = _write_fhir(home / "fhir", hospital, patients, flaws)
    files = 0
    for row, patient in enumerate(patients):
        if patient.imaged:
            files += write_study(
                home / "imaging" / patient.patient_id, patient, head_ct(hospital, patient, row, seed)
            )
    rng = np.random.default_rng([seed, *hospital.name.encode(), 1])
    variants = write_genomics(home / "genomics", hospital.name, patients, rng)
    genotyped: dict[str, object] = {}
    if array is not None:
        rng = np.random.default_rng([seed, *hospital.name.encode(), 3])
        genotyped = write_genotypes(home / "genomics", hospital, patients, array, rng)
    measured: dict[str, object] = {}
    if visits:
        rng = np.random.default_rng([seed, *hospital.name.encode(), 4])
        measured = {"visits": write_visits(home / "readings", patients, rng)}
    return {
        "fhir_resources": resource_counts,
        "dicom_files": files,
        "variants": variants,
        **_counts(patients),
        **genotyped,
        **measured,
    }


def head_ct(hospital: HospitalPlan, patient: Patient, row: int, seed: int) -> HeadCT:
    """The CT of the hospital's patient in that row, before it is written; its noise is the patient's own."""
    return scan(
        patient.lesion, patient.scanner, np.random.default_rng([seed, *hospital.name.encode(), 2, row])
    )


def _write_fhir(
    folder: Path, hospital: HospitalPlan, patients: tuple[Patient, ...], flaws: Flaws
) -> dict[str, int]:
    by_type: dict[str, list[Resource]] = {}
    for patient in patients:
        for resource in resources(hospital, patient, flaws):
            by_type.setdefault(str(resource["resourceType"]), []).append(resource)
    folder.mkdir()
    for resource_type, rows in by_type.items():
        (folder / f"{resource_type}.ndjson").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return {resource_type: len(rows) for resource_type, rows in by_type.items()}


def _counts(patients: tuple[Patient, ...]) -> dict[str, object]:
    """What a correct load and cohort should count again."""
    sequenced = [patient for patient in patients if patient.sequenced]
    mutated = Counter(gene for patient in sequenced for gene in patient.mutated)
    scanners = Counter(
        f"{patient.scanner.manufacturer} {patient.scanner.model}" for patient in patients if patient.imaged
    )
    return {
        "patients": len(patients),
        "deaths": sum(patient.died for patient in patients),
        "kps_recorded": sum(patient.kps_recorded for patient in patients),
        "sequenced": len(sequenced),
        "mutated": {
            gene: mutated[gene] for gene in PANEL if gene != "TERT"
        },  # a promoter: no protein changes
        "imaged": sum(patient.imaged for patient in patients),
        "contoured": sum(patient.imaged and patient.contoured for patient in patients),
        "scanners": dict(sorted(scanners.items())),
    }
