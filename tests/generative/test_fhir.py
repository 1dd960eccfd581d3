"""FHIR of one patient per draw, in the shapes of DSTU2, STU3, R4 and R5; fhir.resources says what is legal.

What a study has to find of each patient is known as the records are drawn: whether they are in the cohort,
their age, weight, sodium and survival.
"""

import importlib
import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
from fhir.resources import R4B, STU3
from numpy.random import Generator
from sqlalchemy import Engine

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from protocols.core.study import Study
from site_node.sources import fhir
from site_node.study_table.build import build_table
from tests.generative.draws import DRAWS, chance, one
from tests.generative.patients import DrawnPatient, Resource, Row

IDENTITY = Identity(b"k" * 32)
SNOMED = "http://snomed.info/sct"
NO_WEIGHT = ("no unit", "other unit", "status", "bound", "absent", "no number")
WEIGHT, SODIUM, SCORE = "29463-7", "2951-2", "89243-0"
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
STUDY = Study.model_validate(
    {
        "name": "drawn",
        "title": "drawn",
        "cohort": {"index": {"domain": "condition", "concept": ["ICD10CM:C71%", "ICD10GM:C71%"]}},
        "variables": {
            "age": {"kind": "age"},
            "woman": {"kind": "sex", "is": "female"},
            "first": {"kind": "measurement", "concept": f"LOINC:{WEIGHT}", "unit": "kg", "pick": "first"},
            "last": {"kind": "measurement", "concept": f"LOINC:{WEIGHT}", "unit": "kg", "pick": "last"},
            "heaviest": {"kind": "measurement", "concept": f"LOINC:{WEIGHT}", "unit": "kg", "pick": "max"},
            "sodium": {"kind": "measurement", "concept": f"LOINC:{SODIUM}", "unit": "mmol/L", "pick": "mean"},
            "score": {
                "kind": "measurement",
                "concept": f"LOINC:{SCORE}",
                "comparator": "half",
                "pick": "min",
            },
            "os": {"kind": "survival", "endpoint": "overall"},
        },
        "analyses": [{"name": "n", "spec": {"protocol": "summary", "of": ["age"]}}],
    }
)


