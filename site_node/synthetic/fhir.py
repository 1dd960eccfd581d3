"""A patient's FHIR R4 resources, as a hospital's Bulk Data export would hold them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from site_node.synthetic.dicom import ImagingStudyUIDs, scan_date, study_uids
from site_node.synthetic.patients import Patient
from site_node.synthetic.phantom import SHAPE
from site_node.synthetic.plan import HospitalPlan

Resource = dict[str, object]

LOINC, SCT, DCM = "http://loinc.org", "http://snomed.info/sct", "http://dicom.nema.org/resources/ontology/DCM"
ICD10CM, ICDO3 = "http://hl7.org/fhir/sid/icd-10-cm", "http://terminology.hl7.org/CodeSystem/icd-o-3"
ICD10PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
HGNC = "http://www.genenames.org/geneId"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
MCODE_MORPHOLOGY = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-histology-morphology-behavior"

_GRADE_CODES = {
    2: ("1663004", "Tumor grade G2"),
    3: ("61026006", "Tumor grade G3"),
    4: ("258245003", "Tumor grade G4"),
}
_MORPHOLOGY = {
    2: ("9400/3", "Astrocytoma"),
    3: ("9401/3", "Anaplastic astrocytoma"),
    4: ("9440/3", "Glioblastoma"),
}
_LOBES = {
    "C71.1": "frontal lobe",
    "C71.2": "temporal lobe",
    "C71.3": "parietal lobe",
    "C71.4": "occipital lobe",
}
REPORTED_GENES = {"IDH1": "HGNC:5382", "TP53": "HGNC:11998"}  # those that the pathology report names
PRELIMINARY_KPS = 20  # contradicts the final one, so that whoever counts it is found out


@dataclass(frozen=True)
class Flaws:
    """The two patients whose records carry a planted error; None where nobody is left to carry it."""

    preliminary_kps: str | None
    malformed_series_uid: str | None

    @classmethod
    def among(cls, patients: tuple[Patient, ...]) -> "Flaws":
        """The first patient with a KPS and the last one with an imaging study."""
        scored = [patient.patient_id for patient in patients if patient.kps_recorded]
        imaged = [patient.patient_id for patient in patients if patient.imaged]
        return cls(scored[0] if scored else None, imaged[-1] if imaged else None)


def resources(plan: HospitalPlan, patient: Patient, flaws: Flaws) -> Iterator[Resource]:
    """Everything that the hospital's FHIR server knows of one patient."""
    yield _patient(patient)
    yield _encounter(patient, "diagnosis", patient.index_date)
    yield _encounter(patient, "last-contact", patient.end_date)
    yield _condition(patient)
    yield from _findings(plan, patient, flaws)
    if patient.sequenced:
        yield from (_variant(patient, gene) for gene in REPORTED_GENES)
    yield _disease_status(patient)
    yield from _procedures(patient)
    if patient.imaged:
        uids = study_uids(patient.patient_id)
        yield _imaging_study(patient, uids, malformed=patient.patient_id == flaws.malformed_series_uid)


def _patient(patient: Patient) -> Resource:
    birth_date = patient.birth_date.isoformat()
    died = patient.end_date.isoformat()
    return {
        "resourceType": "Patient",
        "id": patient.patient_id,
        "gender": patient.sex,
        "birthDate": birth_date[:4] if patient.year_only_birth else birth_date,
        **({"deceasedDateTime": died} if patient.died else {"deceasedBoolean": False}),
    }


def _encounter(patient: Patient, name: str, day: date) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": f"{patient.patient_id}-{name}",
        "status": "finished",
        "class": {"system": f"{TERMINOLOGY}/v3-ActCode", "code": "AMB", "display": "ambulatory"},
        "subject": _subject(patient),
        "period": {"start": day.isoformat(), "end": day.isoformat()},
    }


def _condition(patient: Patient) -> Resource:
    topography = patient.lesion.topography
    return {
        "resourceType": "Condition",
        "id": f"{patient.patient_id}-glioma",
        "clinicalStatus": _concept(f"{TERMINOLOGY}/condition-clinical", "active", "Active"),
        "verificationStatus": _concept(f"{TERMINOLOGY}/condition-ver-status", "confirmed", "Confirmed"),
        "extension": [
            {"url": MCODE_MORPHOLOGY, "valueCodeableConcept": _concept(ICDO3, *_MORPHOLOGY[patient.grade])}
        ],
        "code": _concept(ICD10CM, topography, f"Malignant neoplasm of {_LOBES[topography]}"),
        "bodySite": [{"text": "left" if patient.lesion.left else "right"}],
        "subject": _subject(patient),
        "encounter": {"reference": f"Encounter/{patient.patient_id}-diagnosis"},
        "onsetDateTime": patient.index_date.isoformat(),
        "recordedDate": patient.index_date.isoformat(),
    }


