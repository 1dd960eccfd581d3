"""Patients drawn by chance, in the shapes of DSTU2 to R5: who they are, their illness, visits and end."""

import uuid
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.random import Generator

from tests.generative.draws import one

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10GM = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
ASSERTED = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"
Resource = dict[str, Any]
Row = dict[str, float]


def day_text(rng: Generator, day: date) -> str:
    """A day as FHIR writes it, perhaps with a time."""
    return str(
        one(
            rng,
            f"{day}",
            f"{day}T10:30:00Z",
            f"{day}T23:30:00-05:00",
            f"{day}T00:15:00+02:00",
            f"{day}T08:00:00.123+01:00",
        )
    )


class DrawnPatient:
    """One patient's records, and the row that a study has to find of them."""

    def __init__(self, rng: Generator, name: str) -> None:
        self.rng, self.name = rng, name
        self.release = str(one(rng, "DSTU2", "STU3", "R4", "R4", "R4", "R5"))
        self.is_bundle = rng.random() < 0.5
        self.resources: list[Resource] = []
        self.birth = date(int(rng.integers(1930, 1995)), int(rng.integers(1, 13)), int(rng.integers(1, 28)))
        self.index = date(int(rng.integers(2005, 2020)), int(rng.integers(1, 13)), int(rng.integers(1, 28)))
        self.row: Row = {}
        self.other = f"{name}-old" if rng.random() < 0.2 else ""
        self.is_deleted = rng.random() < 0.05
        self.patient()
        self.is_in = self.diagnoses() and not self.is_deleted
        self.visits()
        self.measure()
        self.outcome()
        if not self.is_in:
            self.row = {}

    def measure(self) -> None:
        """Adds the measurements, and what is right of them."""
        raise NotImplementedError

    def add(self, resource: Resource) -> None:
        self.resources.append(resource)

    def who(self) -> Resource:
        """A reference to the patient, in one of its ways."""
        own = self.other if self.other and self.rng.random() < 0.5 else self.name
        identifier = {"system": "urn:mrn", "value": f"mrn-{own}"}
        ways: list[Resource] = [
            {"reference": f"Patient/{own}"},
            {"reference": f"https://ehr.example/fhir/Patient/{own}"},
            {"reference": f"Patient/{own}/_history/2"},
            {"reference": f"Patient/{own}", "display": "somebody"},
        ]
        if self.release in ("R4", "R5"):
            ways.append({"type": "Patient", "identifier": identifier})
        if self.is_bundle:
            ways += [
                {"reference": f"urn:uuid:{self.uuid(own)}"},
                {"reference": f"Patient?identifier=urn:mrn|mrn-{own}"},
            ]
        return ways[int(self.rng.integers(len(ways)))]

    @staticmethod
    def uuid(name: str) -> uuid.UUID:
        return uuid.uuid5(uuid.NAMESPACE_URL, name)

    def subject(self, kind: str) -> Resource:
        """The element that says whom a resource is about."""
        if self.release == "DSTU2" and kind in ("Condition", "Encounter"):
            return {"patient": self.who()}
        return {"subject": self.who()}

    def patient(self) -> None:
        rng, birth = self.rng, self.birth
        precision = str(one(rng, "day", "day", "month", "year"))
        text = {"day": f"{birth}", "month": f"{birth:%Y-%m}", "year": f"{birth:%Y}"}[precision]
        sex = str(one(rng, "female", "male", "other", "unknown", ""))
        body: Resource = {
            "resourceType": "Patient",
            "id": self.name,
            "birthDate": text,
            "identifier": [{"system": "urn:mrn", "value": f"mrn-{self.name}"}],
        }
        if sex:
            body["gender"] = sex
        if rng.random() < 0.3:
            body["extension"] = [{"url": "http://example.org/x", "valueString": "x"}]
        years = self.index.year - birth.year
        if precision == "month":
            years -= self.index.month < birth.month
        if precision == "day":
            years -= (self.index.month, self.index.day) < (birth.month, birth.day)
        self.row["age"] = float(years)
        self.row["woman"] = {"female": 1.0, "male": 0.0}.get(sex, np.nan)
        self.person = body
        self.add(body)
        if not self.other:
            return
        old: Resource = {
            "resourceType": "Patient",
            "id": self.other,
            "birthDate": text,
            "identifier": [{"system": "urn:mrn", "value": f"mrn-{self.other}"}],
        }
        if rng.random() < 0.5:
            word = "replace" if self.release == "DSTU2" else "replaced-by"
            old["link"] = [{"other": {"reference": f"Patient/{self.name}"}, "type": word}]
        elif self.release != "DSTU2":
            body["link"] = [{"other": {"reference": f"Patient/{self.other}"}, "type": "replaces"}]
        else:
            old["link"] = [{"other": {"reference": f"Patient/{self.name}"}, "type": "refer"}]
        self.add(old)

    def diagnoses(self) -> bool:
        """Some that count, the first of which is the index, and some that do not; whether any counts."""
        rng = self.rng
        for number in range(int(rng.integers(0, 3))):  # these never count
            day = self.index - timedelta(days=int(rng.integers(1, 900)))
            body = self.condition(f"no{number}", day)
            kind = str(
                one(
                    rng,
                    "refuted",
                    "entered-in-error",
                    "provisional",
                    "differential",
                    "other",
                    "german",
                    "modifier",
                )
            )
            if kind == "other":
                body["code"] = {
                    "coding": [
                        {"system": ICD10CM, "code": str(one(rng, "D33.1", "Z85.841", "C7A.1", "C72.9"))}
                    ]
                }
            elif kind == "german":
                body["code"] = {
                    "coding": [{"system": ICD10GM, "code": str(one(rng, "C71.1A", "C71.9 V", "C71.1Z"))}]
                }
            elif kind == "modifier":
                body["modifierExtension"] = [{"url": "http://example.org/not", "valueBoolean": True}]
            else:
                body["verificationStatus"] = self.status(kind, "condition-ver-status")
            self.add(body)
        count = int(rng.integers(1, 4)) if rng.random() < 0.9 else 0
        for number in range(count):
            self.add(self.condition(f"yes{number}", self.index + timedelta(days=400 * number)))
        return count > 0

    def condition(self, name: str, day: date) -> Resource:
        rng = self.rng
        code = str(one(rng, "C71.1", "C71.9", "C711", "c71.2", "C71"))
        codings = [
            {
                "system": str(one(rng, ICD10CM, ICD10CM + "|2020", "urn:oid:2.16.840.1.113883.6.90")),
                "code": code,
            }
        ]
        if rng.random() < 0.2:
            codings = [{"system": ICD10GM, "code": str(one(rng, "C71.1", "C71.9G", "C71.8 G"))}]
        if rng.random() < 0.2:
            codings.insert(0, {"system": "http://hospital.example/codes", "code": "GLIO"})
        body: Resource = {
            "resourceType": "Condition",
            "id": f"{self.name}-{name}",
            **self.subject("Condition"),
            "code": {"coding": codings},
        }
        if rng.random() < 0.6 or self.release == "DSTU2":
            body["verificationStatus"] = self.status("confirmed", "condition-ver-status")
        if rng.random() < 0.5:
            body["clinicalStatus"] = self.status(
                str(one(rng, "active", "resolved", "remission")), "condition-clinical"
            )
        return {**body, **self.onset(day)}

    def onset(self, day: date) -> Resource:
        """The date of a diagnosis in one of its ways, a later or impossible one beside it."""
        rng, when = self.rng, day_text(self.rng, day)
        later = f"{day + timedelta(days=30)}"
        recorded = {"DSTU2": "dateRecorded", "STU3": "assertedDate"}.get(self.release, "recordedDate")
        ways: list[Resource] = [
            {"onsetDateTime": when}, {"onsetPeriod": {"start": when, "end": later}},
            {"onsetDateTime": when, recorded: later},
        ]  # fmt: skip
        ways += [
            {recorded: f"{day}"},
            {"onsetDateTime": "9999-12-31", recorded: f"{day}"},
            {"onsetDateTime": "0001-01-01", recorded: f"{day}"},
        ]
        if recorded == "recordedDate":
            ways.append({"extension": [{"url": ASSERTED, "valueDateTime": f"{day}"}], "recordedDate": later})
        return ways[int(rng.integers(len(ways)))]

    def status(self, code: str, system: str) -> Any:
        """A status: a code up to STU3, a concept since R4."""
        if self.release in ("DSTU2", "STU3"):
            return code
        coding = {"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}
        return one(self.rng, {"coding": [coding]}, {"coding": [coding], "text": code})

    def visits(self) -> None:
        """The last contact: the end of the last visit that took place."""
        rng = self.rng
        last = self.index
        for number in range(int(rng.integers(1, 4))):
            start = self.index + timedelta(days=int(rng.integers(0, 1500)))
            end = start + timedelta(days=int(rng.integers(0, 20)))
            body: Resource = {
                "resourceType": "Encounter",
                "id": f"{self.name}-v{number}",
                **self.subject("Encounter"),
                "status": "finished",
            }
            body["class"] = self.visit_class()
            period = {"start": day_text(rng, start), "end": f"{end}"}
            kind = str(one(rng, "", "", "", "9999", "open", "planned" if number else ""))
            if kind == "9999":
                period["end"], end = "9999-12-31", start
            elif kind == "open":
                del period["end"]
                end = start
            elif kind == "planned":
                body["status"], end = "planned", self.index
            body["actualPeriod" if self.release == "R5" else "period"] = period
            if self.release == "R5" and body["status"] == "finished":
                body["status"] = "completed"
            last = max(last, end)
            self.add(body)
        self.last_contact = last
        self.has_visit = any(
            one["resourceType"] == "Encounter" and one["status"] != "planned" for one in self.resources
        )

    def visit_class(self) -> Any:
        if self.release == "DSTU2":
            return "outpatient"
        coding = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
        return [{"coding": [coding]}] if self.release == "R5" else coding

    def outcome(self) -> None:
        """Death to the day, month or year, alive, or not known."""
        rng = self.rng
        kind = str(one(rng, "alive", "dead", "month", "year", "time", "unknown", "9999", "boolean"))
        self.row |= {"os.time": np.nan, "os.event": np.nan}
        day = self.last_contact + timedelta(days=int(rng.integers(0, 800)))
        text = {"month": f"{day:%Y-%m}", "year": f"{day:%Y}", "time": f"{day}T12:00:00+01:00"}.get(
            kind, f"{day}"
        )
        if kind == "alive":
            self.person["deceasedBoolean"] = False
            self.row |= {"os.time": float((self.last_contact - self.index).days), "os.event": 0.0}
        elif kind in ("dead", "month", "year", "time"):
            self.person["deceasedDateTime"] = text
            if kind == "month":
                day = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
            elif kind == "year":
                day = date(day.year, 12, 31)
            self.row |= {"os.time": float((day - self.index).days), "os.event": 1.0}
        elif kind == "9999":
            self.person["deceasedDateTime"] = "9999-12-31"
        elif kind == "boolean":
            self.person["deceasedBoolean"] = True