class Drawn(DrawnPatient):
    """One patient's records with their weights, sodium and scores."""

    def measure(self) -> None:
        self.weights()
        self.sodium()
        self.scores()

    def observation(self, name: str, code: str, when: Resource, **value: Any) -> Resource:
        coding = {
            "system": str(one(self.rng, LOINC, LOINC + "/", "urn:oid:2.16.840.1.113883.6.1")),
            "code": code,
        }
        codings = (
            [coding]
            if self.rng.random() < 0.7
            else [{"system": "http://hospital.example/labs", "code": f"X{code[0]}"}, coding]
        )
        body: Resource = {
            "resourceType": "Observation",
            "id": f"{self.name}-{name}",
            "status": str(one(self.rng, "final", "amended", "final")),
        }
        category = {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}
            ]
        }
        body |= {
            "category": category if self.release == "DSTU2" else [category],
            **self.subject("Observation"),
            "code": {"coding": codings},
        }
        return {**body, **when, **value}

    def moment(self, at: datetime) -> Resource:
        """When an observation was: `at` is in UTC, on a day on which all zones used agree."""
        hours = int(one(self.rng, 0, 0, 1, 2, -5))  # type: ignore[call-overload]
        local = at.astimezone(timezone(timedelta(hours=hours)))
        text = local.isoformat().replace("+00:00", str(one(self.rng, "Z", "+00:00")))
        ways: list[Resource] = [{"effectiveDateTime": text}, {"effectivePeriod": {"start": text}}]
        if self.release in ("R4", "R5", "DSTU2"):
            ways.append({"issued": text} if self.release == "DSTU2" else {"effectiveInstant": text})
        return ways[int(self.rng.integers(len(ways)))]

    def weights(self) -> None:
        """Weights in several units on several days and times; those that do not count beside them."""
        rng = self.rng
        kept: list[tuple[date, datetime, float]] = []
        for number in range(int(rng.integers(0, 5))):
            day = self.index + timedelta(days=int(rng.integers(0, 3)))
            at = datetime(
                day.year, day.month, day.day, 6 + 3 * number % 15, int(rng.integers(0, 60)), tzinfo=UTC
            )
            value = round(float(rng.uniform(40, 120)), 3)
            body = self.observation(f"w{number}", WEIGHT, self.moment(at))
            pounds, kind = 0.45359237, str(one(rng, *NO_WEIGHT)) if rng.random() < 0.4 else ""
            if kind:
                self.add({**body, **self.no_weight(kind, value)})
                continue
            ways: list[tuple[Resource, float]] = [
                *(({"code": "kg"}, 1.0), ({"code": "g"}, 0.001), ({"code": "[lb_av]"}, pounds)),
                *(({"unit": "lb"}, pounds), ({"unit": "pounds"}, pounds), ({"unit": "kg"}, 1.0)),
                *(({"code": "[oz_av]"}, 0.028349523125), ({"unit": "Kg"}, 1.0), ({"unit": " kg"}, 1.0)),
                ({"system": SNOMED, "code": "258683005", "unit": "kg"}, 1.0),
            ]
            unit, kilograms = ways[int(rng.integers(len(ways)))]
            system = {"system": UCUM} if "code" in unit else {}
            body["valueQuantity"] = {"value": value, **system, **unit}
            if rng.random() < 0.1:  # an older version of the record says something else
                older = {"versionId": "1", "lastUpdated": "2021-01-01T00:00:00Z"}
                self.add({**body, "valueQuantity": {"value": 1, **unit}, "meta": older})
                body["meta"] = {"versionId": "2", "lastUpdated": "2022-01-01T00:00:00Z"}
            self.add(body)
            kept.append((day, at, value * kilograms))
        self.row["first"] = min(kept)[2] if kept else np.nan
        self.row["last"] = max(kept)[2] if kept else np.nan
        self.row["heaviest"] = max((kilograms for *_, kilograms in kept), default=np.nan)

    def no_weight(self, kind: str, value: float) -> Resource:
        """The elements of a weight that does not count."""
        kilograms = {"value": value, "system": UCUM, "code": "kg", "unit": "kg"}
        match kind:
            case "no unit":
                return {"valueQuantity": {"value": value}}
            case "other unit":
                code = str(one(self.rng, "cm", "kg/m2", "[foo]", "%", "1"))
                return {"valueQuantity": {**kilograms, "code": code, "unit": code}}
            case "status":
                status = str(one(self.rng, "entered-in-error", "preliminary", "cancelled", "registered"))
                return {"valueQuantity": kilograms, "status": status}
            case "bound":
                return {
                    "valueQuantity": {**kilograms, "comparator": str(one(self.rng, "<", ">", "<=", ">="))}
                }
            case "absent":
                return {"dataAbsentReason": {"coding": [{"code": "unknown"}]}}
        return {"valueQuantity": {"system": UCUM, "code": "kg", "unit": "kg"}}

    def sodium(self) -> None:
        """Sodium as a component, in units of substance; mass and equivalents do not convert."""
        rng, kept = self.rng, []
        for number in range(int(rng.integers(0, 3))):
            value = float(rng.integers(120, 150))
            unit, times, counts = [
                ("mmol/L", 1, True),
                ("mol/m3", 1, True),
                ("umol/mL", 1, True),
                ("mol/L", 1e-3, True),
                ("meq/L", 1, False),
                ("mg/dL", 1, False),
            ][int(rng.integers(6))]
            quantity = {"value": value * times, "system": UCUM, "code": unit}
            when = {"effectiveDateTime": f"{self.index + timedelta(days=number)}"}
            if rng.random() < 0.5:
                body = self.observation(f"s{number}", "24326-1", when)
                body["component"] = [
                    {"code": {"coding": [{"system": LOINC, "code": SODIUM}]}, "valueQuantity": quantity}
                ]
            else:
                body = self.observation(f"s{number}", SODIUM, when, valueQuantity=quantity)
            self.add(body)
            kept += [value] if counts else []
        self.row["sodium"] = float(np.mean(kept)) if kept else np.nan

    def scores(self) -> None:
        """A number without a unit: an integer, a bound of which half is taken."""
        rng, kept = self.rng, []
        for number in range(int(rng.integers(0, 3))):
            value = float(rng.integers(10, 100))
            when = {"effectiveDateTime": f"{self.index}"}
            kind = (
                str(one(rng, "integer", "quantity", "bound", "string"))
                if self.release in ("R4", "R5")
                else "quantity"
            )
            if kind == "integer":
                body = self.observation(f"k{number}", SCORE, when, valueInteger=int(value))
            elif kind == "string":
                body = self.observation(f"k{number}", SCORE, when, valueString=str(int(value)))
            else:
                body = self.observation(
                    f"k{number}",
                    SCORE,
                    when,
                    valueQuantity={"value": value, "system": UCUM, "code": "{score}"},
                )
            if kind == "bound":
                body["valueQuantity"]["comparator"] = "<"
                value /= 2
            self.add(body)
            kept += [value] if kind != "string" else []
        self.row["score"] = min(kept, default=np.nan)


