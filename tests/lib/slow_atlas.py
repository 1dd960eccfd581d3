"""ATLAS's semantics a second time, row by row in plain Python: slow, and easy to check."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from cdm.cohorts.circe import Expression, Limit
from cdm.cohorts.circe.criteria import CorrelatedCriteria, Criteria, DemographicCriteria, Event, Group
from cdm.cohorts.circe.parts import Concept, ConceptSet, Window

Row = dict[str, Any]
Tables = dict[str, list[Row]]

DAY = timedelta(days=1)
# record kind -> table, prefix of its concept, start, end
WHERE = {
    "ConditionOccurrence": (
        "condition_occurrence",
        "condition",
        "condition_start_date",
        "condition_end_date",
    ),
    "ProcedureOccurrence": ("procedure_occurrence", "procedure", "procedure_date", ""),
    "DrugExposure": ("drug_exposure", "drug", "drug_exposure_start_date", "drug_exposure_end_date"),
    "DeviceExposure": ("device_exposure", "device", "device_exposure_start_date", "device_exposure_end_date"),
    "Observation": ("observation", "observation", "observation_date", ""),
    "Measurement": ("measurement", "measurement", "measurement_date", ""),
    "VisitOccurrence": ("visit_occurrence", "visit", "visit_start_date", "visit_end_date"),
    "Death": ("death", "cause", "death_date", ""),
    "Specimen": ("specimen", "specimen", "specimen_date", ""),
    "ConditionEra": ("condition_era", "condition", "condition_era_start_date", "condition_era_end_date"),
    "DrugEra": ("drug_era", "drug", "drug_era_start_date", "drug_era_end_date"),
}


@dataclass(frozen=True)
class Happening:
    person_id: int
    event_id: int
    start: date
    end: date
    visit: int | None
    concept: int | None
    seen_from: date = date.min
    seen_until: date = date.max


class SlowAtlas:
    """The people of a definition in tables that are lists of rows."""

    def __init__(self, expression: Expression, tables: Tables) -> None:
        self.expression = expression
        self.tables = tables
        self.people = {row["person_id"]: row for row in tables["person"]}
        self.sets = {one.id: self._members(one) for one in expression.concept_sets}

    def stays(self) -> tuple[list[tuple[int, date, date]], list[int]]:
        """(person, first day, last day) in ascending order, and the people after each step."""
        expression = self.expression
        found = self._entries()
        counts = [len({one.person_id for one in found})]
        if expression.additional_criteria is not None:
            found = [one for one in found if self._holds(expression.additional_criteria, one)]
            found = limited(found, expression.qualified_limit)
            counts.append(len({one.person_id for one in found}))
        for rule in expression.inclusion_rules:
            found = [one for one in found if self._holds(rule.expression, one)]
            counts.append(len({one.person_id for one in found}))
        found = limited(found, expression.expression_limit)
        spans = joined([(one.person_id, one.start, self._exit(one)) for one in found], self._pad())
        window = expression.censor_window
        if window.start_date or window.end_date:
            cut = [(p, max(a, window.start_date or a), min(b, window.end_date or b)) for p, a, b in spans]
            spans = [span for span in cut if span[1] <= span[2]]
            counts.append(len({span[0] for span in spans}))
        return spans, counts

    def _pad(self) -> int:
        return self.expression.collapse_settings.era_pad

    def _members(self, one: ConceptSet) -> set[int]:
        wanted: set[int] = set()
        unwanted: set[int] = set()
        for item in one.expression.items:
            target = unwanted if item.is_excluded else wanted
            ids = {item.concept.concept_id}
            if item.include_descendants:
                valid = {r["concept_id"] for r in self.tables["concept"] if r["invalid_reason"] is None}
                ids |= valid & {
                    row["descendant_concept_id"]
                    for row in self.tables["concept_ancestor"]
                    if row["ancestor_concept_id"] == item.concept.concept_id
                }
            if item.include_mapped:
                ids |= {
                    row["concept_id_1"]
                    for row in self.tables["concept_relationship"]
                    if row["concept_id_2"] in ids
                    and row["relationship_id"] == "Maps to"
                    and row["invalid_reason"] is None
                }
            target |= ids
        return (wanted - unwanted) & {row["concept_id"] for row in self.tables["concept"]}

    def _entries(self) -> list[Happening]:
        primary = self.expression.primary_criteria
        window = primary.observation_window
        found = [
            one
            for criterion in primary.criteria_list
            for seen in self._events(criterion)
            for one in self._seen(seen)
            if one.seen_from + window.prior_days * DAY <= one.start
            and one.start + window.post_days * DAY <= one.seen_until
        ]
        return limited(found, primary.primary_criteria_limit)

    def _seen(self, one: Happening) -> Iterator[Happening]:
        for row in self.tables["observation_period"]:
            first, last = row["observation_period_start_date"], row["observation_period_end_date"]
            if row["person_id"] == one.person_id and first <= one.start <= last:
                parts = (one.person_id, one.event_id, one.start, one.end, one.visit, one.concept)
                yield Happening(*parts, first, last)

    def _events(self, criterion: Criteria) -> Iterator[Happening]:
        event = criterion.event
        table, prefix, start, end = WHERE[type(event).__name__]
        key = "person_id" if table == "death" else f"{table}_id"
        rows = [row for row in self.tables[table] if self._in_sets(event, row, prefix)]
        if event.first:
            firsts: dict[int, Row] = {}
            for row in sorted(rows, key=lambda row: (row[start], row[key])):
                firsts.setdefault(row["person_id"], row)
            rows = list(firsts.values())
        for row in rows:
            last = row[end] if end else None
            if last is None and row.get("days_supply") is not None:
                last = row[start] + row["days_supply"] * DAY
            one = Happening(
                row["person_id"],
                row[key],
                row[start],
                last or row[start] + DAY,
                row.get("visit_occurrence_id"),
                row[f"{prefix}_concept_id"],
            )
            if self._fulfils(event, row, one) and self._has_around(event, one):
                yield one

    def _in_sets(self, event: Event, row: Row, prefix: str) -> bool:
        named = [(event.codeset_id, row[f"{prefix}_concept_id"])]
        named += [
            (value, row[f"{prefix}_source_concept_id"])
            for name, value in event
            if name.endswith("_source_concept")
        ]
        return all(number is None or concept in self.sets[number] for number, concept in named)

    def _has_around(self, event: Event, one: Happening) -> bool:
        group = event.correlated_criteria
        if group is None or group.is_empty():
            return True
        return any(self._holds(group, seen) for seen in self._seen(one))

    def _fulfils(self, event: Event, row: Row, one: Happening) -> bool:
        who = self.people[one.person_id]
        quantities = {
            "occurrence_start_date": one.start,
            "era_start_date": one.start,
            "occurrence_end_date": one.end,
            "era_end_date": one.end,
            "age": one.start.year - who["year_of_birth"],
            "age_at_start": one.start.year - who["year_of_birth"],
            "age_at_end": one.end.year - who["year_of_birth"],
            "era_length": (one.end - one.start).days,
            "visit_length": (one.end - one.start).days,
            "occurrence_count": row.get("condition_occurrence_count", row.get("drug_exposure_count")),
        }
        for name, value in event:
            if hasattr(value, "op"):
                if not compared(quantities.get(name, row.get(name)), value):
                    return False
            elif isinstance(value, tuple) and value and not self._has_concept(event, name, value, row):
                return False
        return True

    def _has_concept(self, event: Event, name: str, value: tuple[Concept, ...], row: Row) -> bool:
        ids = {one.concept_id for one in value}
        if name == "gender":
            return self.people[row["person_id"]]["gender_concept_id"] in ids
        if name == "visit_type" and "visit_concept_id" not in row:
            visits = {one["visit_occurrence_id"]: one for one in self.tables["visit_occurrence"]}
            visit = visits.get(row["visit_occurrence_id"])
            return visit is not None and visit["visit_concept_id"] in ids
        concept = row[f"{name.removesuffix('_concept')}_concept_id"]
        if concept is None:
            return False
        return (concept in ids) != getattr(event, f"{name}_exclude", False)

    def _holds(self, group: Group, one: Happening) -> bool:
        met = [self._occurs(criterion, one) for criterion in group.criteria_list]
        met += [self._fits(criterion, one) for criterion in group.demographic_criteria_list]
        met += [self._holds(inner, one) for inner in group.groups]
        if not met:
            return True
        enough = {"ALL": len(met), "ANY": 1, "AT_LEAST": group.count or 0}
        return sum(met) <= (group.count or 0) if group.type == "AT_MOST" else sum(met) >= enough[group.type]

    def _fits(self, criterion: DemographicCriteria, one: Happening) -> bool:
        who = self.people[one.person_id]
        ranges = (
            (criterion.age, one.start.year - who["year_of_birth"]),
            (criterion.occurrence_start_date, one.start),
            (criterion.occurrence_end_date, one.end),
        )
        concepts = (
            (criterion.gender, "gender_concept_id"),
            (criterion.race, "race_concept_id"),
            (criterion.ethnicity, "ethnicity_concept_id"),
        )
        return all(wanted is None or compared(value, wanted) for wanted, value in ranges) and all(
            not wanted or who[column] in {concept.concept_id for concept in wanted}
            for wanted, column in concepts
        )

    def _occurs(self, criterion: CorrelatedCriteria, one: Happening) -> bool:
        around = [other for other in self._events(criterion.criteria) if is_around(criterion, other, one)]
        wanted = criterion.occurrence
        if wanted.is_distinct:
            count = len({other.concept for other in around if other.concept is not None})
        else:
            count = len(around)
        return (count == wanted.count, count <= wanted.count, count >= wanted.count)[wanted.type]

    def _exit(self, one: Happening) -> date:
        strategy, ends = self.expression.end_strategy, [one.seen_until]
        if strategy.date_offset:
            origin = one.start if strategy.date_offset.date_field == "StartDate" else one.end
            ends.append(origin + strategy.date_offset.offset * DAY)
        if strategy.custom_era:
            ends += self._era_ends(one)
        for criterion in self.expression.censoring_criteria:
            for other in self._events(criterion):
                if other.person_id == one.person_id and one.start <= other.start <= one.seen_until:
                    ends.append(other.start)
        return min(end for end in ends if end >= one.start)

    def _era_ends(self, one: Happening) -> Iterator[date]:
        era = self.expression.end_strategy.custom_era
        assert era is not None
        taken = []
        for row in self.tables["drug_exposure"]:
            concepts = {row["drug_concept_id"], row["drug_source_concept_id"]}
            if row["person_id"] == one.person_id and concepts & self.sets[era.drug_codeset_id]:
                start, supply = row["drug_exposure_start_date"], row["days_supply"]
                end = row["drug_exposure_end_date"]
                if era.days_supply_override is not None:
                    end = start + era.days_supply_override * DAY
                elif end is None:
                    end = start + (1 if supply is None else supply) * DAY
                taken.append((one.person_id, start, end + era.offset * DAY))
        for _, first, last in joined(taken, era.gap_days):
            if first <= one.start <= last:
                yield last


def is_around(criterion: CorrelatedCriteria, other: Happening, one: Happening) -> bool:
    """Whether an event lies in the windows around the index event."""
    if other.person_id != one.person_id:
        return False
    observed = not criterion.ignore_observation_period
    if observed and not one.seen_from <= other.start <= one.seen_until:
        return False
    if criterion.restrict_visit and (other.visit is None or other.visit != one.visit):
        return False
    windows = ((criterion.start_window, False), (criterion.end_window, True))
    return all(window is None or in_window(window, end, other, one, observed) for window, end in windows)


def in_window(window: Window, by_end: bool, other: Happening, one: Happening, observed: bool) -> bool:
    """Whether the day that counts of an event is between the two ends."""
    by_end = by_end if window.use_event_end is None else window.use_event_end
    day = other.end if by_end else other.start
    index = one.end if window.use_index_end else one.start

    def bound(endpoint: Any, unbounded: date) -> date:
        if endpoint.days is not None:
            return index + endpoint.coeff * endpoint.days * DAY
        if not observed:
            return unbounded
        return one.seen_from if endpoint.coeff == -1 else one.seen_until

    return bound(window.start, date.min) <= day <= bound(window.end, date.max)


def compared(value: Any, wanted: Any) -> bool:
    """Whether a value is in a range; what is missing is in none."""
    if value is None:
        return False
    tests: dict[str, Callable[[], bool]] = {
        "lt": lambda: value < wanted.value,
        "lte": lambda: value <= wanted.value,
        "eq": lambda: value == wanted.value,
        "!eq": lambda: value != wanted.value,
        "gt": lambda: value > wanted.value,
        "gte": lambda: value >= wanted.value,
        "bt": lambda: wanted.value <= value <= wanted.extent,
        "!bt": lambda: not wanted.value <= value <= wanted.extent,
    }
    return tests[wanted.op]()


def limited(found: list[Happening], limit: Limit) -> list[Happening]:
    """The first or last event of each person."""
    ordered = sorted(found, key=lambda one: (one.start, one.event_id, one.end))
    if limit.type == "Last":
        ordered.sort(key=lambda one: one.start, reverse=True)
    if limit.type == "All":
        return ordered
    firsts: dict[int, Happening] = {}
    for one in ordered:
        firsts.setdefault(one.person_id, one)
    return list(firsts.values())


def joined(spans: list[tuple[int, date, date]], pad: int) -> list[tuple[int, date, date]]:
    """The spans, two of one person that are not more than `pad` days apart made one until there are none."""
    spans = list(spans)
    for i, (person, start, end) in enumerate(spans):
        for j, (other, first, last) in enumerate(spans):
            if i != j and person == other and start <= first <= end + pad * DAY:
                rest = [span for k, span in enumerate(spans) if k not in (i, j)]
                return joined([*rest, (person, start, max(end, last))], pad)
    return sorted(spans)
