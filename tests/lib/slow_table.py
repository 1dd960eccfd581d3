"""A study's cohort and its clinical variables a second time, row by row in plain Python: slow, easy to check.

No SQL, no arrays: what the database makes by sets (`site_node/study_table`) is here one person after another.
"""

import math
from calendar import monthrange
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from cdm.cohorts.cohort import AgeAtIndex, CohortDefinition, FollowUp, HasRecord, SexIs
from cdm.etl.fhir.condition import CONSIDERED
from cdm.vocabulary.concepts import Vocabulary
from cdm.vocabulary.names import ConceptCode, normal_code
from cdm.vocabulary.ucum import conversion
from protocols.core.variables import Window
from protocols.core.variables.clinical import (
    Age,
    Count,
    DaysSinceLast,
    Finding,
    Interval,
    Measured,
    Measurement,
    Occurrence,
    Sex,
)
from tests.lib.slow_atlas import Row, Tables

PLACES = {
    "condition": ("condition_occurrence", "observation"),
    "procedure": ("procedure_occurrence", "measurement", "observation"),
    "drug": ("drug_exposure",),
    "measurement": ("measurement", "observation"),
    "observation": ("observation", "measurement"),
    "visit": ("visit_occurrence",),
}
DAYS = {
    "condition_occurrence": "condition_start_date",
    "procedure_occurrence": "procedure_date",
    "drug_exposure": "drug_exposure_start_date",
    "visit_occurrence": "visit_start_date",
}
LESS, AT_MOST, EQUAL, AT_LEAST, MORE = 4171756, 4171754, 4172703, 4171755, 4172704
NOT_KNOWN = date(1900, 1, 1)
Found = tuple[Row, date, str]  # a row, its day, its table


