"""CDMs and studies drawn at random, with all that a hospital's rows have of oddities."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any

from tests.lib.slow_atlas import Row, Tables

TODAY = date(2024, 6, 30)
FIRST_DAY = date(2018, 1, 1)
ODD_DAYS = (date(1, 1, 1), date(1900, 1, 1), date(9999, 12, 31), TODAY + timedelta(days=3))
OPERATORS = (4171756, 4171754, 4172703, 4171755, 4172704)
# (concept_id, vocabulary, code); the last of LOINC's and of SNOMED's lies below the first.
CONCEPTS = (
    *((101, "LOINC", "1-8"), (102, "LOINC", "2-6"), (103, "LOINC", "3-4")),
    *((201, "SNOMED", "1000"), (202, "SNOMED", "2000"), (203, "SNOMED", "3000")),
    *((301, "UCUM", "kg"), (302, "UCUM", "[lb_av]")),
)
BELOW = ((101, 103), (201, 203))
WRITTEN = (
    *("LOINC:1-8", "LOINC:2-6", "LOINC:9-9", "SNOMED:1000", "ICD10CM:C71.1", "ICD10CM:C71.9", "ICD10CM:C72"),
    *("weight", "loinc:1-8", "", None),
)
ASKED = (
    *("LOINC:1-8", "LOINC:2-6", "LOINC:9-9", "SNOMED:1000", "ICD10CM:C71%", "ICD10CM:C71.9"),
    *("local:weight", "local:wei%", "LOINC:404-4"),
)
UNITS = ("kg", "[lb_av]", "cm", "stone", None)
VALUES = ("G2", "G3", "SNOMED:2000", "SNOMED:3000")
KEYS = {
    "condition_occurrence": ("condition", "condition_start_date"),
    "procedure_occurrence": ("procedure", "procedure_date"),
    "drug_exposure": ("drug", "drug_exposure_start_date"),
    "visit_occurrence": ("visit", "visit_start_date"),
    "measurement": ("measurement", "measurement_date"),
    "observation": ("observation", "observation_date"),
}


class DrawnCdm:
    """People with records at random; `tables` are its rows."""

    def __init__(self, seed: int, people: int, mixed_units: bool = True) -> None:
        self.random = Random(seed)
        self.units = UNITS if mixed_units else ("kg",)
        self.tables: Tables = {name: [] for name in (*KEYS, "person", "death", "observation_period")}
        self.tables |= {"concept": [_concept(*one) for one in CONCEPTS], "concept_ancestor": []}
        for above, below in (*BELOW, *((one[0], one[0]) for one in CONCEPTS)):
            levels = {"min_levels_of_separation": 0, "max_levels_of_separation": 0}
            pair = {"ancestor_concept_id": above, "descendant_concept_id": below}
            self.tables["concept_ancestor"].append({**pair, **levels})
        self._key = 0
        for number in range(people):
            self._person(self.random.getrandbits(62) + number)

    def _person(self, person_id: int) -> None:
        draw = self.random
        if draw.random() < 0.95:  # else their records are nobody's
            self.tables["person"].append(
                {
                    "person_id": person_id,
                    "gender_concept_id": draw.choice((8507, 8532, 0)),
                    "year_of_birth": draw.choice((1950, 1980, 2019, 0)),
                    "month_of_birth": draw.choice((None, 1, 6, 12)),
                    "day_of_birth": draw.choice((None, 1, 31)),
                    "race_concept_id": 0,
                    "ethnicity_concept_id": 0,
                }
            )
        if draw.random() < 0.2:
            self.tables["death"].append({"person_id": person_id, "death_date": self._day()})
        for _ in range(draw.choice((0, 1, 1, 2))):
            self._key += 1
            period = {"observation_period_id": self._key, "period_type_concept_id": 32817}
            ends = sorted((self._day(), self._day()))
            days = dict(
                zip(("observation_period_start_date", "observation_period_end_date"), ends, strict=True)
            )
            self.tables["observation_period"].append({**period, **days, "person_id": person_id})
        for table in KEYS:
            for _ in range(draw.randint(0, 12)):
                self._record(table, person_id)

    def _day(self) -> date:
        if self.random.random() < 0.05:
            return self.random.choice(ODD_DAYS)
        return FIRST_DAY + timedelta(days=self.random.choice((0, 1, 2, 30, 31, 400, 900)))

    def _record(self, table: str, person_id: int) -> None:
        draw = self.random
        prefix, day = KEYS[table]
        self._key += 1
        row: Row = {
            f"{table}_id": draw.getrandbits(50) * 1000 + self._key % 1000,
            "person_id": person_id,
            day: self._day(),
            f"{prefix}_concept_id": draw.choice((0, 0, 101, 102, 103, 201, 203)),
            f"{prefix}_source_concept_id": draw.choice((None, None, 0, 101, 201)),
            f"{prefix}_source_value": draw.choice(WRITTEN),
            f"{prefix}_type_concept_id": 32817,
        }
        if day.endswith("_start_date"):
            row[day.replace("_start_", "_end_")] = row[day]
        if table in ("measurement", "observation"):
            row |= self._answer(table, row[day])
        self.tables[table].append(row)

    def _answer(self, table: str, day: date) -> Row:
        draw = self.random
        unit = draw.choice(self.units)
        timed = datetime.combine(day, time(draw.choice((0, 8, 12)))) if draw.random() < 0.6 else None
        answer: Row = {
            f"{table}_datetime": timed,
            "value_as_number": draw.choice((None, 70.0, 154.3, 0.1, -3.0, 60.0)),
            "unit_source_value": unit,
            "unit_concept_id": draw.choice((None, 0, {"kg": 301, "[lb_av]": 302}.get(unit or "", 999))),
            "value_source_value": draw.choice((None, "G2", "G3", "SNOMED:2000")),
            "value_as_concept_id": draw.choice((None, 0, 202, 203)),
        }
        if table == "measurement":
            answer["operator_concept_id"] = draw.choice((None, None, None, *OPERATORS))
        else:
            answer["qualifier_source_value"] = draw.choice((None, None, "refuted", "provisional", "left"))
        return answer

    def cohort(self) -> dict[str, Any]:
        """An index event and up to two rules."""
        draw = self.random
        domain = draw.choice(("condition", "measurement", "procedure", "observation", "drug"))
        index = {"domain": domain, "concept": self._asked(), "pick": draw.choice(("first", "last"))}
        rules = [self._rule(number) for number in range(draw.choice((0, 0, 1, 2)))]
        return {"index": index, "rules": rules}

    def _asked(self) -> str | list[str]:
        return self.random.choice((*ASKED, list(self.random.sample(ASKED, 3))))

    def _rule(self, number: int) -> dict[str, Any]:
        draw = self.random
        record = {"domain": draw.choice(("condition", "visit", "measurement")), "concept": self._asked()}
        rule: dict[str, Any] = draw.choice(
            (
                {"kind": "age", "at_least": draw.choice((0, 1, 38))},
                {"kind": "age", "at_most": 60},
                {"kind": "sex", "is": draw.choice(("female", "male"))},
                {"kind": "record", **record, **self._window(), "absent": draw.random() < 0.5},
                {"kind": "follow_up", "at_least_days": draw.choice((0, 100))},
            )
        )
        return {"name": f"rule {number}", **rule}

    def _window(self) -> dict[str, int | None]:
        draw = self.random
        low = draw.choice((None, -2_000_000, -400, -30, 0, 1))
        high = draw.choice((None, 0, 1, 30, 900, 5_000_000))
        if low is not None and high is not None and low > high:
            high = low
        return {"from_days": low, "to_days": high}

    def variables(self, count: int) -> dict[str, dict[str, Any]]:
        """So many variables of the clinical kinds."""
        return {f"v{number}": self._variable() for number in range(count)}

    def _variable(self) -> dict[str, Any]:
        draw = self.random
        dated = {"concept": draw.choice(ASKED), "window": self._window()}
        number = {
            "kind": "measurement",
            "pick": draw.choice(("first", "last", "mean", "min", "max")),
            "comparator": draw.choice((None, "leave_out", "half", "limit")),
            "unit": "kg" if len(self.units) > 1 else draw.choice((None, "kg")),
        }
        finding = {"kind": "finding", "values": draw.sample(VALUES, 2)}
        occurrence = {"kind": "occurrence", "domain": draw.choice(("condition", "procedure", "drug"))}
        results = {"kind": draw.choice(("measured", "count", "interval"))}
        before = {"kind": "days_since_last", "concept": dated["concept"]}
        kinds: Sequence[dict[str, Any]] = (
            {"kind": "age"},
            {"kind": "sex", "is": draw.choice(("female", "male"))},
            {**occurrence, **dated},
            {**finding, "pick": draw.choice(("first", "last", "any")), **dated},
            {**number, **dated},
            {**number, **dated},
            {**results, **dated},
            before,
        )
        return draw.choice(kinds)


def _concept(concept_id: int, vocabulary_id: str, code: str) -> Row:
    return {
        "concept_id": concept_id,
        "concept_name": code,
        "domain_id": "Measurement",
        "vocabulary_id": vocabulary_id,
        "concept_class_id": "Test",
        "standard_concept": "S",
        "concept_code": code,
        "valid_start_date": date(1970, 1, 1),
        "valid_end_date": date(2099, 12, 31),
        "invalid_reason": None,
    }
