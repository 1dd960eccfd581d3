"""A hospital drawn at random around ATLAS's definitions, and definitions drawn at random."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from random import Random
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Engine, select

from cdm.cohorts.circe import Expression
from cdm.cohorts.circe.criteria import Event
from cdm.database import upsert, writing
from cdm.schema import metadata
from tests.lib.slow_atlas import WHERE, Tables

CONCEPTS = range(1, 13)
BELOW = 2_000_000_000  # an invented concept below each of a set's
UNITS, MALE, FEMALE = (8840, 8713), 8507, 8532
TYPES = (32817, 32838)
FIRST_DAY = date(2018, 1, 1)
READ = (
    *("person", "observation_period", "concept", "concept_ancestor", "concept_relationship"),
    *(table for table, *_ in WHERE.values()),
)


def tables_of(engine: Engine) -> Tables:
    """What the database holds, as lists of rows."""
    with engine.connect() as connection:
        return {
            name: [dict(row) for row in connection.execute(select(metadata.tables[name])).mappings()]
            for name in READ
        }


def write(engine: Engine, tables: Tables) -> None:
    """Puts the rows into the database."""
    with writing(engine) as connection:
        for name, rows in tables.items():
            upsert(connection, metadata.tables[name], rows)


class Hospital:
    """People with records at random; `tables` are its rows."""

    def __init__(self, seed: int, people: int) -> None:
        self.random = Random(seed)
        self.tables: Tables = {name: [] for name in READ}
        self._keys = iter(range(1, 10**9))
        for person_id in range(1, people + 1):
            self._person(person_id)
        self.people = range(1, people + 1)

    def _person(self, person_id: int) -> None:
        draw = self.random
        self.tables["person"].append(
            {
                "person_id": person_id,
                "gender_concept_id": draw.choice((MALE, FEMALE)),
                "year_of_birth": draw.randint(1930, 2005),
                "race_concept_id": draw.choice((8527, 0)),
                "ethnicity_concept_id": 0,
            }
        )
        start = FIRST_DAY + timedelta(days=draw.randint(-1500, 200))
        for _ in range(draw.choice((1, 1, 1, 2))):
            end = start + timedelta(days=draw.randint(200, 1800))
            self._add(
                "observation_period",
                person_id,
                observation_period_start_date=start,
                observation_period_end_date=end,
                period_type_concept_id=32817,
            )
            start = end + timedelta(days=draw.randint(2, 90))

    def _add(self, table: str, person_id: int, **values: Any) -> None:
        key = {} if table == "death" else {f"{table}_id": next(self._keys)}
        self.tables[table].append({**key, "person_id": person_id, **values})

    def concepts(self, ids: Iterable[int]) -> None:
        """Adds concepts to the vocabulary, each above itself."""
        for concept_id in ids:
            self._concept(concept_id)
            self.ancestor(concept_id, concept_id)

    def _concept(self, concept_id: int) -> None:
        row = {
            "concept_id": concept_id,
            "concept_name": f"concept {concept_id}",
            "domain_id": "Condition",
            "vocabulary_id": "Test",
            "concept_class_id": "Test",
            "standard_concept": "S",
            "concept_code": str(concept_id),
            "valid_start_date": date(1970, 1, 1),
            "valid_end_date": date(2099, 12, 31),
            "invalid_reason": None,
        }
        if all(one["concept_id"] != concept_id for one in self.tables["concept"]):
            self.tables["concept"].append(row)

    def ancestor(self, above: int, below: int) -> None:
        """Puts a concept below another."""
        row = {
            "ancestor_concept_id": above,
            "descendant_concept_id": below,
            "min_levels_of_separation": 0,
            "max_levels_of_separation": 0,
        }
        if row not in self.tables["concept_ancestor"]:
            self.tables["concept_ancestor"].append(row)

    def maps(self, source: int, target: int) -> None:
        """Says that a concept is written as another."""
        self.tables["concept_relationship"].append(
            {
                "concept_id_1": source,
                "concept_id_2": target,
                "relationship_id": "Maps to",
                "valid_start_date": date(1970, 1, 1),
                "valid_end_date": date(2099, 12, 31),
                "invalid_reason": None,
            }
        )

    def record(
        self,
        kind: str,
        person_id: int,
        concept_id: int,
        value: float | None = None,
        near: date | None = None,
    ) -> None:
        """Adds a record of a kind of ATLAS's, such as DrugExposure, on a day at random or near another."""
        draw = self.random
        table, prefix, start, end = WHERE[kind]
        if table == "death" and any(row["person_id"] == person_id for row in self.tables["death"]):
            return
        day = FIRST_DAY + timedelta(days=draw.randint(0, 900))
        if near is not None:
            day = near + timedelta(days=draw.choice((-200, -30, -3, 0, 0, 0, 1, 3, 30)))
        values: dict[str, Any] = {start: day, f"{prefix}_concept_id": concept_id}
        if end and (not metadata.tables[table].c[end].nullable or draw.random() < 0.5):
            values[end] = day + timedelta(days=draw.choice((0, 1, 5, 40)))
        columns = metadata.tables[table].c
        visits = [row for row in self.tables["visit_occurrence"] if row["person_id"] == person_id]
        drawn = {
            "visit_occurrence_id": draw.choice(visits)["visit_occurrence_id"] if visits else None,
            f"{prefix}_source_concept_id": draw.choice((None, *CONCEPTS)),
            f"{table.removesuffix('_occurrence').removesuffix('_exposure')}_type_concept_id": draw.choice(
                TYPES
            ),
            "value_as_number": value if value is not None else draw.choice((None, 1.0, 5.0, 12.5)),
            "value_as_concept_id": draw.choice((None, 3, 4)),
            "unit_concept_id": draw.choice(UNITS),
            "quantity": draw.choice((None, 1, 3)),
            "days_supply": draw.choice((None, 10, 30)),
            "condition_occurrence_count": draw.randint(1, 4),
            "drug_exposure_count": draw.randint(1, 4),
            "gap_days": draw.randint(0, 30),
        }
        if table == "visit_occurrence":
            del drawn["visit_occurrence_id"]
        chosen = {name: given for name, given in drawn.items() if name in columns}
        self._add(table, person_id, **{**chosen, **values})

    def records_for(self, expression: Expression, people: int) -> None:
        """Adds records that the definition's criteria ask for, for some people."""
        members: dict[int, list[int]] = {}
        for one in expression.concept_sets:
            named = [item.concept.concept_id for item in one.expression.items]
            self.concepts(named)
            for item in one.expression.items:
                if item.include_descendants:
                    below = BELOW + item.concept.concept_id % BELOW
                    self.concepts([below])
                    self.ancestor(item.concept.concept_id, below)
                    if not item.is_excluded:
                        named.append(below)
            out = {item.concept.concept_id for item in one.expression.items if item.is_excluded}
            members[one.id] = [concept_id for concept_id in named if concept_id not in out]
        for person_id in self.random.sample(self.people, people):
            near = FIRST_DAY + timedelta(days=self.random.randint(0, 900))
            for event in events_of(expression):
                for _ in range(self.random.choice((0, 0, 1, 1, 2))):
                    number = event.codeset_id
                    concept_id = 0 if number is None else self.random.choice(members[number])
                    wanted = getattr(event, "value_as_number", None)
                    value = None if wanted is None else wanted.value
                    self.record(type(event).__name__, person_id, concept_id, value, near)