class SlowTable:
    """The people of a cohort, in `index` with their dates, and what a study asks of them."""

    def __init__(self, tables: Tables, vocabulary: Vocabulary, today: date) -> None:
        self.tables = tables
        self.vocabulary = vocabulary
        self.today = today
        self.people = {row["person_id"]: row for row in tables["person"]}
        self.deaths = {row["person_id"]: row["death_date"] for row in tables["death"]}
        self.index: dict[int, date] = {}
        self.doubts: Counter[str] = Counter()

    def find(self, cohort: CohortDefinition) -> list[int]:
        """How many people are left after each step; they are in `index` then."""
        days: dict[int, list[date]] = {}
        for row, day, _ in self._records(cohort.index.domain, cohort.index.concepts):
            who = self.people.get(row["person_id"])
            if who is None or not NOT_KNOWN < day <= self.today + timedelta(days=1):
                continue
            if self._is_late(row["person_id"], day):
                continue
            if day.year > who["year_of_birth"] or (
                day.year == who["year_of_birth"] and (day.month, day.day) >= _first_of_year(who)
            ):
                days.setdefault(row["person_id"], []).append(day)
        choose = min if cohort.index.pick == "first" else max
        self.index = {person_id: choose(days[person_id]) for person_id in sorted(days)}
        counts = [len(self.index)]
        for rule in cohort.rules:
            self.index = {one: day for one, day in self.index.items() if self._keeps(rule, one)}
            counts.append(len(self.index))
        return counts

    def column(self, variable: Any) -> list[float]:
        """The variable of each person of `index`, NaN where missing; `doubts` count what is left out."""
        self.doubts = Counter()
        match variable:
            case Age():
                return [self._age(one) for one in self.index]
            case Sex():
                return [self._sex(one, variable.is_) for one in self.index]
            case Occurrence():
                found = self._by_person(variable.domain, [variable.concept], variable.window)
                return [float(bool(found[one])) for one in self.index]
            case Finding():
                found = self._by_person("measurement", [variable.concept], variable.window)
                return [self._finding(variable, found[one]) for one in self.index]
            case Measured() | Count() | Interval() | DaysSinceLast():
                found = self._by_person("measurement", [variable.concept], variable.window)
                return [self._of_days(variable, one, found[one]) for one in self.index]
            case Measurement():
                found = self._by_person("measurement", [variable.concept], variable.window)
                return self._measurements(variable, found)
        raise NotImplementedError(type(variable))

    def _records(self, domain: str, concepts: Sequence[str]) -> Iterator[Found]:
        codes = [_code(one) for one in concepts]
        ids = {one for code in codes for one in self.vocabulary.concept_ids(code)}
        for table in PLACES[domain]:
            prefix = table.split("_", maxsplit=1)[0]
            for row in self.tables[table]:
                value = row[f"{prefix}_source_value"]
                named = {row[f"{prefix}_concept_id"], row[f"{prefix}_source_concept_id"]} & ids
                if not named and not any(_is_written(value, code) for code in codes):
                    continue
                if table == "observation" and row["qualifier_source_value"] in CONSIDERED:
                    continue
                yield row, row[DAYS.get(table, f"{table}_date")], table

    def _is_early(self, one: int, day: date) -> bool:
        """Whether a day is before the birth of somebody who is observed from birth on, as the ETL has it."""
        who = self.people[one]
        periods = (row for row in self.tables["observation_period"] if row["person_id"] == one)
        starts = [row["observation_period_start_date"].year for row in periods]
        if not who["year_of_birth"] or not any(start <= who["year_of_birth"] for start in starts):
            return False
        month, of_month = _first_of_year(who)
        last = monthrange(who["year_of_birth"], month)[1]
        return NOT_KNOWN < day < date(who["year_of_birth"], month, min(of_month, last))

    def _is_late(self, one: int, day: date) -> bool:
        """Whether a day is more than 60 days after the death."""
        return one in self.deaths and (day - self.deaths[one]).days > 60

    def _by_person(self, domain: str, concepts: Sequence[str], window: Window) -> dict[int, list[Found]]:
        found: dict[int, list[Found]] = {one: [] for one in self.index}
        for row, day, table in self._records(domain, concepts):
            if row["person_id"] not in found:
                continue
            since = (day - self.index[row["person_id"]]).days
            late = window.to_days is not None and since > window.to_days
            if late or (window.from_days is not None and since < window.from_days):
                continue
            if self._is_early(row["person_id"], day):
                self.doubts["before-birth"] += 1
            elif self._is_late(row["person_id"], day):
                self.doubts["after-death"] += 1
            else:
                found[row["person_id"]].append((row, day, table))
        return found

    def _keeps(self, rule: Any, one: int) -> bool:
        match rule:
            case AgeAtIndex():
                age = self._age(one)
                low = -math.inf if rule.at_least is None else rule.at_least
                return low <= age <= (math.inf if rule.at_most is None else rule.at_most)
            case SexIs():
                return self._sex(one, rule.is_) == 1
            case HasRecord():
                window = Window(from_days=rule.from_days, to_days=rule.to_days)
                return bool(self._by_person(rule.domain, rule.concepts, window)[one]) != rule.absent
            case FollowUp():
                ends = [row["death_date"] for row in self.tables["death"] if row["person_id"] == one] or [
                    row["observation_period_end_date"]
                    for row in self.tables["observation_period"]
                    if row["person_id"] == one
                ]
                return bool(ends) and (max(ends) - self.index[one]).days >= rule.at_least_days
        raise NotImplementedError(type(rule))

    def _age(self, one: int) -> float:
        who, day = self.people[one], self.index[one]
        if not who["year_of_birth"]:
            return math.nan
        years = day.year - who["year_of_birth"]
        month, of_month = who["month_of_birth"], who["day_of_birth"]
        if month is not None and (
            day.month < month or (day.month == month and of_month is not None and day.day < of_month)
        ):
            years -= 1
        return float(years) if years >= 0 else math.nan

    def _sex(self, one: int, sex: str) -> float:
        known = self.people[one]["gender_concept_id"]
        return float(known == {"female": 8532, "male": 8507}[sex]) if known else math.nan

    def _finding(self, variable: Finding, found: list[Found]) -> float:
        own = {value for value in variable.values if ":" not in value}
        codes = [_code(value) for value in variable.values if ":" in value]
        ids = {one for code in codes for one in self.vocabulary.concept_ids(code)}
        answers = []
        for row, day, table in found:
            value, concept = row["value_source_value"], row["value_as_concept_id"]
            if value is None and not (concept or 0) > 0:
                continue
            is_it = value in own or concept in ids or any(_is_written(value, code) for code in codes)
            answers.append((day, row[f"{table}_datetime"], float(is_it)))
        return _pick(variable.pick, answers)

    def _of_days(self, variable: Any, one: int, found: list[Found]) -> float:
        days = sorted({day for row, day, _ in found if _has_result(row)})
        match variable:
            case Measured():
                return float(bool(days))
            case Count():
                return float(len(days))
            case DaysSinceLast():
                return float((self.index[one] - days[-1]).days) if days else math.nan
        gaps = [(after - before).days for before, after in pairwise(days)]
        return sum(gaps) / len(gaps) if gaps else math.nan

    def _measurements(self, variable: Measurement, found: dict[int, list[Found]]) -> list[float]:
        """Of each person the number that is picked of those that are used, all in one unit."""
        numbers = {one: [self._number(variable, *it) for it in rows] for one, rows in found.items()}
        used = {unit for rows in numbers.values() for number, _, _, unit in rows if not math.isnan(number)}
        written = sorted(unit for unit in used if unit is not None)
        to = variable.unit or (written[0] if written else None)
        picked = []
        for rows in numbers.values():
            answers = [
                (day, moment, self._converted(number, unit, to))
                for number, day, moment, unit in rows
                if not math.isnan(number)
            ]
            picked.append(_pick(variable.pick, [one for one in answers if not math.isnan(one[2])]))
        return picked

    def _number(self, variable: Measurement, row: Row, day: date, table: str) -> tuple[float, date, Any, Any]:
        """(the number or NaN, its day, its time, its unit) of a record."""
        number = math.nan if row["value_as_number"] is None else row["value_as_number"]
        operator = row.get("operator_concept_id")
        if operator not in (None, EQUAL) and not math.isnan(number):
            self.doubts["comparator"] += 1
            if variable.comparator == "half" and operator in (LESS, AT_MOST):
                number /= 2
            elif variable.comparator != "limit" or operator not in (LESS, AT_MOST, AT_LEAST, MORE):
                number = math.nan
        return number, day, row[f"{table}_datetime"], self._unit(row)

    def _unit(self, row: Row) -> str | None:
        for one in self.tables["concept"]:
            if one["concept_id"] == row["unit_concept_id"] and one["vocabulary_id"] == "UCUM":
                code: str = one["concept_code"]
                return code
        written: str | None = row["unit_source_value"]
        return written

    def _converted(self, number: float, unit: str | None, to: str | None) -> float:
        if to is None or unit == to:
            return number
        way = conversion(unit or "1", to)
        if way is None:
            self.doubts["unit-missing" if unit is None else "unit-unknown"] += 1
            return math.nan
        return way(number)


