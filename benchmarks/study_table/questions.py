"""What is asked of the drawn people: a study of 20 variables, a cohort of ATLAS, a federated count."""

from typing import Any

from benchmarks.study_table.hospital import (
    CODES,
    CONDITIONS,
    DRUGS,
    FEATURES,
    GENES,
    GRADE,
    LABORATORY,
    PROCEDURES,
    STATUS,
    WORSE,
)
from protocols.core.study import Study

INDEX = {"domain": "condition", "concept": f"SNOMED:{CONDITIONS[0]}"}
RULES = (
    {"name": "adults", "kind": "age", "at_least": 18},
    {"name": "visited", "kind": "record", "domain": "visit", "concept": "Visit:IP", "absent": True},
    {"name": "followed", "kind": "follow_up", "at_least_days": 1},
)


def _number(place: int, **asked: Any) -> dict[str, Any]:
    return {"kind": "measurement", "concept": f"LOINC:{LABORATORY[place][0]}", **asked}


def _radiomic(place: int) -> dict[str, Any]:
    return {"kind": "radiomic", "modality": "MR", "region": "GTV", "feature": FEATURES[place]}


def _done(domain: str, code: str, **window: int) -> dict[str, Any]:
    return {"kind": "occurrence", "domain": domain, "concept": code, "window": window}


VARIABLES: dict[str, dict[str, Any]] = {
    "age": {"kind": "age"},
    "sex": {"kind": "sex", "is": "female"},
    "systolic": _number(0, pick="last", window={"to_days": 0}),
    "diastolic": _number(1, pick="mean"),
    "weight": _number(2, pick="first", unit="kg"),
    "haemoglobin": _number(3, pick="min", unit="g/dL", comparator="half"),
    "creatinine": _number(4, pick="max", window={"from_days": -365, "to_days": 30}),
    "glucose": _number(5, pick="last", comparator="limit"),
    "platelets": _number(6, pick="first", unit="10*9/L", window={"from_days": 0}),
    "grade": {"kind": "finding", "concept": f"SNOMED:{GRADE}", "values": ["G3", "G4"]},
    "worse": {
        "kind": "finding",
        "concept": f"LOINC:{STATUS}",
        "values": [f"SNOMED:{WORSE}"],
        "pick": "any",
    },
    "operated": _done("procedure", f"SNOMED:{PROCEDURES[3]}", from_days=0),
    "treated": _done("drug", f"RxNorm:{DRUGS[2]}", from_days=-90, to_days=365),
    "comorbid": _done("condition", f"SNOMED:{CONDITIONS[5]}", to_days=0),
    "idh1": {"kind": "gene", "gene": GENES[0]},
    "expression": {"kind": "expression", "gene": GENES[2], "unit": "log2_tpm"},
    "volume": _radiomic(2),
    "entropy": _radiomic(3),
    "scanner": {"kind": "scanner", "modality": "MR"},
    "survival": {"kind": "survival", "endpoint": "overall"},
}


def study(variables: dict[str, dict[str, Any]] = VARIABLES, **cohort: Any) -> Study:
    """The study of these variables in everybody with the index diagnosis, about half of the people."""
    return Study.model_validate(
        {
            "name": "drawn",
            "title": "Drawn people",
            "cohort": cohort or {"index": INDEX, "rules": RULES},
            "variables": {"age": VARIABLES["age"], **variables},
            "analyses": [{"name": "ages", "spec": {"protocol": "summary", "of": ["age"]}}],
        }
    )


def counted() -> Study:
    """A federated count: the same cohort and no more than an age and a sex."""
    return study({"sex": VARIABLES["sex"]})


def _set(number: int, vocabulary_id: str, *codes: str) -> dict[str, Any]:
    concepts = [{"CONCEPT_ID": CODES[vocabulary_id, code].concept_id} for code in codes]
    items = [{"concept": one, "includeDescendants": True} for one in concepts]
    return {"id": number, "name": f"set {number}", "expression": {"items": items}}


def _around(kind: str, number: int, before: int | None, after: int, **more: Any) -> dict[str, Any]:
    return {
        "Criteria": {kind: {"CodesetId": number, **more}},
        "StartWindow": {"Start": {"Days": before, "Coeff": -1}, "End": {"Days": after, "Coeff": 1}},
        "Occurrence": {"Type": 2, "Count": 1},
    }


def atlas() -> dict[str, Any]:
    """A definition of ATLAS: any visit near a high pressure, three rules, one of them with a nested one."""
    high = {"ValueAsNumber": {"Value": 150, "Op": "gte"}}
    pressed = _group(_around("Measurement", 1, 30, 30, **high))
    seen = {"VisitOccurrence": {"CodesetId": None, "CorrelatedCriteria": pressed}}
    treated = _around(
        "DrugExposure", 2, 0, 365, CorrelatedCriteria=_group(_around("ProcedureOccurrence", 3, 365, 365))
    )
    return {
        "ConceptSets": [
            _set(0, "SNOMED", *CONDITIONS[:2], *CONDITIONS[20:24]),
            _set(1, "LOINC", LABORATORY[0][0]),
            _set(2, "RxNorm", *DRUGS[:8]),
            _set(3, "SNOMED", *PROCEDURES[:10]),
            _set(4, "SNOMED", CONDITIONS[40]),
        ],
        "PrimaryCriteria": {
            "CriteriaList": [seen],
            "ObservationWindow": {"PriorDays": 30, "PostDays": 0},
            "PrimaryCriteriaLimit": {"Type": "All"},
        },
        "QualifiedLimit": {"Type": "All"},
        "InclusionRules": [
            {"name": "diagnosed", "expression": _group(_around("ConditionOccurrence", 0, None, 365))},
            {"name": "treated", "expression": _group(treated)},
            {
                "name": "never had it",
                "expression": _group(
                    {**_around("ConditionOccurrence", 4, None, 0), "Occurrence": {"Type": 0, "Count": 0}}
                ),
            },
        ],
        "ExpressionLimit": {"Type": "First"},
        "EndStrategy": {"DateOffset": {"DateField": "StartDate", "Offset": 365}},
        "CensoringCriteria": [],
        "CollapseSettings": {"CollapseType": "ERA", "EraPad": 0},
        "CensorWindow": {},
        "cdmVersionRange": ">=5.0.0",
    }


def _group(*criteria: dict[str, Any]) -> dict[str, Any]:
    return {"Type": "ALL", "CriteriaList": list(criteria), "DemographicCriteriaList": [], "Groups": []}