def _findings(plan: HospitalPlan, patient: Patient, flaws: Flaws) -> Iterator[Resource]:
    grade_code = _concept(SCT, "371469007", "Histologic grade of neoplasm")
    local = f"https://{plan.name}.example.org/codes/grade"
    if plan.local_grade_codes:
        grade = _concept(local, f"WHO-{patient.grade}", f"WHO grade {patient.grade}")
    else:
        grade = _concept(SCT, *_GRADE_CODES[patient.grade])
    yield _observation(patient, "grade", grade_code, _day(patient, 7), valueCodeableConcept=grade)
    kps_code = _concept(LOINC, "89243-0", "Karnofsky Performance Status score")
    if patient.kps_recorded:
        yield _observation(patient, "kps", kps_code, _day(patient, 0), valueInteger=patient.kps)
    if patient.patient_id == flaws.preliminary_kps:
        draft = _observation(patient, "kps-draft", kps_code, _day(patient, 0), valueInteger=PRELIMINARY_KPS)
        yield {**draft, "status": "preliminary"}


def _variant(patient: Patient, gene: str) -> Resource:
    """The gene's test (LOINC 69548-6, genomics reporting): present, or tested and absent."""
    present = ("LA9633-4", "Present") if gene in patient.mutated else ("LA9634-2", "Absent")
    components = (
        (("48018-6", "Gene studied [ID]"), _concept(HGNC, REPORTED_GENES[gene], gene)),
        (("48002-0", "Genomic source class [Type]"), _concept(LOINC, "LA6684-0", "Somatic")),
    )
    return _observation(
        patient,
        f"variant-{gene}",
        _concept(LOINC, "69548-6", "Genetic variant assessment"),
        _day(patient, 10),
        category=[_concept(f"{TERMINOLOGY}/observation-category", "laboratory", "Laboratory")],
        valueCodeableConcept=_concept(LOINC, *present),
        component=[
            {"code": _concept(LOINC, *code), "valueCodeableConcept": value} for code, value in components
        ],
    )


def _disease_status(patient: Patient) -> Resource:
    """Progression on its day, or stable disease at the last contact."""
    code = _concept(LOINC, "97509-4", "Cancer disease progression")
    if patient.progression_days is None:
        stable = _concept(SCT, "359746009", "Patient's condition stable")
        return _observation(patient, "status", code, patient.end_date, valueCodeableConcept=stable)
    worse = _concept(SCT, "271299001", "Patient's condition worsened")
    return _observation(
        patient, "status", code, _day(patient, patient.progression_days), valueCodeableConcept=worse
    )


def _procedures(patient: Patient) -> Iterator[Resource]:
    yield _procedure(patient, "surgery", _concept(ICD10PCS, "00B00ZZ", "Excision of brain, open approach"), 2)
    if patient.time_days > 30:
        code = _concept(SCT, "108290001", "Radiation oncology AND/OR radiotherapy")
        yield _procedure(patient, "radiotherapy", code, 30)


def _procedure(patient: Patient, name: str, code: Resource, days: int) -> Resource:
    return {
        "resourceType": "Procedure",
        "id": f"{patient.patient_id}-{name}",
        "status": "completed",
        "code": code,
        "subject": _subject(patient),
        "performedDateTime": _day(patient, days).isoformat(),
    }


def _imaging_study(patient: Patient, uids: ImagingStudyUIDs, malformed: bool) -> Resource:
    ct = {
        "uid": uids.ct_series + ("." if malformed else ""),  # an empty last component: no UID
        "number": 2,
        "modality": {"system": DCM, "code": "CT"},
        "description": "HEAD AXIAL",
        "numberOfInstances": SHAPE[0],
    }
    contours = {
        "uid": uids.rtstruct_series,
        "number": 3,
        "modality": {"system": DCM, "code": "RTSTRUCT"},
        "description": "CONTOURS",
        "numberOfInstances": 1,
    }
    series = [ct, contours] if patient.contoured else [ct]
    return {
        "resourceType": "ImagingStudy",
        "id": f"{patient.patient_id}-ct",
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{uids.study}"}],
        "status": "available",
        "subject": _subject(patient),
        "started": scan_date(patient).isoformat(),
        "modality": [one["modality"] for one in series],
        "numberOfSeries": len(series),
        "numberOfInstances": SHAPE[0] + len(series) - 1,
        "description": "CT HEAD W CONTRAST",
        "series": series,
    }


def _observation(patient: Patient, name: str, code: Resource, day: date, **content: object) -> Resource:
    return {
        "resourceType": "Observation",
        "id": f"{patient.patient_id}-{name}",
        "status": "final",
        "code": code,
        "subject": _subject(patient),
        "effectiveDateTime": day.isoformat(),
        **content,
    }


def _subject(patient: Patient) -> Resource:
    return {"reference": f"Patient/{patient.patient_id}"}


def _concept(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _day(patient: Patient, days: int) -> date:
    """So many days after the index date, but never after the last contact."""
    return patient.index_date + timedelta(min(days, patient.time_days))