def check_legal(drawn: Drawn) -> None:
    """Raises where fhir.resources, the second reader, does not take a resource of R4 or STU3."""
    module = {"R4": R4B, "STU3": STU3}.get(drawn.release)
    for resource in drawn.resources if module else ():
        kind = resource["resourceType"]
        model = getattr(importlib.import_module(f"{module.__name__}.{kind.lower()}"), kind)
        model.model_validate(resource)


def write(folder: Path, draw: int, drawn: Drawn, rng: Generator) -> None:
    """The records in any order, as NDJSON or a bundle; a deletion comes after them."""
    found = [drawn.resources[i] for i in rng.permutation(len(drawn.resources))]
    name = f"{draw:05d}"
    if not drawn.is_bundle:
        text = "\n".join(json.dumps(one) for one in found) + "\n"
        (folder / f"{name}a.ndjson").write_bytes((b"\xef\xbb\xbf" if draw % 7 == 0 else b"") + text.encode())
    else:
        entries = [{"fullUrl": f"urn:uuid:{drawn.uuid(r['id'])}", "resource": r} for r in found]
        kind = str(one(rng, "collection", "transaction", "searchset", "batch"))
        if kind in ("transaction", "batch"):
            entries = [
                {
                    **e,
                    "request": {
                        "method": "PUT",
                        "url": f"{e['resource']['resourceType']}/{e['resource']['id']}",
                    },
                }
                for e in entries
            ]
        (folder / f"{name}a.json").write_text(
            json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries})
        )
    if drawn.is_deleted:
        gone = [
            {"request": {"method": "DELETE", "url": f"Patient/{one}"}}
            for one in (drawn.name, drawn.other)
            if one
        ]
        (folder / f"{name}b.json").write_text(
            json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": gone})
        )


def found_in(engine: Engine, folder: Path, names: dict[str, str]) -> dict[str, Row]:
    """Patient -> their row of the study's table, by the name of their record."""
    load(engine, fhir.read(folder), "fhir", IDENTITY)
    table = build_table(engine, STUDY, "site").table
    keys = {IDENTITY.person_id("fhir", name): patient for name, patient in names.items()}
    columns = {name: values.tolist() for name, values in table.columns.items()}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return {keys[int(person)]: row for person, row in zip(table.persons, rows, strict=True)}


def disagreements(found: dict[str, Row], right: dict[str, Row]) -> dict[str, dict[str, tuple[float, float]]]:
    """Patient -> variable -> what was found and what is right, where they differ."""
    wrong: dict[str, dict[str, tuple[float, float]]] = {}
    for name in found.keys() | right.keys():
        one_row, other = found.get(name, {}), right.get(name, {})
        pairs = {
            key: (one_row.get(key, np.inf), other.get(key, np.inf)) for key in one_row.keys() | other.keys()
        }
        bad = {
            key: pair
            for key, pair in pairs.items()
            if not np.isclose(*pair, rtol=1e-9, atol=0, equal_nan=True)
        }
        if bad:
            wrong[name] = bad
    return wrong


@DRAWS
def test_a_study_finds_of_each_patient_what_was_drawn(
    draws: range, sqlite_engine: Engine, tmp_path: Path
) -> None:
    right: dict[str, Row] = {}
    names: dict[str, str] = {}
    for draw in draws:
        drawn = Drawn(rng := chance("fhir", draw), f"p{draw}")
        check_legal(drawn)
        write(tmp_path, draw, drawn, rng)
        names |= {name: drawn.name for name in (drawn.name, drawn.other) if name}
        right |= {drawn.name: drawn.row} if drawn.is_in else {}
    assert disagreements(found_in(sqlite_engine, tmp_path, names), right) == {}