def events_of(part: BaseModel) -> Iterator[Event]:
    """Every criterion anywhere in a definition."""
    if isinstance(part, Event):
        yield part
    for _, value in part:
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, BaseModel):
                yield from events_of(one)


class Definitions:
    """Definitions at random over the concepts 1 to 12, which use every part that is supported."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def draw(self) -> dict[str, Any]:
        """One definition, as ATLAS writes it."""
        draw = self.random
        return {
            "ConceptSets": [self._concept_set(number) for number in range(4)],
            "PrimaryCriteria": {
                "CriteriaList": [self._criteria(1) for _ in range(draw.randint(1, 2))],
                "ObservationWindow": {
                    "PriorDays": draw.choice((0, 0, 100)),
                    "PostDays": draw.choice((0, 30)),
                },
                "PrimaryCriteriaLimit": self._limit(),
            },
            "AdditionalCriteria": self._group(1) if draw.random() < 0.4 else None,
            "QualifiedLimit": self._limit(),
            "InclusionRules": [
                {"name": f"rule {number}", "expression": self._group(2)}
                for number in range(draw.randint(0, 2))
            ],
            "ExpressionLimit": self._limit(),
            "EndStrategy": self._end(),
            "CensoringCriteria": [self._criteria(0)] if draw.random() < 0.3 else [],
            "CollapseSettings": {"CollapseType": "ERA", "EraPad": draw.choice((0, 0, 30))},
            "CensorWindow": draw.choice(({}, {}, {"StartDate": "2018-06-01", "EndDate": "2020-01-01"})),
            "cdmVersionRange": ">=5.0.0",
        }

    def _concept_set(self, number: int) -> dict[str, Any]:
        draw = self.random
        items = [
            {
                "concept": {"CONCEPT_ID": concept_id, "CONCEPT_NAME": None},
                "isExcluded": place > 1 and draw.random() < 0.4,
                "includeDescendants": draw.random() < 0.6,
                "includeMapped": draw.random() < 0.2,
            }
            for place, concept_id in enumerate(draw.sample(CONCEPTS, draw.randint(2, 5)))
        ]
        return {"id": number, "name": f"set {number}", "expression": {"items": items}}

    def _limit(self) -> dict[str, str]:
        return {"Type": self.random.choice(("All", "All", "First", "Last"))}

    def _end(self) -> dict[str, Any]:
        draw = self.random
        offset = {"DateField": draw.choice(("StartDate", "EndDate")), "Offset": draw.choice((0, 7, 365))}
        era = {
            "DrugCodesetId": draw.randrange(4),
            "GapDays": draw.choice((0, 30)),
            "Offset": draw.choice((0, 5)),
            "DaysSupplyOverride": draw.choice((None, None, 20)),
        }
        return draw.choice(({}, {"DateOffset": offset}, {"CustomEra": era}))

    def _range(self, values: tuple[float, ...]) -> dict[str, Any]:
        draw = self.random
        low, high = sorted((draw.choice(values), draw.choice(values)))
        op = draw.choice(("lt", "lte", "eq", "!eq", "gt", "gte", "bt", "!bt"))
        return {"Value": low, "Op": op, "Extent": high if op.endswith("bt") else None}

    def _days(self) -> dict[str, Any]:
        op = self.random.choice(("gt", "lte", "bt"))
        return {"Value": "2018-09-01", "Op": op, "Extent": "2019-12-31" if op == "bt" else None}

    def _criteria(self, depth: int) -> dict[str, Any]:
        draw = self.random
        kind = draw.choice(list(WHERE))
        own: dict[str, Any] = {"CodesetId": draw.choice((None, 0, 1, 2, 3)), "First": draw.random() < 0.2}
        if kind == "Death":
            own["First"] = False
        is_era = kind.endswith("Era")
        options = {
            "AgeAtStart" if is_era else "Age": self._range((20, 40, 60)),
            "Gender": [{"CONCEPT_ID": MALE}],
            "EraStartDate" if is_era else "OccurrenceStartDate": self._days(),
            **self._options(kind),
        }
        for name in draw.sample(list(options), draw.choice((0, 0, 1, 2))):
            own[name] = options[name]
        if depth and draw.random() < 0.25:
            own["CorrelatedCriteria"] = self._group(depth - 1)
        return {kind: own}

    def _options(self, kind: str) -> dict[str, Any]:
        draw = self.random
        of_type = [{"CONCEPT_ID": draw.choice(TYPES)}]
        value = {"ValueAsNumber": self._range((1, 5, 12.5)), "Unit": [{"CONCEPT_ID": UNITS[0]}]}
        visit = {"VisitType": [{"CONCEPT_ID": 1}, {"CONCEPT_ID": 2}, {"CONCEPT_ID": 5}]}
        supply = {"DaysSupply": self._range((10, 30)), "Quantity": self._range((1, 3))}
        concept = {"ValueAsConcept": [{"CONCEPT_ID": 3}]}
        era = {"EraLength": self._range((1, 5, 40)), "OccurrenceCount": self._range((1, 2, 3))}
        excluded = draw.random() < 0.5
        return {
            "ConditionOccurrence": {"ConditionType": of_type, "ConditionSourceConcept": 2, **visit},
            "ProcedureOccurrence": {"ProcedureType": of_type, **visit},
            "DrugExposure": {"DrugType": of_type, **supply, **visit},
            "DeviceExposure": {"DeviceType": of_type},
            "Observation": {**value, **concept},
            "Measurement": {"MeasurementType": of_type, **value, **concept},
            "VisitOccurrence": {
                "VisitType": of_type,
                "VisitTypeExclude": excluded,
                "VisitLength": era["EraLength"],
            },
            "Death": {"DeathType": of_type},
            "Specimen": {"SpecimenType": of_type},
            "ConditionEra": {**era, "AgeAtEnd": self._range((20, 40, 60))},
            "DrugEra": {**era, "GapDays": self._range((5, 20))},
        }[kind]

    def _group(self, depth: int) -> dict[str, Any]:
        draw = self.random
        size = draw.randint(1, 3)
        people = {"Age": self._range((20, 40, 60)), "Gender": [{"CONCEPT_ID": FEMALE}]}
        return {
            "Type": draw.choice(("ALL", "ANY", "AT_LEAST", "AT_MOST")),
            "Count": draw.randint(0, 2),
            "CriteriaList": [self._around(depth) for _ in range(size)],
            "DemographicCriteriaList": [people] if draw.random() < 0.3 else [],
            "Groups": [self._group(depth - 1)] if depth and draw.random() < 0.3 else [],
        }

    def _around(self, depth: int) -> dict[str, Any]:
        draw = self.random
        return {
            "Criteria": self._criteria(max(depth - 1, 0)),
            "StartWindow": self._window() if draw.random() < 0.9 else None,
            "EndWindow": self._window() if draw.random() < 0.2 else None,
            "RestrictVisit": draw.random() < 0.1,
            "IgnoreObservationPeriod": draw.random() < 0.4,
            "Occurrence": {
                "Type": draw.choice((0, 1, 2, 2, 2)),
                "Count": draw.choice((0, 1, 1, 2)),
                "IsDistinct": draw.random() < 0.2,
            },
        }

    def _window(self) -> dict[str, Any]:
        draw = self.random
        return {
            "Start": {"Days": draw.choice((None, 0, 30, 365)), "Coeff": -1},
            "End": {"Days": draw.choice((None, 0, 1, 200)), "Coeff": draw.choice((-1, 1, 1))},
            "UseIndexEnd": draw.random() < 0.2,
            "UseEventEnd": draw.choice((None, False, True)),
        }