def _has_result(row: Row) -> bool:
    known = row["value_as_number"] is not None or row["value_source_value"] is not None
    return known or (row["value_as_concept_id"] or 0) > 0


def _pick(pick: str, answers: list[tuple[date, Any, float]]) -> float:
    if not answers:
        return math.nan
    values = [value for _, _, value in answers]
    match pick:
        case "mean":
            return math.fsum(values) / len(values)
        case "min":
            return min(values)
        case "max" | "any":
            return max(values)
    choose: Any = min if pick == "first" else max
    day = choose(one[0] for one in answers)
    of_day = [one for one in answers if one[0] == day]
    if all(moment is not None for _, moment, _ in of_day):
        moment = choose(one[1] for one in of_day)
        of_day = [one for one in of_day if one[1] == moment]
    picked: float = choose(value for _, _, value in of_day)
    return picked


def _first_of_year(who: Row) -> tuple[int, int]:
    """The month and day of birth, or the first that can be."""
    return (who["month_of_birth"], who["day_of_birth"] or 1) if who["month_of_birth"] else (1, 1)


def _code(text: str) -> ConceptCode:
    found = ConceptCode.parse(text)
    stem = found.stem if found.stem.endswith(".") else normal_code(found.vocabulary_id, found.stem)
    return ConceptCode(found.vocabulary_id, f"{stem}%" if found.is_prefix else stem)


def _is_written(value: str | None, code: ConceptCode) -> bool:
    is_local = code.vocabulary_id == "local" or code.vocabulary_id.startswith("local-")
    text = (code.stem if is_local else f"{code.vocabulary_id}:{code.stem}")[:50]
    return value is not None and (value.startswith(text) if code.is_prefix else value == text)
